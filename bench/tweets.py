"""A thousand tweets of a hundred personas under one gate: how far from calls x latency / slots are we?

``python -m bench.tweets`` writes them end to end (calendars given, every tweet checked, saved and seen by a watcher) against an offline
writer in a process of its own, at 20 and at 200 slots, and beside that sends the same prompts through the plain openai client with
``asyncio.gather`` behind a semaphore, which checks and saves nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import openai

from bench.persona import SAMPLES, Measured, writer
from config import Settings
from pipeline import tweets
from pipeline.llm.schema import wire_schema
from pipeline.stages import Wishes
from pipeline.studio import Studio, Upload
from pipeline.tweet_steps import Order

PERSONAS, EACH = 100, 10


@dataclass(frozen=True)
class Prepared:
    """The personas with a calendar each, and the same thousand questions as plain messages."""

    orders: list[Order]
    questions: list[list[dict[str, object]]]


async def prepare(studio: Studio) -> Prepared:
    """A hundred personas and their calendars, written without latency."""
    uploads = [Upload(SAMPLES[number % len(SAMPLES)], f"sample {number}.jpg") for number in range(PERSONAS)]
    pictures = [(upload, await studio.add_picture(upload)) for upload in uploads]
    job_id, ids = await studio.create_personas(pictures, Wishes(seed=1), priority=10)
    async for _ in studio.watch(job_id):
        pass
    orders, questions = [], []
    first = date(2026, 12, 1)
    for persona_id in ids:
        plans = {
            (first + timedelta(days=day)).isoformat(): {
                "topic_type": "daily_life",
                "tweet_format": "standard",
                "theme": f"what happened on day {day + 1}",
                "recommended_time": "09:30",
            }
            for day in range(EACH)
        }
        calendar_id, _ = await studio.tweets.add_calendar(persona_id, json.dumps({"calendar": plans}).encode(), "bench.json")
        orders.append(Order(persona_id, EACH, calendar_id))
        questions += [await studio.tweets.question(persona_id, tweets.Brief({"date": day, **plan})) for day, plan in plans.items()]
    return Prepared(orders, questions)


async def ours(studio: Studio, prepared: Prepared) -> Measured:
    """From the order to the last tweet in the database, a watcher attached."""
    began, cpu = time.perf_counter(), time.process_time()
    job_id = await studio.tweets.start(prepared.orders)
    async for _ in studio.watch(job_id):
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    batch = await studio.tweets.batch(job_id)
    if batch["done"] != PERSONAS * EACH:
        raise RuntimeError(f"{batch['done']} tweets are done")
    return Measured(seconds, cpu, batch["calls"])


async def plain(url: str, prepared: Prepared, slots: int) -> Measured:
    """The openai client, gather and a semaphore: the answers are parsed, and thrown away."""
    schema = {"name": "TweetAnswer", "strict": True, "schema": wire_schema(tweets.TweetAnswer)}
    semaphore = asyncio.Semaphore(slots)
    async with openai.AsyncOpenAI(base_url=url, api_key="bench", timeout=60) as client:

        async def one(messages: list[dict[str, object]]) -> None:
            async with semaphore:
                answer = await client.chat.completions.create(
                    model="offline-demo",
                    messages=messages,  # type: ignore[arg-type]
                    response_format={"type": "json_schema", "json_schema": schema},  # type: ignore[arg-type]
                )
            tweets.TweetAnswer.model_validate_json(answer.choices[0].message.content or "")

        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(one(messages) for messages in prepared.questions))
        return Measured(time.perf_counter() - began, time.process_time() - cpu, len(prepared.questions))


async def run(runs: int, latency: float, slots: int) -> None:
    """Both ways in turn, so that what else the machine does falls on both."""
    with writer(latency) as url, writer(0) as fast, tempfile.TemporaryDirectory() as folder:
        settings = {"_env_file": None, "data_dir": Path(folder), "max_concurrent": slots, "openai_api_key": "bench"}
        making = Studio(Settings(openai_base_url=fast, **settings))
        await making.start()
        prepared = await prepare(making)
        await making.stop(0)
        studio = Studio(Settings(openai_base_url=url, **settings))
        await studio.start()
        try:
            taken: dict[str, list[Measured]] = {"Persona Studio, saved": [], "openai + gather": []}
            for _ in range(runs):
                taken["Persona Studio, saved"].append(await ours(studio, prepared))
                taken["openai + gather"].append(await plain(url, prepared, slots))
        finally:
            await studio.stop(0)
    for title, measured in taken.items():
        show(title, slots, PERSONAS * EACH * latency / slots, measured)


def show(title: str, slots: int, ideal: float, measured: list[Measured]) -> None:
    took = [one.seconds for one in measured]
    median = statistics.median(took)
    cpu = statistics.median(one.cpu / one.calls for one in measured)
    figures = f"{ideal:>8.2f} s{median:>8.2f} s{min(took):>8.2f} s{max(took):>8.2f} s{median / ideal:>8.3f}{cpu * 1000:>9.1f} ms"
    print(f"{title:26}{slots:>6}{figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds of a call (default: %(default)s)")
    parser.add_argument("--slots", type=int, nargs="+", default=[20, 200], help="LLM calls at once (default: 20 200)")
    given = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {PERSONAS} personas x {EACH} tweets, {given.latency:g} s a call, {given.runs} runs each\n")
    print(f"{'':26}{'slots':>6}{'ideal':>10}{'median':>10}{'min':>10}{'max':>10}{'ratio':>8}{'CPU a call':>12}")
    for slots in given.slots:
        asyncio.run(run(given.runs, given.latency, slots))


if __name__ == "__main__":
    main()
