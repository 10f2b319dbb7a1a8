"""The shapes of OpenAI's chat completions on the wire: reading a request, and writing an answer, a stream, an error."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.offline import Json, schema_check
from pipeline.offline.tokens import PICTURE, count

MODEL = "offline-demo"
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_NAME = re.compile(r'\\?"(?:persona_)?name\\?"\s*:\s*\\?"([^"\\]{1,80})')


class RequestError(Exception):
    """A request that cannot be answered, with what OpenAI's error object says of it."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = error(message, kind or "invalid_request_error", param, code)


def error(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass(frozen=True)
class Asked:
    """A request whose shape was checked. *prompt* is all its text, each picture replaced by a mark, as prompt caches see it."""

    model: str
    messages: list[Any]
    response_format: dict[str, Any] | None
    seed: int | None
    max_tokens: int | None
    stream: bool
    include_usage: bool
    prompt: str
    pictures: int
    digest: str

    @property
    def format(self) -> str:
        """The type of the response_format; ``text`` where there is none."""
        return self.response_format["type"] if self.response_format else "text"

    @property
    def schema_name(self) -> str | None:
        return self.response_format["json_schema"]["name"] if self.response_format and self.format == "json_schema" else None

    @property
    def persona(self) -> str | None:
        """The first name of a JSON object in the prompt, which is the persona's own wherever one was given."""
        found = _NAME.search(self.prompt)
        return found[1] if found else None


def read_request(body: bytes) -> Asked:
    """Raises :class:`RequestError`, with OpenAI's words where it has known ones."""
    try:
        data = orjson.loads(body)
    except ValueError:
        raise RequestError("We could not parse the JSON body of your request.") from None
    if not isinstance(data, dict):
        raise RequestError("The body of a request is a JSON object.")
    model = data.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError("you must provide a model parameter", param="model")
    messages, prompt, pictures = _read_messages(data.get("messages"))
    if data.get("n") not in (None, 1):
        raise RequestError("Only n=1 is supported.", param="n", code="unsupported_value")
    stream = _flag(data, "stream")
    options = data.get("stream_options")
    if options is not None and (not isinstance(options, dict) or not stream):
        raise RequestError("The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options")
    response_format = _read_format(data.get("response_format"))
    digest = hashlib.blake2b(orjson.dumps([messages, response_format], option=orjson.OPT_SORT_KEYS), digest_size=8)
    return Asked(
        model=model,
        messages=messages,
        response_format=response_format,
        seed=_whole(data, "seed"),
        max_tokens=_limit(data),
        stream=stream,
        include_usage=bool(options and options.get("include_usage")),
        prompt=prompt,
        pictures=pictures,
        digest=digest.hexdigest(),
    )


def _flag(data: dict[str, Any], name: str) -> bool:
    value = data.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"Invalid type for '{name}': expected a boolean.", param=name, code="invalid_type")
    return bool(value)


def _whole(data: dict[str, Any], name: str) -> int | None:
    value = data.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise RequestError(f"Invalid type for '{name}': expected an integer.", param=name, code="invalid_type")
    return value


def _limit(data: dict[str, Any]) -> int | None:
    limits = []
    for name in ("max_tokens", "max_completion_tokens"):
        value = _whole(data, name)
        if value is not None and value < 1:
            raise RequestError(f"Invalid value for '{name}': at least 1 is expected.", param=name, code="integer_below_min_value")
        limits += [value] if value is not None else []
    return min(limits, default=None)


def _read_messages(messages: object) -> tuple[list[Json], str, int]:
    """The messages, the prompt with marks for its pictures, and how many pictures there are."""
    if not isinstance(messages, list) or not messages:
        raise RequestError("Invalid type for 'messages': expected a list with at least one message.", param="messages", code="invalid_type")
    texts: list[str] = []
    pictures = 0
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise RequestError(f"Invalid value: '{where}.role' is one of {', '.join(ROLES)}.", param=f"{where}.role", code="invalid_value")
        content = message.get("content")
        texts.append(f"<|{message['role']}|>")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            for number, part in enumerate(content):
                texts.append(_read_part(part, f"{where}.content[{number}]"))
                pictures += part["type"] == "image_url"
        elif content is not None or message["role"] != "assistant":
            raise RequestError(f"Invalid type for '{where}.content': a string or a list of parts.", param=where, code="invalid_type")
    return messages, "".join(texts), pictures


def _read_part(part: Json, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return part["text"]
    if kind == "image_url":
        address = part.get("image_url")
        url = address.get("url") if isinstance(address, dict) else address
        if isinstance(url, str):
            return f"{PICTURE}{hashlib.blake2b(url.encode('utf-8', 'replace'), digest_size=8).hexdigest()}{PICTURE}"
    raise RequestError(f"Invalid value: '{where}' is neither a text nor an image_url part.", param=where, code="invalid_value")


def _read_format(response_format: Json) -> dict[str, Any] | None:
    if response_format is None:
        return None
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise RequestError(
            "Invalid value: 'response_format.type' is one of 'text', 'json_object', 'json_schema'.",
            param="response_format.type",
            code="invalid_value",
        )
    if kind == "json_schema":
        wrapped = response_format.get("json_schema")
        if not isinstance(wrapped, dict) or not isinstance(wrapped.get("name"), str):
            raise RequestError("Missing required parameter: 'response_format.json_schema.name'.", param="response_format.json_schema")
        try:
            schema_check.check(wrapped.get("schema", {}))
        except schema_check.BadSchema as bad:
            raise schema_error(wrapped["name"], bad) from None
    return response_format


def schema_error(name: str | None, reason: Exception) -> RequestError:
    return RequestError(f"Invalid schema for response_format '{name or 'in the prompt'}': {reason}", param="response_format")


@dataclass(frozen=True)
class Answer:
    """What is sent: ``text`` is ``None`` in a refusal. *choices* false leaves the list of choices empty."""

    number: int
    model: str
    text: str | None
    finish_reason: str
    prompt_tokens: int
    cached_tokens: int
    refusal: str | None = None
    choices: bool = True

    @property
    def usage(self) -> dict[str, Any]:
        completion = count(self.text or self.refusal or "")
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-offline-{self.number}",
            "object": kind,
            "created": int(time.time()),
            "model": self.model,
            "system_fingerprint": MODEL,
        }

    def body(self) -> bytes:
        """The answer as one JSON object."""
        message = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        return orjson.dumps({**self._head("chat.completion"), "choices": [choice] if self.choices else [], "usage": self.usage})

    def events(self, *, include_usage: bool) -> Iterator[bytes]:
        """The answer as server-sent events of at most 40 pieces."""
        head = self._head("chat.completion.chunk") | ({"usage": None} if include_usage else {})
        if self.choices:
            yield _event(head, {"role": "assistant", "content": "" if self.refusal is None else None, "refusal": None})
            field, told = ("content", self.text or "") if self.refusal is None else ("refusal", self.refusal)
            size = max(24, len(told) // 36 + 1)
            for start in range(0, len(told), size):
                yield _event(head, {field: told[start : start + size]})
            yield _event(head, {}, self.finish_reason)
        if include_usage:
            yield _sse({**head, "choices": [], "usage": self.usage})
        yield b"data: [DONE]\n\n"


def _event(head: dict[str, Any], delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    return _sse({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]})


def _sse(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
