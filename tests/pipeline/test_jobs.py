from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from scripted import until

import logs
from errors import NotFoundError, WriterError
from pipeline import events, runs
from pipeline.events import Event
from pipeline.graph import Graph
from pipeline.jobs import Jobs, Result
from storage import jobs as journal
from storage.database import rows
from storage.jobs import NewStep
from storage.owners import Owner

ROOT = Path(__file__).resolve().parents[2]
CHAIN = [NewStep("x", "a"), NewStep("x", "b", (("x", "a"),)), NewStep("x", "c", (("x", "b"),))]
FLAT = [NewStep("x", str(number)) for number in range(8)]


class Workshop:
    """Work that notes what it does. A step whose stage is in *broken* fails; one in *held* goes on when it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.at_work: set[str] = set()
        self.peak = 0
        self.broken: dict[str, Exception] = {}
        self.held: set[str] = set()

    async def __call__(self, step) -> Result:
        assert step.claim.key not in self.at_work, "a step is never done twice at once"
        self.begun.append(step.stage)
        self.at_work.add(step.claim.key)
        self.peak = max(self.peak, len(self.at_work))
        try:
            await asyncio.sleep(0)
            await until(lambda: step.stage not in self.held, 30)
            if step.stage in self.broken:
                raise self.broken[step.stage]
            step.report({"phase": "nearly there"})
        finally:
            self.at_work.remove(step.claim.key)
        return Result(lambda _: self.ended.append(step.stage), "hash")


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
async def open_jobs(store, workshop, tmp_path):
    opened = []

    async def open_jobs(work=workshop, *, adopt=True, width=4) -> Jobs:
        jobs = Jobs(store, Owner(tmp_path / "data"), work, {"llm": width}, adopt_orphans=adopt)
        await jobs.start()
        opened.append(jobs)
        return jobs

    yield open_jobs
    for jobs in opened:
        await jobs.stop(0)
        jobs._owner.close()


@pytest.fixture
async def jobs(open_jobs) -> Jobs:
    return await open_jobs()


async def submit(jobs, steps) -> str:
    return await jobs.submit("test", "a job", steps, params={}, priority=0)


async def end_of(jobs, job_id) -> list[Event]:
    async with asyncio.timeout(20):
        return [event async for event in jobs.watch(job_id)]


def statuses(store, job_id) -> dict[str, str]:
    return {step["stage"]: step["status"] for step in store.read(journal.steps, job_id)}


# Order


async def test_steps_run_in_the_order_of_their_needs(jobs, workshop, store):
    job = await submit(jobs, CHAIN[::-1])
    await end_of(jobs, job)
    assert workshop.ended == ["a", "b", "c"]
    assert store.read(journal.get, job)["status"] == "done"
    assert {step["input_hash"] for step in store.read(journal.steps, job)} == {"hash"}


async def test_steps_that_need_nothing_of_each_other_run_together_as_far_as_their_lane_is_wide(jobs, workshop):
    workshop.held = {step.stage for step in FLAT}
    job = await submit(jobs, FLAT)
    await until(lambda: len(workshop.at_work) == 4)
    await asyncio.sleep(0.05)
    workshop.held.clear()
    await end_of(jobs, job)
    assert (workshop.peak, workshop.begun) == (4, [step.stage for step in FLAT])


async def test_a_lane_nobody_knows_takes_one_step_at_a_time_in_the_order_of_the_job(jobs, workshop):
    job = await submit(jobs, [NewStep("x", str(number), lane="alone") for number in range(5)])
    await end_of(jobs, job)
    assert (workshop.peak, workshop.ended) == (1, list("01234"))


@pytest.mark.parametrize("seed", range(12))
async def test_any_graph_is_done_in_order_and_a_failed_step_leaves_the_others_standing(seed, jobs, workshop, store):
    rng = random.Random(seed)
    names = [f"s{number}" for number in range(14)]
    needs = {name: rng.sample(names[:place], min(place, rng.randrange(4))) for place, name in enumerate(names)}
    workshop.broken = {name: WriterError("refused", "No.") for name in names if rng.random() < 0.15}
    steps = [NewStep("x", name, tuple(("x", need) for need in needs[name])) for name in rng.sample(names, len(names))]
    job = await submit(jobs, steps)
    await end_of(jobs, job)

    out_of_reach: set[str] = set()
    for name in names:
        if name in workshop.broken or out_of_reach & set(needs[name]):
            out_of_reach.add(name)
    found = statuses(store, job)
    assert {name for name in names if found[name] == "done"} == set(names) - out_of_reach
    assert {name for name in names if found[name] == "failed"} == {n for n in workshop.broken if not out_of_reach & set(needs[n])}
    assert store.read(journal.get, job)["status"] == ("failed" if out_of_reach else "done")
    assert max(Counter(workshop.begun).values()) == 1
    for name in workshop.begun:
        assert all(workshop.ended.index(need) < workshop.begun.index(name) or need in workshop.ended for need in needs[name])


def test_the_graph_keeps_the_order_of_the_job_and_the_width_of_each_lane():
    def row(stage, needs=(), lane="llm", status="waiting"):
        return {"item": "x", "stage": stage, "needs": [("x", need) for need in needs], "lane": lane, "status": status}

    graph = Graph([row("a"), row("b", ["a"]), row("c"), row("d", lane="image"), row("e", ["z"]), row("z", status="failed")])
    assert graph.ready(lambda _: 9) == [(("x", "a"), "llm"), (("x", "c"), "llm"), (("x", "d"), "image")]
    assert graph.ready(lambda lane: 1 if lane == "llm" else -1) == [(("x", "a"), "llm")]
    graph.started(("x", "a"))
    graph.started(("x", "a"))
    graph.finished(("x", "a"))
    assert [key[1] for key, _ in graph.ready(lambda _: 9)] == ["b", "c", "d"], "what was begun is ended before more is begun"


def test_a_step_that_others_wait_for_runs_ahead_so_that_the_job_does_not_end_with_a_chain():
    def rows_of(item):
        needs = {"core": [], "one": ["core"], "two": ["one"]} | {f"side {number}": ["core"] for number in range(4)}
        return [
            {"item": item, "stage": stage, "needs": [(item, need) for need in wanted], "lane": "llm", "status": "waiting"}
            for stage, wanted in needs.items()
        ]

    rounds, graph = [], Graph([row for item in range(20) for row in rows_of(str(item))], widths={"llm": 20})
    while ready := [key for key, _ in graph.ready(lambda _: 20)]:
        rounds.append(ready)
        for key in ready:
            graph.started(key)
        for key in ready:
            graph.finished(key)
    assert [len(ready) for ready in rounds] == [20] * 7, "never is there room that is not used"
    assert ("0", "two") in rounds[2], "and what was begun first is still ended first"


def test_the_graph_knows_of_steps_that_ended_after_its_rows_were_read():
    rows = [
        {"item": "x", "stage": "a", "needs": [], "lane": "llm", "status": "running"},
        {"item": "x", "stage": "b", "needs": [("x", "a")], "lane": "llm", "status": "waiting"},
    ]
    assert [key[1] for key, _ in Graph(rows, {("x", "a")}).ready(lambda _: 9)] == ["b"]


# What goes wrong


async def test_one_failed_step_is_retried_without_the_others(jobs, workshop, store):
    workshop.broken = {"b": WriterError("refused", "The model refused.")}
    job = await submit(jobs, [*CHAIN, NewStep("x", "d")])
    seen = await end_of(jobs, job)
    assert statuses(store, job) == {"a": "done", "b": "failed", "c": "waiting", "d": "done"}
    (told,) = [event for event in seen if event.status == "failed" and event.kind == "step"]
    assert told.data == {"error_kind": "refused", "error": "The model refused."}
    workshop.broken = {}
    assert await jobs.retry(job, [("x", "b"), ("x", "d")]) == 1
    await end_of(jobs, job)
    assert statuses(store, job) == dict.fromkeys("abcd", "done")
    assert Counter(workshop.begun) == {"a": 1, "b": 2, "c": 1, "d": 1}


async def test_a_step_may_be_retried_while_the_others_still_run(jobs, workshop, store):
    workshop.broken, workshop.held = {"0": WriterError("refused", "No.")}, {"1"}
    job = await submit(jobs, FLAT[:2])
    await until(lambda: statuses(store, job)["0"] == "failed")
    workshop.broken = {}
    await jobs.retry(job, [("x", "0")])
    await until(lambda: statuses(store, job)["0"] == "done")
    workshop.held = set()
    assert (await end_of(jobs, job))[-1].status == "done"


async def test_a_step_that_was_done_and_is_set_back_is_done_again(jobs, workshop, store):
    workshop.held = {"b"}
    job = await submit(jobs, [NewStep("x", "a"), NewStep("x", "b")])
    await until(lambda: workshop.ended == ["a"])
    await store.write(lambda tx: tx.execute("UPDATE steps SET status = 'waiting' WHERE stage = 'a'"))
    jobs._run(job)
    await until(lambda: workshop.ended == ["a", "a"])
    workshop.held = set()
    assert (await end_of(jobs, job))[-1].status == "done"


async def test_a_mistake_of_ours_fails_its_step_and_stands_in_the_log(jobs, workshop, store, caplog):
    workshop.broken = {"b": ZeroDivisionError("secret detail")}
    job = await submit(jobs, CHAIN)
    await end_of(jobs, job)
    failed = next(step for step in store.read(journal.steps, job) if step["stage"] == "b")
    assert (failed["error_kind"], "ZeroDivisionError" in failed["error"], "secret" in failed["error"]) == ("bug", True, False)
    assert "secret detail" in caplog.text


async def test_a_reason_that_cannot_be_stored_as_it_is_does_not_keep_the_failure_from_being(jobs, workshop, store):
    workshop.broken = {"a": WriterError("refused", "half a \ud83d pair")}
    job = await submit(jobs, CHAIN)
    await end_of(jobs, job)
    assert store.read(journal.steps, job)[0]["error"] == "half a ? pair"


async def test_a_key_in_what_a_server_says_is_not_stored(jobs, workshop, store):
    before = logging.getLogRecordFactory()
    logs.keep_out(["correct horse"])
    try:
        workshop.broken = {"a": WriterError("refused", "with hf_abcdefghijklmnop and correct horse")}
        job = await submit(jobs, CHAIN)
        told = next(event for event in await end_of(jobs, job) if event.status == "failed" and event.kind == "step")
    finally:
        logging.setLogRecordFactory(before)
    assert store.read(journal.steps, job)[0]["error"] == told.data["error"] == "with [redacted] and [redacted]"


async def test_a_result_that_cannot_be_saved_leaves_nothing_behind(open_jobs, store):
    async def work(step):
        def save(tx):
            tx.execute("INSERT INTO personas (id, name, language, created_at, updated_at) VALUES ('p', 'n', 'en', '', '')")
            raise ValueError("half way")

        return Result(save)

    jobs = await open_jobs(work)
    job = await submit(jobs, CHAIN[:1])
    await end_of(jobs, job)
    assert statuses(store, job) == {"a": "failed"}
    assert store.read(lambda db: db.execute("SELECT count(*) FROM personas").fetchone()) == (0,)


async def test_a_job_whose_runner_stumbles_goes_on(jobs, workshop, monkeypatch):
    monkeypatch.setattr(runs, "RECOVERY", 0.1)
    real, broken = journal.claim, iter([True])
    monkeypatch.setattr(journal, "claim", lambda *args: 1 / 0 if next(broken, False) else real(*args))
    job = await submit(jobs, CHAIN)
    assert (await end_of(jobs, job))[-1].status == "done"


# Cancel, pause, resume


async def test_cancelling_stops_what_runs_and_keeps_what_is_done(jobs, workshop, store):
    workshop.held = {"b"}
    job = await submit(jobs, CHAIN)
    await until(lambda: "b" in workshop.begun)
    assert await jobs.cancel(job)
    await until(lambda: not workshop.at_work)
    assert statuses(store, job) == {"a": "done", "b": "cancelled", "c": "cancelled"}
    assert not await jobs.cancel(job)
    await until(lambda: not jobs.running)
    workshop.held = set()
    assert await jobs.resume(job)
    await end_of(jobs, job)
    assert Counter(workshop.begun) == {"a": 1, "b": 2, "c": 1}


async def test_cancelling_and_resuming_at_once_never_does_a_step_twice_at_the_same_time(jobs, workshop, store):
    workshop.held = {"0", "1"}
    job = await submit(jobs, FLAT[:2])
    await until(lambda: len(workshop.at_work) == 2)
    await asyncio.gather(jobs.cancel(job), jobs.resume(job))
    await until(lambda: len(workshop.begun) == 4)
    workshop.held = set()
    assert (await end_of(jobs, job))[-1].status == "done"
    assert sorted(workshop.ended) == ["0", "1"]


async def test_a_paused_job_ends_what_it_began_and_begins_nothing(jobs, workshop, store):
    workshop.held = {"a"}
    job = await submit(jobs, CHAIN)
    await until(lambda: workshop.at_work)
    assert await jobs.pause(job)
    assert not await jobs.pause(job)
    workshop.held = set()
    await until(lambda: not jobs.running)
    assert statuses(store, job) == {"a": "done", "b": "waiting", "c": "waiting"}
    assert await jobs.resume(job)
    await end_of(jobs, job)
    assert workshop.ended == ["a", "b", "c"]
    assert not await jobs.resume(job)


async def test_a_job_that_is_paused_at_its_last_step_ends_with_it(jobs, workshop, store):
    workshop.held = {"0", "1"}
    job = await submit(jobs, FLAT[:2])
    await until(lambda: len(workshop.at_work) == 2)
    assert await jobs.pause(job)
    workshop.held = set()
    assert (await end_of(jobs, job))[-1].status == "done"


async def test_stopping_gives_back_what_is_not_ended_in_time_and_the_next_start_goes_on(open_jobs, workshop, store):
    first = await open_jobs()
    workshop.held = {"b"}
    job = await submit(first, CHAIN)
    await until(lambda: "b" in workshop.begun)
    await first.stop(0.05)
    first._owner.close()
    assert statuses(store, job) == {"a": "done", "b": "waiting", "c": "waiting"}
    workshop.held = set()
    second = await open_jobs()
    await end_of(second, job)
    assert Counter(workshop.begun) == {"a": 1, "b": 2, "c": 1}


async def test_stopping_lets_a_step_end_that_ends_in_time(open_jobs, workshop, store):
    jobs = await open_jobs()
    workshop.held = {"a"}
    job = await submit(jobs, CHAIN)
    await until(lambda: workshop.at_work)
    stopping = asyncio.create_task(jobs.stop(5))
    await asyncio.sleep(0.05)
    workshop.held = set()
    await stopping
    assert statuses(store, job) == {"a": "done", "b": "waiting", "c": "waiting"}


async def test_a_job_runs_although_whoever_submitted_it_went_away_at_that_moment(open_jobs, workshop, store):
    jobs = await open_jobs(adopt=False)
    leaving = asyncio.create_task(submit(jobs, CHAIN))
    while not store.read(journal.unfinished):  # noqa: ASYNC110
        await asyncio.sleep(0)
    leaving.cancel()  # the job is written, but who wrote it has not woken up yet
    await asyncio.wait([leaving])
    await until(lambda: workshop.ended == ["a", "b", "c"])


# Watching


async def test_a_watcher_hears_of_everything_in_order(jobs):
    job = await submit(jobs, CHAIN[:2])
    seen = await end_of(jobs, job)
    assert (seen[0].kind, seen[0].status) == ("all", "running")
    assert [(event.stage, event.status) for event in seen if event.kind == "step"] == [
        ("a", "running"),
        ("a", "done"),
        ("b", "running"),
        ("b", "done"),
    ]
    assert [event.data["phase"] for event in seen if event.kind == "progress"] == ["nearly there"] * 2
    assert (seen[-1].kind, seen[-1].status) == ("job", "done")


async def test_who_watches_a_job_that_has_ended_is_told_so(jobs):
    job = await submit(jobs, CHAIN[:1])
    await end_of(jobs, job)
    assert [(event.kind, event.status) for event in await end_of(jobs, job)] == [("all", "done")]
    with pytest.raises(NotFoundError):
        await end_of(jobs, "nothing")


async def test_several_watch_and_one_leaves(jobs, workshop):
    workshop.held = {"a"}
    job = await submit(jobs, CHAIN)
    async with aclosing(jobs.watch(job)) as leaving:
        await anext(leaving)
    staying = asyncio.create_task(end_of(jobs, job))
    workshop.held = set()
    assert (await staying)[-1].status == "done"
    assert jobs.hub._queues == {}


async def test_a_slow_watcher_is_told_to_look_anew_and_still_hears_the_end(jobs, workshop, monkeypatch):
    monkeypatch.setattr(events, "UNREAD", 5)
    workshop.held = {"0"}
    job = await submit(jobs, FLAT)
    async with aclosing(jobs.watch(job)) as watching:
        await anext(watching)
        workshop.held = set()
        await until(lambda: not jobs.running)
        async with asyncio.timeout(5):
            seen = [event async for event in watching]
    assert "all" in [event.kind for event in seen]
    assert len(seen) <= 7
    assert (seen[-1].kind, seen[-1].status) == ("job", "done")


async def test_a_watcher_is_cancelled_at_once(jobs, workshop):
    workshop.held = {"a"}
    job = await submit(jobs, CHAIN)
    watching = asyncio.create_task(end_of(jobs, job))
    await asyncio.sleep(0.05)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert jobs.hub._queues == {}


async def test_a_job_of_another_process_can_be_watched_paused_and_cancelled(open_jobs, workshop, store):
    running, watching = await open_jobs(), await open_jobs(adopt=False)
    workshop.held = {"a"}
    job = await submit(running, CHAIN)
    await until(lambda: workshop.at_work)
    seen = asyncio.create_task(end_of(watching, job))
    assert not await watching.resume(job)
    assert await watching.cancel(job)
    await until(lambda: not workshop.at_work)
    assert (await seen)[-1].status == "cancelled"


# Several processes


def process(data: Path, log: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "tests/pipeline/jobs_process.py", str(data), str(log)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("killed", [False, True], ids=["in peace", "and one is killed"])
def test_two_processes_never_do_a_step_twice(killed, store, tmp_path):
    for number in range(6):
        steps = [
            NewStep(str(item), stage.stage, tuple((str(item), need[1]) for need in stage.needs)) for item in range(8) for stage in CHAIN
        ]
        args = (f"job{number}", "test", "a job", steps)
        store.submit(journal.create, *args, params={}, priority=0, now=datetime.now(UTC)).result(10)
    log = tmp_path / "log"
    both = [process(tmp_path / "data", log) for _ in range(2)]
    try:
        assert [child.stdout.readline() for child in both] == ["started\n"] * 2
        if killed:
            both[0].send_signal(signal.SIGKILL)
        codes = [child.wait(60) for child in both]
    finally:
        for child in both:
            child.kill()
            child.wait(10)
            child.stdout.close()
    assert codes == ([-signal.SIGKILL, 0] if killed else [0, 0])
    saved = store.read(rows, "SELECT job_id, item, stage, count(*) AS times FROM calls GROUP BY job_id, item, stage")
    assert [step["times"] for step in saved] == [1] * (6 * 8 * 3), "every step is saved exactly once"
    again = [step for step, times in Counter(log.read_text().splitlines()).items() if times > 1]
    assert len(again) <= (6 * 4 if killed else 0), "only what was under way is begun again"
    assert all(store.read(journal.get, f"job{number}")["status"] == "done" for number in range(6))
