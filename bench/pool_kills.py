"""Workers that are killed: by whom it is noticed how soon, when the picture is drawn after all, and what is lost."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.pool_contestants import WAYS, WORKERS, Contestant, contestant

TASKS, SECONDS = 24, 1.0
PATIENCE = TASKS / WORKERS * SECONDS + 10
"""Seconds after which a batch whose worker was killed is taken for one that never ends."""
RAY = "ray"


@dataclass(frozen=True)
class Killed:
    """What became of a batch with a worker killed in its middle. Seconds since the SIGKILL: when it was *noticed*, when the picture was
    begun *again*, when it was *redone*; ``None`` for never. *lost* pictures of the batch there are not.
    """

    noticed: float | None
    again: float | None
    redone: float | None
    lost: int


def peers(names: Sequence[str], rounds: int, load_seconds: float) -> None:
    """One worker killed in a batch, *rounds* times, of each contestant."""
    print(f"\n{'one of 8 workers killed; 24 tasks of 1 s':40}{'noticed after':>22}{'begun again':>22}{'redone':>22}{'lost of 24':>14}")
    for name in names:
        title, killed = _rounds(name, rounds, load_seconds, retries=True)
        noticed = killed
        if name == RAY:  # with retries it keeps a death to itself
            _, noticed = _rounds(name, rounds, load_seconds, retries=False)
        times = (
            [one.noticed for one in noticed],
            [one.again for one in killed],
            [one.redone for one in killed],
        )
        lost = sorted({one.lost for one in killed})
        print(f"{title:40}{''.join(f'{_median(moments):>22}' for moments in times)}{' to '.join(map(str, lost)):>14}", flush=True)


def _rounds(name: str, rounds: int, load_seconds: float, *, retries: bool) -> tuple[str, list[Killed]]:
    """The rounds of one contestant, which is begun anew where a batch never ended."""
    killed: list[Killed] = []
    title = ""
    while len(killed) < rounds:
        with contestant(name, load_seconds) as ready:
            title = ready.title
            while len(killed) < rounds:
                killed.append(_kill(ready, retries=retries))
                if killed[-1].noticed is None and not WAYS[name].keeps:
                    ready.process.kill()
                    break
    return title, killed


def _kill(ready: Contestant, *, retries: bool) -> Killed:
    """Have a batch begun, kill a worker that draws, and see."""
    order = ready.order(TASKS, SECONDS, watched=True, retries=retries)
    names = {str(number) for number in range(order.first, order.first + TASKS)}
    while sum(noted.task in names for noted in ready.noted("begin")) <= WORKERS:  # each has drawn one
        time.sleep(0.02)
    time.sleep(random.uniform(0.2, 0.6))
    ended = {noted.task for noted in ready.noted("end")}
    victim = random.choice([noted for noted in ready.noted("begin") if noted.task in names - ended])
    os.kill(victim.pid, signal.SIGKILL)
    moment = time.monotonic()
    told = ready.ended(order, PATIENCE)
    after = [noted for noted in ready.noted("begin", "end") if noted.task == victim.task and noted.moment > moment]
    first = {noted.word: noted.moment - moment for noted in reversed(after)}
    if told is None:
        return Killed(None, first.get("begin"), first.get("end"), len(names - {noted.task for noted in ready.noted("end")}))
    noticed = told.noticed - moment if told.noticed is not None else None
    return Killed(noticed, first.get("begin"), first.get("end"), TASKS - told.complete)


def _median(moments: Iterable[float | None]) -> str:
    """Median and largest, in milliseconds or seconds."""
    known = [moment for moment in moments if moment is not None]
    if not known:
        return "never"
    median, largest = statistics.median(known), max(known)
    return f"{median * 1000:.0f} ms (max {largest * 1000:.0f})" if largest < 1 else f"{median:.2f} s (max {largest:.2f})"
