"""Tweets and calendars for the personas of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import outputs
from cli.orders import UNUSABLE, Batch, BatchOrder, CalendarOrder, Failure, FilesOrder
from cli.progress import Place
from cli.session import BATCH, Session, unusable, utf8
from pipeline.tweet_steps import CALENDAR, INTAKE, TWEET

FLAG = "--output-dir"
CALENDAR_FLAG = "--calendar-output"
SLOTS_SHOWN = 10


@dataclass(frozen=True)
class PersonaFile:
    """A persona's file, what it is called, its calendar's file, and where what is written for it goes."""

    persona: Path
    label: str
    calendar: Path | None
    target: Path


class Batches:
    """Starts jobs that write tweets and calendars, and knows what is to be made of them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def sort_out(self, order: FilesOrder) -> list[PersonaFile]:
        """The files that are there; the others fail. Touches nothing."""
        calendars = order.calendars if isinstance(order, BatchOrder) else ()
        spared = [*order.personas, *calendars]
        if isinstance(order, CalendarOrder) and order.output:
            targets = [outputs.one_file(order.output, CALENDAR_FLAG, spared=spared)]
        else:
            targets = outputs.in_folder(order.personas, order.folder, order.ending, FLAG, spared=spared)
        named = Counter(persona.name for persona in order.personas)
        sources = []
        for persona, calendar, target in zip(order.personas, calendars or [None] * len(targets), targets, strict=True):
            label = utf8(persona.name if named[persona.name] == 1 else str(persona))
            given = [(path, unusable(path.absolute()), kind) for path, kind in ((persona, "persona"), (calendar, "calendar file")) if path]
            bad = [(path, why, kind) for path, why, kind in given if why]
            for path, why, kind in bad[:1]:
                self._session.fail(Failure(persona=label, reason=f"{utf8(str(path))} {why}", kind=kind))
            if not bad:
                sources.append(PersonaFile(persona, label, calendar, target))
        return sources

    async def write(self, order: FilesOrder, sources: Sequence[PersonaFile]) -> None:
        """Write what is ordered for each of *sources*; the job finds out which of them can be used."""
        flag = CALENDAR_FLAG if isinstance(order, CalendarOrder) and order.output else FLAG
        outputs.make_folders([source.target for source in sources], flag)
        await self._session.begin(self._start(order, sources))

    async def _start(self, order: FilesOrder, sources: Sequence[PersonaFile]) -> str:
        studio = self._session.studio
        count = order.days if isinstance(order, CalendarOrder) else order.count
        orders = await studio.files.orders([(source.persona, source.calendar) for source in sources], count, order.start)
        extra = {"sources": [source.label for source in sources], "outputs": [str(source.target) for source in sources]}
        if isinstance(order, CalendarOrder):
            return await studio.calendars.start(orders[0], extra=extra)
        return await studio.tweets.start(orders, context=order.context, priority=BATCH if order.several else 0, extra=extra)

    # What a session asks

    async def content(self, job: Mapping[str, Any], persona_id: str) -> bytes:
        """The persona's tweets, or its calendar where the job writes no tweets."""
        studio, params = self._session.studio, job["params"]
        if _what(job["steps"], persona_id) == CALENDAR:
            target = dict(zip(params["personas"], params["outputs"], strict=True))[persona_id]
            return await studio.calendars.of_job(job["id"], persona_id, Path(target).suffix[1:].lower())
        return await studio.files.tweets_of_job(job["id"], persona_id, params["orders"][persona_id]["count"])

    async def account(self, job: dict[str, Any], place: Place, label: str, steps: Sequence[Mapping[str, Any]], *, over: bool) -> None:
        """Say in the report what there is for a persona."""
        report, what = self._session.report, _what(steps, place[1])
        wanted = [step for step in steps if step["stage"] == what]
        done = sum(step["status"] == "done" for step in wanted)
        complete = all(step["status"] == "done" for step in steps)
        status = "complete" if complete else "unfinished" if not over else "partial" if done else "failed"
        report.failed += _failures(label, steps)
        if any(step["stage"] == INTAKE and step["status"] == "failed" for step in steps):
            return  # nothing of it was begun
        if over and not complete and not any(step["status"] == "failed" for step in steps):
            report.failed.append(Failure(persona=label, reason="was cancelled before it was complete.", kind="cancelled"))
        file = await self._session.deliver(place) if status in ("complete", "partial") else ""
        report.done += status == "complete"
        named = "calendar" if what == CALENDAR else "tweets"
        report.batches.append(Batch(place[1], label, named, status, done, len(wanted), job["id"], file))

    def unwritten(self, label: str, reason: str) -> Failure:
        """That the persona's file could not be written."""
        return Failure(persona=label, reason=reason, kind="file")


def _what(steps: Sequence[Mapping[str, Any]], persona_id: str) -> str:
    """What a job writes for a persona in the end."""
    return TWEET if any(step["stage"] == TWEET and step["item"].startswith(f"{persona_id}:") for step in steps) else CALENDAR


def _failures(label: str, steps: Sequence[Mapping[str, Any]]) -> list[Failure]:
    """One for each reason, with the tweets that failed for it."""
    slots: dict[tuple[str, str, str], list[str]] = {}
    for step in steps:
        if step["status"] == "failed":
            key = (step["stage"], step["error_kind"] or "", step["error"] or "")
            slots.setdefault(key, []).append(str(int(step["item"].rpartition(":")[2])) if step["stage"] == TWEET else "")
    return [_failure(label, key, named) for key, named in slots.items()]


def _failure(label: str, key: tuple[str, str, str], slots: Sequence[str]) -> Failure:
    stage, kind, reason = key
    if stage == INTAKE:  # the reason names the file; a persona that was not begun counts as such, whatever kept it
        return Failure(persona=label, reason=reason, kind=kind if kind in UNUSABLE else "persona")
    return Failure(persona=label, reason=reason, kind=kind, stage=_named(stage, slots))


def _named(stage: str, slots: Sequence[str]) -> str:
    if stage != TWEET:
        return stage
    shown = ", ".join(slots[:SLOTS_SHOWN]) + (f" and {len(slots) - SLOTS_SHOWN} more" if len(slots) > SLOTS_SHOWN else "")
    return f"tweet{'s' if len(slots) > 1 else ''} {shown}"
