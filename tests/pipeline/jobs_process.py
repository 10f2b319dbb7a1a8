"""Runs all jobs of a data folder as a process of its own, until none is left: ``python jobs_process.py DATA LOG``."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from pipeline.jobs import Jobs, Result, Step
from storage import calls
from storage import jobs as journal
from storage.database import Store
from storage.owners import Owner


async def main(data: Path, log: Path) -> None:
    store = Store(data)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def work(step: Step) -> Result:
        os.write(descriptor, f"{step.job_id} {step.item}/{step.stage}\n".encode())
        await asyncio.sleep(random.uniform(0, 0.03))
        mark = {
            "job_id": step.job_id,
            "item": step.item,
            "stage": step.stage,
            "request_hash": "",
            "model": "",
            "seconds": 0,
            "ended_at": "",
        }
        return Result(lambda tx: calls.record(tx, mark))

    jobs = Jobs(store, Owner(data), work, {"llm": 4}, adopt_orphans=True)
    await jobs.start()
    print("started", flush=True)  # noqa: T201
    while await store.fetch(journal.unfinished):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await jobs.stop()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
