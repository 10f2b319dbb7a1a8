"""What can be wrong with a call, and whether trying again can help.

One table for everything servers really do: error statuses, dropped connections, HTML instead of JSON, an error inside a 200, empty or
missing ``choices``, blank content, a refusal. The server's own words are kept for the user, without secrets and cut to a readable length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import openai

WORDS_LIMIT = 300
RAW_LIMIT = 4000
"""Characters of a server's words that are looked at."""
SHORTEST_SECRET = 8
"""Characters; a shorter key is a placeholder such as ``none``, and an ordinary word."""


class Trouble(Exception):
    """A call without a usable answer.

    *kind* is one of ``overloaded``, ``server_error``, ``unreachable``, ``dropped``, ``timeout``, ``garbled`` (these pass: trying again
    helps) and ``unauthorised``, ``refused``, ``rejected`` (these do not). *words* are the server's, as they came until
    :func:`from_exception` has tidied them.
    """

    PASSING = frozenset({"overloaded", "server_error", "unreachable", "dropped", "timeout", "garbled"})

    def __init__(
        self, kind: str, words: str, *, http_status: int | None = None, retry_after: float | None = None, param: str | None = None
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.words = words
        self.http_status = http_status
        self.retry_after = retry_after
        self.param = param

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"

    @property
    def passing(self) -> bool:
        """True when the same request may succeed a little later."""
        return self.kind in self.PASSING


@dataclass(frozen=True)
class Answer:
    """What a server answered: the text as it came, why it stopped, and the tokens it counted (0 where it did not say)."""

    text: str
    finish_reason: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


def read_answer(body: bytes) -> Answer:
    """Read a 200's body. Raises :class:`Trouble` when there is no usable answer in it."""
    shown = body[:RAW_LIMIT].decode("utf-8", "replace")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise Trouble("garbled", f"not JSON: {shown}" if shown.strip() else "an empty body", http_status=200) from None
    if not isinstance(data, dict):
        raise Trouble("garbled", f"not an answer: {shown}", http_status=200)
    if data.get("error"):
        raise _error_inside(data["error"])
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise Trouble("garbled", f"an answer without choices: {shown}", http_status=200)
    message, finish = choice["message"], _stored(choice.get("finish_reason") or "stop")[:40]
    text = _plain(message.get("content"))
    if message.get("refusal") or finish == "content_filter":
        raise Trouble("refused", _said(message.get("refusal")) or text or "content filter", http_status=200)
    if not text.strip() and finish != "length":
        raise Trouble("garbled", "a blank answer", http_status=200)
    return Answer(text=text, finish_reason=finish, **_tokens(data.get("usage")))


def _plain(content: object) -> str:
    """Content is a string, or a list of text parts with some servers. Lone surrogates cannot be stored or sent on and are replaced."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return _stored(content) if isinstance(content, str) else ""


def _stored(text: object) -> str:
    """As text that can be stored and sent: lone surrogates are replaced."""
    return str(text).encode("utf-8", "replace").decode()


def _said(value: object) -> str:
    """What a server put where a message belongs, as text; empty for nothing and for what is no message."""
    if isinstance(value, str | int | float):
        return str(value or "")
    try:
        return json.dumps(value, ensure_ascii=False, default=str)[:RAW_LIMIT] if value else ""
    except (ValueError, RecursionError):
        return "an error that cannot be shown"


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
    """An error that comes with status 200, as some gateways send it; its code may be the status it should have had."""
    found = error if isinstance(error, dict) else {}
    words = _said(found.get("message")) or _said(error)
    code = str(found.get("code") or "")
    if code in _REFUSALS:
        return Trouble("refused", words, http_status=200)
    status = int(code) if re.fullmatch(r"[45]\d\d", code) else 0
    kind = _kind_of(status, code) if status else "server_error"
    return Trouble(kind, words, http_status=status if kind == "rejected" else 200, param=_said(found.get("param")) or None)


def from_exception(error: Exception, secret: str = "") -> Trouble:
    """The trouble behind an exception of the openai client or of a time-out, its words fit to be shown: one short line without *secret*.

    Unknown exceptions are raised again as bugs.
    """
    trouble = _classified(error)
    trouble.words = tidy(trouble.words, secret)
    return trouble


def _classified(error: Exception) -> Trouble:
    if isinstance(error, TimeoutError):
        return Trouble("timeout", _LATE)
    chain = list(_behind(error))
    for cause in chain:
        if isinstance(cause, Trouble):
            return cause
    if isinstance(error, openai.APIConnectionError):
        return _from_connection(chain)
    if isinstance(error, openai.APIStatusError):
        return _from_status(error)
    if isinstance(error, openai.APIError):
        return Trouble("garbled", error.message)
    raise error


_LATE = "no complete answer within REQUEST_TIMEOUT"


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """*error* and what caused it, the outermost first."""
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__


def _from_connection(chain: list[BaseException]) -> Trouble:
    """The transport calls a refused connection and a lost one a time-out as well; only aiohttp's own error tells them apart."""
    for cause in chain:
        if isinstance(cause, aiohttp.ClientConnectorError):
            return Trouble("unreachable", str(cause))
        if isinstance(cause, aiohttp.ConnectionTimeoutError):
            return Trouble("unreachable", "no connection within the time allowed for it")
        if isinstance(cause, aiohttp.ServerTimeoutError):
            return Trouble("timeout", _LATE)
        if isinstance(cause, aiohttp.ClientError):
            return Trouble("dropped", str(cause) or type(cause).__name__)
    if isinstance(chain[0], openai.APITimeoutError):
        return Trouble("timeout", _LATE)
    cause = chain[1] if len(chain) > 1 else chain[0]
    return Trouble("dropped", str(cause) or type(cause).__name__)


_REFUSALS = ("content_filter", "content_policy_violation")


def _kind_of(status: int, code: str) -> str:
    if code in _REFUSALS:
        return "refused"
    if status in (401, 403) or code == "insufficient_quota":
        return "unauthorised"
    if status == 429:
        return "overloaded"
    return "server_error" if status in (408, 409, 425) or (status >= 500 and status not in _NEVER) else "rejected"


_NEVER = (501, 505)
"""Statuses of a server that will not do this a little later either: not implemented, another HTTP version."""


def _from_status(error: openai.APIStatusError) -> Trouble:
    status = error.status_code
    if status in (301, 302, 303, 307, 308):
        words = f"redirects to another address (HTTP {status}); set OPENAI_BASE_URL to the final one"
        return Trouble("rejected", words, http_status=status)
    body = error.body
    if isinstance(body, Mapping):
        words = _said(body.get("message")) or _said(body.get("detail")) or _text_of(error)
    else:
        words = body if isinstance(body, str) and body.strip() else _text_of(error)
    kind = _kind_of(status, str(error.code or ""))
    wait = _retry_after(error.response.headers) if kind in ("overloaded", "server_error") else None
    return Trouble(kind, words, http_status=status, retry_after=wait, param=error.param)


def _text_of(error: openai.APIStatusError) -> str:
    return error.response.text[:RAW_LIMIT] or error.message


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date, by the server's own clock where it says what that shows);
    ``None`` where there is none that can be read.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = (headers.get(name) or "").strip()
        if re.fullmatch(r"\d{1,12}(\.\d+)?", value):
            return float(value) * unit
    moment, now = _moment(headers.get("retry-after")), _moment(headers.get("date")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds()) if moment else None


def _moment(value: str | None) -> datetime | None:
    """An HTTP date; one without a zone means UTC."""
    try:
        found = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_KEYLIKE = re.compile(r"\b(?:(?:sk|pk|key)[-_]|Bearer\s+)[A-Za-z0-9_\-*.]{6,}")
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]{1,200}>", re.DOTALL | re.IGNORECASE)


def tidy(words: str, secret: str = "") -> str:
    """A server's words as one short line: no HTML tags, no *secret*, nothing that looks like a key."""
    words = _without(secret, _stored(words[:RAW_LIMIT]))
    line = " ".join(_KEYLIKE.sub("***", _TAG.sub(" ", words)).split())
    return line if len(line) <= WORDS_LIMIT else line[: WORDS_LIMIT - 1] + "…"


def _without(secret: str, words: str) -> str:
    """*words* without *secret*, nor the beginning of it where the words were cut in its midst."""
    if len(secret) < SHORTEST_SECRET:
        return words
    words = words.replace(secret, "***")
    for size in range(len(secret) - 1, 3, -1):
        if words.endswith(secret[:size]):
            return words[:-size] + "***"
    return words
