"""Texts of 100,000 characters that bring careless text handling to its knees."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

SIZE = 100_000
_REPEATED = {
    "letters": "a",
    "dots": ".",
    "at signs": "@",
    "hashes": "#a",
    "spaces": " ",
    "digits": "1",
    "one-letter labels": "a.",
    "endless domain": "a.com",
    "many URLs": "a.com ",
    "ports": "a.com:80",
    "open brackets behind URLs": "a.com/(",
    "double brackets behind URLs": "a.com/((",
    "protocols": "http://",
    "protocols with labels": "http://a.",
    "short links": "http://t.co/a中",
    "at signs with labels": "@a.",
    "dashes": "a-.",
    "underscores": "a_.",
    "punycode": "xn--a.",
    "Chinese labels": "中.",
    "Chinese top-level domains": "a.中国",
    "only Chinese top-level domains": "中国.",
    "URLs glued to Chinese": "a.com中",
    "Chinese glued to URLs": "中a.com",
    "long Chinese labels": "あ" * 60 + ".com ",
    "Cyrillic labels": "я.",
    "combining marks": "\u0301",
    "combining marks out of order": "\u0301\u0316",
    "marks that fall apart": "\u0f73",
    "joiners": "\u200d",
    "joined emoji": "👨\u200d",
    "flags": "🇩",
    "tags": "🏴\U000e0067",
    "skin tones": "🏽",
    "variation selectors": "\ufe0f",
    "keycaps": "1\ufe0f",
    "Hangul letters": "\u1100\u1161",
    "surrogates": "\ud800",
    "ages": "I'm 32. ",
    "cities": "I live in Berlin. ",
    "open quotes": "“",
}
_ONCE = {
    "long URL": "http://" + "a" * SIZE,
    "long path": "http://a.com/" + "a" * SIZE,
    "brackets in a path": "http://a.com/" + "(a" * (SIZE // 2),
    "dots in a path": "http://a.com/" + "." * SIZE,
    "endless query": "http://a.com?" + "!" * SIZE,
    "endless short link": "http://t.co/a?" + "!" * SIZE,
    "one long label": "a." + "中" * SIZE + ".com",
}
HOSTILE = [pytest.param((unit * SIZE)[:SIZE], id=name) for name, unit in _REPEATED.items()]
HOSTILE += [pytest.param(text[:SIZE], id=name) for name, text in _ONCE.items()]


def seconds(work: Callable[[], object]) -> float:
    """CPU time of the quickest of three runs: other processes on the machine do not count."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
