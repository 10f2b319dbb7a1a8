"""The gate: the one limiter that every LLM call passes.

Its width is fixed. A slot is held for the whole of a call, while the call backs off too: giving it away meanwhile makes a server that
is already overloaded worse. A freed slot goes to the waiting call with the lowest priority number, first come first served among
equals, so a person who waits is served after at most one call of a batch.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class Gate:
    """*width* slots. ``in_use``, ``waiting`` and ``peak`` (most in use ever) may be read at any time."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.in_use = 0
        self.peak = 0
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    @property
    def waiting(self) -> int:
        """Calls that wait for a slot."""
        return sum(not ticket[2].done() for ticket in self._queue)

    @asynccontextmanager
    async def slot(self, priority: int = 0) -> AsyncIterator[None]:
        """Hold one slot inside the block; waits for it in order of *priority* (lower first)."""
        await self._enter(priority)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, priority: int) -> None:
        if self.in_use < self.width:
            self._take()
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled just after the slot was handed over: pass it on, or it would be lost.
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _take(self) -> None:
        self.in_use += 1
        self.peak = max(self.peak, self.in_use)

    def _leave(self) -> None:
        self.in_use -= 1
        while self._queue:
            _, _, turn = heapq.heappop(self._queue)
            if not turn.done():
                self._take()
                turn.set_result(None)
                return
