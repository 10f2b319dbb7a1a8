"""How many and how long: what a schema says, else what a description says in words ("exactly 8", "4 to 10", "two or three")."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WORDS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
    "a": 1,
    "an": 1,
    "a few": 3,
}
_WORDS |= dict(zip("一二三四五六七八九十两", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2), strict=True))
_NUMBER = r"(\d{1,4}|one|two|three|four|five|six|seven|eight|nine|ten|twelve|[一二三四五六七八九十两])"
_BETWEEN = re.compile(rf"\b{_NUMBER}\s*(?:to|or|-|–|and)\s*{_NUMBER}\b|{_NUMBER}\s*(?:到|至|-|~|或)\s*{_NUMBER}", re.IGNORECASE)
_EXACTLY = re.compile(rf"(?:\b(?:exactly|precisely)\s+|(?:恰好|正好|共|一共)\s*){_NUMBER}", re.IGNORECASE)
_AT_LEAST = re.compile(
    rf"(?:\b(?:at least|minimum of|no fewer than)\s+|(?:至少|不少于)\s*){_NUMBER}|\b{_NUMBER}(?:\+|\s+or more)", re.IGNORECASE
)
_AT_MOST = re.compile(rf"(?:\b(?:at most|up to|maximum of|no more than)\s+|(?:至多|最多|不超过)\s*){_NUMBER}", re.IGNORECASE)
_FIRST = re.compile(rf"^\W*{_NUMBER}\b", re.IGNORECASE)
MOST_ITEMS = 400


def number(text: str) -> int:
    """``"8"``, ``"eight"`` or ``"八"`` as an integer."""
    return int(text) if text.isdigit() else _WORDS[text.lower()]


def span(text: str) -> tuple[int, int | None] | None:
    """The first span of counts in *text*; an open upper end is ``None``. ``None`` where the text has no count."""
    if match := _EXACTLY.search(text):
        count = number(match[1])
        return count, count
    if match := _BETWEEN.search(text):
        low, high = (number(group) for group in match.groups() if group)
        return (low, high) if low <= high else (high, low)
    if match := _AT_LEAST.search(text):
        return number(match[1] or match[2]), None
    if match := _AT_MOST.search(text):
        return 1, number(match[1])
    if match := _FIRST.search(text):
        count = number(match[1])
        return count, count
    return None


def how_many(schema: Mapping[str, Any], description: str, rng: random.Random, *, usual: tuple[int, int] = (3, 5)) -> int:
    """Items for an array: within ``minItems`` and ``maxItems``, and within what the description asks where that leaves a choice."""
    least, most = int(schema.get("minItems", 0)), schema.get("maxItems")
    low, high = span(description) or usual
    high = low + 2 if high is None else high
    low, high = max(low, least), max(high, least)
    if most is not None:
        low, high = min(low, int(most)), min(high, int(most))
    return min(rng.randint(low, max(low, high)), max(MOST_ITEMS, least))


@dataclass(frozen=True)
class Length:
    """How long a text should be. 0 means nothing was said."""

    sentences: tuple[int, int] = (0, 0)
    paragraphs: tuple[int, int] = (0, 0)
    words: tuple[int, int] = (0, 0)
    characters: int = 0


_UNIT = re.compile(
    rf"(?:{_NUMBER}|(?<![\w])(a|one|an))\s*(?:(?:to|or|-|–|到|至)\s*{_NUMBER}\s*)?(?:[a-z-]+\s+)?(sentences?|paragraphs?|words?|characters?|句|段|个?词|个?字)",
    re.IGNORECASE,
)
_KINDS = {
    "sent": "sentences",
    "句": "sentences",
    "para": "paragraphs",
    "段": "paragraphs",
    "word": "words",
    "词": "words",
    "个词": "words",
    "char": "characters",
    "字": "characters",
    "个字": "characters",
}


def length(description: str) -> Length:
    """What a description says about length: "2 to 3 paragraphs", "at most 280 characters", "one sentence"."""
    found: dict[str, Any] = {}
    for match in _UNIT.finditer(description):
        low = number(match[1] or match[2])
        high = number(match[3]) if match[3] else low
        kind = _KINDS[match[4][:4].lower() if match[4].isascii() else match[4]]
        found.setdefault(kind, high if kind == "characters" else (min(low, high), max(low, high)))
    return Length(**found)
