"""Content-addressed files: named by what is in them, whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import signal
import threading
import time

import pytest

from errors import NotFoundError, StorageError
from storage.files import Files


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "uploads")


def stored(files):
    return sorted(file.name for file in files.folder.rglob("*") if file.is_file())


def test_a_file_is_named_by_the_hash_of_its_content(files):
    name = files.add(b"pixels", "jpg")
    assert name == hashlib.sha256(b"pixels").hexdigest()[:32] + ".jpg"
    assert files.path(name).read_bytes() == b"pixels"
    assert files.path(name).parent.name == name[:2]


def test_the_same_content_is_stored_once(files):
    name = files.add(b"pixels", "png")
    before = files.path(name).stat()
    assert files.add(b"pixels", "png") == name
    assert files.path(name).stat().st_mtime_ns == before.st_mtime_ns
    assert stored(files) == [name]


def test_many_threads_that_store_the_same_at_once_make_one_file(files):
    names = []
    threads = [threading.Thread(target=lambda: names.append(files.add(b"x" * 500_000, "jpg"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 1
    assert stored(files) == names[:1]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../studio.db",
        "a" * 32 + ".jpg",  # the right shape, but nothing is there
        "a" * 32 + ".exe",
        "a" * 32 + ".jpg\n",
        "A" * 32 + ".jpg",
        "a" * 32,
        "aa/" + "a" * 32 + ".jpg",
        "../uploads/aa/" + "a" * 32 + ".jpg",
        "a" * 31 + "\0.jpg",
        "a" * 5000,
        "%2e%2e%2fstudio.db",
    ],
)
def test_a_name_that_is_no_stored_file_is_refused(files, name):
    (files.folder / "aa").mkdir(parents=True)
    (files.folder.parent / "studio.db").write_bytes(b"secret")
    with pytest.raises(NotFoundError):
        files.path(name)


def test_a_folder_under_a_files_name_is_not_a_file(files):
    name = "b" * 32 + ".jpg"
    (files.folder / "bb" / name).mkdir(parents=True)
    with pytest.raises(NotFoundError):
        files.path(name)


@pytest.mark.parametrize("suffix", ["html", "jpg/../../x", "", "JPG", "svg", "jpg\n"])
def test_nothing_is_written_under_a_name_that_could_not_be_read_again(files, suffix):
    with pytest.raises(ValueError, match="do not end in"):
        files.add(b"<script>", suffix)
    assert not files.folder.exists()


WRITES_FOR_EVER = """
import os, sys
from pathlib import Path
from storage.files import Files
files = Files(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), 10**9):
    print(files.add(n.to_bytes(8, "big") * 40_000, "jpg"), flush=True)
"""


def test_killed_while_writing_leaves_no_half_file_under_a_final_name(files, python):
    for attempt, pause in enumerate((0.0, 0.003, 0.007, 0.013, 0.02)):
        writer = python(WRITES_FOR_EVER, files.folder, attempt * 10**6)
        said = [writer.stdout.readline().strip() for _ in range(5)]
        time.sleep(pause)
        writer.kill()
        said += [line.strip() for line in writer.stdout if line.endswith("\n")]
        assert writer.wait(5) == -signal.SIGKILL
        assert set(said) <= set(stored(files)), "what was answered is there"
    final = [file for file in files.folder.rglob("*.jpg") if not file.name.startswith(".")]
    assert len(final) >= 25
    for file in final:
        assert hashlib.sha256(file.read_bytes()).hexdigest()[:32] == file.stem
    for file in files.folder.rglob(".*.part"):
        with pytest.raises(NotFoundError):
            files.path(file.name)


@pytest.mark.parametrize(("number", "said", "passing"), [(errno.ENOSPC, "disk is full", True), (errno.EIO, "could not be written", False)])
def test_a_write_that_fails_is_a_sentence_and_leaves_nothing(files, monkeypatch, number, said, passing):
    def refuse(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=said) as info:
        files.add(b"pixels", "jpg")
    assert re.search(r"\.$", str(info.value))
    assert info.value.passing is passing
    assert stored(files) == []
    monkeypatch.undo()
    assert files.path(files.add(b"pixels", "jpg")).read_bytes() == b"pixels"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "uploads").write_text("a file")
    with pytest.raises(StorageError, match=r"could not be written: .*Check DATA_DIR"):
        Files(tmp_path / "uploads").add(b"pixels", "jpg")
