"""The step graph and its runner: order, journal, events, resume. Knows nothing of personas, tweets or images.

A job is steps with needs. The runner claims the steps that are ready, a few more than the resource they take can serve at once, runs
each as a task, and writes its result and its journal row in one transaction. What another process started and did not end because it
was killed is taken over. Whoever watches is told of every change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from errors import NotFoundError, StudioError
from pipeline.events import Event, Hub
from pipeline.graph import Graph
from storage import jobs as journal
from storage.clock import new_id
from storage.database import Store, Transaction
from storage.jobs import Claim, Key, NewStep
from storage.owners import Owner

log = logging.getLogger(__name__)

GLANCE = 1.0
"""Seconds between looks at what other processes did to our jobs."""
RENEWAL = 15.0
"""Seconds between renewals of the leases."""


@dataclass(frozen=True)
class Step:
    """What the work function is given: which step of which job, its claim, and where to report progress."""

    job_id: str
    kind: str
    params: dict[str, Any]
    priority: int
    claim: Claim
    report: Callable[[dict[str, Any]], None]

    @property
    def item(self) -> str:
        return self.claim.item

    @property
    def stage(self) -> str:
        return self.claim.stage

    @property
    def redo(self) -> bool:
        """True when this step was begun before and not finished."""
        return self.claim.attempts > 1


@dataclass(frozen=True)
class Result:
    """A step's result: how to save it (runs in the transaction that marks the step done) and the hash of what it was made from."""

    save: Callable[[Transaction], object]
    input_hash: str | None = None


Work = Callable[[Step], Awaitable[Result]]


class Jobs:
    """All jobs that this process runs. *lanes* says how many steps of one job may be claimed at once, by resource."""

    def __init__(self, store: Store, owner: Owner, work: Work, lanes: dict[str, int], *, adopt_orphans: bool) -> None:
        self.hub = Hub()
        self._store = store
        self._owner = owner
        self._work = work
        self._lanes = lanes
        self._adopt_orphans = adopt_orphans
        self._runs: dict[str, _Run] = {}
        self._heart: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Begin to run: take up what a dead process left, renew leases, look out for what others change."""
        if self._adopt_orphans:
            await self._adopt()
        self._heart = asyncio.create_task(self._beat(), name="jobs heartbeat")

    async def stop(self, grace: float = 10) -> None:
        """Take no further step; give those under way *grace* seconds, then give them back to the journal for the next start."""
        self._stopping = True
        if self._heart:
            self._heart.cancel()
        await asyncio.gather(*(run.drain(grace) for run in list(self._runs.values())))

    # What a person does

    async def submit(
        self,
        kind: str,
        title: str,
        steps: Sequence[NewStep],
        *,
        params: dict[str, Any],
        priority: int,
        also: Callable[[Transaction, str], object] = lambda _tx, _job_id: None,
    ) -> str:
        """Write a new job, and whatever *also* writes beside it in the same transaction, and start it. Returns its id."""
        job_id, now = new_id(), datetime.now(UTC)

        def create(tx: Transaction) -> None:
            journal.create(tx, job_id, kind, title, steps, params=params, priority=priority, now=now)
            journal.adopt(tx, job_id, self._owner.id, self._owner.alive, now)
            also(tx, job_id)

        await self._store.write(create)
        self._run(job_id)
        return job_id

    async def cancel(self, job_id: str) -> bool:
        """Stop the job for good. False when it had ended already."""
        done = await self._store.write(journal.cancel, job_id, datetime.now(UTC))
        self._changed(job_id, "cancelled" if done else "")
        return done

    async def pause(self, job_id: str) -> bool:
        """Take no further step of the job. False when there is nothing to pause."""
        done = await self._store.write(journal.pause, job_id)
        self._changed(job_id, "paused" if done else "")
        return done

    async def resume(self, job_id: str) -> bool:
        """Let a paused, failed or cancelled job go on with what is missing. False when nothing is."""
        done = await self._store.write(journal.resume, job_id) or await self._store.write(journal.retry, job_id) > 0
        self._run(job_id)
        return done

    async def retry(self, job_id: str, keys: Iterable[Key]) -> int:
        """Run failed steps again. Returns how many; the rest of the job goes on meanwhile."""
        count = await self._store.write(journal.retry, job_id, list(keys))
        if count:
            self._run(job_id)
        return count

    async def watch(self, job_id: str) -> AsyncIterator[Event]:
        """The job's events, beginning with ``all``, until it ends (the last event is the ``job`` event that says so). A job that another
        process runs is looked at every second. Raises :class:`NotFoundError`."""
        with self.hub.listening(job_id) as events:
            status = (await self._store.fetch(journal.get, job_id))["status"]
            yield Event("all", job_id, status=status)
            while status in ("queued", "running", "paused"):
                try:
                    event = await asyncio.wait_for(events.get(), GLANCE)
                except TimeoutError:
                    if job_id in self._runs:
                        continue
                    found = (await self._store.fetch(journal.get, job_id))["status"]
                    if found == status == "paused":
                        continue
                    event = Event("job" if found != status else "all", job_id, status=found)
                if event.kind == "job":
                    status = event.status
                yield event

    @property
    def running(self) -> int:
        """Jobs under way in this process."""
        return len(self._runs)

    # How it goes on

    def _run(self, job_id: str) -> None:
        """Run the job here, or make the run that there is look at its steps anew."""
        if job_id in self._runs:
            self._runs[job_id].changed.set()
        elif not self._stopping:
            run = _Run(job_id, self._store, self._owner, self._work, self._lanes, self.hub)
            self._runs[job_id] = run
            run.task = asyncio.create_task(run.run(), name=f"job {job_id}")
            run.task.add_done_callback(lambda _: self._over(run))

    def _over(self, run: _Run) -> None:
        del self._runs[run.job_id]
        if run.changed.is_set():  # something was changed while the run was ending
            self._run(run.job_id)

    def _changed(self, job_id: str, status: str) -> None:
        if status:
            self.hub.publish(Event("job", job_id, status=status))
        if job_id in self._runs:
            self._runs[job_id].changed.set()

    async def _beat(self) -> None:
        """Once a second; a failure is logged and the heart goes on."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(GLANCE)
            try:
                if loop.time() - renewed > RENEWAL:
                    renewed = loop.time()
                    await self._store.write(journal.renew, self._owner.id, datetime.now(UTC))
                await self._notice()
                if self._adopt_orphans:
                    await self._adopt()
            except StudioError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("the jobs' heartbeat failed")

    async def _notice(self) -> None:
        """Another process may have paused or cancelled what runs here."""
        if not self._runs:
            return
        for job_id, (_, owner) in (await self._store.fetch(journal.statuses, list(self._runs))).items():
            if owner != self._owner.id and job_id in self._runs:
                self._runs[job_id].changed.set()

    async def _adopt(self) -> None:
        for job in await self._store.fetch(journal.unfinished):
            ours = job["id"] in self._runs
            if not ours and (job["owner"] is None or not self._owner.alive(job["owner"])):
                log.info("going on with job %s", job["id"])
                self._run(job["id"])


class _Run:
    """One job under way in this process."""

    def __init__(self, job_id: str, store: Store, owner: Owner, work: Work, lanes: dict[str, int], hub: Hub) -> None:
        self.job_id = job_id
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._store = store
        self._owner = owner
        self._work = work
        self._lanes = lanes
        self._hub = hub
        self._job: dict[str, Any] = {}
        self._graph = Graph([])
        self._tasks: dict[asyncio.Task[None], tuple[Claim, str]] = {}
        self._finished: set[Key] = set()
        self._draining = False

    async def run(self) -> None:
        """Until the job has ended, was paused or cancelled, or somebody else runs it."""
        try:
            if not await self._adopt():
                return
            await self._look()
            self._tell("job", status="running")
            while not self._draining:
                await self._start_ready()
                if not self._tasks and await self._ended():
                    return
                await self._something()
        except NotFoundError:
            log.info("job %s was deleted", self.job_id)
        except Exception:
            log.exception("job %s stopped", self.job_id)

    async def drain(self, grace: float) -> None:
        """Take nothing more, wait for what runs, then give back the rest."""
        self._draining = True
        self.changed.set()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=grace)
        left = [claim for claim, _ in self._tasks.values()]
        await self._abandon()
        now = datetime.now(UTC)
        for claim in left:
            await self._store.write(journal.release, claim, now)
        if self.task:
            await asyncio.wait([self.task], timeout=1)

    async def _look(self) -> None:
        """Read the job anew: after the start, and after somebody changed something."""
        self.changed.clear()
        now = datetime.now(UTC)
        await self._store.write(journal.take_back, self.job_id, self._owner.id, self._owner.alive, now)
        self._job = await self._store.fetch(journal.get, self.job_id)
        if self._job["status"] == "queued":  # it was paused, and goes on
            await self._adopt()
            self._job = await self._store.fetch(journal.get, self.job_id)
        self._graph = Graph(await self._store.fetch(journal.steps, self.job_id), self._finished)
        if self._job["status"] == "cancelled":
            await self._abandon()

    async def _adopt(self) -> bool:
        return await self._store.write(journal.adopt, self.job_id, self._owner.id, self._owner.alive, datetime.now(UTC))

    async def _start_ready(self) -> None:
        if self._job["status"] != "running" or self._job["owner"] != self._owner.id:
            return
        busy: dict[str, int] = {}
        for _, lane in self._tasks.values():
            busy[lane] = busy.get(lane, 0) + 1
        wanted = self._graph.ready(lambda lane: self._lanes.get(lane, 1) - busy.get(lane, 0))
        if not wanted:
            return
        claims = await self._store.write(journal.claim, self.job_id, [key for key, _ in wanted], self._owner.id, datetime.now(UTC))
        lanes = dict(wanted)
        for claim in claims:
            self._graph.started(claim.key)
            self._tell("step", claim, "running")
            task = asyncio.create_task(self._do(claim), name=f"{claim.stage} {claim.item}")
            self._tasks[task] = (claim, lanes[claim.key])
        if len(claims) < len(wanted):
            self.changed.set()

    async def _something(self) -> None:
        """Wait until a step ends or something is changed from outside; with nothing under way, look again soon."""
        change = asyncio.create_task(self.changed.wait())
        try:
            patience = None if self._tasks else GLANCE
            done, _ = await asyncio.wait([change, *self._tasks], return_when=asyncio.FIRST_COMPLETED, timeout=patience)
        finally:
            change.cancel()
        for task in list(self._tasks):
            if task in done:
                del self._tasks[task]
        if not self._draining and (self.changed.is_set() or not done):
            await self._look()

    async def _ended(self) -> bool:
        """True when this run is over. False while another process holds a step of the job, or one was set back just now."""
        status = await self._store.write(journal.settle, self.job_id, self._owner.id, datetime.now(UTC))
        if status in (None, "queued"):
            return False
        if status != "running":
            self._tell("job", status=status)
        return True

    async def _abandon(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        self._tasks.clear()

    # One step

    async def _do(self, claim: Claim) -> None:
        step = Step(
            job_id=self.job_id,
            kind=self._job["kind"],
            params=self._job["params"],
            priority=self._job["priority"],
            claim=claim,
            report=lambda data: self._tell("progress", claim, "running", data),
        )
        try:
            result = await self._work(step)
        except StudioError as error:
            await self._fail(step, getattr(error, "kind", type(error).__name__), str(error))
        except Exception as error:
            log.exception("%s of %s failed", claim.stage, claim.item)
            await self._fail(step, "bug", f"Persona Studio made a mistake ({type(error).__name__}). The log has the details.")
        else:
            await self._finish(step, result)

    async def _finish(self, step: Step, result: Result) -> None:
        def save(tx: Transaction) -> bool:
            # The fence first: a result whose claim was lost must leave no trace.
            if not journal.finish(tx, step.claim, datetime.now(UTC), input_hash=result.input_hash):
                return False
            result.save(tx)
            return True

        if await self._store.write_patiently(lambda words: step.report({"phase": "unsaved", "words": words}), save):
            self._finished.add(step.claim.key)
            self._graph.finished(step.claim.key)
            self._tell("step", step.claim, "done")
        else:
            log.info("%s of %s came too late and was dropped", step.stage, step.item)

    async def _fail(self, step: Step, kind: str, sentence: str) -> None:
        tell = lambda words: step.report({"phase": "unsaved", "words": words})  # noqa: E731
        if await self._store.write_patiently(tell, journal.fail, step.claim, datetime.now(UTC), kind=kind, error=sentence):
            log.warning("%s of %s failed: %s", step.stage, step.item, sentence)
            self._tell("step", step.claim, "failed", {"error_kind": kind, "error": sentence})

    def _tell(self, kind: str, claim: Claim | None = None, status: str = "", data: dict[str, Any] | None = None) -> None:
        item, stage = claim.key if claim else ("", "")
        self._hub.publish(Event(kind, self.job_id, item, stage, status, data or {}))
