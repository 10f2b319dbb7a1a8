"""A server in the test's own process that answers what the test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "key of the house 0123456789abcdef"

Reply = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]


def said(text: object, *, finish: str = "stop", usage: dict[str, Any] | None = None) -> Reply:
    """A 200 with an ordinary answer; what is no string is sent as JSON."""
    content = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    body = {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}], "usage": usage or {}}
    return lambda _: web.json_response(body)


def failed(status: int, message: str = "no", *, headers: dict[str, str] | None = None, **error: Any) -> Reply:
    """An error in OpenAI's shape."""
    return lambda _: web.json_response({"error": {"message": message, **error}}, status=status, headers=headers)


@dataclass
class ScriptedServer:
    """Answers with the replies of *script* in turn, the last one again and again. *asked* are the requests' bodies."""

    script: list[Reply] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            self.asked.append(await request.json())
            self.headers.append(dict(request.headers))
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            response = reply(request)
            return await response if asyncio.iscoroutine(response) else response
        finally:
            self.in_flight -= 1

    def formats(self) -> list[str]:
        """Which response_format each request had."""
        return [body.get("response_format", {}).get("type", "none") for body in self.asked]


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for is in a server or a database
            await asyncio.sleep(0.005)
