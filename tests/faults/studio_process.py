"""A serving Studio that writes personas from a folder of pictures: ``python -m tests.faults.studio_process DATA URL SLOTS PICTURES``.

The first run submits the job and prints ``submitted``; every run prints ``started`` and ends when no job is left.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from config import Settings
from pipeline.stages import Wishes
from pipeline.studio import Studio, Upload


async def main(data: Path, url: str, slots: int, pictures: list[Path]) -> None:
    settings = Settings(_env_file=None, data_dir=data, openai_base_url=url, max_concurrent=slots, retry_budget=60)
    studio = Studio(settings, serving=True)
    await studio.start()
    print("started", flush=True)  # noqa: T201
    if not await studio.recent_jobs():
        uploads = [Upload(path, path.name) for path in pictures]
        cleaned = [(upload, await studio.add_picture(upload)) for upload in uploads]
        await studio.create_personas(cleaned, Wishes(seed=1), priority=5)
        print("submitted", flush=True)  # noqa: T201
    for job in await studio.recent_jobs():
        async for _ in studio.watch(job["id"]):
            pass
    await studio.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sorted(Path(sys.argv[4]).iterdir())))
