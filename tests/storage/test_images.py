"""Pictures that were drawn: one row a step, one chosen one a tweet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlite_utils.utils import sqlite3

from errors import NotFoundError
from storage import images, personas, tweets
from storage import jobs as journal
from storage.clock import new_id
from storage.database import rows
from storage.images import NewImage
from storage.jobs import NewStep
from storage.tweets import NewTweet

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
async def tweet(store):
    """A tweet of Anna, and a job ``job`` with steps ``a`` to ``f``."""
    values = {"language": "English", "picture": None, "options": {}, "job_id": None, "now": NOW}
    await store.write(personas.create, "anna", name="Anna", **values)
    steps = [NewStep(item, "image") for item in "abcdef"]
    await store.write(lambda tx: journal.create(tx, "job", "images", "", steps, params={}, priority=0, now=NOW))
    return await store.write(tweets.save, NewTweet("anna", "Rye.", 4), NOW)


def picture(item, tweet_id=None, **changes):
    given = {
        "file": f"{item}.png",
        "thumbnail": f"{item}.webp",
        "width": 64,
        "height": 64,
        "seed": 1,
        "engine": "preview",
        "seconds": 0.1,
        "worker": 0,
    }
    return NewImage(
        "job", item, asked={"prompt": "夜 ${7*7}"}, tweet_id=tweet_id, persona_id="anna" if tweet_id else None, **{**given, **changes}
    )


async def save(store, new, *, choose=False):
    return await store.write(lambda tx: images.save(tx, new, NOW, choose=choose))


async def test_the_first_picture_is_its_tweets_and_a_later_one_where_it_is_to_be(store, tweet):
    first = await save(store, picture("a", tweet))
    second = await save(store, picture("b", tweet, variant=2))
    assert store.read(images.chosen, [tweet, "nobody"])[tweet]["id"] == first
    third = await save(store, picture("c", tweet, variant=3), choose=True)
    assert store.read(images.chosen, [tweet])[tweet]["id"] == third
    await store.write(images.choose, second)
    assert store.read(images.chosen, [tweet])[tweet]["id"] == second
    assert [image["id"] for image in store.read(images.of_tweet, tweet)] == sorted([first, second, third], reverse=True)
    assert store.read(images.variants, [tweet]) == {tweet: 3}


async def test_what_a_step_has_drawn_before_stays_as_it_is(store, tweet):
    first = await save(store, picture("a", tweet, seed=1))
    assert await save(store, picture("a", tweet, seed=2), choose=True) == first
    assert [image["seed"] for image in store.read(images.of_tweet, tweet)] == [1]
    assert store.read(images.of_job, "job")["a"]["seed"] == 1


async def test_a_picture_is_read_with_whose_it_is(store, tweet):
    made = store.read(images.get, await save(store, picture("a", tweet)))
    assert (made["persona_name"], made["tweet_text"], made["asked"]) == ("Anna", "Rye.", {"prompt": "夜 ${7*7}"})
    alone = store.read(images.get, await save(store, picture("b")))
    assert (alone["persona_name"], alone["tweet_text"], alone["tweet_id"]) == (None, None, None)
    with pytest.raises(NotFoundError, match="There is no picture nothing"):
        store.read(images.get, "nothing")
    with pytest.raises(NotFoundError, match="belongs to no tweet"):
        await store.write(images.choose, alone["id"])


async def test_pages_go_down_by_key(store, tweet):
    made = [await save(store, picture(item, tweet, id=new_id())) for item in "abcdef"]
    seen, before = [], "~"
    while page := store.read(images.page, before=before, limit=4):
        seen += [image["id"] for image in page]
        before = page[-1]["id"]
    assert seen == sorted(made, reverse=True)
    assert len(store.read(images.page, job_id="job")) == 6
    assert store.read(images.page, job_id="another") == []


async def test_a_deleted_persona_takes_its_pictures_with_it_and_a_tweet_has_one_chosen_picture(store, tweet):
    first = await save(store, picture("a", tweet))
    second = await save(store, picture("b", tweet))
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(lambda tx: tx.execute("UPDATE images SET chosen = 1 WHERE id = ?", [second]))
    assert store.read(images.chosen, [tweet])[tweet]["id"] == first
    await store.write(lambda tx: tx.execute("DELETE FROM personas"))
    assert store.read(lambda db: rows(db, "SELECT id FROM images")) == []
