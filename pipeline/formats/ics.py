"""Calendars for calendar programs: iCalendar (RFC 5545), half an hour a plan that blocks nobody's time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar

from pipeline.dates import read_clock

LASTS = timedelta(minutes=30)
AROUND = timedelta(days=400)
"""How far around a calendar the rules of its time zone are told."""
_TOLD = (
    "content_direction",
    "topic_type",
    "tweet_format",
    "mood",
    "suggested_scene",
    "outfit_direction",
    "special_event",
    "strategic_flaw",
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def as_ics(body: Mapping[str, Any], *, zone: str = "", key: str = "") -> bytes:
    """The calendar as an ICS file. Times are those of *zone*, an IANA name, with its rules in the file; without one they float: the same
    hour wherever it is opened. A plan without a time takes the whole day.

    *key* (the calendar's or the persona's id) makes the events' ids: a file that is imported again updates them instead of adding others.
    """
    name = _line(body.get("persona_name"))
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Persona Studio//Content calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    if name:
        calendar.add("x-wr-calname", icalendar.vText(name))
    if zone:
        calendar.add("x-wr-timezone", zone)
    days = sorted(body["calendar"])
    stamp = _stamp(body, days[0])
    tag = hashlib.sha256((key or name).encode()).hexdigest()[:16]
    for day in days:
        calendar.add_component(_event(date.fromisoformat(day), body["calendar"][day], zone, tag, stamp))
    if zone:
        first, last = (date.fromisoformat(day) for day in (days[0], days[-1]))
        calendar.add_missing_timezones(first - AROUND, last + AROUND)
    return calendar.to_ical()


def _event(day: date, plan: Mapping[str, Any], zone: str, tag: str, stamp: datetime) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", f"{day.isoformat()}-{tag}@persona-studio")
    event.add("dtstamp", stamp)
    if clock := read_clock(plan.get("recommended_time")):
        event.add("dtstart", datetime.combine(day, time.fromisoformat(clock), ZoneInfo(zone) if zone else None))
        event.add("duration", LASTS)
    else:
        event.add("dtstart", day)
    event.add("transp", "TRANSPARENT")
    titles = (_line(plan.get(name)) for name in ("theme", "special_event", "topic_type"))
    event.add("summary", next((title for title in titles if title), "Tweet"))
    if told := "\n".join(f"{name}: {text}" for name in _TOLD if (text := _plain(plan.get(name)))):
        event.add("description", told)
    if words := [word for text in (plan.get("topic_type"), *(plan.get("keywords") or ())) if (word := _line(text))]:
        event.add("categories", words)
    return event


def _stamp(body: Mapping[str, Any], first_day: str) -> datetime:
    """When the calendar was made; the same file gives the same bytes again."""
    try:
        made = datetime.fromisoformat(str(body.get("generated_at")))
        return made.astimezone(UTC).replace(microsecond=0) if made.tzinfo else made.replace(tzinfo=UTC, microsecond=0)
    except (ValueError, OverflowError):
        return datetime.combine(date.fromisoformat(first_day), time(), UTC)


def _plain(value: object) -> str:
    """Text without what a line of such a file must not have."""
    return _CONTROLS.sub(" ", str(value or "").replace("\r\n", "\n")).strip()


def _line(value: object) -> str:
    return " ".join(_plain(value).split())
