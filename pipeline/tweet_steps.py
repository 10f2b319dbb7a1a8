"""Calendars and tweets as steps of a job: their graph, and the work of one."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from errors import ConflictError
from pipeline import calendar, checks, tweets
from pipeline.jobs import Result, Step
from pipeline.llm.client import Caller, Writer
from pipeline.stages import Wishes
from pipeline.tweets import Brief, ImageDefaults, Teller
from storage import calendars, personas
from storage import tweets as table
from storage.clock import new_id
from storage.database import Store, Transaction
from storage.jobs import Key, NewStep

KIND = "tweets"
INTAKE, CALENDAR, TWEET = "intake", "calendar", "tweet"
FILES = "files"
"""The lane in which files are taken in."""
FILES_AT_ONCE = 2
"""Personas of a job whose files are taken in at once: one is read while the other is saved. More would keep the first tweets waiting."""
FRESH = 5.0
"""Seconds for which a persona is taken to be unchanged without looking."""
KEPT = 400
"""Personas that are kept ready."""


@dataclass(frozen=True)
class Source:
    """The files of an order that its job takes in, as absolute paths: the *persona*'s, empty where the persona is here already, and its
    *calendar*'s, empty where there is none.
    """

    persona: str
    calendar: str = ""


@dataclass(frozen=True)
class Order:
    """*count* tweets of one persona, from the calendar with the id *calendar_id*, or from one that is written for it from *start* (a date
    as text; tomorrow in the persona's time zone where it is empty). With a *source* the persona, the calendar or both are taken in by the
    job, under the ids that are given here.
    """

    persona_id: str
    count: int
    calendar_id: str | None = None
    start: str = ""
    source: Source | None = None


def graph(orders: Sequence[Order], *, tweets: bool = True) -> list[NewStep]:
    """What is to be taken in, a calendar where none is given, then the persona's *tweets*. A persona waits for no other."""
    steps = []
    for order in orders:
        needs: tuple[Key, ...] = ()
        if order.source:
            steps.append(NewStep(order.persona_id, INTAKE, lane=FILES))
            needs = ((order.persona_id, INTAKE),)
        if order.calendar_id is None:
            steps.append(NewStep(order.persona_id, CALENDAR, needs))
            needs = ((order.persona_id, CALENDAR),)
        if tweets:
            steps += [NewStep(item(order.persona_id, slot), TWEET, needs) for slot in range(1, order.count + 1)]
    return steps


def params(orders: Sequence[Order]) -> dict[str, Any]:
    """What a job's params say of its orders."""
    return {
        "orders": {
            order.persona_id: {"count": order.count, "calendar": order.calendar_id, "start": order.start}
            | ({"source": asdict(order.source)} if order.source else {})
            for order in orders
        },
        "personas": [order.persona_id for order in orders],
    }


def file_of(params: Mapping[str, Any], persona_id: str) -> str:
    """The name of the file that a persona is taken in from, by the *params* of its job; empty where it was here before."""
    return Path(params.get("orders", {}).get(persona_id, {}).get("source", {}).get("persona", "")).name


def called(db: Database, orders: Sequence[Order]) -> list[str]:
    """What the persona of each order is called; its file's name as long as nothing else is known. Raises :class:`NotFoundError` for a
    persona or a calendar that is neither here nor to be taken in, :class:`ConflictError` for a calendar of another persona and for a first
    day that is none.
    """
    names = []
    for order in orders:
        calendar.first_day(order.start)
        source = order.source or Source("")
        if order.calendar_id and not source.calendar and calendars.get(db, order.calendar_id)["persona_id"] != order.persona_id:
            raise ConflictError("This calendar belongs to another persona.")
        names.append(Path(source.persona).stem if source.persona else personas.get(db, order.persona_id)["name"])
    return names


def item(persona_id: str, slot: int) -> str:
    """What a tweet's step is about."""
    return f"{persona_id}:{slot:05d}"


def persona_of(step_item: str) -> str:
    """The persona of a step of such a job."""
    return step_item.split(":", maxsplit=1)[0]


@dataclass
class Ready:
    """A persona ready to tweet, with what it tweeted before: *newest* is the number of the newest tweet in the database that is known."""

    who: Teller
    stamp: str
    looked: float
    recent: deque[str]
    earlier: checks.Fingerprints
    newest: int

    def says(self, tweet_id: str, text: str) -> None:
        """Compare the next tweets with this one as well; it takes the place of what the tweet said before."""
        if tweet_id not in self.earlier:
            self.recent.append(text)
        self.earlier.add(tweet_id, text)

    def hear(self, said: Iterable[tuple[int, str, str]]) -> None:
        """What the database holds, as :func:`storage.tweets.texts` has it. What was heard of before stays as it is."""
        for number, tweet_id, text in said:
            self.newest = number
            if tweet_id not in self.earlier:
                self.says(tweet_id, text)


@dataclass(frozen=True)
class _Days:
    """A calendar as tweets are written from it: (day, plan) in order."""

    calendar_id: str
    plans: list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class _Spot:
    """What a tweet is written from: a day of a calendar; *variant* is how many tweets there are on this day up to this one."""

    calendar_id: str
    day: str
    plan: dict[str, Any]
    variant: int


@dataclass
class TweetWork:
    """Writes one calendar or one tweet, from what the database holds of the persona."""

    store: Store
    writer: Writer
    model: str
    image: ImageDefaults
    networks: Sequence[str] = ()
    _personas: OrderedDict[str, Ready] = field(default_factory=OrderedDict)
    _loading: dict[str, asyncio.Lock] = field(default_factory=dict)
    _plans: OrderedDict[str, _Days] = field(default_factory=OrderedDict)

    async def __call__(self, step: Step) -> Result:
        return await (self._calendar(step) if step.stage == CALENDAR else self._tweet(step))

    async def _calendar(self, step: Step) -> Result:
        ready = await self.ready(step.item)
        order = step.params["orders"][step.item]
        caller = caller_of(step)
        body = await calendar.write(
            ready.who.outputs,
            name=ready.who.name,
            start=calendar.first_day(order.get("start") or ""),
            days=min(order["count"], calendar.MOST_DAYS),  # more tweets begin again with the first day
            wishes=ready.who.wishes,
            writer=self.writer,
            caller=caller,
            model=self.model,
        )
        new = calendars.NewCalendar(persona_id=step.item, title=ready.who.name, source="writer", body=body, job_id=step.job_id)
        self._plans.pop(f"{step.job_id}:{step.item}", None)  # that of one that was deleted

        def save(tx: Transaction) -> None:
            calendars.save(tx, new_id(), new, datetime.now(UTC))

        return Result(save, shown={"persona": step.item})

    async def _tweet(self, step: Step) -> Result:
        persona_id, slot = persona_of(step.item), int(step.item.split(":")[1])
        ready = await self.ready(persona_id)
        spot = await self._spot(step, persona_id, slot)
        brief = Brief({"date": spot.day, **spot.plan} if spot.day else spot.plan, step.params.get("context") or {}, spot.variant)
        written = await tweets.write(
            ready.who,
            brief,
            list(ready.recent),
            writer=self.writer,
            caller=caller_of(step),
            model=self.model,
            seed=_seed(ready.who.wishes, slot),
        )
        made = self.new_tweet(ready, written, brief, tweet_id=new_id(), day=spot.day, slot=slot, job_id=step.job_id)
        new = replace(made, calendar_id=spot.calendar_id)
        ready.says(new.id, new.text)  # before it is saved, so that of two at once the second is compared with the first

        def save(tx: Transaction) -> None:
            table.save(tx, new, datetime.now(UTC))

        return Result(
            save, shown={"tweet": new.id, "persona": persona_id, "text": new.text, "badges": [badge["kind"] for badge in new.badges]}
        )

    def new_tweet(
        self, ready: Ready, written: tweets.Written, brief: Brief, *, tweet_id: str, day: str, slot: int, job_id: str | None
    ) -> table.NewTweet:
        """The row of a tweet that was written, or written anew under the id that it has, with what is found when it is compared with the
        others.
        """
        answer = written.answer
        badges = [{"kind": finding.kind, "detail": finding.detail} for finding in written.findings]
        whole = "\n\n".join([answer.text, *answer.parts])
        if near := ready.earlier.nearest(whole, but=tweet_id):
            badges.append({"kind": "near_duplicate", "detail": near[0]})
        return table.NewTweet(
            id=tweet_id,
            persona_id=ready.who.persona_id,
            job_id=job_id,
            slot=slot,
            date=day or None,
            time=str(brief.plan.get("recommended_time") or "") or None,
            text=whole,
            parts=[answer.text, *answer.parts] if answer.parts else [],
            poll=answer.poll_options,
            topic_type=answer.topic_type or str(brief.plan.get("topic_type") or ""),
            mood=answer.mood,
            time_segment=answer.time_segment,
            tweet_format=str(brief.plan.get("tweet_format") or "standard"),
            hashtags=answer.hashtags,
            alt_text=answer.alt_text,
            image=tweets.image_generation(answer, ready.who, self.image, tweet_id),
            plan=dict(brief.plan),
            badges=badges,
            length=written.length,
            extra=answer.model_extra or {},
        )

    async def ready(self, persona_id: str) -> Ready:
        """The persona, prepared; prepared anew when it was changed. What another process has written for it meanwhile is known as well."""
        known = self._personas.get(persona_id)
        if known and time.monotonic() - known.looked < FRESH:
            return known
        async with self._loading.setdefault(persona_id, asyncio.Lock()):
            known = self._personas.get(persona_id)
            if known and time.monotonic() - known.looked < FRESH:
                return known
            row = await self.store.fetch(personas.get, persona_id)
            if known and known.stamp == row["updated_at"]:
                known.hear(await self.store.fetch(table.texts, persona_id, after=known.newest))
                known.looked = time.monotonic()
                return known
            fresh = await self._prepare(row)
            self._personas[persona_id] = fresh
            self._personas.move_to_end(persona_id)
            while len(self._personas) > KEPT:
                self._personas.popitem(last=False)
        self._loading.pop(persona_id, None)
        return fresh

    async def _prepare(self, row: Mapping[str, Any]) -> Ready:
        current = await self.store.fetch(personas.current_stages, row["id"])
        outputs = {key: version["output"] for key, version in current.items()}
        wishes = Wishes(**row["options"].get("wishes", {"language": row["language"]}))
        lora = row["options"].get("lora")
        who = tweets.teller(row["id"], row["name"], wishes, outputs, lora=lora, networks=self.networks)
        ready = Ready(who, row["updated_at"], time.monotonic(), deque(maxlen=tweets.RECENT), checks.Fingerprints(), 0)
        if said := await self.store.fetch(table.texts, row["id"]):
            await asyncio.to_thread(ready.hear, said)  # thousands take a while
        return ready

    async def _spot(self, step: Step, persona_id: str, slot: int) -> _Spot:
        """More tweets than days begin again with the first day."""
        given = step.params["orders"][persona_id].get("calendar")
        key = given or f"{step.job_id}:{persona_id}"
        days = self._plans.get(key)
        if days is None:
            found = (
                await self.store.fetch(calendars.get, given) if given else await self.store.fetch(calendars.of_job, step.job_id, persona_id)
            )
            days = self._plans[key] = _Days(found["id"], sorted(found["body"]["calendar"].items()))
            while len(self._plans) > KEPT:
                self._plans.popitem(last=False)
        rounds, at = divmod(slot - 1, len(days.plans))
        day, plan = days.plans[at]
        return _Spot(days.calendar_id, day, plan, rounds + 1)


def caller_of(step: Step) -> Caller:
    """On whose behalf a step calls."""
    return Caller(step.job_id, step.item, step.stage, step.priority, redo=step.redo, retries=step.claim.retries, report=step.report)


def _seed(wishes: Wishes, slot: int) -> int | None:
    """A seed of its own for each tweet, where the author gave one."""
    return None if wishes.seed is None else wishes.seed * 1000 + slot
