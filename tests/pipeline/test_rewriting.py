"""Tweets that are written anew, and what the next ones are compared with: a real Studio, a real database, answers that a test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from scripted import said, until
from tweeting import ONE_DAY, answer, finished, people

from errors import ConflictError, NotFoundError
from pipeline.tweet_steps import Order
from storage import tweets as table
from storage.tweets import Filters, NewTweet

ONE = "The rye is sulking again and Brenda has opinions about the weather in the cellar."
LIKE_ONE = "The rye is sulking again and Brenda has opinions about the weather in the cellar!"
OTHER = "Four buses went by before one of them felt like stopping at the bridge."


def tweet(text, **changes):
    return said(answer(text=text, **changes))


@asynccontextmanager
async def a_persona(open_studio, start_server, *texts, **settings):
    """(studio, server, persona, its calendar of one day); the server writes *texts* in turn."""
    server = await start_server(*map(tweet, texts))
    async with open_studio(server.url, **settings) as studio:
        (persona_id,) = await people(studio, 1)
        calendar_id, _ = await studio.calendars.add(persona_id, ONE_DAY, "days.json")
        yield studio, server, persona_id, calendar_id


async def written(studio, persona_id, calendar_id):
    """The newest tweet, which is written now."""
    await finished(studio, await studio.tweets.start([Order(persona_id, 1, calendar_id)]))
    return (await studio.tweets.page(Filters()))[0]


async def rewritten(studio, tweet_id, instruction=""):
    job_id = await studio.tweets.rewrite([tweet_id], instruction)
    async for _ in studio.watch(job_id):
        pass
    return await studio.tweets.tweet(tweet_id)


async def edited_meanwhile(studio, server, found, text):
    """Somebody edits a tweet while *text* is being written in its place."""
    go_on = asyncio.Event()

    async def slowly(request):
        await go_on.wait()
        return tweet(text)(request)

    server.script = [slowly]
    job_id = await studio.tweets.rewrite([found["id"]])
    await until(lambda: server.in_flight)
    await studio.tweets.edit(found["id"], "By hand.", found["revision"])
    go_on.set()
    async for _ in studio.watch(job_id):
        pass


def kinds(tweet):
    return [badge["kind"] for badge in tweet["badges"]]


async def test_a_tweet_that_is_rewritten_a_little_is_no_duplicate_of_itself(open_studio, start_server):
    async with a_persona(open_studio, start_server, ONE, LIKE_ONE) as (studio, _, *whose):
        before = await written(studio, *whose)
        after = await rewritten(studio, before["id"], "an exclamation mark")
        assert (after["text"], kinds(after)) == (LIKE_ONE, [])
        assert after["image"]["positive_prompt"] == before["image"]["positive_prompt"], "light and mood of a tweet's picture stay the same"
        edited = await studio.tweets.edit(after["id"], ONE, after["revision"])
        assert kinds(edited) == [], "nor of a text that it had before"


async def test_what_is_written_next_is_compared_with_what_stands_now(open_studio, start_server):
    async with a_persona(open_studio, start_server, ONE, LIKE_ONE, OTHER) as (studio, _, *whose):
        first = await written(studio, *whose)
        edited = await studio.tweets.edit(first["id"], OTHER, first["revision"])
        second = await written(studio, *whose)
        assert (second["text"], kinds(second)) == (LIKE_ONE, []), "the first one says something else by now"
        third = await written(studio, *whose)
        assert third["badges"] == [{"kind": "near_duplicate", "detail": edited["id"]}]
        await studio.tweets.restore(first["id"], 1, edited["revision"])
        judged = await studio.tweets.edit(third["id"], LIKE_ONE, third["revision"])
        assert kinds(judged) == ["near_duplicate"]


async def test_what_another_process_has_written_is_known_as_well(open_studio, start_server, monkeypatch):
    monkeypatch.setattr("pipeline.tweet_steps.FRESH", 0.0)
    async with a_persona(open_studio, start_server, OTHER, ONE) as (studio, _, persona_id, calendar_id):
        await written(studio, persona_id, calendar_id)
        theirs = NewTweet(persona_id=persona_id, text=LIKE_ONE, length=80)
        await studio._store.write(table.save, theirs, datetime.now(UTC))
        mine = await written(studio, persona_id, calendar_id)
        assert mine["badges"] == [{"kind": "near_duplicate", "detail": theirs.id}]


async def test_an_edit_that_was_made_meanwhile_stays(open_studio, start_server):
    async with a_persona(open_studio, start_server, ONE) as (studio, server, *whose):
        before = await written(studio, *whose)
        await edited_meanwhile(studio, server, before, "A new text.")
        assert (await studio.tweets.tweet(before["id"]))["text"] == "By hand."
        state = (await studio.tweets.rewrites([before["id"]]))[before["id"]]
        assert (state["open"], state["error"]) == (False, "This tweet was changed while it was being rewritten. The change stays.")


async def test_several_are_rewritten_as_one_job_but_none_twice_at_once(open_studio, start_server):
    async with a_persona(open_studio, start_server, ONE, OTHER, "Third.", "Fourth.") as (studio, server, *whose):
        ids = [(await written(studio, *whose))["id"] for _ in range(2)]
        asked = len(server.asked)
        job_id = await studio.tweets.rewrite(ids, "shorter")
        with pytest.raises(ConflictError, match="being rewritten already"):
            await studio.tweets.rewrite(ids)
        async for _ in studio.watch(job_id):
            pass
        assert {(await studio.tweets.tweet(tweet_id))["text"] for tweet_id in ids} == {"Third.", "Fourth."}
        assert all("shorter" in body["messages"][1]["content"] for body in server.asked[asked:])
        with pytest.raises(NotFoundError):
            await studio.tweets.rewrite(["nobody"])


async def test_a_rewrite_is_told_what_the_first_text_was_told_of_the_day(open_studio, start_server):
    async with a_persona(open_studio, start_server, ONE, OTHER) as (studio, server, persona_id, calendar_id):
        job_id = await studio.tweets.start([Order(persona_id, 1, calendar_id)], context="hailstones")
        await finished(studio, job_id)
        await rewritten(studio, (await studio.tweets.page(Filters()))[0]["id"])
        assert all("hailstones" in body["messages"][1]["content"] for body in server.asked[-2:])
        assert ONE in server.asked[-1]["messages"][1]["content"], "as the text that is to be changed"
        assert server.asked[-1]["messages"][1]["content"].count(ONE) == 1, "and not as one that must not be repeated"


async def test_the_setting_is_the_temperature_of_whoever_has_none_of_their_own(open_studio, start_server):
    async with a_persona(open_studio, start_server, ONE, temperature=0.3) as (studio, server, *whose):
        await written(studio, *whose)
        assert server.asked[-1]["temperature"] == 0.3


async def test_tweets_are_held_to_the_limits_of_the_networks_that_were_chosen(open_studio, start_server):
    async with a_persona(open_studio, start_server, "é" * 280, networks=("bluesky",)) as (studio, _, *whose):
        first = await written(studio, *whose)
        assert kinds(first) == []
        edited = await studio.tweets.edit(first["id"], "https://example.com/" + "a" * 300, first["revision"])
        assert {badge["kind"]: badge["detail"] for badge in edited["badges"]} == {"over_limit": "Bluesky 320/300"}


async def test_a_part_of_a_thread_has_no_empty_line_so_an_edit_leaves_the_parts_alone(open_studio, start_server):
    server = await start_server(tweet("One.\n\nStill one.", parts=["Two.\n \n\nStill two.", "Three."]))
    async with open_studio(server.url) as studio:
        (persona_id,) = await people(studio, 1)
        calendar_id, _ = await studio.calendars.add(persona_id, ONE_DAY, "days.json")
        thread = await written(studio, persona_id, calendar_id)
        assert thread["parts"] == ["One.\nStill one.", "Two.\nStill two.", "Three."]
        edited = await studio.tweets.edit(thread["id"], thread["text"] + "!", thread["revision"])
        assert edited["parts"] == ["One.\nStill one.", "Two.\nStill two.", "Three.!"]


@pytest.mark.parametrize("start", ["9999-12-31", "0001-01-01", "yesterday"])
async def test_a_first_day_that_is_none_is_refused_before_anything_begins(open_studio, start_server, start):
    async with a_persona(open_studio, start_server, ONE) as (studio, _, persona_id, _):
        with pytest.raises(ConflictError, match="A calendar begins with a day such as"):
            await studio.tweets.start([Order(persona_id, 1, None, start)])
        assert await studio.recent_jobs() == []


async def test_a_text_that_was_refused_is_not_what_others_are_compared_with(open_studio, start_server):
    async with a_persona(open_studio, start_server, ONE) as (studio, server, *whose):
        first, second = await written(studio, *whose), await written(studio, *whose)
        await edited_meanwhile(studio, server, first, OTHER)
        edited = await studio.tweets.edit(second["id"], OTHER, second["revision"])
        assert kinds(edited) == []
