"""A script that decodes one untrusted picture under limits of memory and time, and prints it re-encoded in three sizes.

The picture comes as standard input (an open file); the arguments are the limits, in bytes of address space and seconds of processor
time. Run by `uploads.py` in a process of its own, with Python isolated: it imports Pillow and nothing of ours. Decoders are the part of
the product most likely to be attacked; what goes wrong here ends with this process.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 40_000_000
KEPT_EDGE = 2048
"""Longest edge, in pixels, of the picture that is kept."""
SEEN_EDGE = 1024
"""Longest edge of the copy that an LLM is shown."""
THUMB_EDGE = 320


def _main(file: BinaryIO, memory: int, seconds: int) -> None:
    """Print one JSON line (sizes, or the problem), then the three JPEG files one after another."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        report, pictures = _three_sizes(file)
    except MemoryError:
        report, pictures = {"problem": "limits"}, []
    except Exception:  # noqa: BLE001  whatever a decoder throws at a broken file, the answer is the same
        report, pictures = {"problem": "broken"}, []
    sys.stdout.buffer.write(json.dumps({**report, "lengths": [len(picture) for picture in pictures]}).encode() + b"\n" + b"".join(pictures))


def _three_sizes(file: BinaryIO) -> tuple[dict[str, object], list[bytes]]:
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        return {"problem": "broken" if _begins_well(file) else "kind"}, []
    except Image.DecompressionBombError:  # more than twice the limit
        return _oversized(file), []
    width, height = image.size
    if width * height > MOST_PIXELS:
        return {"problem": "pixels", "facts": {"width": width, "height": height}}, []
    image.draft("RGB", (KEPT_EDGE, KEPT_EDGE))
    image.load()
    # Small first: every further step of a picture at the limit would take 160 MB.
    small = _simple(image)
    small.thumbnail((KEPT_EDGE, KEPT_EDGE), Image.Resampling.LANCZOS)
    upright = _on_white(_turned(small))
    pictures = [_jpeg(upright, edge) for edge in (KEPT_EDGE, SEEN_EDGE, THUMB_EDGE)]
    return {"width": upright.width, "height": upright.height}, pictures


def _begins_well(file: BinaryIO) -> bool:
    """True for a file that begins as one of our formats does."""
    file.seek(0)
    head = file.read(12)
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (head.startswith(b"RIFF") and head.endswith(b"WEBP"))


def _oversized(file: BinaryIO) -> dict[str, object]:
    file.seek(0)
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(file, formats=FORMATS) as image:
            return {"problem": "pixels", "facts": {"width": image.width, "height": image.height}}
    except Exception:  # noqa: BLE001  some formats are decoded in part when they are opened, and this one is too large for that
        return {"problem": "bomb"}


def _simple(image: Image.Image) -> Image.Image:
    """The picture as L, RGB or RGBA."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB")


def _turned(image: Image.Image) -> Image.Image:
    """Upright, as the camera noted. A picture whose notes are damaged stays as it is."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001  the notes can be wrong in as many ways as the pixels
        return image


def _on_white(image: Image.Image) -> Image.Image:
    """RGB on white: what is transparent has no colour of its own to look at."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _jpeg(image: Image.Image, edge: int) -> bytes:
    copy = image.copy()
    copy.info.clear()
    copy.thumbnail((edge, edge))
    target = BytesIO()
    copy.save(target, "JPEG", quality=90, optimize=True)
    return target.getvalue()


if __name__ == "__main__":
    _main(sys.stdin.buffer, int(sys.argv[1]), int(sys.argv[2]))
