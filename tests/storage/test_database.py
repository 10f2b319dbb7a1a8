"""The one SQLite file: what a write promises, what a read sees, and what is said when the file or the disk refuses."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils.utils import sqlite3

from errors import StorageError
from storage import database
from storage.database import Store, row, rows
from storage.migrations import migrations


def note(tx, text):
    tx.execute("INSERT INTO notes VALUES (?)", [text])
    return text


def nothing(tx):
    """A write that writes nothing."""


def notes(db):
    return [found["text"] for found in rows(db, "SELECT text FROM notes ORDER BY rowid")]


@pytest.fixture
async def notebook(store):
    """A store with a table of notes."""
    await store.write(lambda tx: tx.execute("CREATE TABLE notes (text TEXT NOT NULL UNIQUE) STRICT") and None)
    return store


def seen_from_outside(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]


async def caught(awaitable) -> StorageError:
    with pytest.raises(StorageError) as info:
        await awaitable
    assert str(info.value).endswith(".")
    assert "\n" not in str(info.value)
    return info.value


# As ARCHITECTURE wants it


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0, "busy_timeout": 30000}


def pragmas(db):
    return {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}


async def test_readers_and_the_writer_have_the_pragmas(store):
    assert store.read(pragmas) == PRAGMAS
    assert await store.write(pragmas) == PRAGMAS


def test_the_sqlite_library_is_one_that_does_not_corrupt_wal_files():
    assert sqlite3.sqlite_version_info >= (3, 51, 3)


def test_every_table_of_ours_is_strict(store):
    ours = store.read(lambda db: rows(db, "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"))
    ours = {table["name"]: table["strict"] for table in ours if not table["name"].startswith(("sqlite_", "_sqlite_"))}
    assert {"personas", "stages", "jobs", "steps", "calls"} <= set(ours)
    assert all(ours.values())


def test_no_column_of_a_key_may_be_null(store):
    keys = store.read(
        lambda db: rows(
            db,
            """SELECT t.name AS place, c.name AS key, c."notnull" AS filled, c.type
               FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
               WHERE t.schema = 'main' AND t.type = 'table' AND substr(t.name, 1, 1) <> '_' AND t.name NOT LIKE 'sqlite_%' AND c.pk""",
        )
    )
    assert len(keys) > 5
    assert all(key["filled"] or key["type"] == "INTEGER" for key in keys)


def test_a_reader_cannot_write(store):
    with pytest.raises(StorageError, match="read-only"):
        store.read(lambda db: db.execute("UPDATE personas SET name = 'x'"))


# A write is answered after COMMIT


async def test_a_write_that_was_awaited_is_seen_by_another_process(notebook, python):
    assert await notebook.write(note, "kept") == "kept"
    other = python("import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT text FROM notes').fetchall())", notebook.path)
    assert other.communicate()[0].strip() == "[('kept',)]"


async def test_what_is_not_committed_is_not_seen(notebook):
    begun, go = threading.Event(), threading.Event()

    def slow(tx):
        note(tx, "slow")
        begun.set()
        go.wait(5)

    writing = asyncio.ensure_future(notebook.write(slow))
    await asyncio.to_thread(begun.wait, 5)
    assert notebook.read(notes) == []
    go.set()
    await writing
    assert notebook.read(notes) == ["slow"]


KILLED_WRITER = """
import asyncio, sys
from pathlib import Path
from storage.database import Store

async def main():
    store = Store(Path(sys.argv[1]))
    async def writes(lane):
        n = 0
        while True:
            text = f"{lane} {n}"
            await store.write(lambda tx: tx.execute("INSERT INTO notes VALUES (?)", [text]) and None)
            print(text, flush=True)
            n += 1
    await asyncio.gather(*map(writes, range(8)))

asyncio.run(main())
"""


async def test_kill_9_after_an_awaited_write_loses_nothing(notebook, python):
    for _ in range(3):
        victim = python(KILLED_WRITER, notebook.path.parent)
        said = [victim.stdout.readline().strip() for _ in range(200)]
        victim.kill()
        said += [line.strip() for line in victim.stdout if line.endswith("\n")]
        assert victim.wait(5) == -signal.SIGKILL
        assert len(said) >= 200
        assert set(said) <= set(seen_from_outside(notebook.path))
        assert await notebook.write(lambda tx: tx.execute("DELETE FROM notes").rowcount) >= len(said)


async def test_a_write_that_raises_loses_only_itself(notebook):
    def spoilt(tx, text):
        note(tx, text)
        raise ZeroDivisionError(text)

    hold = threading.Event()
    first = notebook.submit(lambda _tx: hold.wait(5))  # so that the rest waits
    writes = [notebook.submit(spoilt if n % 3 == 0 else note, f"{n}") for n in range(30)]
    hold.set()
    first.result(5)
    outcomes = [future.exception(5) for future in writes]
    assert [isinstance(outcome, ZeroDivisionError) for outcome in outcomes] == [n % 3 == 0 for n in range(30)]
    assert notebook.read(notes) == [f"{n}" for n in range(30) if n % 3]


async def test_a_write_that_breaks_a_constraint_half_way_leaves_nothing_of_itself(notebook):
    def twice(tx):
        note(tx, "other")
        note(tx, "same")

    await notebook.write(note, "same")
    with pytest.raises(sqlite3.IntegrityError):
        await notebook.write(twice)
    assert notebook.read(notes) == ["same"]


async def test_even_a_write_that_breaks_the_transaction_leaves_the_writer_alive(notebook):
    with pytest.raises(sqlite3.Error):
        await notebook.write(lambda tx: tx.conn.rollback())
    assert await notebook.write(note, "after") == "after"


async def test_writes_happen_in_the_order_in_which_they_were_given(notebook):
    await asyncio.gather(*(notebook.write(note, f"{n}") for n in range(600)))
    assert notebook.read(notes) == [f"{n}" for n in range(600)]


async def test_writes_that_wait_together_share_a_commit(notebook):
    first_begun, hold = threading.Event(), threading.Event()
    first = notebook.submit(lambda _tx: first_begun.set() or hold.wait(5))
    await asyncio.to_thread(first_begun.wait, 5)
    seen = []
    notebook._db.conn.set_trace_callback(seen.append)
    writes = [notebook.submit(note, f"{n}") for n in range(10)]
    hold.set()
    for write in [first, *writes]:
        write.result(5)
    notebook._db.conn.set_trace_callback(None)
    assert seen.count("COMMIT") == 2  # the one that held the door, and the ten


async def test_a_write_that_was_cancelled_while_it_waited_does_not_happen(notebook):
    hold = threading.Event()
    first = notebook.submit(lambda _tx: hold.wait(5))
    waiting = asyncio.ensure_future(notebook.write(note, "never"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    hold.set()
    first.result(5)
    await notebook.write(note, "after")
    assert notebook.read(notes) == ["after"]


# Reads


async def test_many_threads_read_while_others_write_and_nothing_acknowledged_is_missing(notebook):
    problems = []

    def reader():
        last = 0
        for _ in range(150):
            count = len(notebook.read(notes))
            if count < last:
                problems.append((count, last))
            last = count

    threads = [threading.Thread(target=reader) for _ in range(16)]
    for thread in threads:
        thread.start()
    for n in range(200):
        await notebook.write(note, f"{n}")
        assert f"{n}" in await notebook.fetch(notes)
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert not problems
    assert len(seen_from_outside(notebook.path)) == 200


def test_threads_that_come_and_go_do_not_use_up_the_open_files(store):
    store.read(rows, "SELECT 1")
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        thread = threading.Thread(target=store.read, args=(rows, "SELECT 1"))
        thread.start()
        thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2


async def test_a_read_that_raises_does_not_spoil_the_next(notebook):
    with pytest.raises(ZeroDivisionError):
        notebook.read(lambda _db: 1 / 0)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        notebook.read(lambda db: rows(db, "SELECT * FROM nowhere"))
    assert notebook.read(notes) == []


def test_row_is_the_first_or_none(store):
    assert store.read(lambda db: row(db, "SELECT 1 AS one UNION SELECT 2")) == {"one": 1}
    assert store.read(lambda db: row(db, "SELECT 1 AS one WHERE 0")) is None


# Opening and closing


OPENS = """
import asyncio, sys
from pathlib import Path
sys.stdin.readline()
from storage.database import Store
store = Store(Path(sys.argv[1]))
asyncio.run(store.write(lambda tx: tx.execute("UPDATE jobs SET title = title") and None))
store.close()
print("opened")
"""


def test_four_processes_that_open_a_fresh_folder_at_once_all_succeed(tmp_path, python):
    for attempt in range(2):
        starters = [python(OPENS, tmp_path / f"fresh{attempt}") for _ in range(4)]
        for starter in starters:
            starter.stdin.write("go\n")
            starter.stdin.flush()
        assert [starter.communicate(timeout=30)[0].strip() for starter in starters] == ["opened"] * 4


async def test_what_was_written_is_there_after_reopening(tmp_path):
    folder = tmp_path / "deep" / "data"
    for expected in ([], ["1"]):
        store = Store(folder)
        await store.write(lambda tx: tx.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT) STRICT") and None)
        assert store.read(notes) == expected
        await store.write(note, "1")
        store.close()


async def test_closing_finishes_the_writes_that_wait_and_may_be_done_twice(notebook):
    writes = [notebook.submit(note, f"{n}") for n in range(300)]
    notebook.close()
    notebook.close()
    assert all(write.result(0) for write in writes)
    assert len(seen_from_outside(notebook.path)) == 300


async def test_after_closing_everything_is_refused_with_a_sentence(store):
    store.close()
    assert "closed" in str(await caught(store.write(note, "late")))
    assert "closed" in str(await caught(store.fetch(notes)))


async def test_closing_while_others_read_and_write_leaves_nobody_hanging(notebook):
    sentences = []

    def keep_on(use):
        while True:
            try:
                use()
            except StorageError as error:
                sentences.append(str(error))
                return

    reads = [threading.Thread(target=keep_on, args=(lambda: notebook.read(notes),)) for _ in range(6)]
    writes = [threading.Thread(target=keep_on, args=(lambda: notebook.submit(nothing).result(5),)) for _ in range(6)]
    for thread in reads + writes:
        thread.start()
    await asyncio.sleep(0.1)
    await asyncio.to_thread(notebook.close)
    for thread in reads + writes:
        thread.join(5)
        assert not thread.is_alive()
    assert sentences == ["The database is closed."] * 12
    assert not notebook._idle


def test_a_migration_that_is_killed_half_way_is_done_again(tmp_path, python):
    victim = python(
        """
import os, signal, sys
from pathlib import Path
from storage import migrations
from storage.database import Store
real = migrations.migrations._migrations[-1].fn
migrations.migrations._migrations[-1].fn = lambda db: (real(db), os.kill(os.getpid(), signal.SIGKILL))
Store(Path(sys.argv[1]))
""",
        tmp_path,
    )
    assert victim.wait(10) == -signal.SIGKILL
    store = Store(tmp_path)
    assert store.read(lambda db: not migrations.pending(db))
    store.close()


# What goes wrong


def test_a_newer_database_is_refused_and_left_alone(tmp_path):
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "studio.db")) as connection, connection:
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('studio', 'm999_future', 'now')")
    with pytest.raises(StorageError, match=r"newer Persona Studio \(m999_future\)\. Update the program") as info:
        Store(tmp_path)
    assert not info.value.passing


def test_a_file_that_is_no_database_is_a_sentence_and_is_left_alone(tmp_path):
    file = tmp_path / "studio.db"
    file.write_bytes(b"my diary, do not overwrite. " * 100)
    with pytest.raises(StorageError, match="is not a SQLite database"):
        Store(tmp_path)
    assert file.read_bytes().startswith(b"my diary")


async def test_a_damaged_file_is_a_sentence(notebook):
    for n in range(400):
        notebook.submit(note, f"{n}" * 100)
    notebook.close()
    content = bytearray(notebook.path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    notebook.path.write_bytes(content)
    with pytest.raises(StorageError, match="is damaged") as info:
        Store(notebook.path.parent)
    assert not info.value.passing


async def test_damage_found_later_is_the_same_sentence_for_reads_and_writes(notebook):
    await asyncio.gather(*(notebook.write(note, f"{n}" * 100) for n in range(400)))
    await notebook.write(nothing)
    notebook._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    place = notebook.read(lambda db: row(db, "SELECT rootpage FROM sqlite_master WHERE name = 'notes'"))["rootpage"]
    with notebook.path.open("r+b") as file:
        file.seek((place - 1) * 4096)
        file.write(b"\xff" * 4096)
    fresh = Store(notebook.path.parent)
    assert "is damaged" in str(await caught(fresh.fetch(notes)))
    assert "is damaged" in str(await caught(fresh.write(note, "new")))
    fresh.close()


def test_json_that_is_malformed_is_not_taken_for_a_damaged_file(store):
    with pytest.raises(sqlite3.OperationalError, match="malformed JSON"):
        store.read(lambda db: rows(db, "SELECT 'no' ->> '$.x'"))


@pytest.mark.parametrize("spoil", [lambda data: data.write_text("a file"), lambda data: (data / "studio.db").mkdir(parents=True)])
def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path, spoil):
    spoil(tmp_path / "data")
    with pytest.raises(StorageError, match=r"cannot be (used|opened).*DATA_DIR"):
        Store(tmp_path / "data")


async def test_a_full_disk_is_a_sentence_and_it_goes_on_when_there_is_room(notebook):
    await notebook.write(note, "before")
    pages = notebook._db.execute("PRAGMA page_count").fetchone()[0]
    notebook._db.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    error = await caught(notebook.write(note, "x" * 100_000))
    assert "disk is full" in str(error)
    assert "Make room" in str(error)
    assert error.passing
    assert error.__cause__ is not None, "the log can show what SQLite said"
    assert notebook.read(notes) == ["before"]
    notebook._db.execute("PRAGMA max_page_count = 1000000").fetchall()
    await notebook.write(note, "after")
    assert seen_from_outside(notebook.path) == ["before", "after"]


async def test_one_write_that_finds_the_disk_full_does_not_spoil_small_ones_beside_it(notebook):
    pages = notebook._db.execute("PRAGMA page_count").fetchone()[0]
    notebook._db.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    outcomes = await asyncio.gather(
        notebook.write(note, "small"), notebook.write(note, "x" * 100_000), notebook.write(note, "little"), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [str, StorageError, str]
    assert notebook.read(notes) == ["small", "little"]


async def test_what_must_not_be_lost_waits_for_room(notebook, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    pages = notebook._db.execute("PRAGMA page_count").fetchone()[0]
    notebook._db.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    told = asyncio.Queue()
    waiting = asyncio.ensure_future(notebook.write_patiently(told.put_nowait, note, "x" * 100_000))
    assert "disk is full" in await asyncio.wait_for(told.get(), 5)
    assert notebook.trouble is not None
    notebook._db.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert await asyncio.wait_for(waiting, 5) == "x" * 100_000
    assert notebook.trouble is None


async def test_waiting_for_room_ends_at_once_with_what_is_no_passing_trouble(notebook):
    await notebook.write(note, "same")
    with pytest.raises(sqlite3.IntegrityError):
        await notebook.write_patiently(pytest.fail, note, "same")


async def test_a_locked_file_is_a_sentence_and_it_goes_on_when_it_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    store = Store(tmp_path)
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        error = await caught(store.write(nothing))
        assert "locked by another program for 0.2 seconds" in str(error)
        assert error.passing
        assert store.read(lambda db: row(db, "SELECT 1 AS one")) == {"one": 1}, "reading goes on"
        other.rollback()
        await store.write(nothing)
    store.close()


async def test_a_file_that_turns_read_only_is_a_sentence_and_it_goes_on_afterwards(notebook):
    notebook._db.execute("PRAGMA query_only = ON")
    error = await caught(notebook.write(note, "no"))
    assert "read-only" in str(error)
    assert error.passing
    notebook._db.execute("PRAGMA query_only = OFF")
    await notebook.write(note, "yes")
    assert notebook.read(notes) == ["yes"]


WRITES_ONE = """
import asyncio, sys
from pathlib import Path
from errors import StorageError
from storage.database import Store
try:
    store = Store(Path(sys.argv[1]))
    asyncio.run(store.write(lambda tx: tx.execute("UPDATE jobs SET title = title") and None))
    print("written")
except StorageError as error:
    print(error)
"""


@pytest.mark.parametrize(
    "taken",
    [
        ("studio.db*", 0o444, 0o755),
        ("*", 0o444, 0o755),
        ("*", 0o444, 0o555),
        ("*", 0o644, 0o555),
        ("*", 0o000, 0o755),
        ("nothing", 0o644, 0o555),
    ],
)
def test_files_without_permission_are_a_sentence(tmp_path, python, no_privileges, taken):
    files, mode, folder_mode = taken
    if files != "nothing":
        Store(tmp_path).close()
    for file in tmp_path.glob(files):
        file.chmod(mode)
    tmp_path.chmod(folder_mode)
    try:
        said = python(WRITES_ONE, tmp_path, preexec_fn=no_privileges).communicate(timeout=20)[0].strip()
    finally:
        tmp_path.chmod(0o755)
    assert "\n" not in said
    assert re.search(r"(read-only|Permission denied|cannot be opened).*DATA_DIR.*\.$", said)
