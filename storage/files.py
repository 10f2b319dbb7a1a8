"""Files named by the hash of what is in them: written once, never half, never twice."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from errors import NotFoundError, StorageError

_NAME = re.compile(r"[0-9a-f]{32}\.(jpg|png|webp)")


class Files:
    """A folder of content-addressed files. Names look like ``<32 hex digits>.jpg``; nothing else is ever read or written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, content: bytes, suffix: str) -> str:
        """Store *content* and return its name. The file is on the disk, under its final name, when this returns."""
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
        target = self._place(name)
        if target.exists():
            return name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(target)
            except BaseException:
                Path(temporary).unlink()
                raise
            _sync_folder(target.parent)
        except OSError as error:
            raise StorageError("{path} could not be written: {reason}.", path=target, reason=error.strerror or error) from error
        return name

    def path(self, name: str) -> Path:
        """Where the file *name* is. Raises :class:`NotFoundError` for anything that is not a stored file's name."""
        if _NAME.fullmatch(name):
            place = self._place(name)
            if place.is_file():
                return place
        raise NotFoundError("There is no such file.")

    def _place(self, name: str) -> Path:
        return self.folder / name[:2] / name


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
