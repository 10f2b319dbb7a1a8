"""Eighty pictures of 2 s, and eight hundred of 50 ms, with eight workers: how far are we from tasks x seconds / workers, and how far
are others?

``python -m bench.pool`` has our pool draw them with an engine that sleeps, and beside that the same engine in processes spawned for each
batch behind two queues, in a ``ProcessPoolExecutor`` and in Ray actors. They take turns; each is a program of its own, begun anew for
every run, and nobody else has workers meanwhile. ``--faults`` kills workers: how soon is it noticed, and what is lost?
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if not __package__:
    sys.path.insert(0, str(ROOT))

from bench import picture_kills, pool_kills  # noqa: E402  found once the path is set
from bench.contestants import OURS  # noqa: E402
from bench.pool_contestants import WAYS, WORKERS, Contestant, contestant  # noqa: E402

WARM_UP = 2 * WORKERS
"""Pictures that are drawn before the clock is looked at."""
KILLS, PICTURES = 100, 200


@dataclass(frozen=True)
class Row:
    """A batch: so many *tasks* of so many *seconds* each."""

    tasks: int
    seconds: float

    @property
    def ideal(self) -> float:
        return self.tasks * self.seconds / WORKERS


ROWS = (Row(80, 2.0), Row(800, 0.05))


@dataclass(frozen=True)
class Taken:
    """One batch: *seconds* by the clock, *drawing* from the first picture begun to the last one ended, *cpu* seconds a picture, and the
    *start* of the workers before it.
    """

    seconds: float
    drawing: float
    cpu: float
    start: float


def speed(names: Sequence[str], rows: Sequence[Row], runs: int, load_seconds: float) -> None:
    """All of them in turn, *runs* times."""
    taken: dict[tuple[Row, str], list[Taken]] = defaultdict(list)
    loads: dict[str, list[int]] = defaultdict(list)
    titles: dict[str, str] = {}
    for _ in range(runs):
        for name in names:
            with contestant(name, load_seconds) as ready:
                titles[name] = ready.title
                if WAYS[name].keeps:
                    ready.batch(WARM_UP, 0.05)
                for row in rows:
                    taken[row, name].append(_batch(ready, row))
                loads[name].append(len(ready.noted("load")))
        for name, counts in loads.items():
            if WAYS[name].keeps and set(counts) != {WORKERS}:
                raise SystemExit(f"{titles[name]} loaded models {counts} times")
    for row in rows:
        _show(row, titles, {name: taken[row, name] for name in names})
    print("\nModels loaded in one life of each, all its batches:")
    for name, counts in loads.items():
        print(f"{titles[name]:36}{' '.join(map(str, counts))}")


def _batch(ready: Contestant, row: Row) -> Taken:
    ended = ready.batch(row.tasks, row.seconds)
    drawn = {str(number) for number in range(ended.order.first, ended.order.first + row.tasks)}
    moments = [noted.moment for noted in ready.noted("begin", "end") if noted.task in drawn]
    return Taken(ended.seconds, max(moments) - min(moments), ended.cpu / row.tasks, ready.start)


def _show(row: Row, titles: dict[str, str], taken: dict[str, list[Taken]]) -> None:
    """A line a contestant; one that loads its models for every batch gets a second, without them."""
    print(
        f"\n{f'{row.tasks} tasks of {row.seconds:g} s':36}{'ideal':>9}{'median':>10}{'min':>10}{'max':>10}{'ratio':>8}{'CPU a task':>12}"
        f"{'start, load':>13}{'first batch':>13}"
    )
    for name, batches in taken.items():
        start = statistics.median(one.start for one in batches) if WAYS[name].keeps else 0.0
        median = statistics.median(one.seconds for one in batches)
        cpu = statistics.median(one.cpu for one in batches)
        ends = f"{cpu * 1000:>9.1f} ms" + (f"{start:>11.2f} s" if WAYS[name].keeps else f"{'in each':>13}") + f"{start + median:>11.2f} s"
        _line(titles[name], row.ideal, [one.seconds for one in batches], ends)
        if not WAYS[name].keeps:
            _line("  without start and load", row.ideal, [one.drawing for one in batches], "")


def _line(title: str, ideal: float, seconds: Sequence[float], ends: str) -> None:
    median = statistics.median(seconds)
    times = "".join(f"{one:>8.2f} s" for one in (median, min(seconds), max(seconds)))
    print(f"{title:36}{ideal:>7.2f} s{times}{median / ideal:>8.3f}{ends}", flush=True)


def through_the_database() -> int:
    """Kill a worker of a Studio that draws :data:`PICTURES`, :data:`KILLS` times. Returns the exit code: 1 where a promise is broken."""
    logging.getLogger("gpu_pool").setLevel(logging.ERROR)  # each death is a warning
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(picture_kills.kill_and_draw(Path(folder) / "data", rounds=KILLS, tasks=PICTURES, workers=WORKERS))
    noticed = f"median {statistics.median(found.noticed) * 1000:.0f} ms, max {max(found.noticed) * 1000:.0f} ms"
    claims = (
        (
            f"{KILLS} workers of {WORKERS} killed in one job",
            f"{len(found.noticed)}, {found.restarts} restarted",
            len(found.noticed) == KILLS,
        ),
        ("each death noticed within 0.5 s", noticed, max(found.noticed) <= 0.5),
        (f"{PICTURES} pictures in the database, each once", f"{found.saved} rows, {len(found.twice)} twice", not found.twice),
        ("none lost", f"{len(found.lost)} lost, {found.drawn} drawn in {found.seconds:.0f} s", not found.lost),
        ("no file half-written or left over", f"{len(found.broken)} broken, {len(found.stray)} left over", not found.broken + found.stray),
        ("no process is left", f"{len(found.alive)}", not found.alive),
    )
    print("\nThrough the database, drawn by the preview engine:")
    for title, figures, holds in claims:
        print(f"{'holds ' if holds else 'BROKEN'}  {title:46}{figures}")
    return int(not all(holds for *_, holds in claims))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--rows", type=_row, nargs="+", default=ROWS, metavar="TASKSxSECONDS", help="(default: 80x2 800x0.05)")
    parser.add_argument("--load", type=float, default=3, help="seconds that loading a model takes (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="NAME", help=" ".join(WAYS))
    parser.add_argument("--faults", action="store_true", help="kill workers instead")
    given = parser.parse_args()
    machine = f"{os.cpu_count()} cores, Python {sys.version.split()[0]}"
    print(f"{machine}, {WORKERS} workers, {given.load:g} s to load a model, {given.runs} runs", flush=True)
    if given.faults:
        pool_kills.peers(given.only, given.runs, given.load)
        return through_the_database() if OURS in given.only else 0
    speed(given.only, given.rows, given.runs, given.load)
    return 0


def _row(text: str) -> Row:
    tasks, _, seconds = text.partition("x")
    return Row(int(tasks), float(seconds))


if __name__ == "__main__":
    sys.exit(main())
