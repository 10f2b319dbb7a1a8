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

PERSONAS = 20
SLOTS = 8
KILLS = 20
STAGE_OF = {
    "CorePersona": "core",
    "TweetStrategy": "strategy",
    "ExampleTweets": "examples",
    "SocialNetwork": "network",
    "Authenticity": "authenticity",
    "VisualProfile": "visual",
    "KnowledgeBase": "knowledge",
}


def done(store: Store) -> set[tuple[str, str]]:
    return {(step["item"], step["stage"]) for step in store.read(rows, "SELECT item, stage FROM steps WHERE status = 'done'")}


@pytest.mark.slow
def test_twenty_personas_survive_twenty_kills(offline_server, studio_process, pictures, tmp_path):
    seed = int(os.environ.get("KILL_SEED") or random.randrange(10**6))
    print(f"KILL_SEED={seed}")  # noqa: T201  to have the same run again
    rng = random.Random(seed)
    server = offline_server("--latency", "0.5", "--jitter", "0.5")
    data, folder = tmp_path / "data", pictures(PERSONAS)[0].parent
    store = Store(data)

    in_flight_at_kills, lost = 0, 0
    for kill in range(KILLS):
        process = studio_process(data, server.url, SLOTS, folder)
        assert process.stdout.readline() == "started\n"
        if kill == 0:
            assert process.stdout.readline() == "submitted\n"
        before = len(done(store))
        time.sleep(rng.uniform(0, 0.9))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        finished = done(store)
        assert len(finished) >= before, "what was reported done stays done"
        _until_quiet(server)
        in_flight_at_kills += SLOTS
        lost += 1
    process = studio_process(data, server.url, SLOTS, folder)
    assert process.wait(60) == 0

    (job,) = store.read(journal.recent)
    assert (job["status"], job["done"], job["total"]) == ("done", 7 * PERSONAS, 7 * PERSONAS)
    answered = Counter((call["item"], call["stage"]) for call in store.read(rows, "SELECT item, stage FROM calls WHERE answer IS NOT NULL"))
    assert len(answered) == 7 * PERSONAS
    assert set(answered.values()) == {1}, "no stored answer was asked for again"
    versions = store.read(rows, "SELECT count(*) AS all_of_them, max(version) AS highest FROM stages")[0]
    assert versions == {"all_of_them": 7 * PERSONAS, "highest": 1}

    names = {row["id"]: row["name"] for row in store.read(rows, "SELECT id, name FROM personas")}
    stored = Counter((names[item], stage) for item, stage in answered.elements())
    paid = Counter((line["persona"], STAGE_OF[line["schema"]]) for line in server.log("end") if line["outcome"] == "ok")
    assert not stored - paid, "every stored answer came from the server"
    again = sum((paid - stored).values())
    begun = len(server.log("begin"))
    print(f"{begun} requests, {sum(paid.values())} answered, {again} of them again, bound {in_flight_at_kills}")  # noqa: T201
    assert begun - 7 * PERSONAS <= in_flight_at_kills, "no more is asked again than was in flight at a kill"
    assert server.stats()["peak"] <= SLOTS
    store.close()


def _until_quiet(server) -> None:
    """Until the server has noticed that nobody waits for its answers."""
    deadline = time.monotonic() + 5
    while server.stats()["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.01)
