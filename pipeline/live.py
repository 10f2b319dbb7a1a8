"""A persona as it is being written: its view again and again, for as long as its job runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from pipeline.events import Event

View = dict[str, Any]

SHORTEST = 0.05
"""Seconds between two views: changes that come together are shown together."""


async def follow(look: Callable[[], Awaitable[View]], events: AsyncIterator[Event], persona_id: str) -> AsyncGenerator[View]:
    """The view that *look* gives, at once and after every change that *events* tells of, until they end.

    What a running stage reports meanwhile (a retry, a repair) stands in its ``phase``.
    """
    phases: dict[str, dict[str, Any]] = {}
    changed = asyncio.Event()

    async def listen() -> None:
        try:
            async for event in events:
                if event.item not in ("", persona_id):
                    continue
                if event.kind == "progress" and event.stage:
                    phases[event.stage] = event.data
                elif event.kind == "step":
                    phases.pop(event.stage, None)
                changed.set()
        finally:
            changed.set()

    listening = asyncio.create_task(listen(), name=f"follow {persona_id}")
    try:
        while True:
            over = listening.done()
            changed.clear()
            view = await look()
            for stage in view["stages"]:
                stage["phase"] = phases.get(stage["key"]) if stage["status"] == "running" else None
            yield view
            if over:
                listening.result()  # raises what ended the events early
                return
            await asyncio.sleep(SHORTEST)
            await changed.wait()
    finally:
        listening.cancel()
        await asyncio.wait([listening])
