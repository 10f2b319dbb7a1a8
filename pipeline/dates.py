"""Dates, times of day and weekdays as people, spreadsheets and LLMs write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from typing import Literal

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EARLIEST, LATEST = 1900, 2199
"""Years outside of these are slips, and break time zones."""
Order = Literal["", "day first", "month first"]

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
_LONGEST = 60
_AFTER = r"(?:[t\s].*|(?:星期|周|週|礼拜|禮拜).)?$"
_YEAR_FIRST = re.compile(r"^(\d{4})\s?[-/.年]\s?(\d{1,2})\s?[-/.月]\s?(\d{1,2})\s?日?" + _AFTER, re.ASCII)
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})$", re.ASCII)
_YEAR_LAST = re.compile(r"^(\d{1,2})([-/.])(\d{1,2})\2(\d{4})" + _AFTER, re.ASCII)
_DAY_NAMED = re.compile(r"^(\d{1,2})(?:st|nd|rd|th)?[\s-]+(?:of\s+)?([a-z]{3,9})\.?,?[\s-]+(\d{4})$", re.ASCII)
_MONTH_NAMED = re.compile(r"^([a-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})$", re.ASCII)
_IN_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]$")


def read_date(text: object, order: Order = "") -> date | None:
    """The day that *text* means, ``None`` where it means none.

    ``5/1/2026`` is read by *order*; without one it means nothing unless only one way is possible (``25/1/2026``, ``5.1.2026``).
    """
    said = _plain(text)
    said = _IN_BRACKETS.sub("", said)
    first, _, rest = said.partition(" ")
    if rest and read_weekday(first.rstrip(",")) is not None:
        said = rest.strip()
    if found := _YEAR_FIRST.match(said) or _COMPACT.match(said):
        return _day(found[1], found[2], found[3])
    if found := _YEAR_LAST.match(said):
        first_number, mark, second, year = found.groups()
        settled = _order_of(first_number, second, mark) or order
        if not settled:
            return _day(year, second, first_number) if first_number == second else None
        return _day(year, second, first_number) if settled == "day first" else _day(year, first_number, second)
    if found := _DAY_NAMED.match(said):
        return _day(found[3], _month(found[2]), found[1])
    if found := _MONTH_NAMED.match(said):
        return _day(found[3], _month(found[1]), found[2])
    return None


def order_of(texts: Iterable[object]) -> Order:
    """How dates such as ``5/1/2026`` are meant, from those of *texts* that can be meant in one way only; empty where they do not say."""
    orders: set[Order] = {_order_of(found[1], found[3], found[2]) for text in texts if (found := _YEAR_LAST.match(_plain(text)))}
    orders.discard("")
    return orders.pop() if len(orders) == 1 else ""


def _order_of(first: str, second: str, mark: str) -> Order:
    if int(first) > 12 or mark == ".":  # dots are written where the day comes first
        return "day first"
    return "month first" if int(second) > 12 else ""


def _month(name: str) -> int:
    return next((number for number, month in enumerate(_MONTHS, 1) if month.startswith(name)), 0)


def _day(year: str | int, month: str | int, day: str | int) -> date | None:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if EARLIEST <= found.year <= LATEST else None


def _plain(text: object) -> str:
    """*text* without full-width signs, capitals and what stands around it; empty where it is no text, or longer than any date."""
    if not isinstance(text, str | int) or isinstance(text, bool):
        return ""
    said = str(text) if isinstance(text, int) and abs(text) < 10**9 else text if isinstance(text, str) else ""
    return " ".join(unicodedata.normalize("NFKC", said).casefold().split()) if len(said) <= _LONGEST else ""


# Times of day

_MORNING = ("上午", "早上", "早晨", "清晨", "凌晨", "午前")
_AFTERNOON = ("下午", "傍晚", "午后", "午後")
_NIGHT = ("晚上", "夜里", "夜晚", "夜间", "夜")
_COLON = re.compile(r"(?<![\d.:])(\d{1,2})(?:\s?:\s?(\d{1,2})|[.h](\d{2}))(?!\d)", re.ASCII)
_HOUR = re.compile(r"(?<!\d)(\d{1,2})\s?(?:[点點时時]|h\b|o'?clock)(半)?(?:(\d{1,2})\s?分?)?", re.ASCII)
_HALVES = re.compile(r"(?<![\d:.])(\d{1,2})\s?(?:am|pm|a\.m|p\.m)", re.ASCII)
_BARE = re.compile(r"^(\d{1,2})(\d{2})?$", re.ASCII)
_PM = re.compile(r"(?<![a-z])p\.?m\b", re.ASCII)
_AM = re.compile(r"(?<![a-z])a\.?m\b", re.ASCII)
_WORDS = {
    ("early morning", "dawn", "清晨", "凌晨"): "06:00",
    ("morning", "早上", "早晨", "上午", "早"): "09:00",
    ("noon", "midday", "lunch", "中午"): "12:00",
    ("afternoon", "下午"): "15:00",
    ("evening", "傍晚"): "19:00",
    ("midnight", "半夜", "午夜"): "00:00",
    ("night", "晚上", "夜里", "夜晚", "晚", "夜"): "22:00",
}


def read_clock(text: object) -> str | None:
    """The time of day that *text* means as ``HH:MM``, ``None`` where it means none. A part of the day stands for an hour of it."""
    said = _plain(text)
    if (dated := _YEAR_FIRST.match(said.replace("t", " ", 1))) and len(said) > dated.end(3):
        said = said[dated.end(3) :].lstrip("日t ")
    if found := _COLON.search(said):
        return _time(int(found[1]), int(found[2] or found[3]), said)
    if found := _HOUR.search(said):
        return _time(int(found[1]), 30 if found[2] else int(found[3] or 0), said)
    if found := _HALVES.search(said):
        return _time(int(found[1]), 0, said)
    if found := _BARE.match(said):
        return _time(int(found[1]), int(found[2] or 0), said)
    return next((clock for words, clock in _WORDS.items() if any(word in said for word in words)), None)


def _time(hour: int, minute: int, said: str) -> str | None:
    night = any(word in said for word in _NIGHT)
    late = _PM.search(said) or any(word in said for word in _AFTERNOON) or (night and hour >= 5) or ("中午" in said and hour < 4)
    if hour < 12 and late:
        hour += 12
    elif hour == 24 or (hour == 12 and (_AM.search(said) or night or "凌晨" in said)):
        hour = 0
    return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else None


def minutes(clock: str) -> int:
    """``HH:MM`` as minutes after midnight."""
    return int(clock[:2]) * 60 + int(clock[3:])


# Weekdays

_CHINESE = re.compile(r"^(?:星期|周|週|礼拜|禮拜)([一二三四五六日天])$")
_JAPANESE = re.compile(r"^([月火水木金土日])(?:曜日?)?$")


def read_weekday(text: object) -> int | None:
    """The weekday that *text* names in English (two letters are enough), Chinese or Japanese, 0 for Monday; else ``None``."""
    said = _plain(text).rstrip(".")
    if found := _CHINESE.match(said):
        return min("一二三四五六日天".index(found[1]), 6)
    if found := _JAPANESE.match(said):
        return "月火水木金土日".index(found[1])
    return next((number for number, name in enumerate(WEEKDAYS) if len(said) > 1 and name.casefold().startswith(said)), None)
