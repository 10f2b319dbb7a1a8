"""Workers killed at random while the Studio has them draw a job of pictures: is each one in the database once, and every file whole?

``python -m bench.pool --faults`` does it a hundred times.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from sqlite_utils.utils import sqlite3  # pyright: ignore[reportPrivateImportUsage]  it chooses pysqlite3, as we must

from config import Settings
from gpu_pool.pool import DEATHS
from gpu_pool.tasks import WorkerState, WorkerView
from pipeline.picture_steps import Asked
from pipeline.studio import Studio


@dataclass
class Outcome:
    """*noticed* is the seconds from each SIGKILL to the Studio knowing of it, *saved* how
    many rows there are, and *restarts* how many processes were replaced. *lost*, *twice*, *broken*, *stray* and *alive* should be empty.
    """

    noticed: list[float] = field(default_factory=list)
    seconds: float = 0.0
    restarts: int = 0
    drawn: int = 0
    saved: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    alive: list[int] = field(default_factory=list)


async def kill_and_draw(
    data: Path, *, rounds: int, tasks: int, workers: int = 8, size: str = "512x512", seed: int | None = None
) -> Outcome:
    """Have *tasks* preview pictures drawn in the data folder *data* while *rounds* busy workers are killed, one after another."""
    chance, outcome = random.Random(seed), Outcome()
    settings: dict[str, Any] = {"data_dir": data, "image_engine": "preview", "cpu_workers": workers, "image_size": size, "num_gpus": 0}
    studio = Studio(Settings(_env_file=None, openai_api_key="bench", **settings))  # type: ignore[call-arg]
    await studio.start()
    pids: set[int] = set()
    try:
        began = time.monotonic()
        asked = {f"{number:04}": Asked(picture={"positive_prompt": f"a tram of line {number} in the rain"}) for number in range(tasks)}
        job_id = await studio.pictures.start_all(asked)
        drawing = asyncio.create_task(_ended(studio, job_id))
        while len(outcome.noticed) < rounds and await _kill_one(studio, chance, outcome, drawing):
            pids |= {worker.pid for worker in _workers(studio) if worker.pid}
        await drawing
        outcome.seconds = time.monotonic() - began
        view = studio.pool()
        outcome.drawn = view.done if view else 0
        outcome.restarts = sum(worker.restarts for worker in _workers(studio))
    finally:
        await studio.stop(0)
    await asyncio.to_thread(_judge, outcome, data, set(asked), pids)
    return outcome


async def _ended(studio: Studio, job_id: str) -> None:
    async for _ in studio.watch(job_id):
        pass


def _workers(studio: Studio) -> tuple[WorkerView, ...]:
    view = studio.pool()
    return view.workers if view else ()


async def _kill_one(studio: Studio, chance: random.Random, outcome: Outcome, drawing: asyncio.Task[None]) -> bool:
    """Kill a worker that draws, and wait until the Studio says so. False where there is nothing left to draw."""
    await asyncio.sleep(chance.uniform(0, 0.1))
    while not (busy := [worker for worker in _workers(studio) if _may_die(worker)]):
        if drawing.done():
            return False
        await asyncio.sleep(0.002)
    victim = chance.choice(busy)
    assert victim.pid is not None  # noqa: S101  it is busy
    os.kill(victim.pid, signal.SIGKILL)
    killed = time.monotonic()
    while (now := _workers(studio)[victim.number]).pid == victim.pid and now.state is WorkerState.BUSY:  # noqa: ASYNC110  another process
        await asyncio.sleep(0.001)
    outcome.noticed.append(time.monotonic() - killed)
    return True


def _may_die(worker: WorkerView) -> bool:
    """It draws, and nothing that it has in hand would become poison by definition, which none of these pictures is."""
    return worker.state is WorkerState.BUSY and worker.deaths < DEATHS - 1


def _judge(outcome: Outcome, data: Path, items: set[str], pids: Iterable[int]) -> None:
    """Look at what is there once the Studio has been stopped."""
    db = sqlite3.connect(data / "studio.db")
    try:
        rows = Counter(dict(db.execute("SELECT item, count(*) FROM images GROUP BY item").fetchall()))
        claims = db.execute("SELECT item, status, fence FROM steps").fetchall()
        named = {name for row in db.execute("SELECT file, thumbnail FROM images").fetchall() for name in row}
    finally:
        db.close()
    outcome.saved = rows.total()
    done = {item for item, status, _ in claims if status == "done"}
    outcome.lost = sorted(items - (done & rows.keys()))
    outcome.twice = sorted({item for item, count in rows.items() if count > 1} | {item for item, _, fence in claims if fence > 1})
    there = {path.name: path for path in (data / "images").iterdir()}
    outcome.broken = sorted(name for name in named if name not in there or not _whole(there[name]))
    outcome.stray = sorted(there.keys() - named)
    outcome.alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def _whole(path: Path) -> bool:
    """Whether a picture can be decoded to its last pixel, and a PNG is called what its content says."""
    content = path.read_bytes()
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return path.suffix != ".png" or hashlib.sha256(content).hexdigest() == path.stem
