"""The pool: hands tasks to worker processes, one a device, and keeps the workers alive.

Everything here happens on one event loop: what a worker says and that it died arrive as readable descriptors. A task belongs to no
worker before one is free and takes it, so a slow or a dead one never holds up what waits. A worker is free as soon as it has drawn: it
writes the file of one picture while it draws the next.
"""

from __future__ import annotations

import asyncio
import logging
import math
import pickle
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gpu_pool import files
from gpu_pool.devices import Device
from gpu_pool.problems import PoolError
from gpu_pool.process import launcher
from gpu_pool.queue import FairQueue
from gpu_pool.seat import Pace, Seat
from gpu_pool.tasks import ALIVE, Cancel, Cancelled, Drawn, EngineSpec, Failed, ImageTask, PoolView, Progress, WorkerState

log = logging.getLogger(__name__)

DEATHS = 3
"""Workers that may die while they draw one task, before it is given up."""
GIVEN = 20
"""Workers that may be given one task: whoever dies before it has begun blames nobody, and that must end too."""
MOST_BYTES = 120_000
"""Bytes that are handed to a worker at once. A pipe holds more, so that the event loop never waits for a worker to read."""
REMEMBERED = 60
"""Pictures whose times the estimate is made from."""


@dataclass(eq=False)
class Entry:
    """A task in the pool's hands."""

    task: ImageTask
    priority: int
    job: str
    future: asyncio.Future[Drawn]
    seat: Seat | None = None
    deaths: int = 0
    hangs: int = 0
    given: int = 0
    suspect: bool = False
    """It was there when a worker died."""
    cancelled: bool = False
    step: int = 0

    def alike(self) -> object:
        """A suspect is like nothing else: what is drawn beside it would die with it again and again."""
        return self.task.id if self.suspect else self.task.alike()


@dataclass
class Counts:
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Pool:
    """One worker process for each of *devices*.

    *task_timeout* and *load_timeout* are the seconds after which a worker that draws one picture, or loads its model, is taken for hung.
    *grace* is how long :meth:`stop` lets pictures under way finish.
    """

    def __init__(
        self,
        engine: EngineSpec,
        devices: Sequence[Device],
        *,
        task_timeout: float = 300,
        load_timeout: float = 900,
        grace: float = 10,
        pace: Pace | None = None,
    ) -> None:
        self.engine = engine
        self._task_timeout = task_timeout
        self._grace = grace
        self._thread = launcher()
        self._seats = [
            Seat(number, device, engine, self, self._thread, load_timeout=load_timeout, pace=pace or Pace())
            for number, device in enumerate(devices)
        ]
        self._entries: dict[str, Entry] = {}
        self._queue: FairQueue[Entry] = FairQueue()
        self._counts = Counts()
        self._listeners: list[Callable[[Progress], None]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Start the workers. Returns at once: tasks may be submitted meanwhile and wait for the first worker that is ready."""
        self._keepers = [asyncio.create_task(seat.keep(), name=f"keeper of worker {seat.number}") for seat in self._seats]

    def submit(self, task: ImageTask, *, priority: int = 0, job: str = "") -> asyncio.Future[Drawn]:
        """Draw *task*. Lower *priority* numbers go first; at equal priority the jobs take turns.

        The future raises :class:`PoolError` where the picture cannot be had (its ``kind`` is ``cancelled`` or ``stopped`` where nothing
        went wrong). Cancelling the future cancels the task. Raises ``ValueError`` while another task has the same id.
        """
        if task.id in self._entries:
            raise ValueError(f"the task {task.id} is in the pool already")
        future = asyncio.get_running_loop().create_future()
        problem = self._refusal(task)
        if problem is not None:
            self._counts.failed += 1
            future.set_exception(problem)
            return future
        entry = Entry(task, priority, job, future)
        self._entries[task.id] = entry
        future.add_done_callback(lambda done: self._cancel(entry) if done.cancelled() else None)
        self._queue.add(entry)
        self.dispatch()
        return future

    def cancel(self, task_id: str) -> bool:
        """Give the task up: at once where it waits, between two steps where it is being drawn. False where the pool does not have it."""
        entry = self._entries.get(task_id)
        if entry is None:
            return False
        self._cancel(entry)
        return True

    def listen(self, listener: Callable[[Progress], None]) -> Callable[[], None]:
        """Call *listener* on the event loop with the progress of every task. Returns the function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def view(self) -> PoolView:
        """Everything as it stands now; cheap enough to be called every second."""
        running = len(self._entries) - len(self._queue)
        return PoolView(
            workers=tuple(seat.view() for seat in self._seats),
            queued=len(self._queue),
            running=running,
            done=self._counts.done,
            failed=self._counts.failed,
            cancelled=self._counts.cancelled,
            pace=self._pace(),
            eta=self._eta(),
            trouble=self._trouble(),
        )

    async def stop(self, grace: float | None = None) -> None:
        """Take no further task, let those under way finish for *grace* seconds, and end every worker. May be called twice."""
        self._stopping = True
        for entry in self._queue.clear():
            self._settle(entry, PoolError("stopped"))
        running = [entry.future for entry in self._entries.values()]
        if running:
            await asyncio.wait(running, timeout=self._grace if grace is None else grace)
        await asyncio.gather(*(seat.leave() for seat in self._seats))
        await asyncio.gather(*self._keepers)
        for entry in list(self._entries.values()):
            self._settle(entry, PoolError("stopped"))
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    # What the seats tell. They call these on the event loop.

    @property
    def stopping(self) -> bool:
        return self._stopping

    def dispatch(self) -> None:
        """Every free worker takes the best next task, the one that has been idle for longest first."""
        free = sorted((seat for seat in self._seats if seat.free), key=lambda seat: (seat.state is not WorkerState.IDLE, seat.since))
        while free and self._queue and not self._stopping:
            # Batches grow only once every worker has something to do.
            share = math.ceil(len(self._queue) / len(free))
            entries, seat = self._queue.take(min(self.engine.batch, share)), free.pop(0)
            if seat.entries and any(entry.suspect for entry in entries):  # a suspect is drawn alone, and nobody is idle just now
                for entry in reversed(entries):
                    self._queue.add_front(entry)
                break
            self._hand(seat, entries)
        self._fail_hopeless()

    def heard(self, seat: Seat, message: object) -> None:
        """A worker said something about one of its tasks."""
        entry = self._entries.get(getattr(message, "task_id", ""))
        if entry is None or entry.seat is not seat:
            return
        if isinstance(message, Progress):
            entry.step = message.step
            self._publish(message)
            return
        if isinstance(message, Drawn):
            self._counts.seconds.append(message.seconds)
            self._settle(entry, message)
        elif isinstance(message, Failed):
            self._settle(entry, PoolError(message.kind, **message.facts))
        elif isinstance(message, Cancelled):
            self._settle(entry, PoolError("cancelled"))
        if not seat.entries:
            seat.rest()
            self.dispatch()

    def bereaved(self, seat: Seat, how: str, limit: float | None) -> None:
        """The worker of *seat* died while it drew: its tasks are drawn again, before all others, unless they are to blame."""
        blamed, there = seat.suspects()
        for entry in reversed(list(seat.entries.values())):
            entry.suspect |= entry in there
            entry.deaths += entry in blamed
            entry.hangs += entry in blamed and limit is not None
            if entry.cancelled or self._stopping:
                self._settle(entry, PoolError("cancelled" if entry.cancelled else "stopped"))
            elif entry.deaths >= DEATHS or entry.given >= GIVEN:
                self._thread.submit(files.unfinished(entry.task).unlink, missing_ok=True)
                every_time = limit is not None and entry.hangs == entry.deaths
                times = entry.deaths if entry.deaths >= DEATHS else entry.given
                self._settle(entry, PoolError("timeout" if every_time else "poison", times=times, how=how, seconds=limit or 0))
            else:
                log.warning("%s is drawn again: worker %d died of %s", entry.task.id, seat.number, how)
                seat.drop(entry)
                self._queue.add_front(entry)
        self.dispatch()

    def _hand(self, seat: Seat, entries: list[Entry]) -> None:
        seat.take(entries, allow=self._task_timeout * len(entries))
        for entry in entries:
            entry.given += 1
            entry.step = 0
            self._publish(Progress(entry.task.id, 0, entry.task.steps, seat.number))

    def _settle(self, entry: Entry, result: Drawn | PoolError) -> None:
        """The task is over: out of every book, and its caller hears of it."""
        self._entries.pop(entry.task.id, None)
        if entry.seat is not None:
            entry.seat.drop(entry, done=isinstance(result, Drawn))
        if isinstance(result, Drawn):
            self._counts.done += 1
        elif result.kind == "cancelled":
            self._counts.cancelled += 1
        elif result.kind != "stopped":
            self._counts.failed += 1
        if entry.future.done():
            return
        if isinstance(result, Drawn):
            entry.future.set_result(result)
        else:
            entry.future.set_exception(result)

    def _cancel(self, entry: Entry) -> None:
        if entry.cancelled or self._entries.get(entry.task.id) is not entry:
            return
        entry.cancelled = True
        if entry.seat is None:
            self._queue.remove(entry)
            self._settle(entry, PoolError("cancelled"))
        else:
            entry.seat.send(Cancel(entry.task.id))

    def _refusal(self, task: ImageTask) -> PoolError | None:
        if self._stopping:
            return PoolError("stopped")
        size = len(pickle.dumps(task))
        limit = MOST_BYTES // self.engine.batch
        if size > limit:
            return PoolError("too_long", size=size, limit=limit)
        return task.problem() or self._hopeless()

    def _publish(self, progress: Progress) -> None:
        for listener in list(self._listeners):
            try:
                listener(progress)
            except Exception:  # a watcher's bug must not cost a picture
                log.exception("a listener failed")

    def _hopeless(self) -> PoolError | None:
        """Why no worker will come, where that is so."""
        states = {seat.state for seat in self._seats}
        return self._seats[0].trouble if states == {WorkerState.FAILED} else None

    def _fail_hopeless(self) -> None:
        problem = self._hopeless()
        if problem is not None:
            for entry in self._queue.clear():
                self._settle(entry, PoolError(problem.kind, **problem.facts))

    def _trouble(self) -> PoolError | None:
        if any(seat.state in ALIVE for seat in self._seats):
            return None
        return next((seat.trouble for seat in self._seats if seat.trouble is not None), None)

    def _pace(self) -> float | None:
        workers = sum(seat.state in ALIVE for seat in self._seats)
        if not workers or not self._counts.seconds:
            return None
        return sum(self._counts.seconds) / len(self._counts.seconds) / workers

    def _eta(self) -> float | None:
        pace = self._pace()
        if not self._entries:
            return 0.0
        if pace is None:
            return None
        alive = [seat for seat in self._seats if seat.state in ALIVE]
        usual = pace * len(alive)
        begun = sum(min(time.monotonic() - seat.since, usual) for seat in alive if seat.state is WorkerState.BUSY)
        return max(0.0, usual * len(self._entries) - begun) / len(alive)
