"""A script that decodes one untrusted picture under limits of memory and time, and prints it re-encoded in three sizes.

The picture comes as standard input (an open file). Run by `uploads.py` in a process of its own, with Python isolated: it imports
Pillow and nothing of ours. Decoders are the part of the product most likely to be attacked; what goes wrong here ends with this
process.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_PIXELS = 40_000_000
KEPT_EDGE = 2048
"""Longest edge, in pixels, of the picture that is kept."""
SEEN_EDGE = 1024
"""Longest edge of the copy that an LLM is shown."""
THUMB_EDGE = 320
SECONDS = 20
MEMORY = 1 << 30
"""Bytes of address space."""


def _main(file: BinaryIO) -> None:
    """Print one JSON line (sizes, or the problem), then the three JPEG files one after another."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        report, pictures = _three_sizes(file)
    except Exception:  # noqa: BLE001  whatever a decoder throws at a broken file, the answer is the same
        report, pictures = {"problem": "broken"}, []
    sys.stdout.buffer.write(json.dumps({**report, "lengths": [len(picture) for picture in pictures]}).encode() + b"\n" + b"".join(pictures))


def _three_sizes(file: BinaryIO) -> tuple[dict[str, object], list[bytes]]:
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    try:
        image = Image.open(file, formats=("PNG", "JPEG", "WEBP"))
    except UnidentifiedImageError:
        return {"problem": "kind"}, []
    except Image.DecompressionBombError:
        return {"problem": "pixels", "facts": _claimed_size(file)}, []
    width, height = image.size
    if width * height > MOST_PIXELS:
        return {"problem": "pixels", "facts": {"width": width, "height": height}}, []
    image.draft("RGB", (KEPT_EDGE, KEPT_EDGE))
    image.load()
    upright = _opaque(ImageOps.exif_transpose(image))
    upright.thumbnail((KEPT_EDGE, KEPT_EDGE), Image.Resampling.LANCZOS)
    pictures = [_jpeg(upright, edge) for edge in (KEPT_EDGE, SEEN_EDGE, THUMB_EDGE)]
    return {"width": upright.width, "height": upright.height}, pictures


def _claimed_size(file: BinaryIO) -> dict[str, int]:
    file.seek(0)
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image:
        return {"width": image.width, "height": image.height}


def _opaque(image: Image.Image) -> Image.Image:
    """RGB on white: what is transparent has no colour of its own to look at."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    return image.convert("RGB")


def _jpeg(image: Image.Image, edge: int) -> bytes:
    copy = image.copy()
    copy.info.clear()
    copy.thumbnail((edge, edge))
    target = BytesIO()
    copy.save(target, "JPEG", quality=90, optimize=True)
    return target.getvalue()


if __name__ == "__main__":
    _main(sys.stdin.buffer)
