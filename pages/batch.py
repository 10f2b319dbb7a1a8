"""Batch: tweets of many personas at once, stored ones and those of dropped files, watched and steered while they are written.

The page is one card. Its script asks with the methods of :class:`_Calls`. A running batch is looked at again and again, so that a reload,
another tab or a server that was started again shows how it goes on; each look waits a moment, and brings only what changed since the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from errors import ConflictError, NotFoundError
from pages import frame
from pages.components.asked import Answer, Asked, Uploaded, answering_all
from pages.components.batch_rows import BatchRows
from pages.components.card import card
from pages.components.reference_image import taken
from pages.language import stored, told
from pages.tweet_filters import DayOrNothing, Id
from pipeline.job_files import TakenIn
from pipeline.studio import Studio
from pipeline.tweet_desk import LONGEST_CONTEXT, MOST_TWEETS
from pipeline.tweet_steps import KIND, Order

PAGE = 60
MOST_PERSONAS = 1000
"""Personas of one batch."""
MOST_EACH = 500
"""Tweets of a persona in one batch."""
MOST_FILES = 100
"""Files that are dropped at once."""
RECENT = 8
PACE = 0.5
"""Seconds that a look at a running batch waits, so that a page is drawn twice a second; when the batch ends or stops, not that long."""
SCRIPTS = ("batch_match", "batch_files", "batch_people", "batch_order", "batch_run", "batch")
ROW = ("id", "name", "tweets", "file", "calendar")
LIMITS = {"files": MOST_FILES, "personas": MOST_PERSONAS, "each": MOST_EACH, "tweets": MOST_TWEETS, "context": LONGEST_CONTEXT}


Count = Annotated[int, Field(ge=1, le=MOST_EACH)]


def build(studio: Studio) -> None:
    """Lay the page out and wire it."""
    head = frame.header(studio)
    calls = _Calls(studio)
    functions = answering_all(
        [
            (_Find, calls.find),
            (Uploaded, calls.take_in),
            (_Forecast, calls.forecast),
            (_Start, calls.start),
            (_Recent, calls.recent),
            (_Look, calls.look),
            (_Look, calls.pause),
            (_Look, calls.go_on),
            (_Look, calls.cancel),
            (_Row, calls.retry),
        ],
        studio.settings.ui_language,
    )
    value = {**LIMITS, "mb": studio.settings.max_upload_mb, "offline": studio.settings.offline}
    card(*SCRIPTS, value=value, elem_id="batch", server_functions=functions)
    frame.footer()
    gr.on(None, lambda: frame.banners(studio), None, head, show_progress="hidden", api_visibility="private")


class _Find(Asked):
    before: Annotated[str, Field(max_length=40)] | None = None
    name: Annotated[str, Field(max_length=80)] = ""
    all: bool = False


class _Forecast(Asked):
    personas: Annotated[list[Id], Field(max_length=MOST_PERSONAS)]
    planned: Annotated[list[Id], Field(max_length=MOST_PERSONAS)]
    count: Count


class _Persona(Asked):
    id: Id
    calendar: Uploaded | None = None


class _Start(Asked):
    personas: Annotated[list[_Persona], Field(max_length=MOST_PERSONAS)]
    count: Count
    start: DayOrNothing = ""
    context: Annotated[str, Field(max_length=LONGEST_CONTEXT)] = ""


class _Recent(Asked):
    pass


class _Look(Asked):
    """*status* and *mark*: those of the answer before, empty at first."""

    job: Id
    status: Annotated[str, Field(max_length=20)] = ""
    mark: Annotated[str, Field(max_length=40)] = ""


class _Row(_Look):
    persona: Id


class _Calls:
    """What the page's script may ask for."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._rows = BatchRows()

    async def find(self, asked: _Find) -> Answer:
        """A page of personas, newest first, and whether there are more; or all of them, up to what a batch may have."""
        found: list[dict[str, Any]] = []
        before = asked.before or "~"
        wanted = MOST_PERSONAS if asked.all else PAGE
        while len(found) <= wanted:
            size = min(200, wanted + 1 - len(found))
            some = await self.studio.people.page(size, before, asked.name.strip())
            found += some
            if len(some) < size:
                break
            before = some[-1]["id"]
        return {"people": [_shown(persona) for persona in found[:wanted]], "more": len(found) > wanted}

    async def forecast(self, asked: _Forecast) -> Answer:
        """What such a batch will take."""
        planned = set(asked.planned)
        orders = [Order(persona, asked.count, "given" if persona in planned else None) for persona in asked.personas]
        return asdict(await self.studio.tweets.forecast(orders))

    async def start(self, asked: _Start) -> Answer:
        """Keep the calendars, then start the job."""
        if len(asked.personas) * asked.count > MOST_TWEETS:
            total = len(asked.personas) * asked.count
            raise ConflictError("{total} tweets are too many for one job; the limit is {limit}.", total=total, limit=MOST_TWEETS)
        files = [persona.calendar for persona in asked.personas]
        contents = [await asyncio.to_thread(taken, file.path, file.name) if file else None for file in files]
        orders = []
        for persona, content in zip(asked.personas, contents, strict=True):
            calendar_id = (await self.studio.calendars.add(persona.id, *content))[0] if content else None
            orders.append(Order(persona.id, asked.count, calendar_id, asked.start))
        return {"job": await self.studio.tweets.start(orders, context=asked.context)}

    async def recent(self, _: _Recent) -> Answer:
        """The newest jobs that write tweets."""
        keys = ("id", "title", "status", "created_at", "done", "failed", "total")
        return {"jobs": [{key: job[key] for key in keys} for job in await self.studio.tweets.recent(RECENT)]}

    async def look(self, asked: _Look) -> Answer:
        """The batch as a table: its sums, and of its personas those that changed since *mark*, ``whole`` where these are all. A persona
        with failures has their reasons, each with how often.
        """
        if asked.status == "running":
            await self._wait(asked.job)
        batch = await self.studio.tweets.batch(asked.job)
        if batch["kind"] != KIND:
            raise NotFoundError("There is no job {job}.", job=asked.job)
        reasons = _reasons(batch.pop("failures"))
        rows = [{**{key: row[key] for key in ROW}, "reasons": reasons.get(row["id"], ())} for row in batch.pop("personas")]
        changed, whole, mark = self._rows.since(asked.mark, asked.job, rows)
        return {**batch, "personas": [_said(row, asked.spoken) for row in changed], "whole": whole, "mark": mark}

    async def _wait(self, job_id: str) -> None:
        """Return when the job is not running any more, or in a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PACE), aclosing(self.studio.watch(job_id)) as events:
                async for event in events:
                    if event.kind in ("all", "job") and event.status != "running":
                        return

    async def pause(self, asked: _Look) -> Answer:
        """Take no further step; what is under way goes on to its end."""
        await self.studio.jobs.pause(asked.job)
        return await self.look(asked)

    async def go_on(self, asked: _Look) -> Answer:
        """Write what is missing: of a paused job all that waits, of others what failed or was cancelled."""
        await self.studio.resume(asked.job)
        return await self.look(asked)

    async def cancel(self, asked: _Look) -> Answer:
        """Stop for good; what is done stays."""
        await self.studio.cancel(asked.job)
        return await self.look(asked)

    async def retry(self, asked: _Row) -> Answer:
        """Write what has failed of one persona; the others stay as they are."""
        await self.studio.tweets.retry(asked.job, asked.persona)
        return await self.look(asked)

    async def take_in(self, asked: Uploaded) -> Answer:
        """Say what a dropped file is, and keep it where it is a persona."""
        content, name = await asyncio.to_thread(taken, asked.path, asked.name)
        found = await self.studio.files.any_file(content, name)
        remarks = told(found.remarks, asked.spoken)
        if not isinstance(found, TakenIn):
            return {"kind": "calendar", **asdict(found), "remarks": remarks}
        view = await self.studio.persona(found.persona_id)
        persona = {"id": found.persona_id, "name": found.name, "known": found.known, "card": found.kind, "picture": view["picture"]}
        return {"kind": "persona", **persona, "remarks": remarks}


def _shown(persona: dict[str, Any]) -> dict[str, Any]:
    return {key: persona[key] for key in ("id", "name", "picture", "archetype", "done", "tweets", "status")}


def _said(row: Mapping[str, Any], language: str) -> Answer:
    """A row with its reasons in the reader's language."""
    return {**row, "reasons": [{**one, "reason": stored(one["reason"], language)} for one in row["reasons"]]}


def _reasons(failures: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By persona: ``{what, kind, reason, times}``."""
    found: dict[str, list[dict[str, Any]]] = {}
    for failure in failures:
        found.setdefault(failure["persona"], []).append({key: failure[key] for key in ("what", "kind", "reason", "times")})
    return found
