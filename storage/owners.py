"""Who is alive: each process that runs jobs holds a lock on a file of its own, which the kernel frees when it dies, also by kill -9."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from errors import StorageError
from storage.clock import new_id


class Owner:
    """A process as a runner of jobs: this one. Its *id* stands in the journal beside what it has claimed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "owners"
        self.id = new_id()
        self._lock = FileLock(self._file(self.id), thread_local=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=5)
        except OSError as error:
            sentence = "The folder {path} cannot be used: {reason}. Check DATA_DIR."
            raise StorageError(sentence, path=self._folder, reason=error.strerror or error) from error

    def alive(self, owner_id: str) -> bool:
        """True while the process that is *owner_id* lives (on this machine)."""
        if owner_id == self.id:
            return True
        file = self._file(owner_id)
        if not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                file.unlink(missing_ok=True)
        except Timeout:
            return True
        return False

    def close(self) -> None:
        """Let go: from now on this owner is dead to others."""
        self._file(self.id).unlink(missing_ok=True)
        self._lock.release()

    def _file(self, owner_id: str) -> Path:
        return self._folder / f"{owner_id}.lock"
