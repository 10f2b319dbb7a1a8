"""Personas from end to end: a real Studio, a real database, a real server."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from scripted import until

from errors import ConflictError
from pipeline.llm import client
from pipeline.stages import STAGES, Wishes
from pipeline.studio import Upload
from storage import jobs as journal
from storage.clock import parse
from storage.database import rows

KEYS = [stage.key for stage in STAGES]


def paint(path: Path, number: int) -> Path:
    """A picture that differs from those of other numbers."""
    image = Image.radial_gradient("L").resize((96, 96 + number))
    colours = (number * 37 % 256, number * 91 % 256, number * 151 % 256)
    Image.merge("RGB", [image.point(lambda value, colour=colour: (value + colour) % 256) for colour in colours]).save(path)
    return path


@pytest.fixture
def begin(tmp_path):
    """Starts one persona: ``job_id, persona_id = await begin(studio)``."""

    async def begin(studio, number: int = 1, *, order: str | None = None, priority: int = 0, wishes: Wishes | None = None):
        upload = Upload(paint(tmp_path / f"{number}.png", number), f"picture {number}.png")
        pictures = [(upload, await studio.add_picture(upload))]
        job_id, (persona_id,) = await studio.create_personas(pictures, wishes or Wishes(), order=order, priority=priority)
        return job_id, persona_id

    return begin


async def end_of(studio, job_id) -> None:
    async with asyncio.timeout(60):
        async for _ in studio.watch(job_id):
            pass


def times(studio, job_id) -> dict[str, tuple]:
    """When each stage began and ended, by the journal."""
    return {step["stage"]: (parse(step["started_at"]), parse(step["finished_at"])) for step in studio._store.read(journal.steps, job_id)}


async def test_a_picture_becomes_a_persona_on_the_embedded_writer(open_studio, begin):
    async with open_studio() as studio:
        job_id, persona_id = await begin(studio)
        await end_of(studio, job_id)
        view = await studio.persona(persona_id)
        card = await studio.card(persona_id)
    assert (view["status"], view["progress"]["done"], view["progress"]["failed"]) == ("complete", 7, 0)
    assert [(stage["key"], stage["status"]) for stage in view["stages"]] == [(key, "done") for key in KEYS]
    assert view["progress"]["calls"] == 7, "one call a stage where nothing goes wrong"
    assert view["progress"]["tokens"] > 1000
    assert view["name"] == view["stages"][0]["output"]["name"]
    assert card["spec"] == "chara_card_v2"
    assert card["data"]["name"] == view["name"]
    parts = str(card)
    for stage in view["stages"]:
        assert all(key in parts for key in stage["output"]), f"the card lacks something of {stage['key']}"


async def test_a_stage_begins_when_what_it_needs_is_done_and_not_before(open_studio, begin, offline_server):
    server = offline_server("--latency", "0.4")
    async with open_studio(server.url) as studio:
        job_id, _ = await begin(studio)
        await end_of(studio, job_id)
        seen = times(studio, job_id)
    for stage in STAGES:
        assert all(seen[need][1] <= seen[stage.key][0] for need in stage.needs)
        ready = max((seen[need][1] for need in stage.needs), default=None)
        assert ready is None or (seen[stage.key][0] - ready).total_seconds() < 0.2
    first, last = min(begun for begun, _ in seen.values()), max(ended for _, ended in seen.values())
    assert 1.2 <= (last - first).total_seconds() < 1.7, "three calls deep, not seven"
    assert (server.stats()["requests"], server.stats()["peak"]) == (7, 5)


async def test_in_sequence_the_stages_are_written_strictly_one_after_another(open_studio, begin, offline_server):
    server = offline_server("--latency", "0.1")
    async with open_studio(server.url, stage_order="sequential") as studio:
        job_id, _ = await begin(studio)
        await end_of(studio, job_id)
        seen = times(studio, job_id)
    assert sorted(seen, key=lambda key: seen[key]) == KEYS
    assert all(seen[before][1] <= seen[after][0] for before, after in pairwise(KEYS))
    assert (server.stats()["requests"], server.stats()["peak"]) == (7, 1)


@pytest.mark.parametrize(("formats", "refused"), [("json_schema", 0), ("json_object", 1), ("none", 2), ("ignored", 0)])
async def test_every_kind_of_server_writes_a_whole_persona(formats, refused, open_studio, begin, offline_server):
    server = offline_server("--formats", formats)
    async with open_studio(server.url) as studio:
        for number in (1, 2):
            job_id, persona_id = await begin(studio, number)
            await end_of(studio, job_id)
            assert (await studio.persona(persona_id))["status"] == "complete"
        (found,) = studio._store.read(rows, "SELECT count(*) AS calls, sum(http_status = 400) AS refused FROM calls")
    assert (found["refused"] or 0) == refused, "learned once, not at every stage"
    assert found["calls"] <= 14 + refused + (2 if formats == "ignored" else 0)


async def test_a_refused_stage_says_so_in_the_servers_words_and_can_be_retried(open_studio, begin, offline_server):
    server = offline_server("--latency", "0.3")
    async with open_studio(server.url, stage_order="sequential") as studio:
        job_id, persona_id = await begin(studio)
        await until(lambda: server.stats()["requests"] == 2)
        server.behave(faults={"refusal": 1.0})  # the second call, the strategy, is under way already
        await end_of(studio, job_id)

        view = await studio.persona(persona_id)
        assert view["status"] == "partial"
        assert [stage["status"] for stage in view["stages"]] == ["done", "done", *["failed"] * 5]
        for stage in view["stages"][2:]:
            assert stage["error_kind"] == "refused"
            assert stage["error"] == "The model refused: I'm sorry, but I can't help with that request"
            assert stage["output"] is None
        with pytest.raises(ConflictError):
            await studio.retry_stage(persona_id, "core")

        server.behave(faults={}, latency=0)
        await studio.retry_stage(persona_id, "visual")
        await end_of(studio, job_id)
        view = await studio.persona(persona_id)
        assert [stage["status"] for stage in view["stages"]] == ["done", "done", "failed", "failed", "failed", "done", "failed"]
        assert await studio.resume(job_id)
        await end_of(studio, job_id)
        assert (await studio.persona(persona_id))["status"] == "complete"
    assert server.stats()["requests"] == 7 + 5, "what was done is not asked again"


async def test_what_needs_a_failed_stage_is_blocked_and_goes_on_after_its_retry(open_studio, begin, offline_server):
    server = offline_server("--faults", "refusal=1")
    async with open_studio(server.url) as studio:
        job_id, persona_id = await begin(studio)
        await end_of(studio, job_id)
        view = await studio.persona(persona_id)
        assert [stage["status"] for stage in view["stages"]] == ["failed", *["blocked"] * 6]
        server.behave(faults={})
        await studio.retry_stage(persona_id, "core")
        await end_of(studio, job_id)
        assert (await studio.persona(persona_id))["status"] == "complete"


async def test_a_server_that_is_down_is_named_soon_and_the_stage_retried_when_it_is_back(open_studio, begin, offline_server, monkeypatch):
    monkeypatch.setattr(client, "IMPATIENCE", 0.5)
    server = offline_server()
    server.kill()
    async with open_studio(server.url) as studio:
        job_id, persona_id = await begin(studio)
        async with asyncio.timeout(10):
            await end_of(studio, job_id)
        core = (await studio.persona(persona_id))["stages"][0]
        assert (core["status"], core["error_kind"]) == ("failed", "unreachable")
        assert "Check OPENAI_BASE_URL" in core["error"]
        offline_server("--port", str(urlsplit(server.url).port))
        await studio.retry_stage(persona_id, "core")
        await end_of(studio, job_id)
        assert (await studio.persona(persona_id))["status"] == "complete"


async def test_a_person_does_not_wait_for_a_batch(open_studio, begin, offline_server):
    server = offline_server("--latency", "0.05")
    async with open_studio(server.url, max_concurrent=2) as studio:
        batch = [await begin(studio, number, priority=5) for number in range(2, 20)]
        await until(lambda: studio.gate.waiting > 5)
        job_id, persona_id = await begin(studio)
        await end_of(studio, job_id)
        assert (await studio.persona(persona_id))["status"] == "complete"
        left = [await studio.job(job) for job, _ in batch]
        assert sum(job["total"] - job["done"] for job in left) > 20
        for job, _ in batch:
            await end_of(studio, job)
        assert server.stats()["peak"] == 2


async def test_the_same_picture_and_seed_give_the_same_persona_and_another_picture_another(open_studio, begin):
    async with open_studio() as studio:
        names = []
        for number in (1, 1, 2):
            job_id, persona_id = await begin(studio, number, wishes=Wishes(seed=7))
            await end_of(studio, job_id)
            names.append((await studio.persona(persona_id))["stages"][0]["output"])
    assert names[0] == names[1] != names[2]


async def test_a_restarted_studio_goes_on_where_the_last_one_stopped(open_studio, begin, offline_server):
    server = offline_server("--latency", "0.3")
    async with open_studio(server.url) as studio:
        job_id, persona_id = await begin(studio)
        await until(lambda: server.stats()["requests"] >= 4)
    async with open_studio(server.url) as studio:
        await end_of(studio, job_id)
        assert (await studio.persona(persona_id))["status"] == "complete"
        (found,) = studio._store.read(rows, "SELECT count(*) AS calls FROM calls WHERE answer IS NOT NULL")
    assert found["calls"] == 7


async def test_the_key_stands_nowhere_in_the_data_folder(open_studio, begin, offline_server, tmp_path):
    key = "0123456789abcdef0123456789abcdef"
    async with open_studio(offline_server().url, key=key) as studio:
        job_id, _ = await begin(studio)
        await end_of(studio, job_id)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not [path for path in files if key.encode() in path.read_bytes()]
