"""Everything that is done with tweets: `studio.tweets`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from errors import ConflictError, NotFoundError
from pipeline import calendar, rewrite_steps, tweet_steps, tweets
from pipeline.jobs import Jobs, Result, Step
from pipeline.llm.client import Message
from pipeline.llm.gate import Gate
from pipeline.llm.usage import Prices
from pipeline.tweet_files import TweetFiles
from pipeline.tweet_intake import LONGEST_EDIT, Judge, TakenBack, TweetIntake
from pipeline.tweet_steps import Order, TweetWork
from storage import calls, personas, standing
from storage import jobs as journal
from storage import tweets as table
from storage.clock import new_id
from storage.database import Store
from storage.tweets import Change, Filters

MOST_TWEETS = 20_000
"""Tweets of one job."""
LONGEST_CONTEXT = 1000
"""Characters of what is going on outside."""
REASONS = 3
"""Reasons that are listed of a persona's failures in a job: the most frequent ones."""
REVIEWED = 1000
"""Tweets whose status is changed in one transaction."""
USUAL_SECONDS = 3.0
"""How long a call takes as long as none was measured: the figure of the user's own note."""
USUAL_ANSWER = 260
"""Tokens of a tweet's answer as long as none was measured."""


@dataclass(frozen=True)
class Forecast:
    """What a batch will take: LLM calls, tokens in and out, seconds, and US dollars where a price is known."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cost: float | None


class TweetDesk:
    """Part of the Studio, which makes it. *by* is whoever reviews; ``author`` as long as there are no logins."""

    def __init__(self, store: Store, jobs: Jobs, work: TweetWork, gate: Gate, prices: Prices, *, files: TweetFiles) -> None:
        self._store = store
        self._jobs = jobs
        self._work = work
        self._gate = gate
        self._prices = prices
        self._files = files

    # Writing

    async def start(
        self,
        orders: Sequence[Order],
        *,
        context: str = "",
        priority: int = 10,
        title: str = "",
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Start a job that writes tweets. Returns its id. *priority* 0 is for a person who waits. *extra* is kept in the job's params.
        *context* is what goes on around the personas (weather, news), in the author's words.

        Raises :class:`ConflictError` for an empty or an absurd order and for a calendar of another persona, :class:`NotFoundError` for an
        unknown persona or calendar.
        """
        total = sum(order.count for order in orders)
        if not orders or any(order.count < 1 for order in orders):
            raise ConflictError("Say for whom, and at least 1 tweet for each.")
        if total > MOST_TWEETS:
            raise ConflictError("{total} tweets are too many for one job; the limit is {limit}.", total=total, limit=MOST_TWEETS)
        if len(context) > LONGEST_CONTEXT:
            raise ConflictError("What goes on outside is told in {limit} characters at most.", limit=LONGEST_CONTEXT)
        if len({order.persona_id for order in orders}) < len(orders):
            raise ConflictError("A persona stands twice in this batch.")
        names = await self._store.fetch(tweet_steps.called, orders)
        params = {**(extra or {}), **tweet_steps.params(orders), "context": {"weather": context.strip()} if context.strip() else {}}
        shown = title or (f"{names[0]}: {total} tweets" if len(names) == 1 else f"{len(names)} personas, {total} tweets")
        return await self._jobs.submit(tweet_steps.KIND, shown, tweet_steps.graph(orders), params=params, priority=priority)

    async def forecast(self, orders: Sequence[Order]) -> Forecast:
        """What :meth:`start` with these orders will take, from what calls took here before, else from usual figures."""
        count = sum(order.count for order in orders)
        calendar_calls = sum(calendar.calls_for(order.count) for order in orders if order.calendar_id is None)
        past = await self._store.fetch(calls.averages, tweet_steps.TWEET)
        into = past["prompt_tokens"] or await self._prefix_tokens(orders)
        out = past["completion_tokens"] or USUAL_ANSWER
        number = count + calendar_calls
        seconds = past["seconds"] or USUAL_SECONDS
        # Calendars come first and are one call deep; then everything that is left shares the slots.
        depth = seconds if calendar_calls else 0
        lasts = max(depth + seconds * -(-count // self._gate.width), seconds * number / self._gate.width) if number else 0.0
        prompt, completion = round(into * number), round(out * number)
        return Forecast(number, prompt, completion, round(lasts, 1), self._prices.cost(prompt, 0, completion))

    async def _prefix_tokens(self, orders: Sequence[Order]) -> float:
        if not orders:
            return 0
        ready = await self._work.ready(orders[0].persona_id)
        return (len(ready.who.system) + len(ready.who.prefix)) / 4 + 200

    async def rewrite(self, tweet_ids: Sequence[str], instruction: str = "") -> str:
        """Start writing tweets anew, with what the author asks for. Returns the job's id; the texts before are kept as versions.

        Those that are being rewritten already, or not there any more, are left out. Raises :class:`ConflictError` or
        :class:`NotFoundError` where all are.
        """
        states = await self.rewrites(tweet_ids)
        free = [tweet_id for tweet_id in dict.fromkeys(tweet_ids) if not states.get(tweet_id, {}).get("open")]
        if not free:
            raise ConflictError("This tweet is being rewritten already.")
        found = list((await self._store.fetch(table.several, free)).values())
        if not found:
            raise NotFoundError("There is no tweet {tweet}.", tweet=free[0])
        title, priority = (found[0]["text"][:60], 0) if len(found) == 1 else (f"{len(found)} tweets anew", 10)
        params = rewrite_steps.params(found, instruction)
        return await self._jobs.submit(rewrite_steps.KIND, title, rewrite_steps.graph(found), params=params, priority=priority)

    async def work(self, step: Step) -> Result:
        """Do one step of a job of ours."""
        return await (rewrite_steps.write(step, self._store, self._work) if step.kind == rewrite_steps.KIND else self._work(step))

    # Reviewing

    async def page(self, filters: Filters, *, before: int | None = None, limit: int = 48) -> list[dict[str, Any]]:
        """The newest tweets that pass *filters*, by key downwards from *before*."""
        return await self._store.fetch(table.page, filters, before=before, limit=min(limit, 200))

    async def of_job(self, job_id: str, persona_id: str, limit: int = 48) -> list[dict[str, Any]]:
        """The tweets that a job has written for a persona, by their slot, at most *limit*."""
        return await self._store.fetch(table.by_slot, job_id, persona_id, limit)

    async def count(self, filters: Filters) -> int:
        """How many tweets pass *filters*."""
        return await self._store.fetch(table.count, filters)

    async def facets(self) -> dict[str, Any]:
        """What can be filtered by, with counts."""
        return await self._store.fetch(table.facets)

    async def tweet(self, tweet_id: str) -> dict[str, Any]:
        """One tweet."""
        return await self._store.fetch(table.get, tweet_id)

    async def versions(self, tweet_id: str) -> list[dict[str, Any]]:
        """All versions of a tweet, newest first."""
        return await self._store.fetch(table.versions, tweet_id)

    async def edit(self, tweet_id: str, text: str, revision: int, *, by: str = "author") -> dict[str, Any]:
        """Store an author's text (a thread's parts are separated by a blank line) and return the tweet as it is then.

        Raises :class:`ConflictError` when it was changed meanwhile or is too long to be stored.
        """
        if len(text) > LONGEST_EDIT:
            raise ConflictError("A tweet may have {limit} characters at most.", limit=LONGEST_EDIT)
        tweet = await self._store.fetch(table.get, tweet_id)
        judged = await self.judged(tweet, text)
        await self._store.write(table.edit, tweet_id, **judged, revision=revision, by=by, now=datetime.now(UTC))
        return await self._said(tweet_id)

    async def judged(self, tweet: Mapping[str, Any], text: str) -> dict[str, Any]:
        """Text, parts, badges and length of *tweet* with another *text*."""
        return (await self._judge(tweet["persona_id"]))(tweet, text)

    async def _judge(self, persona_id: str) -> Judge:
        """:meth:`judged` for tweets of this persona; it may be called in a thread."""
        ready = await self._work.ready(persona_id)

        def judged(tweet: Mapping[str, Any], text: str) -> dict[str, Any]:
            text = text.strip()
            parts = [part.strip() for part in text.split("\n\n") if part.strip()] if tweet["parts"] else []
            first, rest = (parts[0], parts[1:]) if parts else (text, [])
            findings, length = tweets.found_in(first, rest, tweet["hashtags"], ready.who)
            badges = [{"kind": finding.kind, "detail": finding.detail} for finding in findings]
            if near := ready.earlier.nearest(text, but=tweet["id"]):
                badges.append({"kind": "near_duplicate", "detail": near[0]})
            return {"text": text, "parts": parts if len(parts) > 1 else [], "badges": badges, "length": length}

        return judged

    async def set_status(self, ids: Sequence[str], status: str, *, by: str = "author") -> list[Change]:
        """Approve, reject or set back to draft. Returns what changed, for :meth:`undo`."""
        return await self._store.write(table.set_status, list(ids), status, by=by, now=datetime.now(UTC))

    async def set_status_of(self, filters: Filters, status: str, *, newest: int, by: str = "author") -> list[Change]:
        """As :meth:`set_status`, for all tweets that pass *filters* up to number *newest*, however many: some at a time, so that other
        writes get their turn.
        """
        changed: list[Change] = []
        before: int | None = newest + 1
        while before is not None:
            now = datetime.now(UTC)
            some, before = await self._store.write(table.set_status_of, filters, status, before=before, limit=REVIEWED, by=by, now=now)
            changed += some
        return changed

    async def undo(self, changes: Sequence[Change], *, by: str = "author") -> list[Change]:
        """Take back what :meth:`set_status` has changed, but where a tweet was decided or written anew. Returns what changed now."""
        return await self._store.write(table.undo, list(changes), by=by, now=datetime.now(UTC))

    async def restore(self, tweet_id: str, version: int, revision: int) -> dict[str, Any]:
        """Bring a version back, to the letter."""
        await self._store.write(table.restore, tweet_id, version, revision, datetime.now(UTC))
        return await self._said(tweet_id)

    async def _said(self, tweet_id: str) -> dict[str, Any]:
        """The tweet as it is now, with which the next ones are compared."""
        tweet = await self._store.fetch(table.get, tweet_id)
        await self._hear(tweet)
        return tweet

    async def _hear(self, tweet: Mapping[str, Any]) -> None:
        with suppress(NotFoundError):  # its persona was deleted meanwhile
            (await self._work.ready(tweet["persona_id"])).says(tweet["id"], tweet["text"])

    async def question(self, persona_id: str, brief: tweets.Brief) -> list[Message]:
        """What the LLM is asked for a tweet of the persona, as messages."""
        return tweets.messages((await self._work.ready(persona_id)).who, brief)

    # Watching

    async def rewrites(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of these tweets, those that were given to be written anew: {id: {open: whether that is still to be done, error, error_kind}}."""
        newest = await self._store.fetch(journal.newest_steps, rewrite_steps.KIND, list(ids))
        found = {tweet_id: stages[rewrite_steps.KIND] for tweet_id, stages in newest.items() if rewrite_steps.KIND in stages}
        return {
            tweet_id: {"open": journal.is_open(step), "error": step["error"], "error_kind": step["error_kind"]}
            for tweet_id, step in found.items()
        }

    async def batch(self, job_id: str) -> dict[str, Any]:
        """A job of ours as a table: ``{id, title, status, total, done, failed, seconds, eta, calls, tokens, cost, tweets, personas: [{id,
        name, done, failed, total, tweets, file, calendar}], failures: [{persona, name, what, kind, reason, times}]}``. *total*, *done* and
        *failed* count steps, files that were taken in left out; *tweets* counts tweets alone, as ``{total, done, failed, running,
        blocked}``, *blocked* being those that cannot be written because the file or the calendar before them failed; *file* is the state
        of one that is taken in, *calendar* of one that is written, else ``None``; *times* says how many steps of the persona failed for
        this reason.
        """
        return await self._store.fetch(self._batch, job_id)

    def _batch(self, db: Database, job_id: str) -> dict[str, Any]:
        job = journal.get(db, job_id)
        counts = standing.counts_by_item(db, job_id, len(new_id()))
        ids = job["params"].get("personas", [])
        names = personas.names(db, ids)
        # Those that are still to be taken in are no personas yet; those that were deleted have no step that is still to be done.
        coming = {one: tweet_steps.file_of(job["params"], one) for one in ids if one not in names and _coming(counts.get(one, {}))}
        called = {one: names.get(one) or coming[one] for one in ids if one in names or one in coming}
        rows = [{"id": persona_id, "name": name, **_counted(counts.get(persona_id, {}))} for persona_id, name in called.items()]
        spent = calls.sum_of(db, job_id)
        done, failed, total = (sum(row[key] for row in rows) for key in ("done", "failed", "total"))
        elapsed = standing.elapsed(job)
        left = total - done - failed
        failures = standing.failures(db, job_id, len(new_id()), REASONS)
        return {
            "id": job_id,
            "title": job["title"],
            "kind": job["kind"],
            "status": job["status"],
            "total": total,
            "done": done,
            "failed": failed,
            "tweets": {key: sum(row["tweets"][key] for row in rows) for key in (*standing.NO_STEPS, "blocked")},
            "seconds": elapsed,
            "eta": round(elapsed / done * left, 1) if done and elapsed and left and job["status"] == "running" else None,
            "calls": spent["calls"],
            "tokens": spent["prompt_tokens"] + spent["completion_tokens"],
            "cached_tokens": spent["cached_tokens"],
            "cost": self._prices.cost(spent["prompt_tokens"], spent["cached_tokens"], spent["completion_tokens"]),
            "personas": rows,
            "failures": [
                {
                    "persona": reason["item"],
                    "name": called.get(reason["item"], ""),
                    "what": reason["stage"],
                    "kind": reason["error_kind"] or "",
                    "reason": reason["error"] or "",
                    "times": reason["times"],
                }
                for reason in failures
            ],
        }

    async def retry(self, job_id: str, persona_id: str) -> int:
        """Write again what has failed of a persona in a job; the rest of it stays as it is. Returns how many steps."""
        return await self._jobs.retry(job_id, await self._store.fetch(standing.failed_keys, job_id, persona_id))

    async def recent(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest jobs that write tweets, with their counts of steps."""
        return await self._store.fetch(journal.recent, limit, kind=tweet_steps.KIND)

    async def newest_job(self, persona_id: str) -> str | None:
        """The newest job that writes tweets of the persona (not its calendar alone), alone or among others."""
        return await self._store.fetch(standing.newest_about, tweet_steps.KIND, persona_id)

    # Taking away

    async def file(self, kind: str, filters: Filters) -> tuple[str, str, Iterator[bytes]]:
        """The tweets that pass *filters*, however many, as :meth:`TweetFiles.made` has them: (name, media type, chunks that block)."""
        made = await asyncio.to_thread(self._files.made, kind, filters)
        return f"tweets-{datetime.now(UTC):%Y%m%d-%H%M}.{made.suffix}", made.media_type, made.chunks

    async def take_back(self, content: bytes, name: str, *, by: str = "author") -> TakenBack:
        """Apply what was edited in an export that the author calls *name*. Raises :class:`UploadError` for a file that is none."""
        return await TweetIntake(self._store, self._judge, self._hear).take_back(content, name, by=by)


def _counted(stages: Mapping[str, dict[str, int]]) -> dict[str, Any]:
    """The steps of a persona in a job, its tweets, and the states of its file and of the calendar that is written for it."""
    ahead = [counts for stage, counts in stages.items() if stage != tweet_steps.TWEET and counts["failed"]]
    # Where what comes first has failed, the tweets are not to come.
    work = ahead or [counts for stage, counts in stages.items() if stage != tweet_steps.INTAKE]
    total, done, failed = (sum(counts[key] for counts in work) for key in ("total", "done", "failed"))
    written = stages.get(tweet_steps.TWEET, standing.NO_STEPS)
    return {
        "done": done,
        "failed": failed,
        "total": total,
        "tweets": {**written, "blocked": written["total"] - written["done"] - written["failed"] if ahead else 0},
        "file": _state(stages.get(tweet_steps.INTAKE)),
        "calendar": _state(stages.get(tweet_steps.CALENDAR)),
    }


def _state(counts: Mapping[str, int] | None) -> str | None:
    """Of the one step that *counts* are of."""
    return next((state for state in ("done", "failed", "running") if counts[state]), "waiting") if counts else None


def _coming(stages: Mapping[str, dict[str, int]]) -> bool:
    """True for a persona whose file is still to be taken in, or could not be."""
    return _state(stages.get(tweet_steps.INTAKE)) not in (None, "done")
