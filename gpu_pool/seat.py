"""A worker's seat in the pool: one process after another sits in it, each with the same number on the same device."""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpu_pool.devices import Device
from gpu_pool.problems import PoolError, reason
from gpu_pool.process import Ending, Life
from gpu_pool.tasks import (
    Begun,
    Draw,
    EngineInfo,
    EngineSpec,
    Loaded,
    LoadFailed,
    Loading,
    Progress,
    Ready,
    Said,
    WorkerState,
    WorkerView,
)

if TYPE_CHECKING:
    from gpu_pool.pool import Entry, Pool

log = logging.getLogger(__name__)

LEAVE = 3.0
"""Seconds in which an idle worker must have gone."""


@dataclass(frozen=True)
class Pace:
    """How soon a new process follows, in seconds: *first* after a death, doubling up to *most* while no picture succeeds.

    A worker that cannot load is tried again after *failed*. It counts as unable once *loads* processes in a row died while loading.
    """

    first: float = 0.1
    most: float = 30.0
    failed: float = 30.0
    loads: int = 5


class Seat:
    """Keeps one worker alive, and the book of what it is doing. ``since`` is when its state changed (monotonic seconds)."""

    def __init__(
        self, number: int, device: Device, spec: EngineSpec, pool: Pool, thread: ThreadPoolExecutor, *, load_timeout: float, pace: Pace
    ) -> None:
        self.number = number
        self.device = device
        self.state = WorkerState.STARTING
        self.since = time.monotonic()
        self.entries: dict[str, Entry] = {}
        self._orders = 0
        self._newest: Sequence[Entry] = ()
        """How many orders the worker was given, and what the last of them was about."""
        self._begun = False
        self._only_writes = False
        self.trouble: PoolError | None = None
        self._spec = spec
        self._pool = pool
        self._thread = thread
        self._load_timeout = load_timeout
        self._pace = pace
        self._life: Life | None = None
        self._loaded: Loaded | None = None
        self._stopped = asyncio.Event()
        self._restarts = 0
        self._misses = 0
        """Lives in a row that ended without a picture."""
        self._bad_loads = 0
        self._done = 0
        self._finished: deque[float] = deque(maxlen=2000)
        self._memory = 0

    async def keep(self) -> None:
        """Start a process, wait for its end, and start the next one, until the pool is stopped."""
        while not self._pool.stopping:
            pause = await self._live()
            if not self._pool.stopping:
                await self._wait(pause)
        self._become(WorkerState.STOPPED)

    async def leave(self) -> None:
        """End the process that sits here, whatever it is doing, and let no other follow."""
        self._stopped.set()
        if self._life is not None:
            await self._life.leave(LEAVE if self.state is WorkerState.IDLE else 0)

    @property
    def free(self) -> bool:
        """True for a worker that can begin to draw: an idle one, and one that does no more than write the files of what it has drawn.

        What was there when a worker died is a suspect, though, and is alone with its worker from then on: the next death says who it was.
        """
        writes = self.state is WorkerState.BUSY and self._only_writes
        return self.state is WorkerState.IDLE or (writes and not any(entry.suspect for entry in self.entries.values()))

    def suspects(self) -> tuple[list[Entry], list[Entry]]:
        """When the worker dies: those whose fault it is taken to be, and those that were there. What it had not begun was not there, and is
        no suspect. It is the fault of what was being drawn, or of what was being written where nothing was.
        """
        there = [entry for entry in self.entries.values() if self._begun or entry not in self._newest]
        return [entry for entry in there if entry in self._newest] or there, there

    def take(self, entries: Sequence[Entry], *, allow: float) -> None:
        """Give *entries* to the worker, which is free and has *allow* seconds for them."""
        self.entries |= {entry.task.id: entry for entry in entries}
        for entry in entries:
            entry.seat = self
        self._orders += 1
        self._newest = entries
        self._begun = self._only_writes = False
        self._become(WorkerState.BUSY)
        if self._life is not None:
            self._life.allow(allow)
        self.send(Draw(tuple(entry.task for entry in entries), self._orders))

    def drop(self, entry: Entry, *, done: bool = False) -> None:
        """*entry* is this worker's business no longer."""
        self.entries.pop(entry.task.id, None)
        entry.seat = None
        if done:
            self._done += 1
            self._misses = 0
            self._finished.append(time.monotonic())

    def rest(self) -> None:
        """All its tasks are answered."""
        self._become(WorkerState.IDLE)
        self.trouble = None
        if self._life is not None:
            self._life.allow(None)

    def send(self, message: object) -> None:
        if self._life is not None:
            self._life.send(pickle.dumps(message))

    def view(self) -> WorkerView:
        entry = next(reversed(self.entries.values()), None)
        info = self._loaded.info if self._loaded is not None else EngineInfo("")
        minute = time.monotonic() - 60
        return WorkerView(
            number=self.number,
            device=self.device,
            state=self.state,
            task_id=entry.task.id if entry else "",
            step=entry.step if entry else 0,
            steps=entry.task.steps if entry else 0,
            seconds=time.monotonic() - self.since if entry else 0.0,
            restarts=self._restarts,
            deaths=max((entry.deaths for entry in self.entries.values()), default=0),
            done=self._done,
            per_minute=sum(moment > minute for moment in self._finished),
            pid=self._life.pid if self._life is not None else None,
            trouble=self.trouble,
            model=info.model,
            attention=info.attention,
            dtype=info.dtype,
            memory=self._memory,
        )

    def _become(self, state: WorkerState) -> None:
        self.state = state
        self.since = time.monotonic()

    async def _live(self) -> float:
        """One life, from its start to its end. Returns the seconds until the next one."""
        self._become(WorkerState.STARTING)
        self._loaded = None
        failure: list[LoadFailed] = []
        life = Life(
            self.number,
            self._spec,
            self.device,
            self._thread,
            on_message=lambda message: self._heard(message, failure),
            on_loss=lambda: self._become(WorkerState.RESTARTING),
        )
        try:
            await life.start()
        except OSError as error:
            return self._unable(PoolError("not_started", device=self.device, reason=reason(error)))
        self._life = life
        life.allow(self._load_timeout)
        if self._pool.stopping:
            life.kill()
        ending = await life.ended()
        self._life = None
        return self._after(ending, failure)

    def _after(self, ending: Ending, failure: list[LoadFailed]) -> float:
        if self._pool.stopping:
            self._pool.bereaved(self, ending.how, ending.limit)
            return 0
        if failure:
            return self._unable(PoolError(failure[0].kind, **failure[0].facts))
        self._restarts += 1
        if self._loaded is None:
            self._bad_loads += 1
            if self._bad_loads >= self._pace.loads:
                kind = "died_loading" if ending.limit is None else "load_timeout"
                return self._unable(PoolError(kind, device=self.device, how=ending.how, times=self._bad_loads, seconds=ending.limit or 0))
        self.trouble = PoolError("died" if ending.limit is None else "hung", device=self.device, how=ending.how, seconds=ending.limit or 0)
        log.warning("%s", self.trouble)
        self._become(WorkerState.RESTARTING)
        self._pool.bereaved(self, ending.how, ending.limit)
        self._misses += 1
        return min(self._pace.most, self._pace.first * 2 ** (self._misses - 1))

    def _unable(self, trouble: PoolError) -> float:
        """No worker can sit here for now."""
        self.trouble = trouble
        log.error("%s", trouble)
        self._become(WorkerState.FAILED)
        self._pool.dispatch()
        return self._pace.failed

    def _heard(self, message: object, failure: list[LoadFailed]) -> None:
        if isinstance(message, Loading):
            self._become(WorkerState.LOADING)
        elif isinstance(message, Said):
            self._repeat(message)
        elif isinstance(message, LoadFailed):
            failure.append(message)
        elif isinstance(message, Loaded):
            info = message.info
            self._loaded, self._memory, self._bad_loads = message, message.memory, 0
            words = ", ".join(filter(None, (info.attention and f"attention {info.attention}", info.dtype)))
            log.info(
                "worker %d on %s: %s loaded in %.1f s%s", self.number, self.device, info.model, message.seconds, words and f", {words}"
            )
            self.rest()
            self._pool.dispatch()
        elif isinstance(message, Begun):
            self._begun = True
        elif isinstance(message, Ready):
            if message.number == self._orders:  # else it has been given more since its last picture was written
                self._only_writes = True
                self._pool.dispatch()
        else:
            if not isinstance(message, Progress):
                self._memory = max(self._memory, getattr(message, "memory", 0))
            self._pool.heard(self, message)

    def _repeat(self, said: Said) -> None:
        """Log what the worker has logged."""
        logger = logging.getLogger(said.name)
        if logger.isEnabledFor(said.level):
            words = ("worker %d: %s", (self.number, said.text))
            logger.handle(logger.makeRecord(said.name, said.level, "", 0, *words, None, sinfo=said.details or None))

    async def _wait(self, seconds: float) -> None:
        """Sleep, unless the pool is stopped meanwhile."""
        waiting = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([waiting], timeout=seconds)
        waiting.cancel()
