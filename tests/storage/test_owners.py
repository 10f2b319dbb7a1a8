"""Who is alive: the kernel knows, also after kill -9."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from errors import StorageError
from storage.owners import Owner

LIVES = """
import sys
from pathlib import Path
from storage.owners import Owner
owner = Owner(Path(sys.argv[1]))
print(owner.id, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def owner(tmp_path):
    ours = Owner(tmp_path)
    yield ours
    ours.close()


def test_a_process_that_lives_is_alive_and_one_that_was_killed_is_dead_at_once(tmp_path, owner, python):
    other = python(LIVES, tmp_path)
    name = other.stdout.readline().strip()
    assert owner.alive(name)
    assert owner.alive(name), "asking does not kill"
    other.kill()
    other.wait(5)
    assert not owner.alive(name)
    assert not owner.alive(name)


def test_a_process_that_ended_by_itself_is_dead(tmp_path, owner, python):
    other = python(LIVES, tmp_path)
    name = other.stdout.readline().strip()
    other.communicate("bye\n", timeout=5)
    assert not owner.alive(name)


def test_a_child_that_outlives_its_killed_parent_does_not_keep_it_alive(tmp_path, owner, python):
    other = python(
        """
import subprocess, sys
from pathlib import Path
from storage.owners import Owner
owner = Owner(Path(sys.argv[1]))
child = subprocess.Popen(["sleep", "20"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(owner.id, child.pid, flush=True)
sys.stdin.readline()
""",
        tmp_path,
    )
    name, child = other.stdout.readline().split()
    other.kill()
    other.wait(5)
    try:
        assert not owner.alive(name)
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_each_is_alive_to_itself_and_has_a_name_of_its_own(tmp_path, owner):
    another = Owner(tmp_path)
    assert another.id != owner.id
    assert owner.alive(owner.id)
    assert owner.alive(another.id)
    another.close()
    assert not owner.alive(another.id)
    another.close()


def test_one_that_never_was_is_dead(owner):
    assert not owner.alive("01AAAAAAAAAAAAAAAAAAAAAAAA")


def test_asking_from_many_threads_at_once_never_kills_the_living(tmp_path, owner, python):
    other = python(LIVES, tmp_path)
    name = other.stdout.readline().strip()
    answers = []
    threads = [threading.Thread(target=lambda: answers.extend(owner.alive(name) for _ in range(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 400


def test_the_dead_leave_no_files_behind_once_asked_about(tmp_path, owner, python):
    other = python(LIVES, tmp_path)
    name = other.stdout.readline().strip()
    other.kill()
    other.wait(5)
    owner.alive(name)
    assert [file.stem for file in (tmp_path / "owners").iterdir()] == [owner.id]


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path):
    (tmp_path / "owners").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot be used: .*\. Check DATA_DIR\.$"):
        Owner(tmp_path)
