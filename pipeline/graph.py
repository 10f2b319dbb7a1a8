"""Which steps of a job are ready, kept up to date as steps end, so that a job of thousands of steps is not read again each time.

Of the steps that are ready the one that stands first in the job goes first: what was begun is ended before more is begun.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Sequence
from typing import Any

from storage.jobs import Key


class Graph:
    """The waiting steps of a job and what each still misses. *also_done* are steps that ended after *steps* was read."""

    def __init__(self, steps: Sequence[dict[str, Any]], also_done: Collection[Key] = ()) -> None:
        done = {(step["item"], step["stage"]) for step in steps if step["status"] == "done"} | set(also_done)
        self._keys: list[Key] = [(step["item"], step["stage"]) for step in steps]
        self._place: dict[Key, int] = {key: place for place, key in enumerate(self._keys)}
        self._lane: dict[Key, str] = {}
        self._missing: dict[Key, set[Key]] = {}
        self._wanted_by: dict[Key, list[Key]] = {}
        self._ready: dict[str, list[int]] = {}  # places, in order
        for step in steps:
            key: Key = (step["item"], step["stage"])
            if step["status"] != "waiting" or key in done:
                continue
            self._lane[key] = step["lane"]
            self._missing[key] = set(step["needs"]) - done
            for need in self._missing[key]:
                self._wanted_by.setdefault(need, []).append(key)
            if not self._missing[key]:
                self._add(key)

    def ready(self, room: Callable[[str], int]) -> list[tuple[Key, str]]:
        """Steps that may start, in the job's order, at most ``room(lane)`` of each lane."""
        return [(self._keys[place], lane) for lane, places in self._ready.items() for place in places[: max(0, room(lane))]]

    def started(self, key: Key) -> None:
        """The step is no longer waiting."""
        places, place = self._ready[self._lane[key]], self._place[key]
        found = bisect_left(places, place)
        if places[found : found + 1] == [place]:
            del places[found]

    def finished(self, key: Key) -> None:
        """The step is done: what needed only this is ready."""
        for later in self._wanted_by.pop(key, ()):
            self._missing[later].discard(key)
            if not self._missing[later]:
                self._add(later)

    def _add(self, key: Key) -> None:
        insort(self._ready.setdefault(self._lane[key], []), self._place[key])
