"""What the command line says of how far it is."""

from __future__ import annotations

import re

import pytest

from cli.progress import Progress
from pipeline.events import Event


def told(progress, item, stage, *states, error=""):
    for status in states:
        progress.tell(Event("step", "job", item, stage, status, {"error": error} if status == "failed" else {}))


@pytest.mark.parametrize(
    ("first", "counted", "said"),
    [("intake", (2, 4), "taking it in failed: b.json is bad."), ("calendar", (3, 5), "calendar failed: b.json is bad.")],
)
def test_tweets_that_cannot_be_written_are_left_out(capsys, first, counted, said):
    progress = Progress(quiet=False)
    progress.labels = {("job", "a"): "a.json", ("job", "b"): "b.json"}
    items = [("b", first), *((f"{who}:0000{slot}", "tweet") for who in "ab" for slot in (1, 2))]
    progress.sync({"id": "job", "steps": [{"item": item, "stage": stage, "status": "waiting", "error": None} for item, stage in items]})
    told(progress, "b", first, "running", "failed", error="b.json is bad.")
    told(progress, "a:00001", "tweet", "running", "done")
    told(progress, "a:00002", "tweet", "running", "done")
    lines = [re.sub(r"^\[[^]]+\] |, 1/2 personas", "", line) for line in capsys.readouterr().err.splitlines()]
    assert lines == [f"b.json: {said}", f"1/{counted[0]} a.json: tweet 1", f"2/{counted[0]} a.json: tweet 2"]

    told(progress, "b", first, "waiting", "running", "done")  # somebody put it right, and it is tried again
    told(progress, "b:00001", "tweet", "running", "done")
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"{counted[1] - 1}/{counted[1]} b.json: tweet 1")


def test_what_was_put_right_in_a_file_is_said(capsys):
    progress = Progress(quiet=False)
    progress.tell(Event("step", "job", "b", "intake", "done", {"remarks": ["b.json: It was read as V2."]}))
    assert capsys.readouterr().err == "b.json: It was read as V2.\n"
