"""One job under way in this process: claims the steps that are ready, works on them, writes what comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import logs
from errors import NotFoundError, StudioError
from pipeline.events import Event, Hub
from pipeline.graph import Graph
from storage import jobs as journal
from storage.database import Store, Transaction
from storage.jobs import Claim, Key
from storage.owners import Owner

log = logging.getLogger(__name__)

T = TypeVar("T")

GLANCE = 1.0
"""Seconds between looks at what other processes did to our jobs."""
RECOVERY = 5.0
"""Seconds after which a job is taken up again when running it went wrong."""


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
    """A step's result: how to save it (runs in the transaction that marks the step done), the hash of what it was made from, and what
    whoever watches is told of it.
    """

    save: Callable[[Transaction], object]
    input_hash: str | None = None
    shown: dict[str, Any] | None = None


Work = Callable[[Step], Awaitable[Result]]


class Run:
    """One job under way in this process."""

    def __init__(self, job_id: str, *, store: Store, owner: Owner, work: Work, lanes: dict[str, int], hub: Hub) -> None:
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
        while not self._draining:
            try:
                await self._go_on()
            except NotFoundError:
                log.info("job %s was deleted", self.job_id)
                await self._abandon()
                return
            except Exception:
                log.exception("job %s stumbled; it goes on in %g s", self.job_id, RECOVERY)
                await self._abandon()
                await asyncio.sleep(RECOVERY)
            else:
                return

    async def _go_on(self) -> None:
        if not await self._adopt():
            return
        await self._look()
        self._tell("job", status="running")
        while not self._draining:
            await self._start_ready()
            if not self._tasks and await self._ended():
                return
            await self._something()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def drain(self, grace: float) -> None:
        """Take nothing more, wait *grace* seconds for what runs, then give back the rest."""
        self._draining = True
        self.changed.set()
        if self.task is None or (await asyncio.wait([self.task], timeout=grace))[0]:
            return
        left = [claim for claim, _ in self._tasks.values()]
        self.task.cancel()
        await asyncio.wait([self.task])
        await self._abandon()
        now = datetime.now(UTC)
        for claim in left:
            try:
                await self._store.write(journal.release, claim, now)
            except StudioError as error:  # the next start finds that its owner is dead
                log.warning("%s of %s could not be given back: %s", claim.stage, claim.item, error)

    async def _look(self) -> None:
        """Read the job anew: after the start, and after somebody changed something."""
        self.changed.clear()
        now = datetime.now(UTC)
        at_work = {claim.key for claim, _ in self._tasks.values()}
        await self._write(journal.take_back, self.job_id, self._owner.id, self._owner.alive, now, at_work=at_work)
        self._job = await self._store.fetch(journal.get, self.job_id)
        if self._job["status"] == "queued":  # it was paused, and goes on
            await self._adopt()
            self._job = await self._store.fetch(journal.get, self.job_id)
        self._finished.clear()
        steps = await self._store.fetch(journal.steps, self.job_id)
        self._graph = Graph(steps, self._finished, self._lanes)
        await self._let_go(steps)

    async def _let_go(self, steps: Sequence[dict[str, Any]]) -> None:
        """Stop work on steps that were cancelled or taken from us: nobody wants its result, and somebody may begin it anew."""
        held = {(step["item"], step["stage"]): step["fence"] for step in steps if step["status"] not in ("waiting", "cancelled")}
        await self._stop([task for task, (claim, _) in self._tasks.items() if held.get(claim.key) != claim.fence])

    async def _adopt(self) -> bool:
        return await self._write(journal.adopt, self.job_id, self._owner.id, self._owner.alive, datetime.now(UTC))

    async def _write(self, fn: Callable[..., T], *args: object, **kwargs: object) -> T:
        """Write to the journal; while the disk is full or the file locked, say so and try again."""
        return await self._store.write_patiently(self._unsaved, fn, *args, **kwargs)

    def _unsaved(self, words: str) -> None:
        self._tell("progress", data={"phase": "unsaved", "words": words})

    async def _start_ready(self) -> None:
        if self._job["status"] != "running" or self._job["owner"] != self._owner.id:
            return
        busy: dict[str, int] = {}
        for _, lane in self._tasks.values():
            busy[lane] = busy.get(lane, 0) + 1
        wanted = self._graph.ready(lambda lane: self._lanes.get(lane, 1) - busy.get(lane, 0))
        if not wanted:
            return
        claims = await self._write(journal.claim, self.job_id, [key for key, _ in wanted], self._owner.id, datetime.now(UTC))
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
                if not task.cancelled():
                    task.result()  # raises only where not even the step's failure could be written
        if not self._draining and (self.changed.is_set() or not done):
            await self._look()

    async def _ended(self) -> bool:
        """True when this run is over. False while another process holds a step of the job, or one was set back just now."""
        status = await self._write(journal.settle, self.job_id, self._owner.id, datetime.now(UTC))
        if status in (None, "queued"):
            return False
        if status != "running":
            self._tell("job", status=status)
        return True

    async def _abandon(self) -> None:
        await self._stop(list(self._tasks))

    async def _stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            del self._tasks[task]

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
            await self._finish(step, result)
        except StudioError as error:
            await self._fail(step, getattr(error, "kind", type(error).__name__), str(error))
        except Exception as error:
            log.exception("%s of %s failed", claim.stage, claim.item)
            await self._fail(step, "bug", f"Persona Studio made a mistake ({type(error).__name__}). The log has the details.")

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
            self._tell("step", step.claim, "done", result.shown)
        else:
            log.info("%s of %s came too late and was dropped", step.stage, step.item)

    async def _fail(self, step: Step, kind: str, sentence: str) -> None:
        # What cannot be stored must not keep the failure from being, and what a server or an engine says may hold a key.
        sentence = logs.redacted(sentence.encode("utf-8", "replace").decode())
        if await self._write(journal.fail, step.claim, datetime.now(UTC), kind=kind, error=sentence):
            log.warning("%s of %s failed: %s", step.stage, step.item, sentence)
            self._tell("step", step.claim, "failed", {"error_kind": kind, "error": sentence})

    def _tell(self, kind: str, claim: Claim | None = None, status: str = "", data: dict[str, Any] | None = None) -> None:
        item, stage = claim.key if claim else ("", "")
        self._hub.publish(Event(kind, self.job_id, item, stage, status, data or {}))
