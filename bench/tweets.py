"""A thousand tweets of a hundred personas under one gate: how far from calls x latency / slots are we, and how far are others?

``python -m bench.tweets`` writes them end to end (calendars given, every tweet checked, saved and seen by a watcher) at 20 and at 200
slots, and beside that has peers ask the same questions with the same Pydantic model; they check and save nothing, but for one that saves
by hand. ``--faults`` counts who ends complete when calls go wrong, and kills us three times on the way. Everybody is a process in an
environment of its own with an offline writer of its own; they take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if not __package__:
    sys.path.insert(0, str(ROOT))

from bench import contestants  # noqa: E402  found once the path is set
from bench.contestants import OURS, PEERS, Contestant  # noqa: E402
from bench.measured import Measured, heading, show  # noqa: E402
from bench.writers import behave, stats, until, writer  # noqa: E402

CALLS = 1000
FAULTS = "429=0.1,500=0.05,drop=0.05,truncated=0.05"
"""Shares of all calls, of what goes wrong with them."""
KILLS = 3


@contextmanager
def contest(names: Sequence[str], slots: int, latency: float) -> Iterator[dict[str, Contestant]]:
    """The contestants with these names, ready to go."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        questions = folder / "questions.json"
        ours = _ours(stack, slots, latency, folder)
        ready = {OURS: ours} if OURS in names else {}
        for name in (name for name in names if name != OURS):
            url = stack.enter_context(writer(latency, "--control"))
            ready[name] = stack.enter_context(contestants.peer(name, url, slots, questions))
        yield ready


def _ours(stack: ExitStack, slots: int, latency: float, folder: Path) -> Contestant:
    """Persona Studio with its personas, which cost no time. It leaves the questions for the peers in *folder*."""
    url = stack.enter_context(writer(0, "--control"))
    ours = stack.enter_context(contestants.ours(url, slots, folder / "data", folder / "questions.json"))
    behave(url, latency=latency)
    return ours


def speed(names: Sequence[str], slots: int, latency: float, runs: int) -> None:
    """All of them in turn, *runs* times, so that what else the machine does falls on all."""
    with contest(names, slots, latency) as ready:
        taken: dict[str, list[Measured]] = {name: [] for name in ready}
        for _ in range(runs):
            for name, contestant in ready.items():
                taken[name].append(clean(contestant, slots))
        for name, measured in taken.items():
            show(ready[name].title, slots, CALLS * latency / slots, measured)


def clean(contestant: Contestant, slots: int) -> Measured:
    """One heat in which nothing may go wrong: a thousand calls, a thousand answers, never more at once than there are slots."""
    before = stats(contestant.url)["requests"]
    heat = contestant.heat()
    counted = stats(contestant.url)
    calls, peak = counted["requests"] - before, counted["peak"]
    if (calls, heat.complete) != (CALLS, CALLS) or peak > slots:
        raise SystemExit(f"{contestant.title}: {calls} calls, {peak} at once, {heat.complete} complete, failed: {dict(heat.failed)}")
    return Measured(heat.seconds, heat.cpu, calls)


def faulty(names: Sequence[str], slots: int, latency: float, faults: str) -> None:
    """One heat each in which calls go wrong: who has all answers at the end?"""
    print(f"{'':32}{'complete':>9}{'seconds':>9}{'calls':>7}  failed for good", flush=True)
    with contest(names, slots, latency) as ready:
        for contestant in ready.values():
            before = stats(contestant.url)["requests"]
            behave(contestant.url, faults=faults)
            heat = contestant.heat()
            calls = stats(contestant.url)["requests"] - before
            failed = ", ".join(f"{count} {reason}" for reason, count in heat.failed.items())
            print(f"{contestant.title:32}{heat.complete:>9}{heat.seconds:>9.1f}{calls:>7}  {failed}", flush=True)
        print("\nWhat each does about failures:")
        for name, contestant in ready.items():
            print(f"{contestant.title:32}{contestants.RETRIES if name == OURS else PEERS[name].retries}")


def killed(slots: int, latency: float) -> None:
    """Kill Persona Studio in the middle of a batch, :data:`KILLS` times, and go on: is everything there, and what is paid again?"""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = _ours(stack, slots, latency, folder)
        begun = stats(ours.url)["requests"]
        moments = sorted(random.sample(range(CALLS // 10, CALLS - CALLS // 10), KILLS))
        ours.go()
        _kill(ours.process.kill, ours.url, begun + moments[0], latency)
        for moment in moments[1:]:
            with contestants.resumed(ours.url, slots, folder / "data") as process:
                _kill(process.kill, ours.url, begun + moment, latency)
        with contestants.resumed(ours.url, slots, folder / "data") as process:
            (ended,) = map(json.loads, process.stdout or ())
        again = stats(ours.url)["requests"] - begun - CALLS
    print(f"\nkill -9 after about {', '.join(map(str, moments))} calls, going on after each:")
    print(f"{contestants.TITLE:32}{ended['complete']} tweets; {again} calls asked again, at most {KILLS * slots} were under way")
    print(f"{'peers':32}by design nothing goes on: a program that uses them begins again, or finds out what it has saved")


def _kill(kill: Callable[[], None], url: str, calls: int, latency: float) -> None:
    """Kill at a random moment after the writer at *url* has had so many *calls*, and wait until it has noticed."""
    until(lambda: stats(url)["requests"] >= calls)
    time.sleep(random.uniform(0, latency))
    kill()
    until(lambda: not stats(url)["in_flight"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds of a call (default: %(default)s)")
    parser.add_argument("--slots", type=int, nargs="+", default=[20, 200], help="LLM calls at once (default: 20 200)")
    parser.add_argument("--only", nargs="+", choices=[OURS, *PEERS], default=[OURS, *PEERS], metavar="NAME", help=" ".join([OURS, *PEERS]))
    parser.add_argument("--faults", nargs="?", const=FAULTS, metavar="KIND=SHARE,...", help=f"who ends complete? (default: {FAULTS})")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {CALLS} tweets, {given.latency:g} s a call", flush=True)
    if given.faults:
        for slots in given.slots:
            print(f"\n1 run each, {slots} slots, {given.faults}")
            faulty(given.only, slots, given.latency, given.faults)
            if OURS in given.only:
                killed(slots, given.latency)
        return
    print(f"{given.runs} runs each, in turn\n")
    heading("slots")
    for slots in given.slots:
        speed(given.only, slots, given.latency, given.runs)


if __name__ == "__main__":
    main()
