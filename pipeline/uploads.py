"""Uploaded pictures, made safe: decoded in a child process with limits, turned upright, re-encoded without any metadata.

Only re-encoded pixels are ever stored, shown or sent. The child is `decoding.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from errors import UploadError
from storage.files import Files

DECODER = Path(__file__).with_name("decoding.py")
SECONDS = 20
"""Wall-clock limit of one decoding."""


@dataclass(frozen=True)
class Picture:
    """A cleaned upload: names of its three files and the size of the kept one in pixels."""

    kept: str
    seen: str
    thumb: str
    width: int
    height: int


async def clean(source: Path, name: str, files: Files, *, limit_mb: float) -> Picture:
    """Check and store the picture at *source*; *name* is what the user calls it.

    Raises :class:`UploadError` with one sentence for anything that is not a PNG, JPEG or WebP picture within the limits.
    """
    shown = _short(name)
    try:
        size = source.stat().st_size
    except OSError:
        raise UploadError("{name} cannot be read. Choose it again.", name=shown) from None
    if not source.is_file():
        raise UploadError("{name} is not a file.", name=shown)
    if size == 0:
        raise UploadError("{name} is empty.", name=shown)
    if size > limit_mb * 1_000_000:
        raise UploadError(
            "{name} has {size:.1f} MB; the limit is {limit:g} MB (MAX_UPLOAD_MB).", name=shown, size=size / 1_000_000, limit=limit_mb
        )
    report, pictures = await _decode(source, shown)
    kept, seen, thumb = await asyncio.to_thread(lambda: [files.add(content, "jpg") for content in pictures])
    return Picture(kept, seen, thumb, report["width"], report["height"])


async def _decode(source: Path, shown: str) -> tuple[dict[str, int], list[bytes]]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(DECODER), str(source), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await child.communicate()
    except TimeoutError:
        raise UploadError("{name} takes too long to decode.", name=shown) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    head, _, rest = output.partition(b"\n")
    report = json.loads(head) if child.returncode == 0 and head else {"problem": "broken"}
    if problem := report.get("problem"):
        raise UploadError(_PROBLEMS[problem], name=shown, **report.get("facts", {}))
    pictures, start = [], 0
    for length in report["lengths"]:
        pictures.append(rest[start : start + length])
        start += length
    return report, pictures


_PROBLEMS = {
    "kind": "{name} is not a picture that can be used here. Use PNG, JPEG or WebP.",
    "broken": "{name} is damaged or cut off: it cannot be decoded.",
    "pixels": "{name} has {width} x {height} pixels; the limit is 40 megapixels.",
}


def _short(name: str) -> str:
    plain = "".join(letter for letter in Path(name.replace("\\", "/")).name if letter.isprintable()) or "The file"
    return plain if len(plain) <= 80 else plain[:60] + "…" + plain[-19:]
