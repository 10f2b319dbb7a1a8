"""What can be wrong with a call, and whether trying again can help.

One table for everything servers really do: error statuses, dropped connections, HTML instead of JSON, an error inside a 200, empty or
missing ``choices``, blank content, a refusal. The server's own words are kept for the user, without secrets and cut to a readable length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

WORDS_LIMIT = 300


class Trouble(Exception):
    """A call without a usable answer.

    *kind* is one of ``overloaded``, ``server_error``, ``unreachable``, ``dropped``, ``timeout``, ``garbled`` (these pass: trying again
    helps) and ``unauthorised``, ``refused``, ``rejected`` (these do not). *words* are the server's.
    """

    PASSING = frozenset({"overloaded", "server_error", "unreachable", "dropped", "timeout", "garbled"})

    def __init__(
        self, kind: str, words: str, *, http_status: int | None = None, retry_after: float | None = None, param: str | None = None
    ) -> None:
        super().__init__(f"{kind}: {words}")
        self.kind = kind
        self.words = words
        self.http_status = http_status
        self.retry_after = retry_after
        self.param = param

    @property
    def passing(self) -> bool:
        """True when the same request may succeed a little later."""
        return self.kind in self.PASSING


@dataclass(frozen=True)
class Answer:
    """What a server answered: the text as it came, why it stopped, and the tokens it counted (0 where it did not say)."""

    text: str
    finish_reason: str
    model: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


def read_answer(body: bytes) -> Answer:
    """Read a 200's body. Raises :class:`Trouble` when there is no usable answer in it."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        words = tidy(body[:4000].decode("utf-8", "replace"))
        raise Trouble("garbled", f"not JSON: {words}" if words else "an empty body", http_status=200) from None
    if not isinstance(data, dict):
        raise Trouble("garbled", f"not an answer: {tidy(str(data))}", http_status=200)
    if data.get("error"):
        raise _error_inside(data["error"])
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise Trouble("garbled", "an answer without choices", http_status=200)
    message, finish = choice["message"], str(choice.get("finish_reason") or "stop")
    if message.get("refusal") or finish == "content_filter":
        raise Trouble("refused", tidy(str(message.get("refusal") or message.get("content") or "content filter")), http_status=200)
    text = _plain(message.get("content"))
    if not text.strip() and finish != "length":
        raise Trouble("garbled", "a blank answer", http_status=200)
    return Answer(text=text, finish_reason=finish, model=str(data.get("model") or ""), **_tokens(data.get("usage")))


def _plain(content: object) -> str:
    """Content is a string, or a list of text parts with some servers. Lone surrogates cannot be stored or sent on and are replaced."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content.encode("utf-8", "replace").decode() if isinstance(content, str) else ""


def _tokens(usage: object) -> dict[str, int]:
    if not isinstance(usage, dict):
        return {}
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return {
        "prompt_tokens": _count(usage.get("prompt_tokens")),
        "cached_tokens": _count(cached),
        "completion_tokens": _count(usage.get("completion_tokens")),
    }


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 10**9 else 0


def _error_inside(error: object) -> Trouble:
    words = tidy(str(error.get("message") or error) if isinstance(error, dict) else str(error))
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) else 0
    if status in (400, 404, 422):
        return Trouble("rejected", words, http_status=status)
    return Trouble("overloaded" if status == 429 else "server_error", words, http_status=200)


def from_exception(error: Exception) -> Trouble:
    """The trouble behind an exception of the openai client or of a time-out; unknown exceptions are raised again as bugs."""
    if isinstance(error, Trouble):
        return error
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Trouble("timeout", "no complete answer within REQUEST_TIMEOUT")
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        words = tidy(str(cause) or type(cause).__name__)
        return Trouble("unreachable" if _never_connected(cause) else "dropped", words)
    if isinstance(error, openai.APIStatusError):
        return _from_status(error)
    if isinstance(error, openai.APIError):
        return Trouble("garbled", tidy(error.message))
    raise error


def _never_connected(cause: BaseException) -> bool:
    return "connect" in type(cause).__name__.lower() or "cannot connect" in str(cause).lower()


def _from_status(error: openai.APIStatusError) -> Trouble:
    status, code = error.status_code, error.code or ""
    body = error.body if isinstance(error.body, Mapping) else {}
    words = tidy(str(body.get("message") or _text_of(error)))
    if status in (401, 403) or code == "insufficient_quota":
        return Trouble("unauthorised", words, http_status=status)
    if status == 429:
        return Trouble("overloaded", words, http_status=status, retry_after=_retry_after(error.response.headers))
    if status in (408, 409, 425) or status >= 500:
        return Trouble("server_error", words, http_status=status, retry_after=_retry_after(error.response.headers))
    if status in (301, 302, 303, 307, 308):
        words = f"redirects to another address (HTTP {status}); set OPENAI_BASE_URL to the final one"
        return Trouble("rejected", words, http_status=status)
    return Trouble("rejected", words, http_status=status, param=error.param)


def _text_of(error: openai.APIStatusError) -> str:
    return error.response.text or error.message


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date); ``None`` where there is none that can be read."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        if re.fullmatch(r"\d{1,6}(\.\d+)?", value.strip()):
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


_KEYLIKE = re.compile(r"\b(sk|key|Bearer)[-_ ][A-Za-z0-9_\-*.]{6,}")
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]{1,200}>", re.DOTALL | re.IGNORECASE)


def tidy(words: str) -> str:
    """A server's words as one short line: no HTML tags, nothing that looks like a key."""
    line = " ".join(_KEYLIKE.sub("***", _TAG.sub(" ", words)).split())
    return line if len(line) <= WORDS_LIMIT else line[: WORDS_LIMIT - 1] + "…"
