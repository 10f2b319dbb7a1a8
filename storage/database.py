"""Opening the database, and the two ways to use it: reads on a connection each, writes on one writer thread.

One connection shared by threads loses acknowledged rows, and a transaction held across an ``await`` stores nothing. So every write is
a plain function ``fn(tx, ...)`` that is handed to the writer thread; whoever awaits it is answered after COMMIT. Writes that wait
together share one transaction (one fsync), each in a savepoint of its own.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from filelock import FileLock, Timeout
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
"""How long a connection waits for another program's lock."""
MIGRATION_SECONDS = 60
"""How long a start waits for another process that is migrating."""
LARGEST_BATCH = 256
PATIENCE = 2
"""Seconds between attempts to write what must not be lost."""

_Answer = asyncio.Future[Any] | Future[Any]
_Write = tuple[Callable[[Database], Any], _Answer]
_Outcome = tuple[_Answer, Any, BaseException | None]


def connect(path: Path, *, read_only: bool = False) -> Database:
    """A connection with the project's pragmas. It may be used by one thread at a time."""
    db = Database(sqlite3.connect(str(path), timeout=BUSY_SECONDS, check_same_thread=False))
    try:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA synchronous = FULL")
        if read_only:
            db.execute("PRAGMA query_only = ON")
    except BaseException:
        db.close()
        raise
    return db


class Store:
    """The product's one SQLite file, ``studio.db`` in *folder*, made and migrated when it is opened.

    Raises :class:`StorageError` where the file cannot be opened, read or migrated.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "studio.db"
        self._idle: deque[Database] = deque()  # connections that no read uses just now
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()  # no write is queued behind the one that ends the writer
        self.trouble: str | None = None
        """Why nothing can be written just now."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Several processes may start at once: only one migrates, the others find it done.
            with FileLock(folder / "studio.lock", timeout=MIGRATION_SECONDS):
                self._db = self._opened()
        except Timeout as error:
            raise StorageError("{path} is being set up by another process that does not end.", passing=True, path=self.path) from error
        except sqlite3.Error as error:
            if explained := _explained(error, self.path):
                raise explained from error
            raise
        except OSError as error:
            sentence = "The folder {path} cannot be used: {reason}. Check DATA_DIR."
            raise StorageError(sentence, path=folder, reason=error.strerror or error) from error
        self._thread = threading.Thread(target=self._write_for_ever, name="writer", daemon=True)
        self._thread.start()

    def _opened(self) -> Database:
        db = connect(self.path)
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchall()
            self._refuse_newer(db)
            migrations.apply(db)
        except BaseException:
            db.close()
            raise
        return db

    def _refuse_newer(self, db: Database) -> None:
        if unknown := newer(db):
            sentence = "{path} was written by a newer Persona Studio ({what}). Update the program, or use another DATA_DIR."
            raise StorageError(sentence, path=self.path, what=unknown)

    def close(self) -> None:
        """Finish the writes that wait, then close every connection; a read under way closes its own when it ends. May be called twice."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._writes.put(None)
        self._thread.join()
        self._close_idle()
        self._db.close()

    # Reads

    def read(self, fn: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn(db, ...)`` on a connection that nothing else uses meanwhile. Each of its queries sees what was committed before it."""
        if self._closed:
            raise StorageError(_CLOSED)
        try:
            with self._reader() as reader:
                return fn(reader, *args, **kwargs)
        except sqlite3.DatabaseError as error:
            if explained := _explained(error, self.path):
                raise explained from error
            raise

    @contextmanager
    def _reader(self) -> Iterator[Database]:
        """An idle connection or a new one. Threads come and go; a connection for each that ever read would use up the open files."""
        try:
            reader = self._idle.pop()
        except IndexError:
            reader = connect(self.path, read_only=True)
        try:
            yield reader
        finally:
            self._idle.append(reader)
            if self._closed:
                self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    async def fetch(self, fn: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """:meth:`read` in a thread, for callers on the event loop."""
        return await asyncio.to_thread(self.read, fn, *args, **kwargs)

    # Writes

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn(tx, ...)`` in a transaction; returns its result after COMMIT. If *fn* raises, nothing of it is kept.

        *fn* does nothing but read and write the database: it is run again when the transaction that it shared was given up.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put((lambda tx: fn(tx, *args, **kwargs), answer))
        return await answer

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
        future: Future[T] = Future()
        self._put((lambda tx: fn(tx, *args, **kwargs), future))
        return future

    def _put(self, write: _Write) -> None:
        with self._closing:
            if self._closed:
                raise StorageError(_CLOSED)
            self._writes.put(write)

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
        """One transaction for all of *batch*; a function that raises loses only its own savepoint. Where SQLite gave up the whole
        transaction (one write found the disk full), each gets one of its own.
        """
        begun = False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            begun = True
            outcomes = [(future, *self._outcome(fn)) for fn, future in batch if not future.cancelled()]
            self._db.execute("COMMIT")
            self.trouble = None
        except BaseException as error:  # noqa: BLE001  handed to whoever awaits
            with suppress(sqlite3.Error):  # whatever happens here, the writer lives on
                self._db.rollback()
            if begun and len(batch) > 1:
                for write in batch:
                    self._commit([write])
                return
            outcomes = [(future, None, error) for _, future in batch]
        self._answer([(future, result, self._told(error)) for future, result, error in outcomes])

    def _outcome(self, fn: Callable[[Database], Any]) -> tuple[Any, BaseException | None]:
        """What *fn* returned, or raised, in a savepoint of its own."""
        try:
            with self._db.atomic():
                return fn(self._db), None
        except BaseException as error:
            if not self._db.conn.in_transaction:
                raise  # SQLite itself rolled everything back (disk full, I/O error)
            return None, error

    def _told(self, error: BaseException | None) -> BaseException | None:
        """*error* as whoever awaits the write hears of it."""
        if error is not None and (explained := _explained(error, self.path)):
            explained.__cause__ = error
            return explained
        return error

    def _answer(self, outcomes: list[_Outcome]) -> None:
        """Each event loop is woken once for all of its answers: waking it for each costs as much as a small write."""
        loops: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
        for outcome in outcomes:
            future = outcome[0]
            if isinstance(future, asyncio.Future):
                loops.setdefault(future.get_loop(), []).append(outcome)
            elif future.set_running_or_notify_cancel():
                _settle(*outcome)
        for loop, answers in loops.items():
            with suppress(RuntimeError):  # the loop is closed, and nobody awaits
                loop.call_soon_threadsafe(_settle_all, answers)


def _settle_all(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        if not outcome[0].done():  # cancelled while it was written
            _settle(*outcome)


def _settle(future: _Answer, result: object, error: BaseException | None) -> None:
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


_CLOSED = "The database is closed."
_PASSING = {
    sqlite3.SQLITE_FULL: "The disk is full: {path} could not be written. Make room; what was saved before is safe.",
    sqlite3.SQLITE_READONLY: "{path} is read-only: change its permissions or DATA_DIR.",
    sqlite3.SQLITE_BUSY: "{path} was locked by another program for {seconds:g} seconds. Close that program.",
}
_LASTING = {
    sqlite3.SQLITE_IOERR: "{path} could not be read or written: the disk reports an error.",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened: check DATA_DIR and its permissions.",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged. Restore a backup, or move the file away to begin anew.",
    sqlite3.SQLITE_NOTADB: "{path} is not a SQLite database. Move the file away to begin anew.",
}


def _explained(error: BaseException, path: Path) -> StorageError | None:
    """*error* as a sentence for the user where it is one that a user can mend."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says where in SQLite it happened
    sentence = _PASSING.get(code) or _LASTING.get(code)
    return StorageError(sentence, passing=code in _PASSING, path=path, seconds=BUSY_SECONDS) if sentence else None


def rows(db: Database, sql: str, *params: object) -> list[dict[str, Any]]:
    """All rows of a query as dictionaries, fetched at once so that no cursor holds a snapshot open."""
    cursor = db.conn.execute(sql, params)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def row(db: Database, sql: str, *params: object) -> dict[str, Any] | None:
    """The first row of a query, or ``None``."""
    found = rows(db, sql, *params)
    return found[0] if found else None
