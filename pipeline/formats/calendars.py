"""Calendars read and written: JSON (the object of SPEC 4, a bare map of dates, a list of plans) and CSV; ICS is written only.

A file is taken for what is in it. Whatever is put right or left out is said in one sentence; what is not known is kept as it is. Reading
what was written here changes nothing and says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any

import orjson

from errors import UploadError
from pipeline.calendar import Calendar, Plan, or_none
from pipeline.dates import WEEKDAYS, Order, order_of, read_clock, read_date, read_weekday
from pipeline.formats.ics import as_ics
from pipeline.formats.json_in import read_json
from pipeline.formats.remarks import Remark
from pipeline.formats.sheets import Sheet, column_key, decoded, read_sheet, write_sheet

__all__ = ["as_csv", "as_ics", "read_calendar"]

LARGEST = 2 << 20
"""Bytes of a calendar's file."""
MOST_DAYS = 2000
FIELDS = tuple(Plan.model_fields)
DAYS_NAMES = ("calendar", "days", "plans", "content_calendar", "schedule")
"""Keys under which the days of a calendar are looked for."""
MAYBE = ("special_event", "strategic_flaw")
_DAYS_SHOWN = 3

_ENGLISH = {
    "date": "day, publish_date, publishing_date, post_date, posting_date, scheduled_date",
    "weekday": "day_of_week, dow, week_day",
    "topic_type": "topic, type, content_type, category, kind",
    "tweet_format": "format, post_format, tweet_type",
    "recommended_time": "time, posting_time, post_time, publish_time, hour",
    "mood": "emotion, feeling",
    "theme": "title, subject, idea",
    "content_direction": "direction, content, description, details, brief",
    "outfit_direction": "outfit, clothes, clothing",
    "keywords": "keyword, tags",
    "suggested_scene": "scene, photo, picture",
    "special_event": "event, occasion, holiday",
    "strategic_flaw": "flaw, weakness",
}
_CHINESE = {
    "date": "日期, 日子, 发布日期, 發布日期",
    "weekday": "星期, 星期几, 周几, 曜日",
    "topic_type": "话题, 话题类型, 主题类型, 内容类型, 推文类型, 类型, 分类",
    "tweet_format": "格式, 推文格式, 形式",
    "recommended_time": "时间, 发布时间, 推荐时间, 建议时间, 時間",
    "mood": "情绪, 心情",
    "theme": "主题, 标题, 题目",
    "content_direction": "内容方向, 内容, 内容说明, 描述",
    "outfit_direction": "穿搭, 穿搭方向, 服装, 服装方向, 着装",
    "keywords": "关键词, 关键字, 标签",
    "suggested_scene": "场景, 建议场景, 画面",
    "special_event": "特殊事件, 特别事件, 事件, 节日",
    "strategic_flaw": "缺点, 小缺点, 弱点, 策略性缺陷",
}
_MEANT = {name: ours for names in (_ENGLISH, _CHINESE) for ours, some in names.items() for name in (ours, *some.split(", "))}
"""Names of columns and keys that mean one of ours, as :func:`pipeline.formats.sheets.column_key` has them."""


@dataclass
class _Reading:
    """A file being read: what it is called, what was found odd, and what was missing on which days."""

    name: str
    remarks: list[Remark] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    renamed: set[tuple[str, str]] = field(default_factory=set)

    def say(self, template: str, **facts: object) -> None:
        self.remarks.append(Remark(template, **facts))


def read_calendar(content: bytes, name: str) -> tuple[dict[str, Any], list[str]]:
    """The calendar in a file that the author calls *name*, as SPEC 4 has it, and a sentence for everything that was put right.

    Raises :class:`UploadError` with one sentence for what is no calendar, or too large.
    """
    if len(content) > LARGEST:
        raise UploadError("{name} has more than {limit:g} MB of text.", name=name, limit=LARGEST / 2**20)
    if content.startswith(b"PK\x03\x04"):
        raise UploadError("{name} is an Excel file or an archive. Save the calendar as CSV or JSON.", name=name)
    reading = _Reading(name)
    text = decoded(content, name, reading.remarks)
    body = _from_json(content, reading) if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") else _from_csv(text, reading)
    if not body["calendar"]:
        raise UploadError("{name} has no day with a date that can be read.", name=name)
    for key, days in reading.missing.items():
        shown = ", ".join(days[:_DAYS_SHOWN]) + (f", ... ({len(days)})" if len(days) > _DAYS_SHOWN else "")
        reading.say("There is no {field} for {days}; it stays empty.", field=key, days=shown)
    return Calendar.model_validate(body).model_dump(mode="json"), list(reading.remarks)


# JSON


def _from_json(content: bytes, reading: _Reading) -> dict[str, Any]:
    value = read_json(content, reading.name)
    for key in islice(dict.fromkeys(_repeated(content)), MOST_DAYS):
        reading.say('"{key}" stands twice in one object of the file; the last one holds.', key=key[:80])
    if isinstance(value, list):
        return _body({}, _listed(value, reading), reading)
    under = next((key for key in DAYS_NAMES if isinstance(value.get(key), dict | list)), None)
    if under is None:
        if not any(read_date(key) for key in value):
            raise UploadError('{name} is no calendar: it has neither days under "calendar" nor dates as keys.', name=reading.name)
        rest = {key: item for key, item in value.items() if not read_date(key) and not _is_plan(item)}
        return _body(rest, _mapped({key: item for key, item in value.items() if key not in rest}, reading), reading)
    if under != "calendar":
        reading.say('The days were found under "{key}".', key=under)
    days = value[under]
    rest = {key: item for key, item in value.items() if key != under}
    return _body(rest, _listed(days, reading) if isinstance(days, list) else _mapped(days, reading), reading)


def _repeated(content: bytes) -> Iterator[str]:
    """Keys that stand twice in one object: JSON readers keep the last and do not tell."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                found.append(key)
            seen.add(key)

    text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    json.loads(text, object_pairs_hook=look, parse_int=float)
    yield from found


def _mapped(days: Mapping[str, Any], reading: _Reading) -> Iterator[tuple[date, dict[str, Any]]]:
    _not_too_many(days, reading)
    order = order_of(days)
    for key, plan in days.items():
        if not isinstance(plan, dict):
            reading.say('"{key}" has no plan under it and was left out.', key=key[:80])
        elif (day := read_date(key, order)) is None:
            reading.say('"{key}" is no date that can be read; its plan was left out. Write dates as 2026-01-31.', key=key[:80])
        else:
            _say_respelled(key, day, reading)
            yield day, plan


def _listed(entries: list[Any], reading: _Reading) -> Iterator[tuple[date, dict[str, Any]]]:
    _not_too_many(entries, reading)
    plans = [(number, dict(entry)) for number, entry in enumerate(entries, 1) if isinstance(entry, dict)]
    if len(plans) < len(entries):
        reading.say("{count} entries of the list are no plans and were left out.", count=len(entries) - len(plans))
    dated = [(number, plan.pop(key, None), plan) for number, plan in plans for key in [_date_key(plan)]]
    yield from _dated("Entry", dated, reading)


def _is_plan(item: object) -> bool:
    return isinstance(item, dict) and any(column_key(key) in _MEANT for key in item)


def _not_too_many(days: Collection[object], reading: _Reading) -> None:
    if len(days) > MOST_DAYS:
        raise UploadError("{name} has more than {limit} days.", name=reading.name, limit=MOST_DAYS)


def _date_key(plan: Mapping[str, Any]) -> str:
    return next((key for key in plan if key == "date"), None) or next((key for key in plan if _MEANT.get(column_key(key)) == "date"), "")


def _dated(what: str, plans: Iterable[tuple[int, object, dict[str, Any]]], reading: _Reading) -> Iterator[tuple[date, dict[str, Any]]]:
    plans = list(plans)
    order: Order = order_of(given for _, given, _ in plans)
    for number, given, plan in plans:
        place = f"{what} {number}"
        if day := read_date(given, order):
            _say_respelled(given, day, reading)
            yield day, plan
        elif given in (None, ""):
            reading.say("{place} has no date and was left out.", place=place)
        elif not order and read_date(given, "day first") and read_date(given, "month first"):
            sentence = '{place} was left out: "{given}" can mean two days. Write dates as 2026-01-31.'
            reading.say(sentence, place=place, given=str(given)[:40])
        else:
            sentence = '{place} was left out: "{given}" is no date that can be read. Write dates as 2026-01-31.'
            reading.say(sentence, place=place, given=str(given)[:40])


def _say_respelled(given: object, day: date, reading: _Reading) -> None:
    if str(given).strip() != day.isoformat():
        reading.say('The date "{given}" was read as {day}.', given=str(given).strip()[:40], day=day.isoformat())


# CSV


def _from_csv(text: str, reading: _Reading) -> dict[str, Any]:
    sheet = read_sheet(text, reading.name, _MEANT.__contains__, most_rows=MOST_DAYS, remarks=reading.remarks)
    columns = _columns(sheet, reading)
    if "date" not in columns:
        raise UploadError('{name} has no column called "date" (or 日期), so it is no calendar.', name=reading.name)
    rows = (
        (number, cells[columns.index("date")].strip(), {key: cell for key, cell in zip(columns, cells, strict=True) if key != "date"})
        for number, cells in sheet.rows
    )
    absent = [key for key in FIELDS if key not in columns]
    if absent:
        reading.say("There are no columns for {fields}; they stay empty.", fields=", ".join(absent))
    whole = ((day, _uncelled(plan)) for day, plan in _dated("Row", rows, reading))
    return _body({}, whole, reading, from_cells=True)


def _columns(sheet: Sheet, reading: _Reading) -> list[str]:
    """The key of each column: ours where its name means one (the exact name before others), else its own name."""
    keys: dict[int, str] = {place: name for place, name in enumerate(sheet.header) if name in ("date", *FIELDS)}
    for place, name in enumerate(sheet.header):
        meant = _MEANT.get(column_key(name))
        if place in keys:
            continue
        if meant and meant not in keys.values():
            keys[place] = meant
            continue
        reading.say('The column "{name}" is not one of ours; it was kept as it is.', name=name[:80])
        keys[place] = name
    return [keys[place] for place in range(len(sheet.header))]


def _uncelled(plan: dict[str, str]) -> dict[str, Any]:
    """Cells as values: what is not ours and empty is not there, and lists and objects were written as JSON."""
    return {key: cell if key in FIELDS else _value_of(cell) for key, cell in plan.items() if key in FIELDS or cell}


def _value_of(cell: str) -> Any:  # noqa: ANN401  whatever stood there
    if cell[:1] in ("{", "[", '"'):
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
    return cell


def as_csv(body: Mapping[str, Any]) -> bytes:
    """One row a day, the columns of SPEC 4 and then whatever else plans have. Values that are no texts are written as JSON."""
    days = sorted(body["calendar"].items())
    others = list(dict.fromkeys(key for _, plan in days for key in plan if key not in ("date", *FIELDS)))
    rows = ([day, *(_our_cell(plan, key) for key in FIELDS), *(_cell(plan.get(key)) for key in others)] for day, plan in days)
    return write_sheet(["date", *FIELDS, *others], rows)


def _our_cell(plan: Mapping[str, Any], key: str) -> str:
    return _keywords_cell(plan) if key == "keywords" else str(plan.get(key) or "")


def _cell(value: object) -> str:
    """A value that is not ours, so that :func:`_value_of` gives it back; numbers and the like become texts."""
    if isinstance(value, str):
        return value if value and _value_of(value) == value else _json(value)
    return "" if value is None else _json(value)


def _keywords_cell(plan: Mapping[str, Any]) -> str:
    words = plan.get("keywords") or []
    cell = "; ".join(words)
    return cell if _words(cell) == words else _json(words)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _words(cell: str) -> list[str]:
    """A cell of keywords as a list: divided where there are semicolons or lines, else at commas."""
    if cell[:1] == "[" and isinstance(found := _value_of(cell), list) and all(isinstance(word, str) for word in found):
        return found
    marks = "\n" if "\n" in cell else ";；" if {";", "；"} & set(cell) else ",，、|"
    for mark in marks[1:]:
        cell = cell.replace(mark, marks[0])
    return [word.strip() for word in cell.split(marks[0]) if word.strip()]


# Plans


def _body(
    rest: Mapping[str, Any], days: Iterable[tuple[date, dict[str, Any]]], reading: _Reading, *, from_cells: bool = False
) -> dict[str, Any]:
    """The whole calendar. Of two plans for one day the first is kept."""
    found: dict[str, dict[str, Any]] = {}
    for day, plan in days:
        key = day.isoformat()
        if key in found:
            reading.say("{day} stands in the file more than once; the first plan was kept.", day=key)
            continue
        found[key] = _plan(day, plan, reading, from_cells=from_cells)
    body = {**rest, "calendar": dict(sorted(found.items()))}
    for key in ("persona_name", "month", "generated_at", "monthly_strategy"):
        if (given := body.get(key)) is not None and not isinstance(given, str):
            reading.say('"{key}" is no text; it was kept as JSON.', key=key)
            body[key] = _json(given)
    body["month"] = body.get("month") or min(found, default="")[:7]
    return body


def _plan(day: date, given: dict[str, Any], reading: _Reading, *, from_cells: bool) -> dict[str, Any]:
    key = day.isoformat()
    plan = given if from_cells else _renamed(given, reading)
    settled: dict[str, Any] = {}
    for name in FIELDS:
        value = plan.get(name)
        if value is None and name not in (*MAYBE, "weekday") and not from_cells:
            reading.missing.setdefault(name, []).append(key)
        if name == "keywords":
            settled[name] = _keywords(key, value, reading, from_cells=from_cells)
        elif name in MAYBE:
            settled[name] = or_none(_text(key, name, value, reading)) or None
        else:
            settled[name] = _text(key, name, value, reading)
    settled["weekday"] = _weekday(day, settled["weekday"], reading)
    settled["recommended_time"] = _clock(key, settled["recommended_time"], reading)
    return settled | {name: value for name, value in plan.items() if name not in FIELDS}


def _renamed(given: dict[str, Any], reading: _Reading) -> dict[str, Any]:
    """*given* with keys that mean one of ours under our name, where that is free."""
    plan = dict(given)
    for key, value in given.items():
        meant = _MEANT.get(column_key(key), "date")
        if key not in FIELDS and meant != "date" and meant not in plan and isinstance(value, str | list):
            plan[meant] = plan.pop(key)
            if (key, meant) not in reading.renamed:
                reading.renamed.add((key, meant))
                reading.say('"{key}" was taken for {field}.', key=key[:80], field=meant)
    return plan


def _text(day: str, name: str, value: object, reading: _Reading) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    reading.say("{day}: {field} is no text; it was kept as JSON.", day=day, field=name)
    return _json(value)


def _keywords(day: str, value: object, reading: _Reading, *, from_cells: bool) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        if not from_cells:
            reading.say("{day}: the keywords are one text; it was divided.", day=day)
        return _words(value)
    words = value if isinstance(value, list) else [value]
    if words is not value or not all(isinstance(word, str) for word in words):
        reading.say("{day}: {field} is no text; it was kept as JSON.", day=day, field="keywords")
    return [word if isinstance(word, str) else _json(word) for word in words]


def _weekday(day: date, given: str, reading: _Reading) -> str:
    """*given* where it names the right day, else the right one in English."""
    right = WEEKDAYS[day.weekday()]
    if read_weekday(given) == day.weekday():
        return given
    if given.strip():
        reading.say('{day} is a {right}, not "{given}"; that was corrected.', day=day.isoformat(), right=right, given=given[:40])
    return right


def _clock(day: str, given: str, reading: _Reading) -> str:
    if not given.strip():
        return ""
    read = read_clock(given)
    if read is None:
        reading.say('{day}: "{given}" is no time of day; it was left out.', day=day, given=given[:40])
    elif read != given:
        reading.say('{day}: the time "{given}" was read as {time}.', day=day, given=given[:40], time=read)
    return read or ""
