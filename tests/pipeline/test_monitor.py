"""The Monitor's figures: a real Studio, a real server of texts, real workers."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest

import logs
from gpu_pool.tasks import PoolView
from pipeline.monitor import SAMPLES as SECONDS
from pipeline.monitor import _eta, _quantile
from pipeline.picture_steps import Asked
from pipeline.stages import Wishes
from pipeline.studio import Upload

SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "night-baker.jpg"
PICTURE = {"positive_prompt": "a bakery at night", "generation_params": {"width": 64, "height": 64, "steps": 3}}
SLOW = {"positive_prompt": "a bakery at night", "generation_params": {"width": 3072, "height": 3072, "steps": 9}}


async def ended(studio, job_id):
    async with asyncio.timeout(60):
        async for _ in studio.watch(job_id):
            pass


async def until(true, seconds=20):
    async with asyncio.timeout(seconds):
        while not (found := await true()):  # noqa: ASYNC110  what is waited for is in a worker or a database
            await asyncio.sleep(0.05)
    return found


async def test_calls_are_counted_while_they_run_and_after(open_studio, offline_server):
    async with open_studio(offline_server("--latency", "0.4").url, max_concurrent=3) as studio:
        before = await studio.monitor.look()
        assert (
            before["writer"] | {"slots": 3, "in_use": 0, "calls": 0, "rate": 0, "p50": None, "p95": None, "eta": None} == before["writer"]
        )
        job_id, persona_id = await studio.create_persona(Upload(SAMPLE, "mara.jpg"), Wishes.said("English"))

        async def busy():
            found = await studio.monitor.look()
            return found if found["writer"]["in_use"] and found["writer"]["calls"] else None

        during = await until(busy)
        assert 1 <= during["writer"]["in_use"] <= 3
        assert during["writer"]["steps"] >= during["writer"]["in_use"]
        assert during["writer"]["eta"] > 0
        assert [(job["id"], job["status"], job["persona"]) for job in during["jobs"]] == [(job_id, "running", persona_id)]
        await ended(studio, job_id)
        after = (await studio.monitor.look())["writer"]
        job = await studio.job(job_id)
        assert after["calls"] == job["calls"] >= 7
        assert after["prompt_tokens"] + after["completion_tokens"] == job["tokens"] > 0
        assert 0.4 <= after["p50"] <= after["p95"] < 5
        assert after["steps"] == after["in_use"] == after["waiting"] == 0


async def test_each_second_is_remembered(open_studio, offline_server):
    async with open_studio(offline_server().url, image_engine="preview") as studio:
        await ended(studio, await studio.pictures.start_all({f"p{number}": Asked(picture=PICTURE) for number in range(6)}))

        async def counted():
            history = (await studio.monitor.look())["history"]
            return history if sum(history["pictures"]) == 6 else None

        history = await until(counted)
        assert 1 <= len(history["pictures"]) == len(history["in_use"]) == len(history["calls"]) <= SECONDS


async def test_workers_are_shown_with_what_they_draw_and_that_one_died(open_studio, offline_server):
    async with open_studio(offline_server().url, image_engine="preview", cpu_workers=2) as studio:
        job_id = await studio.pictures.start_all({f"p{number}": Asked(picture=SLOW) for number in range(12)})

        async def both_draw():
            pool = await studio.monitor.pool()
            return pool if [worker["state"] for worker in pool["workers"]] == ["busy", "busy"] else None

        pool = await until(both_draw)
        assert [worker["number"] for worker in pool["workers"]] == [0, 1]
        assert {worker["about"]["job"] for worker in pool["workers"]} == {job_id}
        assert (pool["drawing"], pool["waiting"]) == (2, 10), "also those that are not in the pool yet"
        os.kill(pool["workers"][0]["pid"], signal.SIGKILL)

        async def died():
            first = (await studio.monitor.pool())["workers"][0]
            return first if first["restarts"] else None

        assert "died of signal 9" in str((await until(died))["trouble"])
        await studio.cancel(job_id)
        assert (await studio.monitor.pool())["waiting"] == 0
        texts = [line["text"] for line in (await studio.monitor.look())["log"]]
        assert any("died of signal 9" in text for text in texts)


async def test_the_log_is_told_once_and_without_secrets(open_studio, offline_server):
    before = logging.getLogRecordFactory()
    async with open_studio(offline_server().url) as studio:
        logs.keep_out(["hunter-2-hunter"])
        try:
            logging.getLogger("somebody").warning("the password is %s", "hunter-2-hunter")
            logging.getLogger("somebody").warning("<img src=x onerror=alert(1)>")
        finally:
            logging.setLogRecordFactory(before)
        first = (await studio.monitor.look())["log"]
        said = [line for line in first if line["name"] == "somebody"]
        assert [line["text"] for line in said] == ["the password is [redacted]", "<img src=x onerror=alert(1)>"]
        assert [line["level"] for line in said] == ["WARNING"] * 2
        assert (await studio.monitor.look(said[-1]["number"]))["log"] == first[first.index(said[-1]) + 1 :]
    logging.getLogger("somebody").warning("afterwards")
    assert all(line.text != "afterwards" for line in studio.monitor._log.since(0))


async def test_jobs_under_way_are_shown_before_any_number_of_ended_ones(open_studio, offline_server):
    async with open_studio(offline_server().url, image_engine="preview") as studio:
        slow = await studio.pictures.start_all({f"s{number}": Asked(picture=SLOW) for number in range(8)}, priority=10)
        for number in range(8):
            await ended(studio, await studio.pictures.start_all({f"p{number}": Asked()}))
        jobs = (await studio.monitor.look())["jobs"]
        assert jobs[-1]["id"] == slow
        assert [job["status"] for job in jobs[:-1]] == ["failed"] * 6, "the newest six"
        assert {job["failed"] for job in jobs[:-1]} == {1}
        await studio.cancel(slow)


@pytest.mark.parametrize(
    ("left", "eta", "pace", "expected"),
    [(0, None, None, 0.0), (10, None, None, None), (10, 4.0, 0.5, 4.0 + 0.5 * 6), (2, 4.0, 0.5, 4.0)],
)
def test_what_waits_outside_the_pool_is_part_of_the_estimate(left, eta, pace, expected):
    view = PoolView((), queued=2, running=2, done=0, failed=0, cancelled=0, pace=pace, eta=eta, trouble=None)
    assert _eta(view, left) == expected


def test_without_a_pool_only_nothing_can_be_estimated():
    assert _eta(None, 0) == 0.0
    assert _eta(None, 3) is None


def test_quantiles_are_times_that_were_measured():
    seconds = [float(number) for number in range(1, 101)]
    assert (_quantile(seconds, 0.5), _quantile(seconds, 0.95), _quantile([2.0], 0.95), _quantile([], 0.5)) == (50.0, 95.0, 2.0, None)
