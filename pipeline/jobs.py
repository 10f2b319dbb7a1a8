"""The step graph and its runner: order, journal, events, resume. Knows nothing of personas, tweets or images.

A job is steps with needs. The runner claims the steps that are ready, a few more than the resource they take can serve at once, runs
each as a task, and writes its result and its journal row in one transaction. What another process started and did not end because it
was killed is taken over. Whoever watches is told of every change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from errors import StudioError
from pipeline.events import Event, Hub
from pipeline.runs import GLANCE, Result, Run, Step, Work
from storage import jobs as journal
from storage.clock import new_id
from storage.database import Store, Transaction
from storage.jobs import Key, NewStep
from storage.owners import Owner

__all__ = ["Jobs", "Result", "Step", "Work"]

log = logging.getLogger(__name__)

RENEWAL = 15.0
"""Seconds between renewals of the leases."""


class Jobs:
    """All jobs that this process runs. *lanes* says how many steps of one job may be claimed at once, by resource (1 where it does not
    say).
    """

    def __init__(self, store: Store, owner: Owner, work: Work, lanes: dict[str, int], *, adopt_orphans: bool) -> None:
        self.hub = Hub()
        self._store = store
        self._owner = owner
        self._work = work
        self._lanes = lanes
        self._adopt_orphans = adopt_orphans
        self._runs: dict[str, Run] = {}
        self._heart: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Begin to run: take up what a dead process left, renew leases, look out for what others change."""
        await self._adopt()
        self._heart = asyncio.create_task(self._beat(), name="jobs heartbeat")

    async def stop(self, grace: float = 10) -> None:
        """Take no further step; give those under way *grace* seconds, then give them back to the journal for the next start."""
        self._stopping = True
        drained = asyncio.gather(*(run.drain(grace) for run in list(self._runs.values())))
        if self._heart:
            self._heart.cancel()
            await asyncio.wait([self._heart])
        await drained

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

    async def cancel(self, job_id: str, *, failed: bool = False) -> bool:
        """Stop the job for good, with *failed* also one that has failed in parts. False when it had ended already."""
        done = await self._store.write(journal.cancel, job_id, datetime.now(UTC), failed=failed)
        self._changed(job_id, "cancelled" if done else "")
        return done

    async def drop(self, job_id: str, keys: Iterable[Key]) -> int:
        """Stop these steps of a job; the others go on. Returns how many."""
        count = await self._store.write(journal.drop, job_id, list(keys), datetime.now(UTC))
        self._changed(job_id, "")
        return count

    async def prioritise(self, job_id: str, priority: int) -> None:
        """Let the job's further steps go before or after those of others; the lower the number, the sooner."""
        await self._store.write(journal.prioritise, job_id, priority)
        self._changed(job_id, "")

    async def pause(self, job_id: str) -> bool:
        """Take no further step of the job. False when there is nothing to pause."""
        done = await self._store.write(journal.pause, job_id)
        self._changed(job_id, "paused" if done else "")
        return done

    async def resume(self, job_id: str) -> bool:
        """Let a job go on with what is missing, whether it was paused, cancelled, failed in parts or was left behind by a process that
        died. False when nothing is missing, or another process is at it.
        """

        def again(tx: Transaction) -> bool:
            if not journal.resume(tx, job_id):
                journal.retry(tx, job_id)
            return journal.adopt(tx, job_id, self._owner.id, self._owner.alive, datetime.now(UTC))

        done = await self._store.write(again)
        if done:
            self._run(job_id)
        return done

    async def retry(self, job_id: str, keys: Iterable[Key]) -> int:
        """Run failed steps again. Returns how many; the rest of the job goes on meanwhile."""
        count = await self._store.write(journal.retry, job_id, list(keys))
        if count:
            self._run(job_id)
        return count

    async def forget(self, item: str, delete: Callable[[Transaction], object]) -> None:
        """Take *item* out of all jobs, and *delete* it in the same transaction. A job about nothing else is cancelled."""

        def drop(tx: Transaction) -> list[tuple[str, bool]]:
            changed = journal.forget(tx, item, datetime.now(UTC))
            delete(tx)
            return changed

        for job_id, cancelled in await self._store.write(drop):
            self._changed(job_id, "cancelled" if cancelled else "")

    async def watch(self, job_id: str) -> AsyncGenerator[Event, None]:
        """The job's events, beginning with ``all``, until it ends (the last event is the ``job`` event that says so). A job that another
        process runs is looked at every second. Raises :class:`NotFoundError`.
        """
        with self.hub.listening(job_id) as events:
            status = (await self._store.fetch(journal.get, job_id))["status"]
            yield Event("all", job_id, status=status)
            while status in ("queued", "running", "paused"):
                try:
                    async with asyncio.timeout(GLANCE):  # wait_for of Python 3.11 may swallow a cancellation
                        event = await events.get()
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
            run = Run(job_id, store=self._store, owner=self._owner, work=self._work, lanes=self._lanes, hub=self.hub)
            self._runs[job_id] = run
            run.task = asyncio.create_task(run.run(), name=f"job {job_id}")
            run.task.add_done_callback(lambda _: self._over(run))

    def _over(self, run: Run) -> None:
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
        """Run what nobody runs: what is ours (whoever submitted it may have gone before it was started), and orphans where we may."""
        for job in await self._store.fetch(journal.unfinished):
            if job["id"] not in self._runs and (job["owner"] == self._owner.id or (self._adopt_orphans and self._orphaned(job))):
                log.info("going on with job %s", job["id"])
                self._run(job["id"])

    def _orphaned(self, job: dict[str, Any]) -> bool:
        return job["owner"] is None or not self._owner.alive(job["owner"])
