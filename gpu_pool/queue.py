"""The tasks that wait: most urgent first, jobs in turn, and first come first served within a job."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Queued(Protocol):
    """What the queue must know of an entry. A lower *priority* number is more urgent."""

    @property
    def priority(self) -> int: ...
    @property
    def job(self) -> str: ...
    def alike(self) -> object: ...


Entry = TypeVar("Entry", bound=Queued)


class FairQueue(Generic[Entry]):
    """At equal priority the jobs take turns, so that a job of three pictures does not wait for one of three hundred."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[str, deque[Entry]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        """In the order of priority; within a priority job by job."""
        for priority in sorted(self._levels):
            for line in self._levels[priority].values():
                yield from line

    def add(self, entry: Entry) -> None:
        """At the end of its job's line; a job without a line gets one behind the others."""
        self._line(entry).append(entry)
        self._count += 1

    def add_front(self, entry: Entry) -> None:
        """Before everything else of its priority: it had its turn and lost it through no fault of its own."""
        self._line(entry).appendleft(entry)
        self._levels[entry.priority].move_to_end(entry.job, last=False)
        self._count += 1

    def take(self, most: int = 1) -> list[Entry]:
        """The next entry, and up to *most* - 1 more that are next in their lines and alike. Empty where nothing waits."""
        if not self._levels:
            return []
        priority = min(self._levels)
        taken = [self._pop(priority, next(iter(self._levels[priority])))]
        while len(taken) < most:
            jobs = self._levels.get(priority, {})
            fitting = next((job for job, line in jobs.items() if line[0].alike() == taken[0].alike()), None)
            if fitting is None:
                break
            taken.append(self._pop(priority, fitting))
        return taken

    def remove(self, entry: Entry) -> None:
        jobs = self._levels[entry.priority]
        jobs[entry.job].remove(entry)
        if not jobs[entry.job]:
            del jobs[entry.job]
        self._count -= 1
        self._tidy(entry.priority)

    def clear(self) -> list[Entry]:
        """Everything that waited, in order."""
        entries = list(self)
        self._levels.clear()
        self._count = 0
        return entries

    def _line(self, entry: Entry) -> deque[Entry]:
        return self._levels.setdefault(entry.priority, OrderedDict()).setdefault(entry.job, deque())

    def _pop(self, priority: int, job: str) -> Entry:
        jobs = self._levels[priority]
        line = jobs.pop(job)
        entry = line.popleft()
        if line:
            jobs[job] = line  # behind the other jobs
        self._count -= 1
        self._tidy(priority)
        return entry

    def _tidy(self, priority: int) -> None:
        if not self._levels[priority]:
            del self._levels[priority]
