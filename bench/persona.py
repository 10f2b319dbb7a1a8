"""From a picture to a whole persona, against a writer that takes one second a call: how far from the ideal are we?

``python -m bench.persona`` prints, for one persona in graph order and in sequence and for twenty at once on twenty slots, the seconds
from submit to the last stage beside the ideal, and the CPU that each call costs this process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
if not __package__:
    sys.path.insert(0, str(ROOT))

from bench.measured import Measured, heading, show  # noqa: E402  found once the path is set
from bench.writers import writer  # noqa: E402
from config import Settings  # noqa: E402
from pipeline.stages import STAGES, Wishes  # noqa: E402
from pipeline.studio import Studio, Upload  # noqa: E402

SLOTS = 20
SAMPLES = sorted((ROOT / "assets" / "samples").glob("*.jpg"))


@dataclass(frozen=True)
class Case:
    """*personas* at once, in this order of stages; *ideal* seconds for calls of one second."""

    title: str
    personas: int
    order: str
    ideal: float


CASES = (
    Case("1 persona, graph", 1, "graph", 3),
    Case("1 persona, sequential", 1, "sequential", 7),
    Case(f"20 personas, graph, {SLOTS} slots", 20, "graph", max(20 * len(STAGES) / SLOTS, 3)),
)


async def measure(studio: Studio, case: Case, seed: int) -> Measured:
    """Write the personas of *case* once. The pictures are cleaned before: that is not the writer's time."""
    uploads = [Upload(SAMPLES[number % len(SAMPLES)], f"sample {number}.jpg") for number in range(case.personas)]
    pictures = [(upload, await studio.add_picture(upload)) for upload in uploads]
    began, cpu = time.perf_counter(), time.process_time()
    job_id, ids = await studio.create_personas(pictures, Wishes(seed=seed), order=case.order)
    async for _ in studio.watch(job_id):
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    views = [await studio.persona(persona_id) for persona_id in ids]
    if any(view["status"] != "complete" for view in views):
        raise RuntimeError(f"{case.title}: not every persona is complete")
    return Measured(seconds, cpu, sum(view["progress"]["calls"] for view in views))


async def run(runs: int, latency: float, only: str) -> None:
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {latency:g} s a call, {runs} runs each\n")
    heading("calls")
    with writer(latency) as url, tempfile.TemporaryDirectory() as folder:
        studio = Studio(Settings(_env_file=None, data_dir=Path(folder), openai_base_url=url, max_concurrent=SLOTS))  # type: ignore[call-arg]
        await studio.start()
        try:
            await measure(studio, Case("warm-up", 1, "graph", 0), 0)
            for case in (case for case in CASES if only in case.title):
                measured = [await measure(studio, case, seed) for seed in range(1, runs + 1)]
                show(case.title, median(one.calls for one in measured), case.ideal * latency, measured)
        finally:
            await studio.stop(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=1, help="seconds of a call (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="WORDS", help="only what has these words in its title")
    given = parser.parse_args()
    asyncio.run(run(given.runs, given.latency, given.only))


if __name__ == "__main__":
    main()
