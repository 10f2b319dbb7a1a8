"""The command line as a user runs it: a process of its own, real HTTP, a real database."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import termios
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.shell import PICTURE, SAMPLES, at, until


def _answers(server):
    return [line for line in server.log("end") if line["outcome"] == "ok"]


def _asked(server):
    """How often each schema was asked for; the schema stands for the stage."""
    return Counter(line["schema"] for line in server.log("begin"))


@pytest.fixture
def slow_server(offline_server):
    """Answers after 0.4 s, so that there is time to do something in the middle."""
    return offline_server("--latency", "0.4")


def generate(*more):
    return ("--generate-persona", "--image", PICTURE, *more)


# What comes out


def test_one_picture_becomes_one_card(shell):
    done = shell.run(*generate())
    assert done.returncode == 0, done.stderr
    assert done.stdout == "personas/tide-keeper_persona.json\n"
    card = json.loads((shell.folder / "personas" / "tide-keeper_persona.json").read_text())
    ours = card["data"]["extensions"]["persona_studio"]
    assert card["spec"] == "chara_card_v2"
    assert "missing" not in ours
    assert len(ours["tweet_examples"]) == 8
    assert "offline demo writer" in done.stderr
    assert "7/7" in done.stderr
    assert "1 of 1 persona done" in done.stderr
    listed = shell.run("--jobs")
    assert listed.returncode == 0
    assert all(word in listed.stdout for word in ("persona", "done", "7/7"))


def test_a_broken_picture_is_named_and_the_others_go_on(shell):
    (shell.folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense" * 20)
    twin = shell.folder / PICTURE.name
    twin.write_bytes((SAMPLES / "tram-in-rain.jpg").read_bytes())
    done = shell.run(
        "--generate-persona", "--images", PICTURE, "broken.png", twin, "gone.png", "--persona-output", "out/", "--json", "--seed", "3"
    )
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["status"] == "failed"
    assert report["done"] == 2
    assert sorted(failure["image"] for failure in report["failed"]) == ["broken.png", "gone.png"]
    assert all(failure["image"] in failure["reason"] for failure in report["failed"])
    assert report["calls"] >= 14
    assert report["tokens"] > 0
    assert report["seconds"] > 0
    assert report["writer"] == "offline"
    assert report["resume"] == []
    files = ["out/tide-keeper_persona.json", "out/tide-keeper_persona-2.json"]
    assert {made["image"] for made in report["personas"]} == {str(PICTURE), str(twin)}
    assert [made["file"] for made in report["personas"]] == files
    names = {json.loads((shell.folder / file).read_text())["data"]["name"] for file in files}
    assert len(names) == 2
    assert shell.files("out") == sorted(Path(file).name for file in files)


def test_a_terminal_gets_a_bar(shell, slow_server):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    running = shell.start(*generate(*at(slow_server)), stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # that is how Linux says that the other side has gone
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert running.process.wait(20) == 0
    for words in (b"0/7 |", b"7/7 |", b"writing 1: core", b"1 of 1 persona done"):
        assert words in shown


def test_quiet_says_only_what_failed(shell):
    done = shell.run("--generate-persona", "--images", PICTURE, "gone.png", "--quiet")
    assert done.returncode == 1
    assert done.stderr == "failed: gone.png does not exist.\n"
    assert done.stdout == "personas/tide-keeper_persona.json\n"


def test_sequential_asks_one_after_the_other(shell, offline_server):
    server = offline_server("--latency", "0.05")
    done = shell.run(*generate("--stage-order", "sequential", *at(server)))
    assert done.returncode == 0, done.stderr
    events = [(line["event"], line["schema"]) for line in server.log()]
    assert [event for event, _ in events] == ["begin", "end"] * 7
    order = ["CorePersona", "TweetStrategy", "ExampleTweets", "SocialNetwork", "Authenticity", "VisualProfile", "KnowledgeBase"]
    assert [schema for _, schema in events[::2]] == order


def test_what_failed_is_written_as_far_as_it_goes_and_resumed(shell, slow_server):
    running = shell.start(*generate("--stage-order", "sequential", *at(slow_server)))
    until(lambda: len(slow_server.log("begin")) == 2)
    slow_server.behave(faults={"refusal": 1})
    assert running.process.wait(30) == 1
    file = shell.folder / "personas" / "tide-keeper_persona.json"
    late = ["examples", "network", "authenticity", "visual", "knowledge"]
    partial = json.loads(file.read_text())["data"]["extensions"]["persona_studio"]
    assert sorted(partial["missing"]) == sorted(late)
    assert "tide-keeper.jpg, Visual profile: The model refused" in running.said
    assert f"--api-base {slow_server.url} --resume {shell.job_id()}" in running.said

    slow_server.behave(faults={}, latency=0)
    resumed = shell.run("--resume", *at(slow_server))
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "personas/tide-keeper_persona.json\n"
    assert "missing" not in json.loads(file.read_text())["data"]["extensions"]["persona_studio"]


def test_a_file_that_cannot_be_written_is_reported_and_written_later(shell, slow_server):
    target = shell.folder / "out.json"
    blocked = shell.start(*generate("--persona-output", "out.json", "--json", *at(slow_server)))
    until(lambda: slow_server.log("begin"))
    target.mkdir()
    assert blocked.process.wait(30) == 1
    report = json.loads((shell.folder / "stdout").read_text())
    assert [failure["kind"] for failure in report["failed"]] == ["file"]
    assert "out.json could not be written" in report["failed"][0]["reason"]
    target.rmdir()
    resumed = shell.run("--resume", *report["resume"], *at(slow_server))
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(target.read_text())["spec"] == "chara_card_v2"


# Stopped in the middle


def test_killed_in_the_middle_it_goes_on_without_asking_again(shell, slow_server):
    running = shell.start(*generate(*at(slow_server)))
    until(lambda: len(_answers(slow_server)) >= 1 and len(slow_server.log("begin")) >= 6)
    running.end(signal.SIGKILL)
    finished = shell.done_stages()
    assert "core" in finished
    (job,) = shell.jobs()
    assert (job["status"], job["can_resume"]) == ("interrupted", True)
    before = _asked(slow_server)
    resumed = shell.run("--resume", job["id"], *at(slow_server))
    assert resumed.returncode == 0, resumed.stderr
    asked_again = _asked(slow_server) - before
    assert "CorePersona" in before
    assert "CorePersona" not in asked_again
    assert sum(asked_again.values()) == 7 - len(finished)
    card = json.loads((shell.folder / resumed.stdout.strip()).read_text())
    assert "missing" not in card["data"]["extensions"]["persona_studio"]


def test_ctrl_c_lets_calls_end_and_can_be_resumed(shell, slow_server):
    running = shell.start(*generate(*at(slow_server)))
    until(lambda: len(slow_server.log("begin")) >= 6)
    assert running.end(signal.SIGINT) == 130
    assert "Stopping" in running.said
    assert f"--resume {shell.job_id()}" in running.said
    assert {line["outcome"] for line in slow_server.log("end")} == {"ok"}
    resumed = shell.run("--resume", *at(slow_server))
    assert resumed.returncode == 0, resumed.stderr
    assert max(_asked(slow_server).values()) == 1
    assert resumed.stdout == "personas/tide-keeper_persona.json\n"


def test_a_second_signal_ends_at_once(shell, offline_server):
    server = offline_server("--latency", "60")
    running = shell.start(*generate("--json", *at(server)))
    until(lambda: server.log("begin"))
    running.process.send_signal(signal.SIGTERM)
    until(lambda: "Stopping" in running.said)
    began = time.monotonic()
    assert running.end(signal.SIGTERM) == 143
    assert time.monotonic() - began < 2
    assert shell.jobs()[0]["status"] == "interrupted"


def test_a_job_of_another_process_is_left_to_it_and_can_be_cancelled(shell, offline_server):
    server = offline_server("--latency", "60")
    running = shell.start(*generate(*at(server)))
    until(lambda: server.log("begin"))
    job_id = shell.job_id()
    refused = shell.run("--resume", job_id, *at(server))
    assert refused.returncode == 1
    assert "another process runs this job" in refused.stderr

    assert shell.run("--cancel", job_id).returncode == 0
    assert running.process.wait(20) == 1
    assert "cancelled" in running.said
    again = shell.run("--cancel", job_id)
    assert again.returncode == 1
    assert "had ended already (cancelled)" in again.stderr

    server.behave(latency=0)
    resumed = shell.run("--resume", job_id, *at(server))
    assert resumed.returncode == 0, resumed.stderr


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required"),
        (("--generate-persona",), "--image"),
        (("--generate-persona", "--image", ""), "--image"),
        (("--generate-persona", "--image", "a.png", "--images", "b.png"), "not allowed"),
        (("--generate-persona", "--jobs"), "not allowed"),
        (("--jobs", "--language", "English"), "--language only goes with --generate-persona"),
        (("--generate-persona", "--image", "a.png", "--stage-order", "random"), "--stage-order"),
        (("--generate-persona", "--image", "a.png", "--seed", "-1"), "whole number"),
        (("--generate-persona", "--image", "a.png", "--language", " "), "--language"),
        (("--generate-persona", "--images", "a.png", "b.png", "--persona-output", "one.json"), "need a folder"),
        (("--generate-persona", "--image", "a.png", "--persona-output", "/dev/null"), "is not a file"),
        (("--generate-persona", "--image", "a.png", "--max-concurrent", "0"), "MAX_CONCURRENT"),
        (("--generate-persona", "--image", "a.png", "--api-base", "ftp://there"), "OPENAI_BASE_URL"),
        (("--generate-persona", "--image", "a.png", "--temperature", "9"), "TEMPERATURE"),
        (("--resume", "../etc"), "--jobs lists them"),
        (("--resume", "01NOSUCHJOB"), "There is no job 01NOSUCHJOB"),
        (("--batch-mode",), "--personas"),
    ],
)
def test_wrong_usage_is_one_sentence(shell, arguments, words):
    done = shell.run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert shell.files() == []


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("--jobs",), ("--resume",)])
def test_looking_leaves_nothing_behind(shell, arguments):
    done = shell.run(*arguments)
    assert done.returncode == 0
    assert shell.files() == []


def test_a_missing_picture_alone_fails_and_leaves_nothing_behind(shell):
    done = shell.run("--generate-persona", "--image", "gone.png", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["failed"][0]["reason"] == "gone.png does not exist."
    assert shell.files() == []
