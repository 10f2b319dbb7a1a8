"""Tweets by the hundred: a real Studio, a real database, a real server."""

from __future__ import annotations

import asyncio
import csv
from datetime import UTC, datetime, timedelta

import pytest
from scripted import failed
from tweeting import ONE_DAY, finished, people

from errors import ConflictError, NotFoundError
from pipeline.tweet_steps import Order
from storage.clock import new_id
from storage.tweets import Filters


async def test_a_batch_writes_calendars_then_tweets_and_never_more_calls_at_once_than_slots(open_studio, offline_server):
    server = offline_server("--latency", "0.05")
    async with open_studio(server.url, max_concurrent=5) as studio:
        ids = await people(studio, 4)
        batch = await finished(studio, await studio.tweets.start([Order(persona_id, 6) for persona_id in ids]))
        assert (batch["status"], batch["done"], batch["failed"], batch["total"]) == ("done", 28, 0, 28)
        assert await studio.tweets.count(Filters()) == 24
        assert server.stats()["peak"] <= 5
        found = await studio.tweets.page(Filters(persona_ids=(ids[0],)))
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
        assert {tweet["slot"] for tweet in found} == {1, 2, 3, 4, 5, 6}
        assert len({tweet["date"] for tweet in found}) == 6
        assert min(tweet["date"] for tweet in found) >= (tomorrow - timedelta(days=1)).isoformat()
        assert all(tweet["text"] and tweet["image"]["positive_prompt"] and tweet["plan"]["theme"] for tweet in found)
        assert batch["cached_tokens"] > 0, "the persona's prefix is found again in the server's cache"


async def test_more_tweets_than_days_begin_again_with_the_first_day(open_studio, offline_server):
    async with open_studio(offline_server().url) as studio:
        (persona_id,) = await people(studio, 1)
        from storage import calendars  # noqa: PLC0415

        plan = {"topic_type": "bread", "tweet_format": "standard", "theme": "rye"}
        body = {"calendar": {"2026-12-01": plan, "2026-12-02": plan}}
        calendar_id = await studio._store.write(
            calendars.save, new_id(), calendars.NewCalendar(persona_id, "two days", "upload", body), datetime.now(UTC)
        )
        batch = await finished(studio, await studio.tweets.start([Order(persona_id, 5, calendar_id)]))
        assert batch["total"] == 5, "a calendar that is given is not written"
        days = sorted(tweet["date"] for tweet in await studio.tweets.page(Filters()))
        assert days == ["2026-12-01"] * 3 + ["2026-12-02"] * 2


async def test_a_failed_tweet_is_recorded_with_its_reason_and_the_rest_goes_on(open_studio, offline_server):
    server = offline_server("--faults", "refusal=0.3", "--seed", "5")
    async with open_studio(server.url) as studio:
        ids = await people(studio, 2)
        job_id = await studio.tweets.start([Order(persona_id, 10) for persona_id in ids])
        batch = await finished(studio, job_id)
        assert batch["failed"]
        assert batch["failures"][0]["reason"].startswith("The model refused")
        server.behave(faults={})
        while batch["status"] != "done":
            assert await studio.resume(job_id)
            batch = await finished(studio, job_id)
        assert await studio.tweets.count(Filters(job_id=job_id)) == 20


async def test_a_person_who_waits_goes_before_a_batch(open_studio, offline_server):
    async with open_studio(offline_server("--latency", "0.2").url, max_concurrent=2) as studio:
        batch_of, waiting = await people(studio, 2)
        batch = await studio.tweets.start([Order(batch_of, 40)], priority=10)
        await asyncio.sleep(0.5)
        alone = await studio.tweets.start([Order(waiting, 1)], priority=0)
        await asyncio.wait_for(finished(studio, alone), 5)
        assert (await studio.tweets.batch(batch))["done"] < 40, "it waited for a call at most, not for the batch"
        await studio.cancel(batch)


async def test_every_persona_has_the_most_frequent_reasons_of_its_failures(open_studio, start_server):
    bad = [failed(400, f"never {number}") for number in range(4)]
    server = await start_server(*[bad[0]] * 2, *bad)
    async with open_studio(server.url, max_concurrent=1) as studio:
        ids = await people(studio, 2)
        calendars = [(await studio.calendars.add(persona_id, ONE_DAY, "days.json"))[0] for persona_id in ids]
        orders = [Order(persona_id, 6, calendar_id) for persona_id, calendar_id in zip(ids, calendars, strict=True)]
        batch = await finished(studio, await studio.tweets.start(orders))
        told = {persona_id: [reason for reason in batch["failures"] if reason["persona"] == persona_id] for persona_id in ids}
        assert [(reason["times"], reason["name"]) for reason in told[ids[0]]] == [(3, "Mara 0"), (1, "Mara 0"), (1, "Mara 0")]
        assert [reason["times"] for reason in told[ids[1]]] == [6]
        assert all("never" in reason["reason"] for reason in batch["failures"])


async def test_the_newest_job_of_a_persona_is_one_that_writes_tweets_and_they_come_by_slot(open_studio, offline_server):
    async with open_studio(offline_server().url) as studio:
        (persona_id,) = await people(studio, 1)
        assert await studio.tweets.newest_job(persona_id) is None
        job_id = await studio.tweets.start([Order(persona_id, 7)])
        await finished(studio, job_id)
        await finished(studio, await studio.calendars.start(Order(persona_id, 2)))
        assert await studio.tweets.newest_job(persona_id) == job_id
        assert [tweet["slot"] for tweet in await studio.tweets.of_job(job_id, persona_id, 5)] == [1, 2, 3, 4, 5]


async def test_pause_and_resume_end_with_exactly_the_tweets_that_were_ordered(open_studio, offline_server):
    async with open_studio(offline_server("--latency", "0.1").url, max_concurrent=4) as studio:
        (persona_id,) = await people(studio, 1)
        job_id = await studio.tweets.start([Order(persona_id, 60)])
        await asyncio.sleep(0.6)
        assert await studio.jobs.pause(job_id)
        await asyncio.sleep(0.4)
        stood = await studio.tweets.count(Filters())
        await asyncio.sleep(0.4)
        assert await studio.tweets.count(Filters()) == stood < 60
        assert await studio.resume(job_id)
        await finished(studio, job_id)
        slots = [tweet["slot"] for tweet in await studio.tweets.page(Filters(), limit=100)]
        assert sorted(slots) == list(range(1, 61))


async def test_an_edit_is_checked_anew_and_can_be_undone(open_studio, offline_server):
    async with open_studio(offline_server().url) as studio:
        (persona_id,) = await people(studio, 1)
        await finished(studio, await studio.tweets.start([Order(persona_id, 2)]))
        tweet = (await studio.tweets.page(Filters()))[0]
        edited = await studio.tweets.edit(tweet["id"], "x" * 300, tweet["revision"])
        assert (edited["length"], [badge["kind"] for badge in edited["badges"]]) == (300, ["too_long"])
        with pytest.raises(ConflictError):
            await studio.tweets.edit(tweet["id"], "late", tweet["revision"])
        back = await studio.tweets.restore(tweet["id"], tweet["version"], edited["revision"])
        assert back["text"] == tweet["text"]
        assert len(await studio.tweets.versions(tweet["id"])) == 3


async def test_approving_and_undoing(open_studio, offline_server):
    async with open_studio(offline_server().url) as studio:
        (persona_id,) = await people(studio, 1)
        await finished(studio, await studio.tweets.start([Order(persona_id, 3)]))
        ids = [tweet["id"] for tweet in await studio.tweets.page(Filters())]
        before = await studio.tweets.set_status(ids, "approved")
        assert await studio.tweets.count(Filters(statuses=("approved",))) == 3
        assert len(await studio.tweets.undo(before)) == 3
        assert await studio.tweets.count(Filters(statuses=("draft",))) == 3


async def test_a_tweet_is_written_anew_with_what_the_author_asks_for(open_studio, offline_server):
    async with open_studio(offline_server().url) as studio:
        (persona_id,) = await people(studio, 1)
        await finished(studio, await studio.tweets.start([Order(persona_id, 1)]))
        tweet = (await studio.tweets.page(Filters()))[0]
        async for _ in studio.watch(await studio.tweets.rewrite([tweet["id"]], "mention the cat")):
            pass
        versions = await studio.tweets.versions(tweet["id"])
        assert [version["instruction"] for version in versions] == ["mention the cat", None]
        assert (await studio.tweets.tweet(tweet["id"]))["text"] == versions[0]["text"]


async def test_many_tweets_are_written_anew_by_one_job(open_studio, offline_server):
    async with open_studio(offline_server().url) as studio:
        ids = await people(studio, 2)
        await finished(studio, await studio.tweets.start([Order(persona_id, 2) for persona_id in ids]))
        found = await studio.tweets.page(Filters())
        job_id = await studio.tweets.rewrite([tweet["id"] for tweet in found[:3]], "mention the cat")
        async for _ in studio.watch(job_id):
            pass
        states = await studio.tweets.rewrites([tweet["id"] for tweet in found])
        assert {tweet_id: state["open"] for tweet_id, state in states.items()} == {tweet["id"]: False for tweet in found[:3]}
        assert [(await studio.tweets.tweet(tweet["id"]))["version"] for tweet in found] == [2, 2, 2, 1]
        async for _ in studio.watch(await studio.tweets.rewrite([found[3]["id"], "nothing"])):
            pass
        assert (await studio.tweets.tweet(found[3]["id"]))["version"] == 2, "one that is gone keeps no other from it"


async def test_tweets_whose_calendar_failed_cannot_be_written_until_it_is(open_studio, offline_server):
    server = offline_server("--faults", "refusal=1")
    async with open_studio(server.url) as studio:
        (persona_id,) = await people(studio, 1)
        job_id = await studio.tweets.start([Order(persona_id, 5)])
        batch = await finished(studio, job_id)
        assert batch["tweets"] == {"total": 5, "done": 0, "failed": 0, "running": 0, "blocked": 5}
        server.behave(faults={})
        await studio.resume(job_id)
        assert (await finished(studio, job_id))["tweets"]["blocked"] == 0


async def test_the_forecast_counts_calls_and_learns_from_what_was_measured(open_studio, offline_server):
    async with open_studio(offline_server("--latency", "0.1").url, max_concurrent=10, price_input=1, price_output=2) as studio:
        ids = await people(studio, 2)
        orders = [Order(persona_id, 20) for persona_id in ids]
        first = await studio.tweets.forecast(orders)
        assert first.calls == 2 * 2 + 40
        assert first.cost == pytest.approx((first.prompt_tokens + 2 * first.completion_tokens) / 1e6)
        batch = await finished(studio, await studio.tweets.start(orders))
        learned = await studio.tweets.forecast(orders)
        assert learned.seconds < first.seconds
        assert learned.prompt_tokens == pytest.approx(batch["tokens"], rel=0.5)


@pytest.mark.parametrize("orders", [[], [("mara", 0)], [("mara", 30_000)], [("mara", 1), ("mara", 1)]])
async def test_an_absurd_order_is_refused(open_studio, offline_server, orders):
    async with open_studio(offline_server().url) as studio:
        with pytest.raises(ConflictError):
            await studio.tweets.start([Order(*order) for order in orders])


async def test_an_unknown_persona_is_a_sentence(open_studio, offline_server):
    async with open_studio(offline_server().url) as studio:
        with pytest.raises(NotFoundError):
            await studio.tweets.start([Order("nobody", 1)])


async def test_exports_neutralise_formulas_and_have_every_tweet(open_studio, offline_server):
    async with open_studio(offline_server().url) as studio:
        (persona_id,) = await people(studio, 1)
        await finished(studio, await studio.tweets.start([Order(persona_id, 3)]))
        tweet = (await studio.tweets.page(Filters()))[0]
        await studio.tweets.edit(tweet["id"], "=HYPERLINK(1)", tweet["revision"])
        await studio.tweets.set_status([tweet["id"]], "approved")

        async def exported(kind):
            return b"".join((await studio.tweets.file(kind, Filters()))[2])

        content = await exported("csv")
        assert "=HYPERLINK(1)" in content.decode("utf-8-sig")
        assert not any(cell.startswith("=") for row in csv.reader(content.decode("utf-8-sig").splitlines()) for cell in row)
        assert len((await exported("jsonl")).splitlines()) == 3
        header, *rows = csv.reader((await exported("buffer")).decode("utf-8-sig").splitlines())
        assert header == ["Text", "Image URL", "Tags", "Posting Time"]
        assert len(rows) == 1, "approved ones alone"
