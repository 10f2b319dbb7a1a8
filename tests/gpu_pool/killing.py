"""Kill random workers while they draw, and look at what is left; ``bench/picture_kills.py`` does it through the database."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gpu_pool.devices import Device
from gpu_pool.pool import Pool
from gpu_pool.seat import Pace
from gpu_pool.tasks import Drawn, EngineSpec, ImageTask, WorkerState

ENGINE = "tests.gpu_pool.engine:TestingEngine"


@dataclass
class Outcome:
    """*noticed* is the seconds from each SIGKILL to the pool knowing of it, *lost*, *twice*,
    *broken*, *stray* and *alive* should be empty.
    """

    rounds: int = 0
    tasks: int = 0
    seconds: float = 0.0
    noticed: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    alive: list[int] = field(default_factory=list)
    restarts: int = 0


async def kill_and_draw(
    folder: Path,
    *,
    rounds: int,
    tasks: int,
    workers: int = 4,
    sleep: float = 0.1,
    seed: int = 1,
    on_drawn: Callable[[Drawn], None] | None = None,
) -> Outcome:
    """Draw *tasks* pictures of *sleep* seconds while *rounds* busy workers are killed, one after another."""
    chance = random.Random(seed)
    spec = EngineSpec(ENGINE)
    pool = Pool(spec, [Device(number) for number in range(workers)], task_timeout=60, pace=Pace(first=0.02, most=0.2))
    outcome = Outcome(rounds, tasks)
    started = time.monotonic()
    await pool.start()
    finished: list[str] = []

    def note(future: asyncio.Future[Drawn]) -> None:
        if not future.cancelled() and future.exception() is None:
            finished.append(future.result().task_id)
            if on_drawn is not None:
                on_drawn(future.result())

    futures = {}
    for number in range(tasks):
        name = f"task {number}"
        futures[name] = pool.submit(_task(name, folder, sleep, number), job=str(number % 3))
        futures[name].add_done_callback(note)
    for _ in range(rounds):
        if not await _kill_one(pool, chance, outcome, lambda: all(future.done() for future in futures.values())):
            break
    results = await asyncio.gather(*futures.values(), return_exceptions=True)
    outcome.seconds = time.monotonic() - started
    outcome.restarts = sum(worker.restarts for worker in pool.view().workers)
    pids = [worker.pid for worker in pool.view().workers if worker.pid]
    await pool.stop(grace=0)
    _judge(outcome, folder, dict(zip(futures, results, strict=True)), finished)
    outcome.alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]  # noqa: ASYNC240  a look at /proc
    return outcome


def _task(name: str, folder: Path, sleep: float, seed: int) -> ImageTask:
    return ImageTask(name, f"sleep {sleep}", folder, width=256, height=256, steps=2, seed=seed, extra={"task": name})


async def _kill_one(pool: Pool, chance: random.Random, outcome: Outcome, over: Callable[[], bool]) -> bool:
    """Kill a worker that is drawing, and wait until the pool says so. False where there is nothing left to draw."""
    await asyncio.sleep(chance.uniform(0, 0.15))
    while True:
        if over():
            return False
        # A third death would make its task poison by definition, and none of these is.
        busy = [worker for worker in pool.view().workers if worker.state is WorkerState.BUSY and worker.deaths < 2]
        if busy:
            break
        await asyncio.sleep(0.002)
    victim = chance.choice(busy)
    os.kill(victim.pid, signal.SIGKILL)
    killed = time.monotonic()
    while pool.view().workers[victim.number].pid == victim.pid and pool.view().workers[victim.number].state is WorkerState.BUSY:  # noqa: ASYNC110  what is waited for is another process
        await asyncio.sleep(0.001)
    outcome.noticed.append(time.monotonic() - killed)
    return True


def _judge(outcome: Outcome, folder: Path, results: dict[str, Drawn | BaseException], finished: list[str]) -> None:
    outcome.lost = [f"{name}: {result!r}" for name, result in results.items() if not isinstance(result, Drawn)]
    outcome.twice = [name for name in set(finished) if finished.count(name) > 1]
    paths = [result.path for result in results.values() if isinstance(result, Drawn)]
    outcome.broken = [path.name for path in paths if hashlib.sha256(path.read_bytes()).hexdigest() != path.stem]
    wanted = {path.name for path in paths} | {path.with_suffix(".webp").name for path in paths}
    outcome.stray = [path.name for path in folder.iterdir() if path.name not in wanted]
