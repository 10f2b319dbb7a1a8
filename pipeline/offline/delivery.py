"""Answers on their way: streamed, dripped, cut off."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from pipeline.offline import Json
from pipeline.offline.faults import Behaviour, Fate
from pipeline.offline.wire import Answer, Asked

FIRST_WORD = 0.3
"""The share of a call's latency after which a stream begins."""
DRIPS = 20


class Dropped(Exception):
    """Nothing more can be sent."""


@dataclass(frozen=True)
class Course:
    """What goes with one request on its way: when its answer is *due* (loop time), and what is *told* in the log."""

    behaviour: Behaviour
    fate: Fate
    due: float
    number: int
    told: dict[str, Json]


async def stream(request: web.Request, asked: Asked, answer: Answer, course: Course) -> web.StreamResponse:
    """Send the answer in pieces, evenly over the rest of the latency."""
    loop, fault = asyncio.get_running_loop(), course.fate.fault
    events = list(answer.events(include_usage=asked.include_usage))
    rest = course.due - loop.time()
    await asyncio.sleep(rest * FIRST_WORD)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"})
    await response.prepare(request)
    pause = (max(0, rest) * (1 - FIRST_WORD) + (course.behaviour.slow_seconds if fault == "slow" else 0)) / len(events)
    begun = loop.time()
    for place, event in enumerate(events, 1):
        if fault == "drop" and place == len(events) // 2:
            _cut_off(request)
        await response.write(event)
        await asyncio.sleep(begun + place * pause - loop.time())
    await response.write_eof()
    return response


async def drip(request: web.Request, body: bytes, course: Course) -> web.StreamResponse:
    """A body that comes slowly, or not to its end, or not at all."""
    drop = course.fate.fault == "drop"
    if drop and course.fate.rng.random() < 0.5:
        _cut_off(request)
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    if drop:
        await response.write(body[: len(body) // 2])
        _cut_off(request)
    size = len(body) // DRIPS + 1
    for start in range(0, len(body), size):
        await asyncio.sleep(course.behaviour.slow_seconds / DRIPS)
        await response.write(body[start : start + size])
    await response.write_eof()
    return response


def _cut_off(request: web.Request) -> None:
    if request.transport:
        request.transport.close()
    raise Dropped
