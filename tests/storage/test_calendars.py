"""Calendars: kept whole, found by persona and by job, and never two of one job for one persona."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlite_utils.utils import sqlite3

from errors import NotFoundError
from storage import calendars, personas, tweets
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


async def tweet(store, persona_id, calendar_id):
    return await store.write(tweets.save, tweets.NewTweet(persona_id=persona_id, text="Rye.", length=4, calendar_id=calendar_id), NOW)


async def save(store, persona_id, **changes):
    new = NewCalendar(**({"persona_id": persona_id, "title": "December", "source": "upload", "body": BODY} | changes))
    return await store.write(calendars.save, new_id(), new, NOW)


async def test_a_calendar_comes_back_as_it_was_with_the_days_it_covers(store, anna):
    calendar_id = await save(store, anna)
    found = store.read(calendars.get, calendar_id)
    assert found["body"] == BODY
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
    assert store.read(calendars.of_job, "job", anna)["body"] == BODY
    assert len(store.read(calendars.of_persona, anna)) == 1


async def test_one_job_may_write_for_many_personas(store, anna):
    await make(store, "bert")
    assert await save(store, anna, job_id="job") != await save(store, "bert", job_id="job")


async def test_one_that_does_not_exist_is_said_so(store, anna):
    with pytest.raises(NotFoundError, match="no calendar nothing"):
        store.read(calendars.get, "nothing")
    with pytest.raises(NotFoundError):
        store.read(calendars.of_job, "job", anna)
    with pytest.raises(NotFoundError):
        await store.write(calendars.delete, "nothing", "calendar")


async def test_the_list_says_how_many_tweets_came_from_each_and_a_deleted_one_leaves_its_tweets(store, anna):
    first, second = [await save(store, anna) for _ in range(2)]
    ids = [await tweet(store, anna, calendar_id) for calendar_id in (first, first, second, None)]
    counted = {calendar["id"]: calendar["tweets"] for calendar in store.read(calendars.of_persona, anna)}
    assert counted == {first: 2, second: 1}
    await store.write(calendars.delete, first, "calendar")
    assert [calendar["id"] for calendar in store.read(calendars.of_persona, anna)] == [second]
    assert [store.read(tweets.get, tweet_id)["calendar_id"] for tweet_id in ids] == [None, None, second, None]


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
