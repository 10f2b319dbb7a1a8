"""From a picture to a whole persona, against a writer that takes one second a call: how far from the ideal are we?

``python -m bench.persona`` prints, for one persona in graph order and in sequence and for twenty at once on twenty slots, the seconds
from submit to the last stage beside the ideal, and the CPU that each call costs this process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if not __package__:
    sys.path.insert(0, str(ROOT))

from config import Settings  # noqa: E402  found once the path is set
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


@dataclass(frozen=True)
class Measured:
    seconds: float
    cpu: float
    calls: int


@contextmanager
def writer(latency: float) -> Iterator[str]:
    """The address of an offline writer in a process of its own."""
    command = [sys.executable, "-m", "pipeline.offline", "--latency", str(latency), "--ttl", "600"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own module
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield line.removeprefix("listening on ").strip()
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


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
    print(f"{'':32}{'calls':>6}{'ideal':>9}{'median':>9}{'min':>9}{'max':>9}{'ratio':>8}{'CPU a call':>12}")
    with writer(latency) as url, tempfile.TemporaryDirectory() as folder:
        studio = Studio(Settings(_env_file=None, data_dir=Path(folder), openai_base_url=url, max_concurrent=SLOTS))  # type: ignore[call-arg]
        await studio.start()
        try:
            await measure(studio, Case("warm-up", 1, "graph", 0), 0)
            for case in (case for case in CASES if only in case.title):
                show(case, latency, [await measure(studio, case, seed) for seed in range(1, runs + 1)])
        finally:
            await studio.stop(0)


def show(case: Case, latency: float, measured: list[Measured]) -> None:
    took = [one.seconds for one in measured]
    ideal, median = case.ideal * latency, statistics.median(took)
    calls = statistics.median(one.calls for one in measured)
    cpu = statistics.median(one.cpu / one.calls for one in measured)
    figures = f"{ideal:>7.2f} s{median:>7.2f} s{min(took):>7.2f} s{max(took):>7.2f} s{median / ideal:>8.3f}{cpu * 1000:>9.1f} ms"
    print(f"{case.title:32}{calls:>6.0f}{figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=1, help="seconds of a call (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="WORDS", help="only what has these words in its title")
    given = parser.parse_args()
    asyncio.run(run(given.runs, given.latency, given.only))


if __name__ == "__main__":
    main()
