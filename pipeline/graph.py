"""Which steps of a job are ready, kept up to date as steps end, so that a job of thousands of steps is not read again each time.

Of the steps that are ready the one that stands first in the job goes first: what was begun is ended before more is begun. Only a step
that others wait for runs ahead of its place, by as many steps as its lane can do while one of them would have to wait; else the job
would end with a chain of steps, one after another, and most of the lane empty.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from storage.jobs import Key


class Graph:
    """The waiting steps of a job and what each still misses. *also_done* are steps that ended after *steps* was read; *widths* says how
    many steps of a lane run at once (1 where it does not say: such a lane keeps the job's order).
    """

    def __init__(self, steps: Sequence[dict[str, Any]], also_done: Collection[Key] = (), widths: Mapping[str, int] | None = None) -> None:
        done = {(step["item"], step["stage"]) for step in steps if step["status"] == "done"} | set(also_done)
        self._keys: list[Key] = [(step["item"], step["stage"]) for step in steps]
        self._lane: dict[Key, str] = {}
        self._missing: dict[Key, set[Key]] = {}
        self._wanted_by: dict[Key, list[Key]] = {}
        self._ready: dict[str, list[tuple[int, int]]] = {}  # (rank, place) of each, in order
        for step in steps:
            key: Key = (step["item"], step["stage"])
            if step["status"] != "waiting" or key in done:
                continue
            self._lane[key] = step["lane"]
            self._missing[key] = set(step["needs"]) - done
            for need in self._missing[key]:
                self._wanted_by.setdefault(need, []).append(key)
        self._rank = self._ranks(widths or {})
        for key, missing in self._missing.items():
            if not missing:
                self._add(key)

    def ready(self, room: Callable[[str], int]) -> list[tuple[Key, str]]:
        """Steps that may start, those that go first before others, at most ``room(lane)`` of each lane."""
        return [(self._keys[place], lane) for lane, found in self._ready.items() for _, place in found[: max(0, room(lane))]]

    def started(self, key: Key) -> None:
        """The step is no longer waiting."""
        found, rank = self._ready[self._lane[key]], self._rank[key]
        at = bisect_left(found, rank)
        if found[at : at + 1] == [rank]:
            del found[at]

    def finished(self, key: Key) -> None:
        """The step is done: what needed only this is ready."""
        for later in self._wanted_by.pop(key, ()):
            self._missing[later].discard(key)
            if not self._missing[later]:
                self._add(later)

    def _add(self, key: Key) -> None:
        insort(self._ready.setdefault(self._lane[key], []), self._rank[key])

    def _ranks(self, widths: Mapping[str, int]) -> dict[Key, tuple[int, int]]:
        """Each step's place in the job, less the width of its lane for every step of the longest chain that waits for it."""
        chain = dict.fromkeys(self._missing, 0)
        waited_for = {key: len(self._wanted_by.get(key, ())) for key in self._missing}
        ends = [key for key, count in waited_for.items() if not count]
        while ends:
            key = ends.pop()
            for need in self._missing[key] & chain.keys():
                chain[need] = max(chain[need], chain[key] + 1)
                waited_for[need] -= 1
                if not waited_for[need]:
                    ends.append(need)
        wide = {lane: width for lane, width in widths.items() if width > 1}
        places = {key: place for place, key in enumerate(self._keys)}
        return {key: (places[key] - steps * wide.get(self._lane[key], 0), places[key]) for key, steps in chain.items()}
