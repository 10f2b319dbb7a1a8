"""Kill -9 at any moment: what was done is done, what is paid for is not paid again, and the job ends complete."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from storage import jobs as journal
from storage.database import Store, rows

SLOTS = 8
STAGE_OF = {
    "CorePersona": "core",
    "TweetStrategy": "strategy",
    "ExampleTweets": "examples",
    "SocialNetwork": "network",
    "Authenticity": "authenticity",
    "VisualProfile": "visual",
    "KnowledgeBase": "knowledge",
}


def killed_and_restarted(server, studio_process, folder, data, kills) -> None:
    """Write personas from the pictures in *folder*, killing the process at *kills* random moments; then let it come to its end."""
    seed = int(os.environ.get("KILL_SEED") or random.randrange(10**6))
    print(f"KILL_SEED={seed}")  # noqa: T201  to have the same moments again
    rng, done = random.Random(seed), set()
    for kill in range(kills):
        process = studio_process(data, server.url, SLOTS, folder)
        assert process.stdout.readline() == "started\n"
        if kill == 0:
            assert process.stdout.readline() == "submitted\n"
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        before, done = done, steps_done(data)
        assert before <= done, "what was done stays done"
        until_quiet(server)
    assert studio_process(data, server.url, SLOTS, folder).wait(60) == 0


def steps_done(data) -> set[tuple[str, str]]:
    store = Store(data)
    try:
        return {(step["item"], step["stage"]) for step in store.read(rows, "SELECT item, stage FROM steps WHERE status = 'done'")}
    finally:
        store.close()


def until_quiet(server) -> None:
    """Until the server has noticed that nobody waits for its answers."""
    deadline = time.monotonic() + 5
    while server.stats()["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.01)


def check_all_is_complete(store, personas) -> None:
    (job,) = store.read(journal.recent)
    assert (job["status"], job["done"], job["total"]) == ("done", 7 * personas, 7 * personas)
    (found,) = store.read(rows, "SELECT count(*) AS stages, max(version) AS highest FROM stages")
    assert found == {"stages": 7 * personas, "highest": 1}


@pytest.mark.slow
def test_twenty_personas_survive_twenty_kills_and_nothing_done_is_paid_for_twice(offline_server, studio_process, pictures, tmp_path):
    kills, personas = 20, 20
    server = offline_server("--latency", "0.25", "--jitter", "0.8")
    killed_and_restarted(server, studio_process, pictures(personas)[0].parent, tmp_path / "data", kills)
    store = Store(tmp_path / "data")
    check_all_is_complete(store, personas)

    calls = store.read(rows, "SELECT name, stage FROM calls JOIN personas ON personas.id = item WHERE answer IS NOT NULL")
    names = store.read(rows, "SELECT name, stage FROM steps JOIN personas ON personas.id = item")
    store.close()
    stored = Counter((call["name"], call["stage"]) for call in calls)
    assert stored == Counter((step["name"], step["stage"]) for step in names), "one stored answer a stage"
    paid = Counter((line["persona"], STAGE_OF[line["schema"]]) for line in server.log("end") if line["outcome"] == "ok")
    assert stored <= paid, "what is stored was answered by the server"
    begun = len(server.log("begin"))
    again, bound = begun - 7 * personas, kills * SLOTS
    print(f"{begun} calls begun, {paid.total()} answered, {stored.total()} stored; {again} of {bound} begun again")  # noqa: T201
    assert again <= bound, "no more is asked again than was in flight at a kill"
    assert server.stats()["peak"] <= SLOTS


@pytest.mark.slow
def test_a_stage_that_needs_several_answers_goes_on_from_those_it_has(offline_server, studio_process, pictures, tmp_path):
    kills, personas = 8, 8
    faults = "wrong_schema=0.15,truncated=0.05,429=0.1,fence=0.1"
    server = offline_server("--latency", "0.3", "--jitter", "0.5", "--faults", faults, "--retry-after", "0.05", "--seed", "4")
    killed_and_restarted(server, studio_process, pictures(personas)[0].parent, tmp_path / "data", kills)
    store = Store(tmp_path / "data")
    check_all_is_complete(store, personas)
    answers = "SELECT count(*) AS times FROM calls WHERE answer IS NOT NULL GROUP BY item, stage, request_hash"
    times = [request["times"] for request in store.read(rows, answers)]
    store.close()
    assert len(times) > 7 * personas, "some stages did need several"
    assert set(times) == {1}, "no request was answered twice"
