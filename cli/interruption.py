"""SIGINT and SIGTERM: the first asks to stop, the second ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any


class Interruption:
    """From its making on, both signals are caught (make it on the running loop). *signal* is the number of the one that came, else 0.

    Ending at once is safe: the journal is written for ``kill -9``.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._come, number)

    def _come(self, number: int) -> None:
        if self.signal:
            os._exit(128 + number)
        self.signal = int(number)
        self._asked.set()

    async def race(self, work: asyncio.Task[None], beside: Coroutine[Any, Any, None]) -> None:
        """Until *work* is done or a signal comes; *beside* runs meanwhile."""
        others = [asyncio.create_task(self._asked.wait()), asyncio.create_task(beside)]
        try:
            await asyncio.wait([work, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for other in others:
                other.cancel()
            await asyncio.wait(others)
