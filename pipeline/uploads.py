"""Uploaded pictures, made safe: decoded in a child process with limits, turned upright, re-encoded without any metadata.

Only re-encoded pixels are ever stored, shown or sent. The child is `decoding.py`. A file is opened once: what was checked is what is
decoded, whatever happens to its name meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import os
import signal
import stat
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from errors import UploadError
from storage.files import Files

log = logging.getLogger(__name__)

DECODER = Path(__file__).with_name("decoding.py")
SECONDS = 20
"""Limit of one decoding, on the clock and of the processor's time."""
MEMORY = 1 << 30
"""Bytes of address space that one decoding may take."""
REMEMBERED = 500


@dataclass(frozen=True)
class Picture:
    """A cleaned upload: names of its three files and the size of the kept one in pixels."""

    kept: str
    seen: str
    thumb: str
    width: int
    height: int

    @property
    def files(self) -> list[str]:
        """The names of all three; the same file may be several of them."""
        return list(dict.fromkeys((self.kept, self.seen, self.thumb)))

    def gone(self, folder: Files) -> bool:
        """Whether the files were removed with a persona that was made of the same picture."""
        return not all(map(folder.has, self.files))


async def clean(source: Path, name: str, files: Files, *, limit_mb: float, known: MutableMapping[str, Picture] | None = None) -> Picture:
    """Check and store the picture at *source*; *name* is what the user calls it. What is in *known* (by content) is not decoded again.

    Raises :class:`UploadError` with one sentence for anything that is not a PNG, JPEG or WebP picture within the limits.
    """
    shown = short(name)
    with await asyncio.to_thread(_opened, source, shown, limit_mb) as file:
        digest = await asyncio.to_thread(lambda: hashlib.file_digest(file, "sha256").hexdigest())
        before = known.get(digest) if known is not None else None
        if before and not before.gone(files):
            return before
        file.seek(0)
        report, pictures = await _decode(file, shown)
    kept, seen, thumb = await asyncio.to_thread(lambda: [files.add(content, "jpg") for content in pictures])
    picture = Picture(kept, seen, thumb, report["width"], report["height"])
    if known is not None:
        known[digest] = picture
        while len(known) > REMEMBERED:
            known.pop(next(iter(known)))
    return picture


def _opened(source: Path, shown: str, limit_mb: float) -> FileIO:
    """The file, open for reading, once it is known to be a file within the limits. A pipe or a device is never waited for."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):
        raise UploadError("{name} cannot be read. Choose it again.", name=shown) from None
    try:
        _check(os.fstat(descriptor), shown, limit_mb)
    except UploadError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb", buffering=0)  # unbuffered: the decoder reads from where this file stands


def _check(found: os.stat_result, shown: str, limit_mb: float) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UploadError("{name} is not a file.", name=shown)
    if found.st_size == 0:
        raise UploadError("{name} is empty.", name=shown)
    if found.st_size > limit_mb * 2**20:
        size = math.ceil(found.st_size / 2**20 * 10) / 10
        raise UploadError("{name} has {size:.1f} MB; the limit is {limit:g} MB (MAX_UPLOAD_MB).", name=shown, size=size, limit=limit_mb)


async def _decode(file: FileIO, shown: str) -> tuple[dict[str, Any], list[bytes]]:
    output, complaint = b"", b""
    command = (sys.executable, "-I", str(DECODER), str(MEMORY), str(math.ceil(SECONDS)))
    # A group of its own: Ctrl-C in a terminal reaches the whole group, and a picture must not look damaged because somebody stops us.
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=file, stdout=pipe, stderr=pipe, process_group=0)
    try:
        async with asyncio.timeout(SECONDS):
            output, complaint = await child.communicate()
    except TimeoutError:
        log.warning("decoding %r took longer than %g s", shown, SECONDS)
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    head, _, rest = output.partition(b"\n")
    report: dict[str, Any] = json.loads(head) if child.returncode == 0 else {"problem": _how_it_died(child.returncode, complaint)}
    if problem := report.get("problem"):
        raise UploadError(_PROBLEMS[problem], name=shown, **report.get("facts", {}))
    pictures, start = [], 0
    for length in report["lengths"]:
        pictures.append(rest[start : start + length])
        start += length
    return report, pictures


def _how_it_died(status: int | None, complaint: bytes) -> str:
    """Which of the problems it is when the decoder did not come to its end."""
    if status in (-signal.SIGKILL, -signal.SIGXCPU):
        return "limits"
    if status is not None and status < 0:  # the decoder itself fell over the file
        return "broken"
    log.error("the decoder of pictures does not work: %s", complaint.decode(errors="replace")[-2000:])
    return "decoder"


GONE = "{name} was removed just now, with a persona that was made of the same picture. Choose it again."
_PROBLEMS = {
    "kind": "{name} is not a picture that can be used here. Use PNG, JPEG or WebP.",
    "broken": "{name} cannot be decoded: it is damaged, cut off or not what it claims to be.",
    "pixels": "{name} has {width} x {height} pixels; the limit is 40 megapixels.",
    "bomb": "{name} has more than 80 megapixels; the limit is 40 megapixels.",
    "limits": "{name} takes too much time or memory to decode. Save it anew as a smaller PNG, JPEG or WebP.",
    "decoder": "{name} could not be looked at, because the decoder of pictures does not work here. The log says why.",
}


def short(name: str) -> str:
    """The last part of *name* on one line: no folders, no line breaks or other control characters, at most 80 letters."""
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    plain = "".join(letter for letter in last if letter.isprintable()).strip() or "The file"
    return plain if len(plain) <= 80 else plain[:60] + "…" + plain[-19:]
