"""Calendars: kept whole, found by persona and by job, and never two of one job for one persona."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlite_utils.utils import sqlite3

from errors import ConflictError, NotFoundError
from storage import calendars, personas
from storage.calendars import NewCalendar
from storage.clock import new_id, timestamp

NOW = datetime(2026, 11, 24, tzinfo=UTC)
BODY = {
    "persona_name": "安娜",
    "month": "2026-12",
    "calendar": {
        "2026-12-02": {"topic_type": "craft", "keywords": ["茶"], "special_event": None},
        "2026-12-01": {"topic_type": "daily_life", "unknown": {"kept": True}},
    },
    "monthly_strategy": "slow",
    "also unknown": [1, 2.5, "<img src=x onerror=alert(1)>"],
}


@pytest.fixture
async def anna(store):
    await make(store, "anna")
    return "anna"


async def make(store, persona_id):
    await store.write(personas.create, persona_id, name="Anna", language="English", picture=None, options={}, job_id=None, now=NOW)


async def save(store, persona_id, **changes):
    new = NewCalendar(**({"persona_id": persona_id, "title": "December", "source": "upload", "body": BODY} | changes))
    return await store.write(calendars.save, new_id(), new, NOW)


async def test_a_calendar_comes_back_as_it_was_with_the_days_it_covers(store, anna):
    calendar_id = await save(store, anna)
    assert store.read(calendars.body, calendar_id) == BODY
    found = store.read(calendars.get, calendar_id)
    assert (found["first_day"], found["last_day"], found["days"]) == ("2026-12-01", "2026-12-02", 2)
    assert (found["title"], found["source"], found["revision"], found["created_at"]) == ("December", "upload", 1, timestamp(NOW))


async def test_the_calendars_of_a_persona_are_listed_newest_first_without_their_bodies(store, anna):
    ids = [await save(store, anna, title=f"{n}") for n in range(3)]
    listed = store.read(calendars.of_persona, anna)
    assert [calendar["id"] for calendar in listed] == ids[::-1]
    assert "body" not in listed[0]


async def test_what_a_job_wrote_for_a_persona_is_found_and_not_written_twice(store, anna):
    first = await save(store, anna, source="writer", job_id="job")
    again = await save(store, anna, source="writer", job_id="job", body={**BODY, "month": "another"})
    assert again == first
    assert store.read(calendars.of_job, "job", anna) == BODY
    assert len(store.read(calendars.of_persona, anna)) == 1


async def test_one_job_may_write_for_many_personas(store, anna):
    await make(store, "bert")
    assert await save(store, anna, job_id="job") != await save(store, "bert", job_id="job")


async def test_one_that_does_not_exist_is_said_so(store, anna):
    with pytest.raises(NotFoundError, match="no calendar nothing"):
        store.read(calendars.body, "nothing")
    with pytest.raises(NotFoundError):
        store.read(calendars.of_job, "job", anna)
    with pytest.raises(NotFoundError):
        await store.write(calendars.edit, "nothing", BODY, 1)


async def test_an_edit_replaces_the_body_and_an_old_revision_changes_nothing(store, anna):
    calendar_id = await save(store, anna)
    other = {**BODY, "calendar": {"2027-01-05": {"topic_type": "x"}}}
    assert await store.write(calendars.edit, calendar_id, other, 1) == 2
    with pytest.raises(ConflictError, match="changed elsewhere"):
        await store.write(calendars.edit, calendar_id, BODY, 1)
    found = store.read(calendars.get, calendar_id)
    assert (found["body"], found["first_day"], found["days"], found["revision"]) == (other, "2027-01-05", 1, 2)


@pytest.mark.parametrize("body", [{}, {"calendar": {}}, {"calendar": None}])
async def test_a_calendar_without_days_is_refused(store, anna, body):
    with pytest.raises(ValueError, match="at least one day"):
        await save(store, anna, body=body)


async def test_only_known_sources_and_personas_are_written(store, anna):
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        await save(store, anna, source="somewhere")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await save(store, "nobody")


async def test_deleting_a_persona_takes_its_calendars_along(store, anna):
    calendar_id = await save(store, anna)
    await store.write(lambda tx: tx.execute("DELETE FROM personas").rowcount)
    with pytest.raises(NotFoundError):
        store.read(calendars.get, calendar_id)
