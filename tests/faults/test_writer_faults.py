"""A server on which a fifth of everything goes wrong: the batch ends complete all the same."""

from __future__ import annotations

import asyncio

import pytest

from config import Settings
from pipeline.llm import client
from pipeline.stages import Wishes
from pipeline.studio import Studio, Upload
from storage.database import rows

PERSONAS = 10


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """Half a second and more between tries is right for a real server, and long for a test."""
    monkeypatch.setattr(client, "_backoff", client.wait_random_exponential(multiplier=0.02, max=0.5))


async def written(url, data, pictures, **settings):
    """Ten personas from *url*: their views, and the studio's records of all calls."""
    given = {"data_dir": data, "openai_base_url": url, "retry_budget": 30, "request_timeout": 10, **settings}
    studio = Studio(Settings(_env_file=None, **given))
    await studio.start()
    try:
        uploads = [Upload(path, path.name) for path in pictures(PERSONAS)]
        cleaned = [(upload, await studio.add_picture(upload)) for upload in uploads]
        job_id, ids = await studio.create_personas(cleaned, Wishes(seed=1), priority=5)
        async with asyncio.timeout(60):
            async for _ in studio.watch(job_id):
                pass
        views = [await studio.persona(persona_id) for persona_id in ids]
        return views, await studio._store.fetch(rows, "SELECT * FROM calls"), studio
    finally:
        await studio.stop(0)


SEEN_AS = {
    "429": "overloaded",
    "500": "server_error",
    "drop": "dropped",
    "html": "garbled",
    "empty": "garbled",
    "blank": "garbled",
    "truncated": None,
    "wrong_schema": None,
    "fence": None,
    "think": None,
    "surrogate": None,
    "nan": None,
}
FREE = ("fence", "think")
"""What costs no second call."""


@pytest.mark.parametrize("fault", SEEN_AS)
async def test_ten_personas_end_complete_although_a_fifth_of_all_calls_goes_wrong(fault, offline_server, pictures, tmp_path):
    server = offline_server("--latency", "0.01", "--faults", f"{fault}=0.2", "--retry-after", "0.05", "--seed", "3")
    views, calls, studio = await written(server.url, tmp_path / "data", pictures)
    broken = [(stage["key"], stage["error"]) for view in views for stage in view["stages"] if stage["status"] != "done"]
    assert not broken
    assert {view["status"] for view in views} == {"complete"}
    assert server.stats()["outcomes"].get(fault, 0) >= 3, "the fault did happen"
    kinds = {call["error_kind"] for call in calls} - {None}
    assert kinds <= {SEEN_AS[fault]}, "it is called by its name"
    assert studio.gate.in_use == 0
    answered = [call for call in calls if call["answer"] is not None]
    if SEEN_AS[fault] or fault in FREE:
        assert len(answered) == 7 * PERSONAS


async def test_ten_personas_end_complete_on_a_server_where_everything_goes_wrong_at_once(offline_server, pictures, tmp_path):
    faults = ",".join(f"{fault}=0.05" for fault in SEEN_AS)
    server = offline_server("--latency", "0.01", "--faults", faults, "--retry-after", "0.05", "--seed", "5", "--jitter", "0.5")
    views, _, _ = await written(server.url, tmp_path / "data", pictures)
    assert {view["status"] for view in views} == {"complete"}


async def test_a_server_that_takes_fewer_at_once_than_there_are_slots_is_no_hindrance(offline_server, pictures, tmp_path):
    server = offline_server("--latency", "0.05", "--capacity", "5", "--retry-after", "0.05")
    views, _, studio = await written(server.url, tmp_path / "data", pictures, max_concurrent=20)
    assert {view["status"] for view in views} == {"complete"}
    assert server.stats()["peak"] == 5
    assert studio.gate.peak == 20


async def test_a_refusal_fails_its_stage_and_no_other_persona(offline_server, pictures, tmp_path):
    server = offline_server("--faults", "refusal=0.1", "--seed", "2")
    views, _, _ = await written(server.url, tmp_path / "data", pictures)
    stages = [stage for view in views for stage in view["stages"]]
    refused = [stage for stage in stages if stage["status"] == "failed"]
    assert len(refused) == server.stats()["outcomes"]["refusal"] >= 1
    assert all(stage["error"].startswith("The model refused: I'm sorry") for stage in refused)
    assert {stage["status"] for stage in stages} <= {"done", "failed", "blocked"}
    for view in views:
        state = {stage["key"]: stage["status"] for stage in view["stages"]}
        for stage in view["stages"]:
            blocked = any(state[need] in ("failed", "blocked") for need in stage["needs"])
            assert (stage["status"] == "blocked") == blocked
