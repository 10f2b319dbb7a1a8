"""Who takes part in ``bench.pool``: our pool and other ways of drawing with many processes, each a program with workers of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from bench import contestants
from bench.contestants import OURS
from bench.peers.pool_heats import Order
from bench.writers import ROOT

WORKERS = 8
LEAVE = 30
"""Seconds that a contestant has to end its workers."""
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Way:
    """*title* in tables (its release goes in); *environment* names its requirements, none where our own Python will do. *keeps*: workers
    and their models outlive a batch.
    """

    title: str
    module: str
    environment: str = ""
    keeps: bool = True


WAYS: Mapping[str, Way] = {
    OURS: Way("Persona Studio's pool", "bench.pool_ours"),
    "queues": Way("processes for the batch, 2 queues", "bench.peers.with_queues", keeps=False),
    "executor": Way("ProcessPoolExecutor (Python {})", "bench.peers.with_executor"),
    "ray": Way("Ray {} actors", "bench.peers.with_ray", "ray"),
}


@dataclass(frozen=True)
class Noted:
    """A line of the log: a worker's *word* (load, loaded, begin, end) about a task, at *moment* (monotonic seconds)."""

    word: str
    pid: int
    moment: float
    task: str


@dataclass(frozen=True)
class Ended:
    """A batch: its *seconds* by the clock, *cpu* seconds of all its processes, how many are *complete*, why others are not, when a death
    was *noticed* (monotonic seconds), and the *order* that it was.
    """

    seconds: float
    cpu: float
    complete: int
    failed: Counter[str]
    noticed: float | None
    order: Order


class Contestant:
    """A program with its workers ready; *start* is the seconds that took, from the first process to the last loaded model."""

    def __init__(self, title: str, process: subprocess.Popen[str], log: Path, errors: IO[str]) -> None:
        self.process = process
        self._log = log
        self._errors = errors
        self._first = 0
        self._cpu = 0.0
        told = self._answer(None)
        self.title = title.format(told["ready"])
        self.start: float = told["seconds"]

    def order(self, tasks: int, seconds: float, *, watched: bool = False, retries: bool = True) -> Order:
        """Have it begin a batch."""
        order = Order(self._first, tasks, seconds, watched, retries)
        self._first += tasks
        self._cpu = cpu(self.process.pid)
        if self.process.stdin:
            print(json.dumps(asdict(order)), file=self.process.stdin, flush=True)
        return order

    def ended(self, order: Order, within: float | None = None) -> Ended | None:
        """How the batch of *order* ended; ``None`` where it has not *within* so many seconds."""
        told = self._answer(within)
        if told is None:
            return None
        spent = cpu(self.process.pid) - self._cpu
        return Ended(told["seconds"], spent, told["complete"], Counter(told["failed"]), told["noticed"], order)

    def batch(self, tasks: int, seconds: float) -> Ended:
        """Have it draw a batch in which nothing may go wrong."""
        ended = self.ended(self.order(tasks, seconds))
        if ended is None or ended.complete != tasks:
            raise SystemExit(f"{self.title}: {ended}")
        return ended

    def noted(self, *words: str) -> list[Noted]:
        """What its workers have noted so far."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        parts = [line.split(" ") for line in lines]
        return [Noted(word, int(pid), float(moment), task) for word, pid, moment, task in parts if word in words]

    def _answer(self, within: float | None) -> Any:  # noqa: ANN401  JSON
        if self.process.stdout is None or not select.select([self.process.stdout], [], [], within)[0]:
            return None
        line = self.process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise SystemExit(f"{self._errors.read()}\nA contestant ended with exit code {self.process.wait()}.")
        return json.loads(line)


@contextmanager
def contestant(name: str, load_seconds: float) -> Iterator[Contestant]:
    """One of :data:`WAYS`, its workers started and ready."""
    way = WAYS[name]
    python: object = contestants.environment(way.environment) if way.environment else sys.executable
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        log = Path(folder) / "log"
        rules = [WORKERS, load_seconds, log, Path(folder) / "images"]
        with _process([python, "-m", way.module, *rules], errors) as process:
            yield Contestant(way.title, process, log, errors)


@contextmanager
def _process(command: Sequence[object], errors: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """A program that ends with its stdin, and is killed where it does not."""
    alone = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    words, pipe = list(map(str, command)), subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, env=alone, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process:  # noqa: S603
        try:
            yield process
        finally:
            if process.stdin:
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(LEAVE)
            process.kill()


def cpu(pid: int) -> float:
    """CPU seconds so far of a process and everything that it and its descendants have started."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = file.read_text().rpartition(")")[2].split()
            parents[int(file.parent.name)] = int(fields[1])
            ticks[int(file.parent.name)] = sum(map(int, fields[11:15]))  # its own, and of its children that have ended
    family, more = {pid}, True
    while more:
        found = {child for child, parent in parents.items() if parent in family} - family
        family |= found
        more = bool(found)
    return sum(ticks.get(member, 0) for member in family) / TICK
