"""What goes into a log, and what must not: keys, passwords and tokens are taken out of every line before anything can write it."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
TIME = "%H:%M:%S"
HIDDEN = "[redacted]"
SHORTEST = 6
"""A shorter secret is looked for only where something names it: hidden everywhere, it would show itself by the words it is missing from."""
LONGEST_LINE = 2000
LONGEST_DETAILS = 8000
"""Characters of a line, and of the end of its traceback, that are remembered."""

_NAMES = r"(?:[\w-]*api[-_]?key|[\w-]*token|[\w-]*secret|authorization|passw(?:or)?d|AUTH)"
_SHAPES = (
    (re.compile(r"(?i)\b(bearer|basic) +(?=\S*\d|\S{20})[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(?:sk|pk|hf|ghp|gsk|xai)[-_][\w-]{8,}"), HIDDEN),
    (re.compile(r"://[^\s/@]+@"), f"://{HIDDEN}@"),
    (re.compile(r"([?&][\w-]*(?i:key|token|password|secret)=)[^\s&'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)\b({_NAMES}['\"]?(?:\s*=\s*|:\s*)['\"]?)(?!bearer |basic |\[)[^\s'\"&;]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(studio_session_\w+=)[^\s;]+"), rf"\1{HIDDEN}"),
)
"""What looks like a secret, and what stands there instead: headers, keys of well-known makers, logins and parameters in addresses,
whatever follows a name such as ``api_key``, and our own cookie.
"""


class Redaction:
    """Makes the records of a process. No record has any of *secrets* in it, nor anything that looks like one.

    A :class:`logging.Filter` would hang on a handler, and one that a library adds later would lack it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None
        self._plain = logging.Formatter()

    def __call__(self, *about: Any, **more: Any) -> logging.LogRecord:  # noqa: ANN401  whatever logging gives
        record = logging.LogRecord(*about, **more)
        record.msg, record.args = self.redact(_message(record)), None
        if record.exc_info and record.exc_info[0]:
            record.exc_text = self.redact(self._plain.formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = self.redact(record.stack_info)
        return record

    def redact(self, text: str) -> str:
        """*text* without secrets."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text


def keep_out(secrets: Iterable[str] = ()) -> None:
    """From now on nothing that this process logs has *secrets* in it, whoever logs it and wherever it goes."""
    logging.setLogRecordFactory(Redaction(secrets))


def redacted(text: str) -> str:
    """*text* as it may stand in a log: for sentences that are kept elsewhere and hold what others have said."""
    factory = logging.getLogRecordFactory()
    return (factory if isinstance(factory, Redaction) else Redaction()).redact(text)


def to_stderr() -> None:
    """Write what is logged, but what libraries say of each request, to stderr."""
    logging.basicConfig(level=logging.INFO, format=FORMAT, datefmt=TIME)
    for chatty in ("httpx", "httpx2", "httpcore", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Line:
    """What was logged. *number* counts up from 1, *at* is in seconds since 1970; *details* is a traceback, or empty."""

    number: int
    at: float
    level: str
    name: str
    text: str
    details: str = ""


class Recent(logging.Handler):
    """Remembers the last *most* lines, for whoever looks at how the process is doing. Records are as redacted here as anywhere."""

    def __init__(self, most: int = 300) -> None:
        super().__init__()
        self._lines: deque[Line] = deque(maxlen=most)
        self._count = 0
        self._plain = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        details = self._plain.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
        details = record.exc_text or details or record.stack_info or ""
        self._count += 1
        text = _message(record)[:LONGEST_LINE]
        self._lines.append(Line(self._count, record.created, record.levelname, record.name, text, details[-LONGEST_DETAILS:]))

    def since(self, number: int) -> list[Line]:
        """The lines after that *number*, oldest first."""
        with self.lock or nullcontext():
            return [line for line in self._lines if line.number > number]


def _forms(secret: str) -> set[str]:
    """How a secret may be written: as it is, in an address, in a string of Python."""
    return {secret, quote(secret, safe=""), repr(secret)[1:-1]}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # arguments that do not fit the text; logging would print them all
        return str(record.msg)
