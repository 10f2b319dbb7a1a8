"""A state machine drives the journal through claims, results, crashes and the clock, and compares it with a model of a few lines."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage import jobs
from storage.database import Store

STEPS = [
    jobs.NewStep("anna", "core"),
    jobs.NewStep("anna", "strategy", (("anna", "core"),)),
    jobs.NewStep("anna", "examples", (("anna", "core"), ("anna", "strategy"))),
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
        self.model = Model(dict.fromkeys(KEYS, "waiting"), {}, {})
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

    @rule(owner=st.sampled_from(OWNERS))
    def take_back(self, owner):
        self.write(jobs.take_back, "job", owner, self.alive, self.now)
        for key, holder in list(self.model.holder.items()):
            if holder.owner != owner and (not self.alive(holder.owner) or self.model.lease[key] < self.now):
                self.model.status[key] = "waiting"
                del self.model.holder[key]

    @rule(owner=st.sampled_from(OWNERS), keys=st.lists(st.sampled_from(KEYS), unique=True))
    def claim(self, owner, keys):
        claims = self.write(jobs.claim, "job", keys, owner, self.now)
        runs = self.model.job == "running" and self.model.owner == owner
        ready = [k for k in keys if self.model.status[k] == "waiting" and all(self.model.status[n] == "done" for n in NEEDS[k])]
        assert [c.key for c in claims] == (ready if runs else [])
        for got in claims:
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
        self.write(jobs.renew, owner, self.now)
        for key, holder in self.model.holder.items():
            if holder.owner == owner:
                self.model.lease[key] = self.now + jobs.LEASE

    @precondition(lambda self: len(self.claims) > 2)
    @rule()
    def cancel(self):
        got = self.write(jobs.cancel, "job", self.now)
        assert got == (self.model.job in ("queued", "running", "paused"))
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
            self.model.status[key] = "waiting"
        if again and self.model.job in ("done", "failed", "cancelled"):
            self.model.job, self.model.owner = "queued", None

    @rule(owner=st.sampled_from(OWNERS))
    def settle(self, owner):
        got = self.write(jobs.settle, "job", owner, self.now)
        if self.model.owner != owner or self.model.job != "running":
            return
        ready = [k for k, s in self.model.status.items() if s == "waiting" and all(self.model.status[n] == "done" for n in NEEDS[k])]
        if ready or self.model.holder:
            assert got is None
            return
        done = all(status == "done" for status in self.model.status.values())
        assert got == ("done" if done else "failed")
        self.model.job, self.model.owner = got, None

    @invariant()
    def the_journal_says_what_the_model_says(self):
        if not hasattr(self, "store"):
            return
        found = {(s["item"], s["stage"]): s for s in self.store.read(jobs.steps, "job")}
        assert {key: step["status"] for key, step in found.items()} == self.model.status
        job = self.store.read(jobs.get, "job")
        assert (job["status"], job["owner"]) == (self.model.job, self.model.owner)

    @invariant()
    def no_step_is_finished_twice(self):
        if hasattr(self, "finished"):
            assert len(self.finished) == len(set(self.finished))


Journal.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestJournal = Journal.TestCase
