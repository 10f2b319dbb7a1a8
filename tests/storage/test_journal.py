"""A state machine drives the journal through claims, results, crashes and the clock, and compares it with a model of a few lines."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from errors import NotFoundError
from storage import jobs
from storage.clock import timestamp
from storage.database import Store

STEPS = [
    jobs.NewStep("bert", "core"),
    jobs.NewStep("anna", "core"),
    jobs.NewStep("anna", "strategy", (("anna", "core"),)),
    jobs.NewStep("anna", "examples", (("anna", "core"), ("anna", "strategy")), lane="image"),
    jobs.NewStep("bert", "meets", (("anna", "strategy"), ("bert", "core"))),
]
KEYS = [(step.item, step.stage) for step in STEPS]
NEEDS = {(step.item, step.stage): step.needs for step in STEPS}
OWNERS = ["one", "two"]


@dataclass
class Model:
    """What the journal must say."""

    status: dict
    holder: dict
    lease: dict
    claimed: dict  # how often: attempts and fence
    retried: dict
    error: dict
    job: str = "queued"
    owner: str | None = None


class Journal(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name))
        self.now = datetime(2026, 11, 24, tzinfo=UTC)
        self.dead: set[str] = set()
        self.claims: list[jobs.Claim] = []
        self.finished: list[tuple] = []
        self.model = Model(dict.fromkeys(KEYS, "waiting"), {}, {}, dict.fromkeys(KEYS, 0), dict.fromkeys(KEYS, 0), dict.fromkeys(KEYS))
        self.write(jobs.create, "job", "persona", "A job", STEPS, params={}, priority=0, now=self.now)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    def write(self, fn, *args, **kwargs):
        return self.store.submit(fn, *args, **kwargs).result(timeout=10)

    def alive(self, owner):
        return owner not in self.dead

    @rule(owner=st.sampled_from(OWNERS))
    def adopt(self, owner):
        self.dead.discard(owner)
        got = self.write(jobs.adopt, "job", owner, self.alive, self.now)
        expected = self.model.job in ("queued", "running") and (self.model.owner in (None, owner) or not self.alive(self.model.owner))
        assert got == expected
        if got:
            self.model.job, self.model.owner = "running", owner

    @rule(owner=st.sampled_from(OWNERS), at_work=st.none() | st.sets(st.sampled_from(KEYS)))
    def take_back(self, owner, at_work=None):
        count = self.write(jobs.take_back, "job", owner, self.alive, self.now, at_work=at_work)
        lost = []
        for key, holder in self.model.holder.items():
            dropped = holder.owner == owner and at_work is not None and key not in at_work
            if dropped or (holder.owner != owner and (not self.alive(holder.owner) or self.model.lease[key] < self.now)):
                lost.append(key)
        assert count == len(lost)
        for key in lost:
            self.model.status[key] = "waiting"
            del self.model.holder[key]

    @rule(owner=st.sampled_from(OWNERS), keys=st.lists(st.sampled_from(KEYS), unique=True))
    def claim(self, owner, keys):
        claims = self.write(jobs.claim, "job", keys, owner, self.now)
        runs = self.model.job == "running" and self.model.owner == owner
        ready = [k for k in keys if self.model.status[k] == "waiting" and all(self.model.status[n] == "done" for n in NEEDS[k])]
        assert [c.key for c in claims] == (ready if runs else [])
        for got in claims:
            self.model.claimed[got.key] += 1
            assert (got.fence, got.attempts, got.retries) == (*[self.model.claimed[got.key]] * 2, self.model.retried[got.key])
            self.model.error[got.key] = None
            self.model.status[got.key] = "running"
            self.model.holder[got.key] = got
            self.model.lease[got.key] = self.now + jobs.LEASE
        self.claims += claims

    @rule(owner=st.sampled_from(OWNERS))
    def work(self, owner):
        """What a runner does first, in one go, so that long stories are common."""
        self.adopt(owner)
        self.take_back(owner)
        self.claim(owner, KEYS)

    def held(self, claim):
        return self.model.holder.get(claim.key) == claim

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), how=st.sampled_from(["finish", "fail", "release"]))
    def end(self, data, how):
        claim = data.draw(st.sampled_from(self.claims))
        if how == "finish":
            kept = self.write(jobs.finish, claim, self.now, input_hash="h")
        elif how == "fail":
            kept = self.write(jobs.fail, claim, self.now, kind="refused", error="no")
        else:
            kept = self.write(jobs.release, claim, self.now)
        assert kept == self.held(claim), "a result counts exactly when its claim still holds"
        if kept:
            self.model.status[claim.key] = {"finish": "done", "fail": "failed", "release": "waiting"}[how]
            del self.model.holder[claim.key]
            if how == "fail":
                self.model.error[claim.key] = ("refused", "no")
            if how == "finish":
                self.finished.append(claim.key)

    @rule(owner=st.sampled_from(OWNERS))
    def crash(self, owner):
        self.dead.add(owner)

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def clock(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(owner=st.sampled_from(OWNERS))
    def renew(self, owner):
        count = self.write(jobs.renew, owner, self.now)
        assert count == sum(holder.owner == owner for holder in self.model.holder.values())
        for key, holder in self.model.holder.items():
            if holder.owner == owner:
                self.model.lease[key] = self.now + jobs.LEASE

    @precondition(lambda self: len(self.claims) > 2)
    @rule(failed=st.booleans())
    def cancel(self, failed):
        got = self.write(jobs.cancel, "job", self.now, failed=failed)
        assert got == (self.model.job in ("queued", "running", "paused") or (failed and self.model.job == "failed"))
        if got:
            for key, status in self.model.status.items():
                if status in ("waiting", "running"):
                    self.model.status[key] = "cancelled"
            self.model.holder.clear()
            self.model.job, self.model.owner = "cancelled", None

    @precondition(lambda self: self.claims)
    @rule()
    def pause(self):
        got = self.write(jobs.pause, "job")
        assert got == (self.model.job in ("queued", "running"))
        if got:
            self.model.job, self.model.owner = "paused", None

    @rule()
    def resume(self):
        got = self.write(jobs.resume, "job")
        assert got == (self.model.job == "paused")
        if got:
            self.model.job, self.model.owner = "queued", None

    @rule(keys=st.none() | st.lists(st.sampled_from(KEYS), unique=True, min_size=1))
    def retry(self, keys):
        count = self.write(jobs.retry, "job", keys)
        again = [k for k in (keys or KEYS) if self.model.status[k] in ("failed", "cancelled")]
        assert count == len(again)
        for key in again:
            self.model.retried[key] += self.model.status[key] == "failed"
            self.model.status[key] = "waiting"
        if again and self.model.job in ("done", "failed", "cancelled"):
            self.model.job, self.model.owner = "queued", None

    @rule(owner=st.sampled_from(OWNERS))
    def settle(self, owner):
        got = self.write(jobs.settle, "job", owner, self.now)
        runs = self.model.owner == owner and self.model.job == "running"
        if not runs and self.model.job != "paused":
            assert got == self.model.job
            return
        ready = [k for k, s in self.model.status.items() if s == "waiting" and all(self.model.status[n] == "done" for n in NEEDS[k])]
        if ready or self.model.holder:
            assert got == (None if runs else "paused")
            return
        done = all(status == "done" for status in self.model.status.values())
        assert got == ("done" if done else "failed")
        self.model.job, self.model.owner = got, None

    @invariant()
    def the_journal_says_what_the_model_says(self):
        if not hasattr(self, "store"):
            return
        found = {(s["item"], s["stage"]): s for s in self.store.read(jobs.steps, "job")}
        assert list(found) == KEYS, "in the order in which they were given"
        for key, step in found.items():
            assert step["status"] == self.model.status[key]
            assert (step["attempts"], step["fence"]) == (self.model.claimed[key],) * 2
            assert step["retries"] == self.model.retried[key]
            assert tuple(step["needs"]) == NEEDS[key]
            assert (step["error_kind"], step["error"]) == (self.model.error[key] or (None, None))
            held = self.model.holder.get(key)
            assert (step["lease_until"] is not None) == (held is not None)
            assert (step["finished_at"] is not None) == (step["status"] in ("done", "failed", "cancelled"))
            if held:
                assert (step["owner"], step["lease_until"]) == (held.owner, timestamp(self.model.lease[key]))
        job = self.store.read(jobs.get, "job")
        assert (job["status"], job["owner"]) == (self.model.job, self.model.owner)
        assert self.store.read(jobs.statuses, ["job", "no such"]) == {"job": (self.model.job, self.model.owner)}
        assert bool(self.store.read(jobs.unfinished)) == (self.model.job in ("queued", "running"))
        assert (job["finished_at"] is not None) == (self.model.job in ("done", "failed", "cancelled"))

    @invariant()
    def no_step_is_finished_twice(self):
        if hasattr(self, "finished"):
            assert len(self.finished) == len(set(self.finished))


Journal.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestJournal = Journal.TestCase


# What a story of one job does not show

NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def create(store, job_id, steps=STEPS, **changes):
    values = {"params": {"personas": ["アンナ"]}, "priority": 0, "now": NOW} | changes
    await store.write(jobs.create, job_id, "persona", "A job", steps, **values)


async def test_a_job_keeps_its_parameters(store):
    await create(store, "job")
    assert store.read(jobs.get, "job")["params"] == {"personas": ["アンナ"]}


async def test_a_job_whose_steps_need_what_is_not_there_is_refused_whole(store):
    with pytest.raises(ValueError, match=r"not there: \[\('anna', 'core'\)\]"):
        await create(store, "job", STEPS[2:3])
    assert store.read(jobs.recent) == []


async def test_steps_of_other_jobs_are_left_alone(store):
    for job in ("one", "two"):
        await create(store, job)
        await store.write(jobs.adopt, job, "me", lambda _: True, NOW)
    claims = await store.write(jobs.claim, "one", KEYS[:2], "me", NOW)
    await store.write(jobs.finish, claims[0], NOW)
    await store.write(jobs.fail, claims[1], NOW, kind="refused", error="no")
    await store.write(jobs.cancel, "one", NOW)
    await store.write(jobs.retry, "one")
    assert {step["status"] for step in store.read(jobs.steps, "two")} == {"waiting"}
    assert store.read(jobs.get, "two")["status"] == "running"


async def test_needs_are_looked_for_in_the_same_job_only(store):
    for job in ("one", "two"):
        await create(store, job)
        await store.write(jobs.adopt, job, "me", lambda _: True, NOW)
    (core,) = await store.write(jobs.claim, "one", [("anna", "core")], "me", NOW)
    await store.write(jobs.finish, core, NOW)
    assert await store.write(jobs.claim, "two", [("anna", "strategy")], "me", NOW) == []
    assert len(await store.write(jobs.claim, "one", [("anna", "strategy")], "me", NOW)) == 1


async def test_a_late_result_is_dropped_also_when_the_same_owner_has_claimed_the_step_again(store):
    await create(store, "job")
    await store.write(jobs.adopt, "job", "me", lambda _: True, NOW)
    (late,) = await store.write(jobs.claim, "job", KEYS[:1], "me", NOW)
    await store.write(jobs.take_back, "job", "me", lambda _: True, NOW, at_work=())
    (held,) = await store.write(jobs.claim, "job", KEYS[:1], "me", NOW)
    assert not await store.write(jobs.finish, late, NOW)
    assert not await store.write(jobs.fail, late, NOW, kind="refused", error="no")
    assert not await store.write(jobs.release, late, NOW)
    assert await store.write(jobs.finish, held, NOW)


async def test_a_forged_claim_changes_nothing(store):
    await create(store, "job")
    await store.write(jobs.adopt, "job", "me", lambda _: True, NOW)
    (held,) = await store.write(jobs.claim, "job", KEYS[:1], "me", NOW)
    for forged in (
        replace(held, fence=held.fence + 1),
        replace(held, owner="you"),
        replace(held, stage="strategy"),
        replace(held, job_id="x"),
    ):
        assert not await store.write(jobs.finish, forged, NOW)
    assert await store.write(jobs.finish, held, NOW, input_hash="h")
    assert store.read(jobs.steps, "job")[0]["input_hash"] == "h"


async def test_what_runs_when_a_job_is_paused_may_end_and_counts(store):
    await create(store, "job")
    await store.write(jobs.adopt, "job", "me", lambda _: True, NOW)
    (held,) = await store.write(jobs.claim, "job", KEYS[:1], "me", NOW)
    await store.write(jobs.pause, "job")
    assert await store.write(jobs.claim, "job", KEYS[1:2], "me", NOW) == []
    assert await store.write(jobs.finish, held, NOW)


async def test_jobs_to_be_run_come_by_priority_and_then_by_age(store):
    for job, priority in (("a", 5), ("b", 0), ("c", 5), ("d", 0)):
        await create(store, job, priority=priority)
    await store.write(jobs.pause, "d")
    assert [job["id"] for job in store.read(jobs.unfinished)] == ["b", "a", "c"]


async def test_recent_jobs_come_newest_first_by_key_with_their_counts(store):
    for job in "abc":
        await create(store, job)
    await store.write(jobs.adopt, "b", "me", lambda _: True, NOW)
    claims = await store.write(jobs.claim, "b", KEYS[:2], "me", NOW)
    await store.write(jobs.finish, claims[0], NOW)
    await store.write(jobs.fail, claims[1], NOW, kind="refused", error="no")
    assert [job["id"] for job in store.read(jobs.recent, 2)] == ["c", "b"]
    (found,) = store.read(jobs.recent, 1, "c")
    assert (found["id"], found["total"], found["done"], found["failed"]) == ("b", 5, 1, 1)


async def test_a_job_that_does_not_exist_is_said_so(store):
    for change in (jobs.pause, jobs.resume, jobs.retry):
        with pytest.raises(NotFoundError, match="no job nowhere"):
            await store.write(change, "nowhere")
    with pytest.raises(NotFoundError):
        await store.write(jobs.cancel, "nowhere", NOW)
    with pytest.raises(NotFoundError):
        await store.write(jobs.settle, "nowhere", "me", NOW)
    with pytest.raises(NotFoundError):
        store.read(jobs.get, "nowhere")
    assert not await store.write(jobs.adopt, "nowhere", "me", lambda _: True, NOW)
    assert store.read(jobs.statuses, []) == {}


async def test_the_newest_step_of_each_stage_is_found_among_all_jobs_of_a_kind(store):
    now = datetime(2026, 11, 24, tzinfo=UTC)
    again = [jobs.NewStep("anna", "strategy")]
    for job_id, kind, steps in (("1", "persona", STEPS), ("2", "persona", again), ("3", "tweets", [jobs.NewStep("anna", "core")])):
        await store.write(jobs.create, job_id, kind, "A job", steps, params={}, priority=0, now=now)
    await store.write(jobs.cancel, "2", now)
    newest = store.read(jobs.newest_steps, "persona", ["anna", "bert", "nobody"])
    found = {(item, key): (step["job_id"], step["job_status"]) for item, steps in newest.items() for key, step in steps.items()}
    assert found == {
        ("anna", "core"): ("1", "queued"),
        ("anna", "strategy"): ("2", "cancelled"),
        ("anna", "examples"): ("1", "queued"),
        ("bert", "core"): ("1", "queued"),
        ("bert", "meets"): ("1", "queued"),
    }
    assert [key for key, step in newest["anna"].items() if jobs.is_open(step)] == ["core", "examples"]
    assert store.read(jobs.open_jobs, "persona", "anna", ["strategy"]) == ["1"]


async def test_what_is_forgotten_leaves_every_job_and_ends_those_about_nothing_else(store):
    now = datetime(2026, 11, 24, tzinfo=UTC)
    alone = [jobs.NewStep("anna", "visual"), jobs.NewStep("anna:00001", "tweet", (("anna", "visual"),))]
    for job_id, steps in (("1", STEPS), ("2", alone), ("3", [jobs.NewStep("annabel", "core")])):
        await store.write(jobs.create, job_id, "persona", "A job", steps, params={}, priority=0, now=now)
    assert await store.write(jobs.forget, "anna", now) == [("1", False), ("2", True)]
    assert {(step["item"], step["stage"]) for job_id in "123" for step in store.read(jobs.steps, job_id)} == {
        ("bert", "core"),
        ("bert", "meets"),
        ("annabel", "core"),
    }
    assert [store.read(jobs.get, job_id)["status"] for job_id in "123"] == ["queued", "cancelled", "queued"]
