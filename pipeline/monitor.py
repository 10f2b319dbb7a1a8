"""How the studio is doing at this moment: `studio.monitor`."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from sqlite_utils import Database

import logs
from gpu_pool import devices
from gpu_pool.devices import Reading
from gpu_pool.tasks import PoolView, WorkerView
from pipeline.drawing import Drawing
from pipeline.llm.client import Writer
from pipeline.llm.usage import Prices
from pipeline.picture_steps import LANE, of_task, tweet_of
from storage import personas, standing
from storage.database import Store

SAMPLES = 120
"""Seconds of history, one sample each."""
RATE = 30
"""Seconds over which calls a second are counted."""
JOBS = 6
OPEN_JOBS = 50
"""Jobs that are shown: of those that ended, and of those under way."""


@dataclass(frozen=True)
class Sample:
    """One second: slots in use at its end, and what had ended by then since the start."""

    in_use: int = 0
    calls: int = 0
    pictures: int = 0


class Monitor:
    """Part of the Studio, which makes it. Between :meth:`start` and :meth:`stop` it remembers the last minutes and the last log lines."""

    def __init__(self, store: Store, writer: Writer, drawing: Drawing, *, model: str, prices: Prices) -> None:
        self._store = store
        self._writer = writer
        self._drawing = drawing
        self._model = model
        self._prices = prices
        self._samples: deque[Sample] = deque([Sample()], maxlen=SAMPLES + 1)
        self._log = logs.Recent()
        self._sampler: asyncio.Task[None] | None = None
        self._began = time.monotonic()

    async def start(self) -> None:
        """Begin to remember."""
        logging.getLogger().addHandler(self._log)
        self._sampler = asyncio.create_task(self._sample(), name="monitor")

    async def stop(self) -> None:
        """Remember nothing further. May be called twice, and without a start."""
        logging.getLogger().removeHandler(self._log)
        if self._sampler:
            self._sampler.cancel()
            await asyncio.wait([self._sampler])

    async def look(self, after: int = 0) -> dict[str, Any]:
        """Everything as it stands: ``{uptime, writer, pool, jobs, history, log}``; of the log the lines after number *after*.

        ``history`` has one number for each of the last seconds, oldest first: slots in use, calls that ended, pictures that were drawn.
        """
        pool, jobs = await asyncio.gather(self.pool(), self._store.fetch(standing.newest_jobs, JOBS, open_=OPEN_JOBS))
        return {
            "uptime": round(time.monotonic() - self._began, 1),
            "writer": self._writing(pool.pop("lanes").get("llm", {})),
            "pool": pool,
            "jobs": [{**job, "seconds": standing.elapsed(job)} for job in jobs],
            "history": self._history(),
            "log": [asdict(line) for line in self._log.since(after)],
        }

    async def pool(self) -> dict[str, Any]:
        """The image workers and what waits for them: ``{engine, on, devices, workers: [...], drawing, waiting, done, failed, cancelled,
        pace, eta, trouble, lanes}``. *waiting* counts the pictures of all jobs, also those that are not in the pool yet; *eta* is seconds.
        """
        view = self._drawing.view()
        lanes, readings = await asyncio.gather(self._store.fetch(standing.lanes), self._readings())
        left = sum(lanes.get(LANE, {}).values())
        workers = view.workers if view else ()
        about = await self._store.fetch(_about, [worker.task_id for worker in workers if worker.task_id])
        drawing = view.running if view else 0
        return {
            "engine": self._drawing.engine.name,
            "on": self._drawing.words,
            "devices": len(self._drawing.devices),
            "workers": [
                {**_worker(worker), **asdict(reading), "about": about.get(worker.task_id)}
                for worker, reading in zip(workers, readings, strict=False)
            ],
            "drawing": drawing,
            "waiting": max(0, left - drawing),
            **({key: getattr(view, key) for key in ("done", "failed", "cancelled")} if view else {"done": 0, "failed": 0, "cancelled": 0}),
            "pace": view.pace if view else None,
            "eta": _eta(view, left),
            "trouble": view.trouble if view else None,
            "lanes": lanes,
        }

    async def _readings(self) -> list[Reading]:
        if self._drawing.devices[0].kind != "cuda":
            return [Reading()] * len(self._drawing.devices)
        return await asyncio.to_thread(devices.readings, self._drawing.devices)

    def _writing(self, lane: dict[str, int]) -> dict[str, Any]:
        """The gate, and the calls since the start."""
        traffic, gate = self._writer.traffic, self._writer.gate
        seconds = sorted(traffic.seconds)
        left = sum(lane.values())
        tokens = traffic.prompt_tokens, traffic.cached_tokens, traffic.completion_tokens
        recent = list(self._samples)[-RATE - 1 :]
        return {
            "model": self._model,
            "slots": gate.width,
            "in_use": gate.in_use,
            "waiting": gate.waiting,
            "peak": gate.peak,
            "steps": left,
            "calls": traffic.calls,
            "rate": (recent[-1].calls - recent[0].calls) / max(1, len(recent) - 1),
            "p50": _quantile(seconds, 0.5),
            "p95": _quantile(seconds, 0.95),
            "retries": traffic.retries,
            "overloaded": traffic.overloaded,
            "failures": traffic.failures,
            "prompt_tokens": traffic.prompt_tokens,
            "cached_tokens": traffic.cached_tokens,
            "completion_tokens": traffic.completion_tokens,
            "cost": self._prices.cost(*tokens),
            "eta": left * sum(seconds) / len(seconds) / gate.width if left and seconds else None,
        }

    def _history(self) -> dict[str, list[int]]:
        samples = list(self._samples)
        steps = list(pairwise(samples))
        return {
            "in_use": [sample.in_use for sample in samples[1:]],
            "calls": [after.calls - before.calls for before, after in steps],
            "pictures": [after.pictures - before.pictures for before, after in steps],
        }

    async def _sample(self) -> None:
        due = time.monotonic()
        while True:
            due += 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            view = self._drawing.view()
            self._samples.append(Sample(self._writer.gate.in_use, self._writer.traffic.calls, view.done if view else 0))


def _worker(worker: WorkerView) -> dict[str, Any]:
    keys = (
        "number",
        "task_id",
        "step",
        "steps",
        "seconds",
        "restarts",
        "done",
        "per_minute",
        "pid",
        "model",
        "attention",
        "dtype",
        "memory",
    )
    return {
        **{key: getattr(worker, key) for key in keys},
        "state": str(worker.state),
        "device": str(worker.device),
        "trouble": worker.trouble,
    }


def _about(db: Database, task_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Of each task of the pool its job and, where it is a tweet's picture, the persona's name."""
    found = {task_id: of_task(task_id) for task_id in task_ids}
    owners = {task_id: item.split(":")[0] for task_id, (_, item) in found.items() if tweet_of(item)}
    names = personas.names(db, sorted(set(owners.values())))
    return {task_id: {"job": job_id, "name": names.get(owners.get(task_id, ""), "")} for task_id, (job_id, _) in found.items()}


def _eta(view: PoolView | None, left: int) -> float | None:
    """Seconds until *left* pictures are drawn, of which the pool has only the next ones."""
    if not left:
        return 0.0
    if view is None or view.eta is None or view.pace is None:
        return None
    return view.eta + view.pace * max(0, left - view.queued - view.running)


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of *ordered* numbers that *share* of them do not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
