"""Calendars that people have: written by themselves, added, taken away, deleted; a real Studio and a real server."""

from __future__ import annotations

import asyncio
import csv
import io
import json

import icalendar
import pytest
import seven_outputs
from tweeting import finished, person

from errors import ConflictError, NotFoundError, UploadError
from pipeline.tweet_steps import Order
from storage.tweets import Filters

HOSTILE = '<img src=x onerror=alert(1)> "\r\n../../etc/passwd'
PLAN = {"topic_type": "bread", "tweet_format": "standard", "recommended_time": "08:15", "theme": "rye", "mine": {"kept": [1]}}
FILE = json.dumps({"persona_name": "Mara", "calendar": {"2026-12-01": PLAN, "2026-12-02": PLAN}}).encode()


async def test_one_that_is_written_by_itself_is_listed_and_tweets_that_are_written_from_it_count(open_studio, writer_url):
    async with open_studio(writer_url) as studio:
        persona_id = await person(studio)
        assert await studio.calendars.writing(persona_id) is None
        job_id = await studio.calendars.start(Order(persona_id, 3, None, "2026-12-30"))
        await finished(studio, job_id)
        writing = await studio.calendars.writing(persona_id)
        assert (writing.job_id, writing.status, writing.reason) == (job_id, "done", "")
        (made,) = await studio.calendars.of_persona(persona_id)
        assert (made["source"], made["first_day"], made["last_day"], made["days"], made["tweets"]) == (
            "writer",
            "2026-12-30",
            "2027-01-01",
            3,
            0,
        )
        await finished(studio, await studio.tweets.start([Order(persona_id, 4, made["id"])]))
        assert [one["tweets"] for one in await studio.calendars.of_persona(persona_id)] == [4], "and none was written for them"
        assert {tweet["calendar_id"] for tweet in await studio.tweets.page(Filters())} == {made["id"]}


async def test_tweets_know_the_calendar_that_their_job_wrote_also_after_a_resume(open_studio, offline_server):
    server = offline_server("--faults", "refusal=0.5", "--seed", "5")
    async with open_studio(server.url) as studio:
        persona_id = await person(studio)
        job_id = await studio.tweets.start([Order(persona_id, 6)])
        await finished(studio, job_id)
        server.behave(faults={})
        while await studio.resume(job_id):
            await finished(studio, job_id)
        (made,) = await studio.calendars.of_persona(persona_id)
        found = await studio.tweets.page(Filters())
        assert [tweet["calendar_id"] for tweet in found] == [made["id"]] * 6
        assert made["tweets"] == 6
        assert await studio.calendars.writing(persona_id) is None, "it was not ordered by itself"


async def test_one_that_failed_says_why_and_can_be_written_again_or_given_up(open_studio, offline_server):
    server = offline_server("--faults", "refusal=1")
    async with open_studio(server.url) as studio:
        persona_id = await person(studio)
        job_id = await studio.calendars.start(Order(persona_id, 2))
        await finished(studio, job_id)
        writing = await studio.calendars.writing(persona_id)
        assert writing.status == "failed"
        assert writing.reason.startswith("The model refused")
        server.behave(faults={})
        assert await studio.resume(job_id)
        await finished(studio, job_id)
        assert (await studio.calendars.writing(persona_id)).status == "done"
        server.behave(faults={"refusal": 1})
        job_id = await studio.calendars.start(Order(persona_id, 2))
        await finished(studio, job_id)
        assert await studio.cancel(job_id, failed=True)
        assert (await studio.calendars.writing(persona_id)).status != "failed"


@pytest.mark.parametrize(("days", "start"), [(0, ""), (367, "")])
async def test_an_absurd_order_is_refused(open_studio, writer_url, days, start):
    async with open_studio(writer_url) as studio:
        with pytest.raises(ConflictError, match="1 to 366 days"):
            await studio.calendars.start(Order(await person(studio), days, None, start))
        with pytest.raises(NotFoundError):
            await studio.calendars.start(Order("nobody", 3))


@pytest.mark.parametrize("start", ["9999-12-30", "0001-01-01"])
async def test_an_absurd_year_is_a_sentence(open_studio, writer_url, start):
    async with open_studio(writer_url) as studio:
        persona_id = await person(studio)
        with pytest.raises(ConflictError, match="in the years 1900 to 2199"):
            await studio.calendars.start(Order(persona_id, 3, None, start))
        assert await studio.calendars.writing(persona_id) is None


async def test_a_file_is_kept_and_comes_out_in_three_kinds(open_studio, writer_url):
    async with open_studio(writer_url, disclosure="Nobody real.") as studio:
        persona_id = await person(studio, "Åsa / Öberg")
        calendar_id, deviations = await studio.calendars.add(persona_id, FILE, "december.json")
        assert any("mood" in deviation for deviation in deviations)
        assert (await studio.calendars.get(calendar_id))["title"] == "december.json"

        name, media_type, content = await studio.calendars.file(calendar_id, "json")
        made = json.loads(content)
        assert (name, media_type) == ("Åsa_Öberg_calendar_2026-12-01.json", "application/json")
        assert (made["ai_generated"], made["disclosure"], list(made)[-1]) == (True, "Nobody real.", "calendar")
        assert made["calendar"]["2026-12-02"]["mine"] == {"kept": [1]}
        again, said = await studio.calendars.add(persona_id, content, name)
        assert said == [], "what was written here is read without a word"
        assert json.loads((await studio.calendars.file(again, "json"))[2]) == made

        name, media_type, content = await studio.calendars.file(calendar_id, "csv")
        assert (name[-4:], media_type) == (".csv", "text/csv; charset=utf-8")
        assert [row["date"] for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))] == ["2026-12-01", "2026-12-02"]

        name, media_type, content = await studio.calendars.file(calendar_id, "ics")
        assert (name[-4:], media_type) == (".ics", "text/calendar; charset=utf-8")
        first, second = icalendar.Calendar.from_ical(content).walk("VEVENT")
        assert str(first.decoded("dtstart").tzinfo) == seven_outputs.core()["core_info"]["location"]["timezone"]
        assert first["uid"] != second["uid"]


async def test_where_a_persona_lives_nowhere_known_the_times_float(open_studio, writer_url):
    async with open_studio(writer_url) as studio:
        calendar_id, _ = await studio.calendars.add(await person(studio, stages=False), FILE, "x.json")
        assert b"DTSTART:20261201T081500\r\n" in (await studio.calendars.file(calendar_id, "ics"))[2]


async def test_names_of_files_and_kinds_are_safe(open_studio, writer_url):
    async with open_studio(writer_url) as studio:
        calendar_id, _ = await studio.calendars.add(await person(studio, HOSTILE), FILE, HOSTILE)
        name, _, _ = await studio.calendars.file(calendar_id, "csv")
        assert not set(name) & set('<>"/\\\r\n ')
        for kind in ("exe", "", "JSON", "../json"):
            with pytest.raises(NotFoundError, match="exported as json, csv, ics"):
                await studio.calendars.file(calendar_id, kind)
        with pytest.raises(NotFoundError):
            await studio.calendars.file("../" + calendar_id, "json")
        with pytest.raises(UploadError):
            await studio.calendars.add(await person(studio), b"[1, 2", "broken.json")
        with pytest.raises(NotFoundError):
            await studio.calendars.add("nobody", FILE, "x.json")


async def test_a_calendar_of_another_persona_is_refused(open_studio, writer_url):
    async with open_studio(writer_url) as studio:
        mara, bert = await person(studio), await person(studio, "Bert")
        calendar_id, _ = await studio.calendars.add(bert, FILE, "x.json")
        with pytest.raises(ConflictError, match="another persona"):
            await studio.tweets.start([Order(mara, 1, calendar_id)])


async def test_deleting_one_leaves_its_tweets_and_waits_for_those_that_are_being_written(open_studio, offline_server):
    server = offline_server("--latency", "0.3")
    async with open_studio(server.url, max_concurrent=1) as studio:
        persona_id = await person(studio)
        given, _ = await studio.calendars.add(persona_id, FILE, "x.json")
        unused, _ = await studio.calendars.add(persona_id, FILE, "y.json")
        job_id = await studio.tweets.start([Order(persona_id, 3, given)])
        await asyncio.sleep(0.1)
        with pytest.raises(ConflictError, match="being written from this calendar"):
            await studio.calendars.delete(given)
        await studio.calendars.delete(unused)
        await finished(studio, job_id)
        await studio.calendars.delete(given)
        assert await studio.calendars.of_persona(persona_id) == []
        assert [tweet["calendar_id"] for tweet in await studio.tweets.page(Filters())] == [None] * 3
        with pytest.raises(NotFoundError):
            await studio.calendars.delete(given)


async def test_what_is_left_of_a_job_whose_calendar_was_deleted_is_written_from_another(open_studio, offline_server):
    server = offline_server("--control")
    async with open_studio(server.url, retry_budget=0) as studio:
        persona_id = await person(studio)
        job_id = await studio.tweets.start([Order(persona_id, 3)])
        async for event in studio.watch(job_id):
            if event.kind == "step" and event.status == "done" and event.stage == "calendar":
                server.behave(faults={"refusal": 1})
        batch = await studio.tweets.batch(job_id)
        assert batch["status"] == "failed"
        (calendar,) = await studio.calendars.of_persona(persona_id)
        await studio.calendars.delete(calendar["id"])
        server.behave(faults={})
        await studio.resume(job_id)
        assert (await finished(studio, job_id))["status"] == "done"
        (made,) = await studio.calendars.of_persona(persona_id)
        assert made["id"] != calendar["id"]
        assert made["tweets"] == batch["failed"], "those that were written before are from none"
