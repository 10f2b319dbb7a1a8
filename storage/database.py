"""Opening the database, and the two ways to use it: reads on a connection a thread, writes on one writer thread.

One connection shared by threads loses acknowledged rows, and a transaction held across an ``await`` stores nothing. So every write is
a plain function ``fn(tx, ...)`` that is handed to the writer thread; whoever awaits it is answered after COMMIT. Writes that wait
together share one transaction (one fsync), each in a savepoint of its own.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from filelock import FileLock
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3  # pyright: ignore[reportPrivateImportUsage]  it chooses pysqlite3, as we must

from errors import StorageError
from storage.migrations import migrations, newer

log = logging.getLogger(__name__)

Transaction = Database
"""What a write function is given: the writer's database, inside a transaction."""

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 30
LARGEST_BATCH = 256
PATIENCE = 2
"""Seconds between attempts to write what must not be lost."""

_Write = tuple[Callable[[Database], Any], Future[Any]]


def connect(path: Path, *, read_only: bool = False) -> Database:
    """A connection with the project's pragmas. It may be used by one thread at a time."""
    connection = sqlite3.connect(str(path), timeout=BUSY_SECONDS, check_same_thread=False)
    db = Database(connection)
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA synchronous = FULL")
    if read_only:
        db.execute("PRAGMA query_only = ON")
    return db


class Store:
    """The product's one SQLite file, ``studio.db`` in *folder*, made and migrated when it is opened.

    Raises :class:`StorageError` where the file cannot be opened, read or migrated.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "studio.db"
        self._local = threading.local()
        self._readers: list[Database] = []
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self.trouble: str | None = None
        """Why nothing can be written just now."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Several processes may start at once: only one migrates, the others find it done.
            with FileLock(folder / "studio.lock", timeout=60):
                self._db = self._opened()
        except sqlite3.Error as error:
            if explained := _explained(error, self.path):
                raise explained from error
            raise
        except OSError as error:
            raise StorageError("{path} cannot be used: {reason}. Check DATA_DIR.", path=folder, reason=error.strerror or error) from error
        self._thread = threading.Thread(target=self._write_for_ever, name="writer", daemon=True)
        self._thread.start()

    def _opened(self) -> Database:
        db = connect(self.path)
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchall()
            if unknown := newer(db):
                sentence = "{path} was written by a newer Persona Studio ({what}). Update the program, or use another DATA_DIR."
                raise StorageError(sentence, path=self.path, what=unknown)
            migrations.apply(db)
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Finish the writes that wait, then close every connection. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._writes.put(None)
        self._thread.join()
        for reader in self._readers:
            reader.close()
        self._db.close()

    # Reads

    def read(self, fn: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn(db, ...)`` on this thread's own connection. It sees what was committed when it began."""
        if self._closed:
            raise StorageError(_CLOSED)
        try:
            reader: Database | None = getattr(self._local, "reader", None)
            if reader is None:
                reader = self._local.reader = connect(self.path, read_only=True)
                self._readers.append(reader)
            return fn(reader, *args, **kwargs)
        except sqlite3.DatabaseError as error:
            if explained := _explained(error, self.path):
                raise explained from error
            raise

    async def fetch(self, fn: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """:meth:`read` in a thread, for callers on the event loop."""
        return await asyncio.to_thread(self.read, fn, *args, **kwargs)

    # Writes

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn(tx, ...)`` in a transaction; returns its result after COMMIT. If *fn* raises, nothing of it is kept."""
        return await asyncio.wrap_future(self.submit(fn, *args, **kwargs))

    async def write_patiently(
        self, tell: Callable[[str], None], fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """:meth:`write` for what must not be lost: while the disk is full or the file locked, say so through *tell* and try again."""
        while True:
            try:
                result = await self.write(fn, *args, **kwargs)
            except StorageError as error:
                if not error.passing:
                    raise
                self.trouble = str(error)
                log.warning("%s", error)
                tell(self.trouble)
                await asyncio.sleep(PATIENCE)
            else:
                return result

    def submit(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """:meth:`write` for callers that do not await: the future is done after COMMIT."""
        if self._closed:
            raise StorageError(_CLOSED)
        future: Future[T] = Future()
        self._writes.put((lambda tx: fn(tx, *args, **kwargs), future))
        return future

    def _write_for_ever(self) -> None:
        while True:
            first = self._writes.get()
            if first is None:
                return
            batch, last = [first], False
            while len(batch) < LARGEST_BATCH and not self._writes.empty():
                more = self._writes.get()
                if more is None:
                    last = True
                    break
                batch.append(more)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Write]) -> None:
        """One transaction for all of *batch*; a function that raises loses only its own savepoint."""
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for fn, future in batch:
                if future.cancelled():
                    continue
                try:
                    with self._db.atomic():
                        outcomes.append((future, fn(self._db), None))
                except BaseException as error:
                    if not self._db.conn.in_transaction:
                        raise  # SQLite itself rolled everything back (disk full, I/O error)
                    outcomes.append((future, None, error))
            self._db.execute("COMMIT")
            self.trouble = None
        except BaseException as error:  # noqa: BLE001  handed to whoever awaits
            if self._db.conn.in_transaction:
                self._db.rollback()
            outcomes = [(future, None, error) for _, future in batch]
        for future, result, error in outcomes:
            if not future.set_running_or_notify_cancel():
                continue
            if error is None:
                future.set_result(result)
            else:
                explained = _explained(error, self.path) if isinstance(error, sqlite3.DatabaseError) else None
                future.set_exception(explained or error)


_CLOSED = "The database is closed."
_PASSING = {
    "disk is full": "The disk is full: {path} could not be written. Make room; what was saved before is safe.",
    "readonly database": "{path} is read-only: change its permissions or DATA_DIR.",
    "database is locked": "{path} was locked by another program for 30 seconds. Close that program.",
}
_LASTING = {
    "disk i/o error": "{path} could not be read or written: the disk reports an error.",
    "unable to open": "{path} cannot be opened: check DATA_DIR and its permissions.",
    "malformed": "{path} is damaged. Restore a backup, or move the file away to begin anew.",
    "not a database": "{path} is not a SQLite database. Move the file away to begin anew.",
}


def _explained(error: Exception, path: Path) -> StorageError | None:
    """*error* as a sentence for the user where it is one that a user can mend."""
    words = str(error).lower()
    for sentences, passing in ((_PASSING, True), (_LASTING, False)):
        for part, sentence in sentences.items():
            if part in words:
                return StorageError(sentence, passing=passing, path=path)
    return None


def rows(db: Database, sql: str, *params: object) -> list[dict[str, Any]]:
    """All rows of a query as dictionaries, fetched at once so that no cursor holds a snapshot open."""
    cursor = db.conn.execute(sql, params)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def row(db: Database, sql: str, *params: object) -> dict[str, Any] | None:
    """The first row of a query, or ``None``."""
    found = rows(db, sql, *params)
    return found[0] if found else None
