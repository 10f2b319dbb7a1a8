"""How long a tweet is by the rules of twitter-text, version 3.

https://developer.x.com/en/docs/counting-characters: the text is normalised (NFC), an emoji counts 2 whatever it is made of, a URL 23, and
every other character 1 or 2 by its place in Unicode.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import regex

from pipeline.links import urls

LIMIT = 280
URL = 23

_HEAVY = regex.compile(r"[^\x00-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]++")
"""What weighs 2 a character; the ranges weigh 1 (version 2 and 3 of the configuration alike)."""
_FLAG_TAGS = (  # England, Scotland, Wales: "gbeng", "gbsct", "gbwls" in tag characters
    r"\U0001f3f4\U000e0067\U000e0062"
    r"(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
# Possessive quantifiers and fixed numbers: nothing is tried twice, so hostile text costs linear time. The original has a list of all emoji
# of its day; by rule, those of later days count 2 as well. No emoji joins more than four pictures.
_PICTURE = r"(?: \p{Emoji_Modifier_Base}\p{Emoji_Modifier} | [\p{Extended_Pictographic}--[\xa9\xae]] (?:\ufe0f|(?!\ufe0e)) )"
_EMOJI = regex.compile(
    rf"""
      {_FLAG_TAGS}
    | \p{{Regional_Indicator}}{{2}}
    | [0-9\#*]\ufe0f?+\u20e3
    | [\xa9\xae]\ufe0f
    | {_PICTURE} (?: \u200d {_PICTURE} ){{0,3}}+
    | \p{{Emoji_Presentation}}
    """,
    regex.VERBOSE | regex.VERSION1,
)
_MARKS = regex.compile(r"\p{M}{32,}+")


@lru_cache(maxsize=64)  # every check of a tweet asks
def weighted_length(text: str, *, emoji: bool = True) -> int:
    """The weighted length of *text*; at most :data:`LIMIT` can be posted. Without *emoji* their parts count one by one (version 2)."""
    text = normal(text)
    total, at = 0, 0
    for start, end in urls(text):
        total += _weight(text[at:start], emoji=emoji) + URL
        at = end
    return total + _weight(text[at:], emoji=emoji)


def emojis(text: str) -> list[str]:
    """The emoji in *text*, each with all that it is made of."""
    return _EMOJI.findall(text)


def _weight(text: str, *, emoji: bool) -> int:
    if text.isascii():
        return len(text)
    pictures = 0
    if emoji:
        text, pictures = _EMOJI.subn("", text)
    return 2 * pictures + len(text) + sum(map(len, _HEAVY.findall(text)))


def normal(text: str) -> str:
    """*text* in NFC. Python sorts combining marks in quadratic time (10 s for 100,000 of them); long runs are brought in order before."""
    return unicodedata.normalize("NFC", _MARKS.sub(_in_order, text))


def _in_order(run: regex.Match[str]) -> str:
    marks = "".join(unicodedata.normalize("NFD", mark) for mark in run[0])
    ordered, at = [], 0
    for end in [*(place for place, mark in enumerate(marks) if not unicodedata.combining(mark)), len(marks)]:
        ordered += [*sorted(marks[at:end], key=unicodedata.combining), *marks[end : end + 1]]
        at = end + 1
    return "".join(ordered)
