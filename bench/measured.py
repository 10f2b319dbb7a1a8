"""What benches print: a heading, and a line a case with the ideal, the times and the CPU of its runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One run: *seconds* by the clock, *cpu* seconds of the process that was measured, with all its threads, and its LLM *calls*."""

    seconds: float
    cpu: float
    calls: int


def heading(number: str) -> None:
    """*number* names the column between the title and the times."""
    print(f"{'':32}{number:>6}{'ideal':>10}{'median':>10}{'min':>10}{'max':>10}{'ratio':>8}{'CPU a call':>12}")


def show(title: str, number: float, ideal: float, runs: Sequence[Measured]) -> None:
    """One line. *ideal* in seconds; the ratio is the median's to it."""
    took = [one.seconds for one in runs]
    median = statistics.median(took)
    cpu = statistics.median(one.cpu / one.calls for one in runs)
    times = "".join(f"{seconds:>8.2f} s" for seconds in (ideal, median, min(took), max(took)))
    print(f"{title:32}{number:>6.0f}{times}{median / ideal:>8.3f}{cpu * 1000:>9.1f} ms", flush=True)
