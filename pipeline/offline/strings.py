"""Makes a string fit what a schema says of it: enum, pattern, format, length."""

from __future__ import annotations

import random
import re
import string
import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]  # the standard library's own regex parser; re has no public one
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any, TypeAlias

from pipeline.offline import Json


class Unwritable(ValueError):
    """No text can follow the schema, as far as this writer can see."""


Tree: TypeAlias = Any
"""Nodes of the regex parser, which has no types."""

_EPOCH = date(2026, 1, 1)
_ALPHABET = string.ascii_lowercase
_FILLING = {"en": " And so on, as usual.", "zh": "就这样，一如既往。"}


def fit(text: str, schema: Mapping[str, Any], rng: random.Random, language: str) -> str:
    """*text* if the schema allows it, else the nearest string that it does."""
    text = _of_format(text, schema.get("format"), rng)
    pattern = schema.get("pattern")
    if pattern and not _matches(pattern, text):
        text = _of_pattern(pattern, schema, rng)
    low, high = int(schema.get("minLength", 0)), schema.get("maxLength")
    if not pattern and not _is_code(schema.get("format")):
        text = _of_length(text, low, high, language)
    if len(text) < low or (high is not None and len(text) > int(high)) or (pattern and not _matches(pattern, text)):
        raise Unwritable(f"no text of this length follows {pattern or schema.get('format')!r}")
    return text


def _matches(pattern: str, text: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is not None and compiled.search(text) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise Unwritable(f"the pattern {pattern!r} is not a regular expression Python knows") from None


def _of_length(text: str, low: int, high: Json, language: str) -> str:
    if high is not None and len(text) > int(high):
        text = shorten(text, int(high))
    while len(text) < low:
        text = (text + _FILLING[language])[: int(high) if high is not None else None]
    return text


def shorten(text: str, limit: int) -> str:
    """*text* cut to *limit* characters, after a sentence if one ends early enough, else after a word."""
    if len(text) <= limit:
        return text
    cut = text[:limit]
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)|[。！？]", cut)]
    if ends and ends[-1] >= limit // 3:
        return cut[: ends[-1]]
    if text[limit].isalnum() and cut[-1:].isascii() and " " in cut.strip():
        cut = cut.rsplit(" ", 1)[0]
    return cut.rstrip(" ,;:，；：、") or text[:limit]


def _is_code(form: Json) -> bool:
    return form in _FORMATS


def _of_format(text: str, form: Json, rng: random.Random) -> str:
    known = _FORMATS.get(form) if isinstance(form, str) else None
    if not known:
        return text
    shape, make = known
    return text if re.fullmatch(shape, text) else make(rng)


def _day(rng: random.Random) -> str:
    return (_EPOCH + timedelta(days=rng.randrange(365))).isoformat()


def _clock(rng: random.Random) -> str:
    return f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"


def _word(rng: random.Random) -> str:
    return "".join(rng.choice("bdfklmnprst") + rng.choice("aeiou") for _ in range(3))


_FORMATS = {
    "date": (r"\d{4}-\d\d-\d\d", _day),
    "time": (r"\d\d:\d\d:\d\dZ?", lambda rng: _clock(rng) + "Z"),
    "date-time": (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lambda rng: f"{_day(rng)}T{_clock(rng)}Z"),
    "duration": (r"PT\d+M", lambda rng: f"PT{rng.randint(5, 90)}M"),
    "email": (r"[\w.+-]+@[\w-]+(\.[\w-]+)+", lambda rng: f"{_word(rng)}@example.org"),
    "hostname": (r"[a-z0-9-]+(\.[a-z0-9-]+)+", lambda rng: f"{_word(rng)}.example.org"),
    "ipv4": (r"\d+\.\d+\.\d+\.\d+", lambda rng: f"192.0.2.{rng.randint(1, 254)}"),
    "ipv6": (r"[0-9a-f:]+", lambda rng: f"2001:db8::{rng.randint(1, 0xFFFF):x}"),
    "uuid": (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4))),
    "uri": (r"https?://[\w./-]+", lambda rng: f"https://example.org/{_word(rng)}"),
    "uri-reference": (r"/?[\w./-]+", lambda rng: f"/{_word(rng)}"),
}


def _of_pattern(pattern: str, schema: Mapping[str, Any], rng: random.Random) -> str:
    """A string that *pattern* finds something in, of an allowed length if any of 60 tries is."""
    low, high = int(schema.get("minLength", 0)), int(schema.get("maxLength", 10**6))
    tree = sre_parser.parse(pattern)
    for attempt in range(60):
        made = _sample(tree, rng, generous=attempt % 3 + (2 if low > 20 else 0))
        if len(made) < low and _matches(pattern, padded := made + _ALPHABET[attempt % 26] * (low - len(made))):
            made = padded
        if low <= len(made) <= high and _matches(pattern, made):
            return made
    raise Unwritable(f"no text was found that follows the pattern {pattern!r}")


def _sample(tree: Tree, rng: random.Random, *, generous: int) -> str:
    return "".join(_sample_one(op, value, rng, generous) for op, value in tree)


def _sample_one(op: Tree, value: Tree, rng: random.Random, generous: int) -> str:  # noqa: PLR0911  one return a kind of node
    if op is sre.LITERAL:
        return chr(value)
    if op is sre.NOT_LITERAL:
        return next(sign for sign in _ALPHABET if ord(sign) != value)
    if op is sre.ANY:
        return rng.choice(_ALPHABET)
    if op is sre.IN:
        return _one_of(value, rng)
    if op is sre.BRANCH:
        return _sample(rng.choice(value[1]), rng, generous=generous)
    if op is sre.SUBPATTERN:
        return _sample(value[3], rng, generous=generous)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, getattr(sre, "POSSESSIVE_REPEAT", None)):
        low, high, inner = value
        count = rng.randint(low, min(int(high), low + 2 + generous * 6))
        return "".join(_sample(inner, rng, generous=generous) for _ in range(count))
    return ""  # anchors and look-around: the result is checked against the whole pattern


def _one_of(items: Tree, rng: random.Random) -> str:
    allowed = [sign for sign in string.ascii_lowercase + string.digits + string.ascii_uppercase + "-_ ." if _in_class(sign, items)]
    if allowed:
        return rng.choice(allowed)
    for op, value in items:
        if op is sre.LITERAL:
            return chr(value)
        if op is sre.RANGE:
            return chr(rng.randint(value[0], min(value[1], value[0] + 500)))
    return "?"


def _in_class(sign: str, items: Tree) -> bool:
    negated, found = False, False
    for op, value in items:
        if op is sre.NEGATE:
            negated = True
        elif op is sre.LITERAL:
            found = found or ord(sign) == value
        elif op is sre.RANGE:
            found = found or value[0] <= ord(sign) <= value[1]
        elif op is sre.CATEGORY:
            name = str(value).rsplit("_", 1)[1]
            member = {"DIGIT": sign.isdigit(), "SPACE": sign.isspace(), "WORD": sign.isalnum() or sign == "_"}.get(name, False)
            found = found or (member != ("NOT" in str(value)))
    return found != negated
