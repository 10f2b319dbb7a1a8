"""JSON from anywhere, read so that nothing in it breaks later: neither SQLite, nor the wire, nor a function that walks through it."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from errors import UploadError

Json = Any
"""Any value that JSON has."""
LARGEST = 8 << 20
"""Bytes of JSON text."""
DEEPEST = 64
"""Objects and lists within each other."""
MOST_PARTS = 500_000
"""Objects and lists altogether: each takes sixty times the memory that its two brackets take in the file."""


def read_json(content: bytes, name: str) -> Json:
    """The value in *content*: UTF-8 or UTF-16, with or without a byte order mark. *name* is what the author calls the file.

    Raises :class:`UploadError` for what is too large, too deep, no JSON, or holds what JSON does not have (NaN, infinite numbers, halves of
    characters).
    """
    if len(content) > LARGEST:
        raise UploadError("{name} has more than {limit:g} MB of text.", name=name, limit=LARGEST / 2**20)
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise UploadError("{name} is not a text in UTF-8.", name=name) from None
    if text.count("[") + text.count("{") > MOST_PARTS:
        raise UploadError("{name} has more than {limit} parts.", name=name, limit=MOST_PARTS)
    try:
        value = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else str(error)[:80]
        raise UploadError("{name} is not JSON that can be read ({where}).", name=name, where=where) from None
    if problem := problem_of(value):
        raise (
            _too_deep(name)
            if problem == "deep"
            else UploadError("{name} holds something that JSON does not have: {what}.", name=name, what=problem)
        )
    return value


def problem_of(value: object) -> str:
    """What in *value* (dictionaries, lists and plain values) cannot be kept, empty where there is nothing: ``deep``, or what it is."""
    waiting = [(value, 1)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, dict | list):
            if depth > DEEPEST:
                return "deep"
            if isinstance(node, dict):
                if any(_broken(key) for key in node):
                    return "half of a character"
                waiting += [(item, depth + 1) for item in node.values()]
            else:
                waiting += [(item, depth + 1) for item in node]
        elif isinstance(node, str):
            if _broken(node):
                return "half of a character"
        elif isinstance(node, float) and not math.isfinite(node):
            return "a number without bounds"
    return ""


def _broken(text: object) -> bool:
    """True where *text* has a lone surrogate: neither SQLite nor the wire takes it."""
    if not isinstance(text, str) or text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _too_deep(name: str) -> UploadError:
    return UploadError("{name} is nested more than {limit} levels deep.", name=name, limit=DEEPEST)
