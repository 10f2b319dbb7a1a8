"""Files named by the hash of what is in them: written once, never half, never twice."""

from __future__ import annotations

import errno
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
        """Store *content* and return its name. The file is on the disk, under its final name, when this returns.

        Raises :class:`StorageError` when it cannot be written, and nothing of it is left then.
        """
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
        if not _NAME.fullmatch(name):
            raise ValueError(f"files do not end in {suffix!r}")
        target = self._place(name)
        if target.exists():
            return name
        try:
            if not target.parent.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                _sync_folder(self.folder)
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(target)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _sync_folder(target.parent)
        except OSError as error:
            raise _explained(error, target) from error
        return name

    def has(self, name: str) -> bool:
        """Whether there is a file *name*."""
        return _NAME.fullmatch(name) is not None and self._place(name).is_file()

    def remove(self, name: str) -> None:
        """Remove the file *name*; without one, nothing happens. Raises ``OSError`` where it cannot be removed."""
        if _NAME.fullmatch(name):
            self._place(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where the file *name* is. Raises :class:`NotFoundError` for anything that is not a stored file's name."""
        if self.has(name):
            return self._place(name)
        raise NotFoundError("There is no such file.")

    def _place(self, name: str) -> Path:
        return self.folder / name[:2] / name


def _explained(error: OSError, path: Path) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "The disk is full: {path} could not be written. Make room; what was saved before is safe.", passing=True, path=path
        )
    return StorageError("{path} could not be written: {reason}. Check DATA_DIR.", path=path, reason=error.strerror or error)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
