"""The writer: one openai client a process, through the gate, with deadlines, retries and a journal.

A call is only over for its slot when its raw answer is in the database, so a crash never loses an answer that was paid for. The
client's own retries are off; ours spend a time budget, honour Retry-After and hold the slot meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_before_delay, wait_random_exponential

from errors import WriterError
from pipeline.llm.gate import Gate
from pipeline.llm.profile import Format, Profile
from pipeline.llm.trouble import Answer, Trouble, from_exception, read_answer
from storage import calls
from storage.clock import timestamp
from storage.database import Store

log = logging.getLogger(__name__)

RESPONSE_LIMIT = 8 * 1024 * 1024
"""Bytes an answer may have."""
IMPATIENCE = 20
"""Seconds after which a server that cannot be reached at all is given up while a person waits (a batch spends the whole budget)."""
CONNECT_SECONDS = 10
"""Seconds a connection may take to come about; a server that has taken one may think for as long as REQUEST_TIMEOUT says."""
GARBLED_TRIES = 8
"""Answers in a row that are none (HTML, blank, no choices) after which a call is given up: each may cost as much as a good one."""
SAVING_SECONDS = 5
"""Seconds a cancelled call waits for the answer that it has to be saved."""

Message = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """On whose behalf a call is made: the step, how urgent it is (0: a person waits), and who hears of delays.

    *redo* says that the step was begun before, so stored answers are looked for first; *retries* counts how often it was begun anew on
    demand after it had failed, when the answers it failed with are not wanted again.
    """

    job_id: str
    item: str
    stage: str
    priority: int = 0
    redo: bool = False
    retries: int = 0
    report: Callable[[dict[str, Any]], None] = lambda _: None


@dataclass(frozen=True)
class Request:
    """One question. *nth* counts the questions of a step, so that asking the same again is another request.

    *said* are the *messages* without what only the format adds to them: after a crash the same question may be asked in another format
    than before, and its answer is still the same answer.
    """

    messages: list[Message]
    said: list[Message]
    schema_name: str
    schema: dict[str, Any]
    model: str
    format: Format
    nth: int = 1
    temperature: float | None = None
    seed: int | None = None
    max_tokens: int | None = None

    def digest(self, retries: int = 0) -> str:
        """What tells this request from others of its step; *retries* is the caller's."""
        parts = [retries, self.said, self.schema_name, self.schema, self.model, self.nth, self.temperature, self.seed, self.max_tokens]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


@dataclass
class Traffic:
    """Counts since the start, for whoever watches."""

    calls: int = 0
    retries: int = 0
    overloaded: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=500))
    """How long the last calls took."""


class FormatRefused(Exception):
    """The server does not take the request's ``response_format``; its profile says what to ask for instead."""


class Writer:
    """Answers requests by asking an OpenAI-compatible server at *base_url*, at *temperature* where a request says none."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        gate: Gate,
        store: Store,
        *,
        request_timeout: float = 120,
        retry_budget: float = 600,
        temperature: float | None = None,
    ) -> None:
        self.base_url = base_url
        self.gate = gate
        self.traffic = Traffic()
        self._store = store
        self._request_timeout = request_timeout
        self._retry_budget = retry_budget
        self._temperature = temperature
        self._api_key = api_key
        # For the aiohttp transport 0 connections means no limit, and None its own limit of 100. The gate is the limit.
        limits = httpx2.Limits(max_connections=0, max_keepalive_connections=gate.width)
        timeout = httpx2.Timeout(request_timeout, connect=min(CONNECT_SECONDS, request_timeout), pool=min(CONNECT_SECONDS, request_timeout))
        self._profiles: dict[str, Profile] = {}
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            timeout=timeout,
            # Compressed answers would pass the cap on their way in and burst it when they are unpacked.
            default_headers={"Accept-Encoding": "identity"},
            http_client=openai.DefaultAioHttpClient(
                base_url=base_url,
                timeout=timeout,
                follow_redirects=False,
                trust_env=not _is_loopback(base_url),
                # Loading the certificates takes 20 ms, and plain HTTP without a proxy asks for none: this one has none and trusts nobody.
                verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if base_url.startswith("http://") and _is_loopback(base_url) else True,
                event_hooks={"response": [_cap]},
                limits=limits,
            ),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    def profile(self, model: str) -> Profile:
        """What the server has been found to do with *model*."""
        return self._profiles.setdefault(model, Profile())

    async def complete(self, request: Request, caller: Caller) -> Answer:
        """Ask, and return the answer once it is stored. Raises :class:`WriterError` with the server's words when it is given up."""
        digest = request.digest(caller.retries)
        if caller.redo:
            stored = await self._store.fetch(calls.find_answer, caller.job_id, caller.item, caller.stage, digest)
            if stored:
                return _as_answer(stored)
        try:
            async with self.gate.slot(caller.priority):
                caller.report({"phase": "writing"})
                answer = await self._retried(request, caller, digest)
        except Trouble as trouble:
            self.traffic.failures += 1
            raise _given_up(trouble) from None
        await asyncio.sleep(0)  # whoever waited for the slot asks before this answer is read
        return answer

    async def _retried(self, request: Request, caller: Caller, digest: str) -> Answer:
        started, garbled = time.monotonic(), 0

        def worth_it(error: BaseException) -> bool:
            nonlocal garbled
            if not (isinstance(error, Trouble) and error.passing):
                return False
            garbled = garbled + 1 if error.kind == "garbled" else 0
            impatient = error.kind == "unreachable" and caller.priority == 0
            return garbled < GARBLED_TRIES and not (impatient and time.monotonic() - started > IMPATIENCE)

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            wait = state.next_action.sleep if state.next_action else 0
            self.traffic.retries += 1
            if isinstance(error, Trouble):
                log.info("%s/%s: %s; again in %.1f s", caller.stage, caller.item, error, wait)
                told = {"kind": error.kind, "words": error.words, "attempt": state.attempt_number, "wait": wait}
                caller.report({"phase": "retrying", **told})

        async for attempt in AsyncRetrying(
            retry=retry_if_exception(worth_it), wait=_wait, stop=stop_before_delay(self._retry_budget), before_sleep=tell, reraise=True
        ):
            with attempt:
                return await self._asked(request, caller, digest)
        raise AssertionError("a retry loop ends with an answer or an error")

    async def _asked(self, request: Request, caller: Caller, digest: str) -> Answer:
        """One HTTP call (more only where the server refuses a parameter and it is left out), recorded however it ends."""
        profile = self.profile(request.model)
        while True:
            sent = profile.parameters(
                request.format,
                request.schema_name,
                request.schema,
                temperature=self._temperature if request.temperature is None else request.temperature,
                seed=request.seed,
                max_tokens=request.max_tokens,
            )
            began = time.monotonic()
            try:
                answer = read_answer(await self._post(request, sent))
            except Exception as error:  # noqa: BLE001  from_exception raises what it does not know
                trouble = from_exception(error, self._api_key)
                self._note_failure(request, caller, digest, trouble, time.monotonic() - began)
                blamed = profile.adapt(trouble, sent, request.format) if trouble.kind == "rejected" else None
                if blamed == "response_format":
                    raise FormatRefused from None
                if not blamed:
                    raise trouble from None
                continue
            await self._note_answer(request, caller, digest, answer, time.monotonic() - began)
            return answer

    async def _post(self, request: Request, sent: dict[str, Any]) -> bytes:
        async with asyncio.timeout(self._request_timeout):
            # Not chat.completions.create: that takes the body apart piece by piece, which costs as much as all the rest of a call.
            body = orjson.dumps({"model": request.model, "messages": request.messages, **sent})
            response = await self._client.post("/chat/completions", cast_to=httpx2.Response, content=body)
            return response.content

    async def _note_answer(self, request: Request, caller: Caller, digest: str, answer: Answer, seconds: float) -> None:
        self.traffic.calls += 1
        self.traffic.seconds.append(seconds)
        self.traffic.prompt_tokens += answer.prompt_tokens
        self.traffic.cached_tokens += answer.cached_tokens
        self.traffic.completion_tokens += answer.completion_tokens
        answered = {
            **_identity(request, caller, digest, seconds),
            "answer": answer.text,
            "finish_reason": answer.finish_reason,
            "prompt_tokens": answer.prompt_tokens,
            "cached_tokens": answer.cached_tokens,
            "completion_tokens": answer.completion_tokens,
            "http_status": 200,
        }
        unsaved = partial(_tell_unsaved, caller)
        saving = asyncio.create_task(self._store.write_patiently(unsaved, calls.record, answered))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            # It is paid for, so it is saved before the call may end.
            await asyncio.wait([saving], timeout=SAVING_SECONDS)
            saving.cancel()
            raise

    def _note_failure(self, request: Request, caller: Caller, digest: str, trouble: Trouble, seconds: float) -> None:
        """Nobody waits for this row: losing it in a crash loses a statistic."""
        self.traffic.calls += 1
        self.traffic.overloaded += trouble.kind == "overloaded"
        failed = {"http_status": trouble.http_status, "error_kind": trouble.kind, "error": trouble.words}
        self._store.submit(calls.record, {**_identity(request, caller, digest, seconds), **failed})


def _identity(request: Request, caller: Caller, digest: str, seconds: float) -> dict[str, Any]:
    return {
        "job_id": caller.job_id,
        "item": caller.item,
        "stage": caller.stage,
        "request_hash": digest,
        "model": request.model,
        "seconds": round(seconds, 3),
        "ended_at": timestamp(datetime.now(UTC)),
    }


def _tell_unsaved(caller: Caller, words: str) -> None:
    caller.report({"phase": "unsaved", "words": words})


def _as_answer(stored: dict[str, Any]) -> Answer:
    tokens = {name: stored[name] for name in ("prompt_tokens", "cached_tokens", "completion_tokens")}
    return Answer(text=stored["answer"], finish_reason=stored["finish_reason"], **tokens)


_backoff = wait_random_exponential(multiplier=0.5, max=30)
_LEAST = (0.04, 0.08, 0.16, 0.32, 0.64, 1.0)
"""Seconds a server that asks for no wait, or next to none, is left alone after the first, second, ... refusal."""


def _wait(state: RetryCallState) -> float:
    """What the server asks for and a little more, so that those it turned away do not return all at once; else random exponential."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Trouble) and error.retry_after is not None:
        wait = max(error.retry_after, _LEAST[min(state.attempt_number, len(_LEAST)) - 1])
        return wait + random.uniform(0, max(0.1, 0.1 * wait))
    return _backoff(state)


def _is_loopback(base_url: str) -> bool:
    return urlsplit(base_url).hostname in ("127.0.0.1", "localhost", "::1")


async def _cap(response: httpx2.Response) -> None:
    """Give up on an answer that is larger than any answer can be, before it fills the memory."""
    if response.headers.pop("content-encoding", "identity").lower() != "identity" and response.is_success:
        raise Trouble("rejected", "a compressed answer, which was not asked for")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Capped(response.stream)


class _Capped(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > RESPONSE_LIMIT:
                raise Trouble("rejected", f"an answer of more than {RESPONSE_LIMIT // 2**20} MB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


_GIVEN_UP = {
    "unreachable": "The LLM server cannot be reached: {words}. Check OPENAI_BASE_URL and that the server runs, then retry.",
    "dropped": "The LLM server keeps dropping the connection: {words}. Retry later.",
    "timeout": "The LLM server gave {words}. Raise REQUEST_TIMEOUT or retry later.",
    "overloaded": "The LLM server is overloaded: {words}. Lower MAX_CONCURRENT or retry later.",
    "server_error": "The LLM server reports an error: {words}. Retry later.",
    "garbled": "The LLM server answers something that is no answer: {words}. Check OPENAI_BASE_URL, then retry.",
    "unauthorised": "The LLM server does not accept the key: {words}. Check OPENAI_API_KEY.",
    "refused": "The model refused: {words}",
    "rejected": "The LLM server rejects the request: {words}",
}


def _given_up(trouble: Trouble) -> WriterError:
    return WriterError(trouble.kind, _GIVEN_UP[trouble.kind], words=trouble.words.rstrip("."))
