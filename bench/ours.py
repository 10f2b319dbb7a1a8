"""Persona Studio as a contestant of ``bench.tweets``: ``python -m bench.ours URL SLOTS FOLDER QUESTIONS``, or ``... URL SLOTS FOLDER``.

It writes a hundred personas with the writer at URL, keeps everything in FOLDER and puts the thousand questions that are asked for their
tweets into the file QUESTIONS, for the peers. Then it runs heats, as :mod:`bench.peers.heats` has them: from the order to the last tweet
in the database, a watcher attached. Without QUESTIONS it goes on with the batch that a killed process has left in FOLDER.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.peers import heats
from bench.peers.heats import Account
from config import Settings
from pipeline import tweets
from pipeline.formats.calendars import read_calendar
from pipeline.llm.schema import wire_schema
from pipeline.stages import Wishes
from pipeline.studio import Studio, Upload
from pipeline.tweet_steps import Order
from storage.tweets import Filters

PERSONAS, EACH = 100, 10
MODEL = "offline-demo"
SAMPLES = sorted((Path(__file__).resolve().parent.parent / "assets" / "samples").glob("*.jpg"))
FIRST_DAY = date(2026, 12, 1)
PLANS = {
    (FIRST_DAY + timedelta(days=day)).isoformat(): {
        "topic_type": "daily_life",
        "tweet_format": "standard",
        "theme": f"what happened on day {day + 1}",
        "recommended_time": "09:30",
    }
    for day in range(EACH)
}
CALENDAR = json.dumps({"calendar": PLANS}).encode()


@dataclass
class Batch:
    """The same hundred personas, begun with anew for every heat so that none has tweeted before; *cards* are their files."""

    studio: Studio
    cards: list[bytes]
    orders: list[Order]

    async def renew(self) -> None:
        """Take the personas in again, with a calendar each."""
        self.orders = []
        for number, card in enumerate(self.cards):
            persona_id = (await self.studio.people.import_file(card, f"persona {number}.json")).persona_id
            calendar_id, _ = await self.studio.calendars.add(persona_id, CALENDAR, "bench.json")
            self.orders.append(Order(persona_id, EACH, calendar_id))

    async def write(self) -> Account:
        """Write all of the tweets."""
        return await followed(self.studio, await self.studio.tweets.start(self.orders))

    async def questions(self) -> dict[str, Any]:
        """What the writer is asked for the tweets, beside what has been tweeted meanwhile."""
        days = sorted(read_calendar(CALENDAR, "bench.json")[0]["calendar"].items())
        asked = [
            await self.studio.tweets.question(order.persona_id, tweets.Brief({"date": day, **plan}))
            for order in self.orders
            for day, plan in days
        ]
        return {"model": MODEL, "name": tweets.TweetAnswer.__name__, "schema": wire_schema(tweets.TweetAnswer), "questions": asked}


async def followed(studio: Studio, job_id: str) -> Account:
    """Watch the job until it ends, then count the tweets that the database holds."""
    async for _ in studio.watch(job_id):
        pass
    saved = await studio.tweets.count(Filters(job_id=job_id))
    empty = await studio.tweets.count(Filters(job_id=job_id, badges=("empty",)))
    failed: Counter[str] = Counter()
    for failure in (await studio.tweets.batch(job_id))["failures"]:
        failed[failure["kind"]] += failure["times"]
    return Account(saved - empty, failed)


async def cards(studio: Studio) -> list[bytes]:
    """The files of a hundred personas, which are written for this."""
    made = []
    for seed in range(PERSONAS):
        upload = Upload(SAMPLES[seed % len(SAMPLES)], f"sample {seed}.jpg")
        made.append(await studio.create_personas([(upload, await studio.add_picture(upload))], Wishes(seed=seed), priority=10))
    for job_id, _ in made:
        async for _ in studio.watch(job_id):
            pass
    return [(await studio.people.export(ids[0], "json"))[1] for _, ids in made]


async def compete(studio: Studio, slots: int, questions: Path) -> None:
    """Warm up with one question a slot, as all contestants do, and run heats."""
    batch = Batch(studio, await cards(studio), [])
    await batch.renew()
    await asyncio.to_thread(questions.write_text, json.dumps(await batch.questions()), "utf-8")
    await followed(studio, await studio.tweets.start(batch.orders[: -(-slots // EACH)]))
    await heats.serve("", batch.write, batch.renew)


async def main(url: str, slots: str, folder: str, questions: str = "") -> None:
    settings = {"openai_base_url": url, "openai_model": MODEL, "max_concurrent": int(slots), "data_dir": Path(folder)}
    studio = Studio(Settings(_env_file=None, openai_api_key="bench", **settings), serving=not questions)  # type: ignore[call-arg]
    await studio.start()
    try:
        if questions:
            await compete(studio, int(slots), Path(questions))
        else:
            (job,) = await studio.recent_jobs(1)
            print(json.dumps({"complete": (await followed(studio, job["id"])).complete}), flush=True)
    finally:
        await studio.stop(0)


if __name__ == "__main__":
    gc.freeze()  # as the entries of the product do
    asyncio.run(main(*sys.argv[1:]))
