"""Pictures of tweets: a real Studio, real worker processes, real files."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import pytest
import seven_outputs
from PIL import Image

from errors import ConflictError, NotFoundError
from pipeline.picture_desk import MOST_VARIANTS, Prompt
from pipeline.picture_steps import Asked, seed_of
from storage import personas, tweets
from storage.clock import new_id
from storage.database import rows
from storage.tweets import NewTweet

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PICTURE = {
    "scene_hint": "a bakery",
    "positive_prompt": "a bakery at night, rain",
    "generation_params": {"width": 96, "height": 64, "steps": 3},
}


@pytest.fixture
def studio(open_studio, offline_server):
    """Opens a Studio whose pictures are small: ``async with studio() as opened``."""

    def studio(**settings):
        return open_studio(offline_server().url, **{"image_size": "64x64", "image_engine": "preview", **settings})

    return studio


async def written(studio, count=1, **changes):
    """A persona and tweets of it, approved."""
    persona_id = new_id()

    def write(tx):
        values = {"language": "English", "picture": None, "options": {}, "job_id": None, "now": NOW}
        personas.create(tx, persona_id, name="Mara", **values)
        personas.save_stage(tx, personas.StageVersion(persona_id, "visual", seven_outputs.visual(), {}), NOW)
        given = {"image": PICTURE, "date": "2026-12-01", "alt_text": "A bakery.", **changes}
        return [tweets.save(tx, NewTweet(persona_id, f"Loaf {number}.", 8, **given), NOW) for number in range(count)]

    return await studio._store.write(write)


async def drawn(studio, job_id):
    async with asyncio.timeout(60):
        async for _ in studio.watch(job_id):
            pass
    return await studio.pictures.job(job_id)


async def test_tweets_get_their_pictures_as_they_ask_for_them(studio):
    async with studio() as opened:
        ids = await written(opened, 5)
        job = await drawn(opened, await opened.pictures.start(ids))
        assert (job["status"], job["done"], job["total"]) == ("done", 5, 5)
        chosen = await opened.pictures.chosen(ids)
        assert chosen.keys() == set(ids)
        for tweet_id, image in chosen.items():
            assert (image["width"], image["height"], image["seed"]) == (96, 64, seed_of(tweet_id, 1))
            with Image.open(opened.pictures.path(image["file"])) as picture:
                assert picture.size == (96, 64)
                assert picture.info["parameters"].startswith("a bakery at night, rain\n")
                assert f"Seed: {image['seed']}" in picture.info["parameters"]
                assert "digitalsourcetype/" in picture.info["xmp"].decode()
            assert opened.pictures.path(image["thumbnail"]).suffix == ".webp"
        assert len({image["file"] for image in chosen.values()}) == 5


async def test_variations_are_others_and_the_chosen_one_is_the_authors(studio):
    async with studio() as opened:
        (tweet,) = await written(opened)
        await drawn(opened, await opened.pictures.start([tweet], variants=3))
        made = await opened.pictures.of_tweet(tweet)
        assert len({image["file"] for image in made}) == len({image["seed"] for image in made}) == 3
        assert (await opened.pictures.chosen([tweet]))[tweet]["variant"] == 1
        await opened.pictures.choose(made[0]["id"])
        assert (await opened.pictures.chosen([tweet]))[tweet]["id"] == made[0]["id"]
        await drawn(opened, await opened.pictures.start([tweet], choose=True))
        assert (await opened.pictures.chosen([tweet]))[tweet]["variant"] == 4


async def test_variations_that_are_asked_for_twice_before_they_are_drawn_are_all_others(studio):
    async with studio() as opened:
        (tweet,) = await written(opened)
        await drawn(opened, await opened.pictures.start([tweet]))
        (first,) = await opened.pictures.of_tweet(tweet)
        for job in [await opened.pictures.vary(first["id"], 3), await opened.pictures.vary(first["id"], 3)]:
            await drawn(opened, job)
        made = await opened.pictures.of_tweet(tweet)
        assert len(made) == len({image["file"] for image in made}) == len({image["seed"] for image in made}) == 7
        assert (await opened.pictures.chosen([tweet]))[tweet]["id"] == first["id"], "until the author chooses another"


async def test_the_same_seed_draws_the_same_file_again_and_another_seed_another(studio):
    async with studio() as opened:
        (tweet,) = await written(opened)
        await drawn(opened, await opened.pictures.start([tweet]))
        (first,) = await opened.pictures.of_tweet(tweet)
        await drawn(opened, await opened.pictures.again(first["id"], first["seed"]))
        await drawn(opened, await opened.pictures.again(first["id"], 77))
        await drawn(opened, await opened.pictures.again(first["id"]))
        other, given, same, _ = await opened.pictures.of_tweet(tweet)
        assert same["file"] == first["file"]
        assert given["seed"] == 77
        assert len({first["file"], given["file"], other["file"]}) == 3


async def test_a_single_picture_is_drawn_from_its_words_and_again(studio):
    async with studio() as opened:
        job = await drawn(opened, await opened.pictures.draw(Prompt("  a tram ", "people", 128, 64, 2, 9)))
        (one,) = job["pictures"]
        image = await opened.pictures.image(one["image"])
        assert (image["width"], image["height"], image["seed"], image["asked"]["negative_prompt"]) == (128, 64, 9, "people")
        assert image["asked"]["prompt"] == "a tram"
        again = await drawn(opened, await opened.pictures.again(image["id"]))
        other = await opened.pictures.image(again["pictures"][0]["image"])
        assert other["seed"] != 9
        assert (other["width"], other["height"], other["asked"]["prompt"]) == (128, 64, "a tram")


async def test_a_single_picture_has_another_seed_each_time_that_it_is_drawn_without_one(studio):
    async with studio() as opened:
        first = (await drawn(opened, await opened.pictures.draw(Prompt("a tram"))))["pictures"][0]
        second = (await drawn(opened, await opened.pictures.draw(Prompt("a tram"))))["pictures"][0]
        again = [await drawn(opened, await opened.pictures.again(first["image"])) for _ in range(2)]
        more = await drawn(opened, await opened.pictures.vary(first["image"], 4))
        assert more["done"] == 4
        made = [first, second, *(job["pictures"][0] for job in again), *more["pictures"]]
        assert len({one["file"] for one in made}) == len({one["seed"] for one in made}) == 8


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ({}, "no prompt"),
        ({"positive_prompt": ["a list"]}, "no prompt"),
        ({"positive_prompt": "x", "generation_params": {"width": 99999}}, "99999 x 64 cannot be drawn"),
        ({"positive_prompt": "x", "generation_params": {"steps": "many"}}, "steps: many is no number"),
        ({"positive_prompt": "x", "generation_params": {"width": 1e999}}, "no number"),
        ({"positive_prompt": "x", "generation_params": {"seed": -4}}, "no number|no seed"),
        ({"positive_prompt": "x" * 200_000}, "the limit is"),
    ],
)
async def test_what_cannot_be_drawn_fails_alone_with_a_sentence(studio, picture, words):
    async with studio() as opened:
        asked = {"0001": Asked(picture={"positive_prompt": "a tram"}), "0002": Asked(picture=picture), "0003": Asked(picture=PICTURE)}
        job = await drawn(opened, await opened.pictures.start_all(asked))
        states = [(one["status"], one["error"]) for one in job["pictures"]]
        assert [status for status, _ in states] == ["done", "failed", "done"]
        assert re.search(words, states[1][1]), states[1][1]


async def test_absurd_orders_are_refused(studio):
    async with studio() as opened:
        (tweet,) = await written(opened)
        (one,) = (await drawn(opened, await opened.pictures.draw(Prompt("a tram"))))["pictures"]
        for work, words in (
            (opened.pictures.start([]), "Say of which tweets"),
            (opened.pictures.start([tweet], variants=MOST_VARIANTS + 1), "1 to 8 pictures"),
            (opened.pictures.vary(one["image"], 0), "1 to 8 pictures"),
            (opened.pictures.draw(Prompt(" ")), "A prompt has 1 to"),
            (opened.pictures.draw(Prompt("x" * 5000)), "A prompt has 1 to"),
        ):
            with pytest.raises(ConflictError, match=words):
                await work
        with pytest.raises(NotFoundError, match="There is no tweet gone"):
            await opened.pictures.start([tweet, "gone"])
        for name in ("../studio.db", "x.png", "0" * 64 + ".png", ""):
            with pytest.raises(NotFoundError):
                opened.pictures.path(name)


async def test_half_of_a_job_is_cancelled_and_drawn_after_all(studio):
    async with studio(image_size="1024x1024") as opened:
        ids = await written(opened, 12, image={"positive_prompt": "a bakery"})
        job_id = await opened.pictures.start(ids)
        items = [one["item"] for one in (await opened.pictures.job(job_id))["pictures"]]
        assert await opened.pictures.cancel(job_id, items[6:]) == 6
        job = await drawn(opened, job_id)
        assert [one["status"] for one in job["pictures"]] == ["done"] * 6 + ["cancelled"] * 6
        assert await opened.pictures.open(ids) == {}
        assert await opened.pictures.retry(job_id, items[6:]) == 6
        assert (await drawn(opened, job_id))["done"] == 12
        files = {path.suffix for path in opened.images.iterdir()}
        assert files == {".png", ".webp"}, "nothing is left half written"


async def test_who_looks_sees_how_far_each_tweets_picture_is(studio):
    async with studio(image_size="1024x1024") as opened:
        good, bad = await written(opened, image={"positive_prompt": "a bakery"}), await written(opened, image={})
        seen = set()
        job_id = await opened.pictures.start([*good, *bad])
        async with asyncio.timeout(60):
            async for event in opened.watch(job_id):
                seen.add((event.kind, event.status))
                states = await opened.pictures.states([*good, *bad])
                if states[good[0]]["drawing"]:
                    assert states[good[0]]["drawing"]["status"] in ("waiting", "running")
        assert {("progress", "running"), ("step", "done"), ("step", "failed")} <= seen
        states = await opened.pictures.states([*good, *bad, "gone"])
        assert states[good[0]]["picture"]["seed"] == seed_of(good[0], 1)
        assert states[good[0]]["drawing"] is None
        assert "no prompt" in states[bad[0]]["failed"]
        assert states["gone"] == {"picture": None, "drawing": None, "failed": ""}


async def test_a_job_goes_on_after_a_stop_and_draws_each_picture_once(studio):
    async with studio(image_size="512x512") as opened:
        ids = await written(opened, 20, image={"positive_prompt": "a bakery"})
        job_id = await opened.pictures.start(ids)
        async with asyncio.timeout(60):
            async for event in opened.watch(job_id):
                if event.status == "done":
                    break
    async with studio(image_size="512x512") as again:
        job = await drawn(again, job_id)
        assert job["done"] == 20
        found = await again._store.fetch(lambda db: rows(db, "SELECT tweet_id, count(*) AS n FROM images GROUP BY tweet_id"))
        assert {(image["tweet_id"], image["n"]) for image in found} == {(tweet_id, 1) for tweet_id in ids}


async def test_a_deleted_persona_takes_its_pictures_out_of_the_queue(studio):
    async with studio(image_size="1024x1024") as opened:
        gone, kept = await written(opened, 10, image={"positive_prompt": "x"}), await written(opened, 2)
        job_id = await opened.pictures.start([*gone, *kept])
        await opened.people.delete((await opened.tweets.tweet(gone[0]))["persona_id"])
        job = await drawn(opened, job_id)
        assert {one["tweet"] for one in job["pictures"] if one["status"] == "done"} >= set(kept)
        assert job["status"] == "done"
