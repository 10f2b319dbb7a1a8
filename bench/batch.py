"""A hundred persona files, ten tweets each, through the command line: how fast, and is it all there whatever happens?

``python -m bench.batch`` runs ``main.py --batch-mode`` in a process of its own against offline writers that behave badly, and says of
each claim what was found beside what is promised. It ends with exit code 1 where one does not hold. ``--only`` picks claims.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlite_utils.utils import sqlite3  # pyright: ignore[reportPrivateImportUsage]  it chooses pysqlite3, as we must

from bench.ours import CALENDAR, EACH, PERSONAS, cards
from bench.writers import ROOT, stats, until, writer
from config import Settings
from pipeline.studio import Studio

TWEETS = PERSONAS * EACH
SLOTS = 20
KILLS = 3


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended: its exit code, its summary, and the seconds from start to end."""

    code: int
    summary: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Files:
    """The persona files and a calendar for each."""

    personas: list[Path]
    calendars: list[Path]

    def flags(self) -> list[str]:
        return ["--personas", *map(str, self.personas), "--calendars", *map(str, self.calendars), "--tweets", str(EACH)]


class Claims:
    """What was found, line by line."""

    def __init__(self) -> None:
        self.broken = 0

    def say(self, title: str, found: str, *, holds: bool) -> None:
        self.broken += not holds
        print(f"{'holds ' if holds else 'BROKEN'}  {title:58}{found}", flush=True)


def command(url: str, data: Path, *flags: str, slots: int = SLOTS) -> list[str]:
    where = ["--api-base", url, "--api-key", "bench", "--data-dir", str(data / "data")]
    return [sys.executable, str(ROOT / "main.py"), *where, "--max-concurrent", str(slots), "--json", "--quiet", *flags]


def run(words: Sequence[str]) -> Ended:
    """Run the command line to its end."""
    began = time.perf_counter()
    ended = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  our own program
    seconds = time.perf_counter() - began
    return Ended(ended.returncode, json.loads(ended.stdout or "{}"), seconds)


def batch(files: Files, url: str, folder: Path, *, slots: int = SLOTS) -> Ended:
    return run(command(url, folder, "--batch-mode", *files.flags(), "--output-dir", str(folder / "output"), slots=slots))


def stored(folder: Path) -> Counter[tuple[str, str]]:
    """How often each plan of each persona was written, in the database."""
    db = sqlite3.connect(folder / "data" / "studio.db")
    try:
        return Counter(db.execute("SELECT persona_id, date FROM tweets").fetchall())
    finally:
        db.close()


def written(folder: Path) -> int:
    """Tweets in the files that were put out, each with a text."""
    batches = [json.loads(file.read_bytes()) for file in (folder / "output").glob("*_tweets.json")]
    return sum(bool(tweet["tweet_text"]) for batch in batches for tweet in batch["tweets"])


def whole(folder: Path) -> tuple[bool, str]:
    """Whether every plan was written exactly once, in the database and the files; and the figures."""
    plans = stored(folder)
    return len(plans) == plans.total() == written(
        folder
    ) == TWEETS, f"{plans.total()} saved, {len(plans)} plans, {written(folder)} in files"


def speed(claims: Claims, files: Files, folder: Path, latency: float = 0.5) -> None:
    ideal = TWEETS * latency / SLOTS
    with writer(latency) as url:
        ended, seen = batch(files, url, folder), stats(url)
    complete, figures = whole(folder)
    took = ended.summary["seconds"]
    claims.say(f"{TWEETS} tweets at {latency:g} s, {SLOTS} slots: all there", figures, holds=complete and ended.code == 0)
    claims.say("the server never saw more calls at once than slots", f"{seen['peak']}", holds=seen["peak"] <= SLOTS)
    calls = f"{took:.2f} s of {ideal:.2f} s: {took / ideal:.3f} x; the whole process {ended.seconds:.2f} s"
    claims.say("at most 1.03 x (calls x latency / slots)", calls, holds=took <= 1.03 * ideal)


def faults(claims: Claims, files: Files, folder: Path) -> None:
    with writer(0.1, "--faults", "429=0.3,500=0.1,drop=0.05", "--retry-after", "0.2") as url:
        ended, seen = batch(files, url, folder), stats(url)
    complete, figures = whole(folder)
    title = "429 at 30 %, 500 at 10 %, drops at 5 %: all there, exit 0"
    claims.say(title, f"{figures}; {seen['requests']} calls, {ended.seconds:.1f} s", holds=complete and ended.code == 0)


def capacity(claims: Claims, files: Files, folder: Path) -> None:
    took = {}
    for slots in (10, 20):
        place = folder / str(slots)
        with writer(0.3, "--capacity", "10", "--retry-after", "1") as url:
            ended = batch(files, url, place, slots=slots)
        complete, figures = whole(place)
        took[slots] = ended.summary["seconds"]
        claims.say(f"a server that takes 10 at once, {slots} slots: all there", figures, holds=complete and ended.code == 0)
    ratio = took[20] / took[10]
    claims.say("20 slots need at most 1.15 x what 10 need", f"{took[20]:.1f} s, {took[10]:.1f} s: {ratio:.3f} x", holds=ratio <= 1.15)


def broken(claims: Claims, files: Files, folder: Path) -> None:
    bad = folder / "bad.json"
    bad.parent.mkdir(parents=True, exist_ok=True)
    bad.write_text('{"name": "cut o')
    with writer(0.02) as url:
        ended = batch(Files([*files.personas[:-1], bad], files.calendars), url, folder)
    reasons = [failure["reason"] for failure in ended.summary["failed"]]
    complete = sum(one["status"] == "complete" for one in ended.summary["batches"])
    holds = (ended.code, complete, written(folder), len(reasons)) == (1, PERSONAS - 1, TWEETS - EACH, 1)
    claims.say("one broken file of 100: 99 done, exit 1, the reason", f"{complete} done, exit {ended.code}: {reasons}", holds=holds)


def kills(claims: Claims, files: Files, folder: Path) -> None:
    """Three times at a random moment of the work; then one more ``--resume`` brings it to its end."""
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    words = ("--batch-mode", *files.flags(), "--output-dir", str(folder / "output"))
    with writer(0.2, "--log", str(folder / "calls.jsonl")) as url:
        for _ in range(KILLS):
            process = subprocess.Popen(command(url, folder, *words), stdout=subprocess.DEVNULL)  # noqa: S603  our own program
            before = stats(url)["requests"]
            until(lambda before=before: stats(url)["requests"] > before)
            time.sleep(chance.uniform(0.2, 2.5))
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            until(lambda: not stats(url)["in_flight"])
            words = ("--resume",)
        ended = run(command(url, folder, "--resume"))
        asked = stats(url)["requests"]
    complete, figures = whole(folder)
    claims.say(f"{KILLS} x kill -9, each with --resume: all there once", f"{figures} (seed {seed})", holds=complete and ended.code == 0)
    again, bound = asked - TWEETS, KILLS * SLOTS
    claims.say("asked again at most what was in flight at the kills", f"{again} of {bound}", holds=0 <= again <= bound)


CLAIMS = {"speed": speed, "faults": faults, "capacity": capacity, "broken": broken, "kills": kills}


async def prepare(folder: Path) -> Files:
    """The files of a hundred personas, written without latency, and a calendar for each."""
    with writer(0) as url:
        settings = Settings(_env_file=None, openai_base_url=url, openai_api_key="bench", data_dir=folder / "data")  # type: ignore[call-arg]
        studio = Studio(settings)
        await studio.start()
        try:
            made = await cards(studio)
        finally:
            await studio.stop(0)
    files = Files([folder / f"persona{n:03d}.json" for n in range(PERSONAS)], [folder / f"calendar{n:03d}.json" for n in range(PERSONAS)])
    for persona, card, calendar in zip(files.personas, made, files.calendars, strict=True):
        persona.write_bytes(card)
        calendar.write_bytes(CALENDAR)
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(CLAIMS), default=list(CLAIMS), help="(default: all)")
    given = parser.parse_args()
    claims = Claims()
    with tempfile.TemporaryDirectory() as folder:
        files = asyncio.run(prepare(Path(folder)))
        for name in given.only:
            place = Path(folder) / name
            place.mkdir()
            CLAIMS[name](claims, files, place)
    return int(claims.broken > 0)


if __name__ == "__main__":
    sys.exit(main())
