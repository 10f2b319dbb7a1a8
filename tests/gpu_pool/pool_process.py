"""A program with a pool, to be killed: ``python -m tests.gpu_pool.pool_process FOLDER PROMPT WORKERS``. Prints its workers' ids
once all of them draw. With ``leave`` in the prompt it then ends without a word to its pool.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gpu_pool.devices import Device
from gpu_pool.pool import Pool
from gpu_pool.tasks import EngineSpec, ImageTask


async def main(folder: Path, prompt: str, workers: int) -> None:
    pool = Pool(EngineSpec("tests.gpu_pool.engine:TestingEngine"), [Device(number) for number in range(workers)])
    begun: set[str] = set()
    pool.listen(lambda progress: begun.add(progress.task_id))
    await pool.start()
    futures = [pool.submit(ImageTask(str(number), prompt, folder, width=64, height=64, steps=500)) for number in range(workers)]
    while len(begun) < workers:  # noqa: ASYNC110  what is waited for is another process
        await asyncio.sleep(0.01)
    print(*(worker.pid for worker in pool.view().workers), flush=True)  # noqa: T201
    if "leave" in prompt:
        return
    await asyncio.gather(*futures)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
