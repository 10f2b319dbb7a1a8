"""Zip files that are made while they are sent: nothing of them is kept, and of what goes into them one piece at a time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A file of a zip: *pieces* are what is in it. One that is *packed* already (a picture) is stored as it is."""

    name: str
    pieces: Iterable[bytes]
    packed: bool = False


class _Outlet(io.RawIOBase):
    """What a zip file is written to: it cannot go back, so what was written can be sent."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:  # noqa: ANN401  any buffer
        self._written += content
        return len(content)

    def taken(self) -> bytes:
        content = bytes(self._written)
        self._written.clear()
        return content


def zipped(entries: Iterable[Entry]) -> Iterator[bytes]:
    """A zip of *entries*, as it grows."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w") as archive:
        for entry in entries:
            about = zipfile.ZipInfo(entry.name, datetime.now().timetuple()[:6])  # noqa: DTZ005  a zip has local time
            about.compress_type = zipfile.ZIP_STORED if entry.packed else zipfile.ZIP_DEFLATED
            with archive.open(about, "w") as file:
                for piece in entry.pieces:
                    file.write(piece)
                    yield outlet.taken()
            yield outlet.taken()
    yield outlet.taken()
