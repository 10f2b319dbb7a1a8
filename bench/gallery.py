"""The gallery's queries over 100,000 tweets of 200 personas in English and Chinese: how long does each take?

``python -m bench.gallery`` makes the tweets (seeded: the same ones every time) in a database of their own, then prints median and
95th percentile of each query beside SPEC 14's limit for what the browser sees, of which the query is a part.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if not __package__:
    sys.path.insert(0, str(ROOT))

from sqlite_utils.utils import sqlite3  # noqa: E402  # pyright: ignore[reportPrivateImportUsage]  the one that the store uses

from bench.plausible import tweet  # noqa: E402  found once the path is set
from storage import personas, tweets  # noqa: E402
from storage.clock import new_id  # noqa: E402
from storage.database import Store, Transaction  # noqa: E402
from storage.tweets import Filters  # noqa: E402

PERSONAS = 200
BATCH = 20
"""Tweets that a persona gets in a row: a real batch interleaves its personas."""
FIRST, NEXT, SEARCH = 300, 100, 300
"""Milliseconds, SPEC 14."""
LANGUAGES = ("English", "中文")
REVIEWER = "author"


def fill(store: Store, count: int, seed: int) -> float:
    """Save *count* tweets as batches would and review some. Returns tweets/s."""
    chance, now = random.Random(seed), datetime.now(UTC)
    ids = [new_id() for _ in range(PERSONAS)]

    def people(tx: Transaction) -> None:
        for number, persona_id in enumerate(ids):
            values = {"language": LANGUAGES[number % 2], "picture": None, "options": {}, "job_id": None, "now": now}
            personas.create(tx, persona_id, name=f"Persona {number}", **values)

    def some(tx: Transaction, numbers: range) -> list[str]:
        made = (tweet(number, ids[_persona(number)], LANGUAGES[_persona(number) % 2], chance) for number in numbers)
        return [tweets.save(tx, new, now) for new in made]

    def review(tx: Transaction, saved: list[str]) -> None:
        choices = chance.choices(("draft", "approved", "rejected"), (60, 30, 10), k=len(saved))
        tweets.set_statuses(tx, zip(saved, choices, strict=True), by=REVIEWER, now=now)

    store.submit(people).result()
    began = time.perf_counter()
    for start in range(0, count, 5000):
        saved = store.submit(some, range(start, min(start + 5000, count))).result()
        store.submit(review, saved).result()
    return count / (time.perf_counter() - began)


def _persona(number: int) -> int:
    return number // BATCH % PERSONAS


# What is measured


@dataclass(frozen=True)
class Case:
    """*work* is done once a run; what it returns is how many tweets it found or changed. *limit*: milliseconds."""

    title: str
    limit: int | None
    work: Callable[[], int]


def cases(store: Store, seed: int) -> Iterator[Case]:
    yield from _pages(store, random.Random(seed))
    yield from _searches(store)
    yield from _counts(store)
    yield from _writes(store)


def _page(store: Store, **filters: Any) -> Callable[[], int]:  # noqa: ANN401  the fields of Filters
    return lambda: len(store.read(tweets.page, Filters(**filters)))


def _pages(store: Store, chance: random.Random) -> Iterator[Case]:
    facets = store.read(tweets.facets)
    people = [persona["id"] for persona in facets["personas"]]
    last = store.read(tweets.page, Filters(), limit=1)[0]["number"]
    everything = {"persona_ids": (people[9],), "statuses": ("draft",), "topics": ("memory",), "badges": ("near_duplicate",)}
    yield Case("first page", FIRST, _page(store))
    yield Case("next page, any depth", NEXT, lambda: len(store.read(tweets.page, Filters(), before=chance.randrange(48, last))))
    yield Case("next page, the last one", NEXT, lambda: len(store.read(tweets.page, Filters(), before=49)))
    yield Case("one persona", FIRST, _page(store, persona_ids=(people[9],)))
    yield Case("50 personas", FIRST, _page(store, persona_ids=tuple(people[:50])))
    yield Case("status rejected", FIRST, _page(store, statuses=("rejected",)))
    yield Case("topic, the rarest", FIRST, _page(store, topics=(facets["topics"][-1]["topic"],)))
    yield Case("topic that nothing has", FIRST, _page(store, topics=("none",)))
    yield Case("badge, the rarest", FIRST, _page(store, badges=(facets["badges"][-1]["kind"],)))
    yield Case("all badges", FIRST, _page(store, badges=tuple(badge["kind"] for badge in facets["badges"])))
    yield Case("dates, the first days", FIRST, _page(store, first_day="2026-01-01", last_day="2026-01-04"))
    yield Case("job, an old one", FIRST, _page(store, job_id="job01"))
    yield Case("without a picture", FIRST, _page(store, with_image=False))
    yield Case("all filters at once", FIRST, _page(store, first_day="2026-03-01", last_day="2026-10-01", with_image=True, **everything))
    yield Case("status, topic, dates: none", FIRST, _page(store, statuses=("draft",), topics=("memory",), last_day="2025-12-31"))


def _searches(store: Store) -> Iterator[Case]:
    for title, search in (
        ("search coffee", "coffee"),
        ("search the", "the"),
        ("search three words", "rain tin kettle"),
        ("search a rare word", "quokka"),
        ("search 咖啡磨", "咖啡磨"),
        ("search 咖啡 (LIKE)", "咖啡"),
        ("search 萤火, rare (LIKE)", "萤火"),
        ("search 鬱鬱, none (LIKE)", "鬱鬱"),
        ("search 咖 (LIKE)", "咖"),
        ("search 鬱, none (LIKE)", "鬱"),
        ("search e (LIKE)", "e"),
    ):
        yield Case(title, SEARCH, _page(store, search=search))
    yield Case("search the, rejected", SEARCH, _page(store, search="the", statuses=("rejected",)))
    yield Case("search the, job without it", SEARCH, _page(store, search="the", job_id="none"))


def _counts(store: Store) -> Iterator[Case]:
    yield Case("count all", None, lambda: store.read(tweets.count, Filters()))
    yield Case("count drafts of a topic", None, lambda: store.read(tweets.count, Filters(statuses=("draft",), topics=("memory",))))
    yield Case("count coffee", None, lambda: store.read(tweets.count, Filters(search="coffee")))
    yield Case("count 咖啡 (LIKE)", None, lambda: store.read(tweets.count, Filters(search="咖啡")))
    yield Case("facets", None, lambda: sum(status["tweets"] for status in store.read(tweets.facets)["statuses"]))


def _writes(store: Store) -> Iterator[Case]:
    """Each is answered after COMMIT."""
    fifty = [draft["id"] for draft in store.read(tweets.page, Filters(statuses=("draft",)), limit=50)]
    now = datetime.now(UTC)

    def review() -> int:
        wanted = "draft" if store.read(tweets.get, fifty[0])["status"] == "approved" else "approved"
        return len(store.submit(tweets.set_status, fifty, wanted, by=REVIEWER, now=now).result())

    def edit() -> int:
        old = store.read(tweets.get, fifty[0])
        values = {"parts": [], "badges": old["badges"], "length": 20, "revision": old["revision"], "by": "author", "now": now}
        store.submit(tweets.edit, old["id"], text=f"edited {old['revision']} times", **values).result()
        return 1

    yield Case("approve 50, or undo it", None, review)
    yield Case("edit one", None, edit)


def show(case: Case, runs: int) -> bool:
    """Measure and print one line. Returns whether the limit is kept."""
    found, took = case.work(), []
    for _ in range(runs):
        began = time.perf_counter()
        found = case.work()
        took.append((time.perf_counter() - began) * 1000)
    median, worst = statistics.median(took), statistics.quantiles(took, n=20)[-1]
    limit = f"{case.limit:>7} ms" if case.limit else f"{'':>10}"
    kept = case.limit is None or worst <= case.limit
    width = 28 - sum(ord(letter) > 0x2E80 for letter in case.title)
    print(f"{case.title:{width}}{found:>8,}{median:>9.1f} ms{worst:>9.1f} ms{limit}{'' if kept else '   too slow'}", flush=True)
    return kept


def run(runs: int, count: int, only: str, seed: int) -> bool:
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {runs} runs each")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            speed = fill(store, count, seed)
            size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
            print(f"{count:,} tweets of {PERSONAS} personas, {size:.0f} MB, saved and reviewed at {speed:,.0f} a second\n")
            print(f"{'':28}{'tweets':>8}{'median':>12}{'p95':>12}{'limit':>10}")
            kept = [show(case, runs) for case in cases(store, seed) if only in case.title]
        finally:
            store.close()
    return all(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=25, help="how often each is measured, at least 2 (default: %(default)s)")
    parser.add_argument("--tweets", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="other tweets (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="WORDS", help="only what has these words in its title")
    given = parser.parse_args()
    sys.exit(not run(max(given.runs, 2), max(given.tweets, 1000), given.only, given.seed))


if __name__ == "__main__":
    main()
