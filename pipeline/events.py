"""What happens to jobs, and how whoever watches hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

UNREAD = 2000
"""Events a slow watcher may be behind; beyond that it is told to look at everything anew."""


@dataclass(frozen=True)
class Event:
    """Something changed. *kind* is ``step`` (its *status* changed), ``progress`` (a running step reports), ``job`` (the job's *status*
    changed) or ``all`` (look at everything anew; the first event of every watch).
    """

    kind: str
    job_id: str
    item: str = ""
    stage: str = ""
    status: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Hub:
    """Hands events to watchers, each with a queue of its own."""

    def __init__(self) -> None:
        self._queues: dict[str, set[asyncio.Queue[Event]]] = {}

    def publish(self, event: Event) -> None:
        """Tell every watcher of the event's job; one that is too far behind is told to look anew instead."""
        for waiting in self._queues.get(event.job_id, ()):
            if waiting.full():
                while not waiting.empty():
                    waiting.get_nowait()
                waiting.put_nowait(Event("all", event.job_id))
            else:
                waiting.put_nowait(event)

    @contextmanager
    def listening(self, job_id: str) -> Iterator[asyncio.Queue[Event]]:
        """A queue of the job's events from now on."""
        waiting: asyncio.Queue[Event] = asyncio.Queue(UNREAD)
        self._queues.setdefault(job_id, set()).add(waiting)
        try:
            yield waiting
        finally:
            self._queues[job_id].discard(waiting)
            if not self._queues[job_id]:
                del self._queues[job_id]
