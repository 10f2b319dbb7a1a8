"""What a killed worker costs: how soon it is noticed, when its picture is begun again, and what is lost.

:func:`peers` kills one worker of each contestant of ``bench.pool`` in the middle of a batch. :func:`through_the_database` does what a user
has: a Studio, a job of 200 pictures, a journal, and a hundred workers killed one after another.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.pool_contestants import WORKERS, Contestant, contestant
from config import Settings
from pipeline.picture_steps import Asked
from pipeline.studio import Studio
from storage import images
from tests.gpu_pool.killing import Outcome, kill_one

TASKS, SECONDS = 4 * WORKERS, 0.5
"""The batch in which a worker is killed."""
PATIENCE = 20
"""Seconds after which a batch that has not ended counts as never ending."""
ROUNDS, PICTURES = 100, 200


def peers(names: Sequence[str], runs: int, load_seconds: float) -> None:
    """One worker of each is killed while it draws, *runs* times."""
    print(f"\n{f'a worker killed during {TASKS} tasks of {SECONDS:g} s':44}{'noticed':>10}{'begun again':>13}{'complete':>11}  lost to")
    for name in names:
        noticed: list[float] = []
        again: list[float] = []
        complete: list[str] = []
        lost: Counter[str] = Counter()
        title = ""
        for _ in range(runs):
            with contestant(name, load_seconds) as ready:
                title = ready.title
                _killed(ready, noticed, again, complete, lost)
        reasons = ", ".join(f"{kind} x {count}" for kind, count in lost.items()) or "-"
        print(f"{title:44}{_median(noticed):>10}{_median(again):>13}{' '.join(sorted(set(complete))):>11}  {reasons}", flush=True)


def _killed(ready: Contestant, noticed: list[float], again: list[float], complete: list[str], lost: Counter[str]) -> None:
    order = ready.order(TASKS, SECONDS, watched=True)
    while not (busy := _drawing(ready)):
        time.sleep(0.01)
    time.sleep(SECONDS / 4)
    busy = _drawing(ready) or busy
    pid, task = random.choice(sorted(busy.items()))
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    ended = ready.ended(order, PATIENCE)
    begun = [line.moment - killed for line in ready.noted("begin") if line.task == task and line.moment > killed]
    again += begun[:1]
    if ended is None:
        complete.append(f"?/{TASKS}")
        lost["a batch that never ends"] += 1
        ready.process.kill()
        return
    complete.append(f"{ended.complete}/{TASKS}")
    lost.update(ended.failed)
    if ended.noticed is not None:
        noticed.append(ended.noticed - killed)


def _drawing(ready: Contestant) -> dict[int, str]:
    """The workers that are drawing, by process id, and what."""
    busy: dict[int, str] = {}
    for line in ready.noted("begin", "end"):
        if line.word == "begin":
            busy[line.pid] = line.task
        else:
            busy.pop(line.pid, None)
    return busy


def _median(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.3f} s" if seconds else "never"


def through_the_database(folder: Path) -> None:
    """A hundred workers killed during a job of two hundred pictures, and what the database and the folder hold afterwards."""
    outcome = asyncio.run(_through(folder))
    print(
        f"\nSIGKILL of {len(outcome.noticed)} random workers (of 4) during {outcome.tasks} pictures of a job, {outcome.seconds:.1f} s: "
        f"noticed after {statistics.median(outcome.noticed) * 1000:.1f} ms (median), {max(outcome.noticed) * 1000:.0f} ms (worst)"
    )
    for what in ("lost", "twice", "broken", "stray", "alive"):
        print(f"{what:10}{len(getattr(outcome, what)):>5}")


async def _through(folder: Path) -> Outcome:
    chance, outcome = random.Random(7), Outcome(ROUNDS, PICTURES)
    settings = {"data_dir": folder, "image_engine": "preview", "cpu_workers": 4, "openai_api_key": None, "openai_base_url": None}
    studio = Studio(Settings(_env_file=None, **settings), serving=True)  # type: ignore[arg-type]
    await studio.start()
    pool = await studio._drawing.pool()  # noqa: SLF001  whoever kills workers looks the pool in the face
    try:
        picture = {"positive_prompt": "a bakery at night", "generation_params": {"width": 1024, "height": 1024, "steps": 4}}
        began = time.monotonic()
        job_id = await studio.pictures.start_all(
            {f"picture {number}": Asked(picture={**picture, "seed": number}) for number in range(PICTURES)}
        )
        watching = asyncio.create_task(_until_it_ends(studio, job_id))
        for _ in range(ROUNDS):
            if not await kill_one(pool, chance, outcome, watching.done):
                break
        await watching
        outcome.seconds = time.monotonic() - began
        await _judge(studio, job_id, outcome)
        pids = [worker.pid for worker in pool.view().workers if worker.pid]
    finally:
        await studio.stop(0)
    outcome.alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]  # noqa: ASYNC240  a look at /proc
    return outcome


async def _until_it_ends(studio: Studio, job_id: str) -> None:
    async for _ in studio.watch(job_id):
        pass


async def _judge(studio: Studio, job_id: str, outcome: Outcome) -> None:
    job = await studio.job(job_id)
    outcome.lost = [step["item"] for step in job["steps"] if step["status"] != "done"]
    rows = await studio._store.fetch(images.page, limit=10 * PICTURES, job_id=job_id)  # noqa: SLF001  no desk lists so many at once
    counted = Counter(row["item"] for row in rows)
    outcome.lost += [step["item"] for step in job["steps"] if not counted[step["item"]]]
    outcome.twice = [item for item, count in counted.items() if count > 1]
    wanted = {row[kind] for row in rows for kind in ("file", "thumbnail")}
    outcome.broken = [
        row["file"] for row in rows if hashlib.sha256((studio.images / row["file"]).read_bytes()).hexdigest() not in row["file"]
    ]
    outcome.stray = [path.name for path in studio.images.iterdir() if path.name not in wanted]
