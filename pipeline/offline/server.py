"""An OpenAI-compatible server around the offline writer.

``POST /v1/chat/completions``, ``GET /v1/models``, ``GET /healthz``, ``GET /stats``, and with *control* ``POST /behaviour``. What is slow
(looking at pictures, writing) happens in threads; the loop only waits and sends.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import orjson
from aiohttp import web

from pipeline.offline import chat, delivery, faults, shelves, sight, writer
from pipeline.offline.delivery import Course, Dropped
from pipeline.offline.faults import Behaviour
from pipeline.offline.strings import Unwritable
from pipeline.offline.tally import Tally
from pipeline.offline.tokens import Prefixes, count, cut
from pipeline.offline.wire import MODEL, Answer, Asked, RequestError, error, read_request, schema_error

log = logging.getLogger(__name__)

BODY_LIMIT = 32 * 1024 * 1024
SMALL_BODY = 256 * 1024
"""Bodies up to this size are parsed on the loop: handing them to a thread takes longer."""
REMEMBERED = 20_000
THREADS = 2
_DOT = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mM8EaDBgA0wMeAAg1MCAP8oAVCGkvfKAAAAAElFTkSuQmCC"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Draft:
    """A written answer before anything is done to it."""

    written: writer.Written
    text: str
    cached_tokens: int


class OfflineServer:
    """One server. *log* is a file for its request log, *control* lets clients change :attr:`behaviour`."""

    def __init__(self, behaviour: Behaviour | None = None, *, log: Path | None = None, control: bool = False) -> None:
        self.behaviour = behaviour or Behaviour()
        self.tally = Tally(log)
        self._prefixes = Prefixes()
        self._attempts: OrderedDict[str, int] = OrderedDict()
        self._answers: OrderedDict[str, int] = OrderedDict()
        self._runner: web.AppRunner | None = None
        self.app = web.Application(client_max_size=BODY_LIMIT, middlewares=[_errors_as_json])
        self.app.router.add_post("/v1/chat/completions", self._chat)
        self.app.router.add_get("/v1/models", self._models)
        self.app.router.add_get("/healthz", self._health)
        self.app.router.add_get("/stats", self._stats)
        if control:
            self.app.router.add_post("/behaviour", self._behave)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the base URL for clients. Raises :class:`OSError` when the port is taken."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "offline-writer"))
        self._runner = web.AppRunner(self.app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=2048).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"

    async def stop(self) -> None:
        """Stop listening and give up what is under way."""
        if self._runner:
            await self._runner.cleanup()
        self.tally.close()

    # Requests

    async def _models(self, _: web.Request) -> web.Response:
        model = {"id": MODEL, "object": "model", "created": 1767225600, "owned_by": "persona-studio"}
        return _json({"object": "list", "data": [model]})

    async def _health(self, _: web.Request) -> web.Response:
        return _json({"status": "ok", "model": MODEL})

    async def _stats(self, _: web.Request) -> web.Response:
        return _json(self.tally.stats())

    async def _behave(self, request: web.Request) -> web.Response:
        try:
            changes = orjson.loads(await request.read())
            self.behaviour = self.behaviour.changed(changes if isinstance(changes, dict) else {})
        except ValueError as bad:
            raise RequestError(str(bad)) from None
        return _json(asdict(self.behaviour))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        arrived, behaviour = time.monotonic(), self.behaviour  # the clock of asyncio's loops too
        peer = ":".join(map(str, (request.transport.get_extra_info("peername") or ())[:2])) if request.transport else ""
        try:
            asked = await self._read(request)
        except RequestError as bad:
            self.tally.end(self.tally.begin(None, peer, arrived), str(bad.status))
            raise
        full = behaviour.capacity is not None and self.tally.in_flight >= behaviour.capacity
        call = self.tally.begin(asked, peer, arrived, admitted=not full)
        if full:
            self.tally.end(call, "capacity", admitted=False)
            return _too_many(behaviour, "The server takes no more calls at once.")
        outcome, told = "failed", {}
        try:
            fate = behaviour.fate(asked.digest, _counted(self._attempts, asked.digest))
            response = await self._answered(request, asked, Course(behaviour, fate, arrived + fate.seconds, call.number, told))
            outcome = fate.fault or "ok"
        except Dropped:
            outcome = fate.fault
            return web.Response()  # aiohttp notices that there is nobody to send it to
        except RequestError as bad:
            outcome = str(bad.status)
            raise
        except (asyncio.CancelledError, ConnectionError):
            outcome = "gone"
            raise
        else:
            return response
        finally:
            self.tally.end(call, outcome, **told)

    async def _read(self, request: web.Request) -> Asked:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise RequestError(f"The request is larger than {BODY_LIMIT // 2**20} MB.", status=413) from None
        return read_request(body) if len(body) <= SMALL_BODY else await asyncio.to_thread(read_request, body)

    async def _answered(self, request: web.Request, asked: Asked, course: Course) -> web.StreamResponse:
        fault, loop = course.fate.fault, asyncio.get_running_loop()
        if fault == "429":
            return _too_many(course.behaviour, "Rate limit reached for requests.")
        _refuse_format(asked, course.behaviour.formats)
        if fault in ("500", "html"):
            await asyncio.sleep(course.due - loop.time())
            if fault == "html":
                return web.Response(text=faults.PAGE, content_type="text/html")
            return _json(error("The server had an error while processing your request.", "server_error"), 500)
        nth = 0 if asked.seed is not None else _counted(self._answers, asked.digest)
        draft = await asyncio.to_thread(self._draft, asked, nth, course.behaviour.formats)
        answer = _finished(asked, draft, course)
        usage = answer.usage
        persona, schema = asked.persona or _name(draft.written.value), asked.schema_name or draft.written.schema_name or None
        course.told.update(persona=persona, schema=schema, cached_tokens=answer.cached_tokens)
        self.tally.tokens.update(prompt=usage["prompt_tokens"], cached=answer.cached_tokens, completion=usage["completion_tokens"])
        if asked.stream:
            return await delivery.stream(request, asked, answer, course)
        await asyncio.sleep(course.due - loop.time())
        if fault in ("drop", "slow"):
            return await delivery.drip(request, answer.body(), course)
        return web.Response(body=answer.body(), content_type="application/json")

    def _draft(self, asked: Asked, nth: int, formats: str) -> Draft:
        """Look and write. Runs in a thread."""
        cached = self._prefixes.cached(asked.prompt)
        response_format = None if formats == "ignored" else asked.response_format
        try:
            written = writer.write(asked.messages, response_format, asked.seed, writer.sights(asked.messages), nth=nth)
        except sight.NotAPicture as bad:
            raise RequestError(str(bad), param="messages", code="image_parse_error") from None
        except (Unwritable, RecursionError) as bad:
            raise schema_error(asked.schema_name, bad) from None
        text = written.text
        if formats == "ignored" and written.schema is not None:
            text = chat.around(written.language, text)
        elif formats != "ignored" and written.schema is None and asked.format == "json_object":
            text = writer.to_json({"answer": text})
        return Draft(written, text, cached)


def warm() -> None:
    """Read the worlds and import Pillow, so that the first request is no slower than the others."""
    for prepare in (shelves.almanac, *(partial(shelves.shelf, language) for language in shelves.LANGUAGES), partial(sight.look, _DOT)):
        try:
            prepare()
        except (OSError, ValueError, KeyError, ImportError):
            log.exception("A part of the offline writer cannot be read; requests that need it will fail.")


def _counted(seen: OrderedDict[str, int], digest: str) -> int:
    """How often *digest* came before."""
    before = seen.get(digest, 0)
    seen[digest] = before + 1
    if len(seen) > REMEMBERED:
        seen.popitem(last=False)
    return before


def _refuse_format(asked: Asked, formats: str) -> None:
    """The 400 of servers that know less, in the words of DeepSeek and of a strict gateway."""
    if formats == "json_object" and asked.format == "json_schema":
        raise RequestError("This response_format type is unavailable now", code="invalid_request_error")
    if formats == "none" and asked.response_format:
        raise RequestError("Unrecognized request argument supplied: response_format", param="response_format")


def _name(value: object) -> str | None:
    name = value.get("name") if isinstance(value, Mapping) else None
    return name if isinstance(name, str) else None


def _finished(asked: Asked, draft: Draft, course: Course) -> Answer:
    """The answer as the request's limit and its fate leave it."""
    fault = course.fate.fault
    text, reason = faults.spoiled(fault, draft.text, draft.written, course.fate.rng)
    if asked.max_tokens is not None and count(text) > asked.max_tokens:
        text, reason = cut(text, asked.max_tokens), "length"
    refusal = faults.REFUSAL if fault == "refusal" else None
    return Answer(
        number=course.number,
        model=asked.model,
        text=None if refusal else text,
        finish_reason=reason,
        prompt_tokens=count(asked.prompt),
        cached_tokens=draft.cached_tokens,
        refusal=refusal,
        choices=fault != "empty",
    )


def _too_many(behaviour: Behaviour, message: str) -> web.Response:
    """A 429 with the wait in both of the headers that OpenAI sends: whole seconds, and milliseconds."""
    wait = behaviour.retry_after
    headers = {"Retry-After": str(math.ceil(wait)), "retry-after-ms": str(round(wait * 1000))}
    return _json(error(message, "requests", None, "rate_limit_exceeded"), 429, headers)


def _json(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, headers=headers, content_type="application/json")


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is told in OpenAI's shape."""
    try:
        return await handler(request)
    except RequestError as bad:
        return _json(bad.body, bad.status)
    except web.HTTPNotFound:
        return _json(error(f"Invalid URL ({request.method} {request.path})", "invalid_request_error"), 404)
    except web.HTTPException as other:
        return _json(error(f"{other.reason} ({request.method} {request.path})", "invalid_request_error"), other.status)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("The offline writer could not answer.")
        return _json(error("The offline writer could not answer; its log says why.", "server_error"), 500)
