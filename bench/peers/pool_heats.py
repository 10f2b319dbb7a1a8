"""What all contestants of ``bench.pool`` have in common: getting their workers ready, being told what to draw, the clock, the account.

A contestant has its workers ready, says how long that took, draws the batch of every line that comes in on stdin, answers it with one
line of JSON once it is ready for another, and ends with stdin.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench.peers import pool_work
from gpu_pool.tasks import ImageTask


@dataclass(frozen=True)
class Rules:
    """How many workers there are and how long each loads; *log* is what they note in, *folder* where pictures go."""

    workers: int
    load_seconds: float
    log: Path
    folder: Path


@dataclass(frozen=True)
class Order:
    """A batch: so many *tasks* of so many *seconds*, numbered from *first*. *watched*: a worker is going to be killed, say when you notice.
    Without *retries* what it was drawing may be lost.
    """

    first: int
    tasks: int
    seconds: float
    watched: bool = False
    retries: bool = True

    def all(self, folder: Path) -> list[ImageTask]:
        return [pool_work.task(str(number), self.seconds, folder) for number in range(self.first, self.first + self.tasks)]


@dataclass
class Account:
    """How a batch ended: how many pictures there are, why others are not, and when a worker's death was *noticed* (monotonic seconds)."""

    complete: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    noticed: float | None = None

    def fail(self, error: BaseException) -> None:
        """A picture is lost to *error*, and that is when its worker's death is noticed."""
        self.failed[type(error).__name__] += 1
        self.noticed = self.noticed or time.monotonic()


class Way(Protocol):
    """A way of drawing batches with many workers."""

    release: str

    def ready(self) -> None:
        """Have all workers there with their model loaded, as far as this way keeps workers. Before the first batch and after each."""
        ...

    def draw(self, order: Order) -> Account: ...

    def end(self) -> None: ...


def given() -> Rules:
    """What the command line says."""
    workers, load_seconds, log, folder = sys.argv[1:]
    return Rules(int(workers), float(load_seconds), Path(log), Path(folder))


def wait_for_loads(log: Path, count: int) -> None:
    """Wait until models have been loaded *count* times in all."""
    while not log.exists() or log.read_text().count("\nloaded ") < count:  # the first line is about another thing
        time.sleep(0.005)


def serve(way: Way) -> None:
    with contextlib.redirect_stdout(sys.stderr):  # some libraries print
        gc.freeze()
        began = time.perf_counter()
        way.ready()
        _say({"ready": way.release, "seconds": time.perf_counter() - began})
        for line in sys.stdin:
            began = time.perf_counter()
            account = way.draw(Order(**json.loads(line)))
            seconds = time.perf_counter() - began
            way.ready()
            _say({"seconds": seconds, **vars(account)})
        way.end()


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), file=sys.__stdout__, flush=True)
