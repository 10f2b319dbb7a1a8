"""Batch: tweets of many personas at once, stored ones and those of dropped files, watched and steered while they are written.

The page is one card. Its script asks with the methods of :class:`_Calls`; a running batch is looked at a few times a second, so that a
reload, another tab or a server that was started again shows how it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from errors import ConflictError, NotFoundError
from pages import frame
from pages.components.asked import Answer, Asked, answering
from pages.components.card import card
from pages.components.reference_image import taken
from pages.language import of_request, sentence
from pages.tweet_filters import DayOrNothing, Id
from pipeline.formats.remarks import Remark
from pipeline.job_files import TakenIn
from pipeline.studio import Studio
from pipeline.tweet_desk import MOST_TWEETS
from pipeline.tweet_steps import KIND, Order

PAGE = 60
MOST_PERSONAS = 1000
"""Personas of one batch."""
MOST_EACH = 500
"""Tweets of a persona in one batch."""
MOST_FILES = 100
"""Files that are dropped at once."""
RECENT = 8
LONGEST_CONTEXT = 1000
SCRIPTS = ("batch_match", "batch_files", "batch_people", "batch_order", "batch_run", "batch")
LIMITS = {"files": MOST_FILES, "personas": MOST_PERSONAS, "each": MOST_EACH, "tweets": MOST_TWEETS, "context": LONGEST_CONTEXT}


Count = Annotated[int, Field(ge=1, le=MOST_EACH)]


def build(studio: Studio) -> None:
    """Lay the page out and wire it."""
    head = frame.header(studio)
    calls = _Calls(studio)
    language = studio.settings.ui_language
    functions = [
        answering(what, work, language)  # type: ignore[arg-type]  each of these pairs fits
        for what, work in (
            (_Find, calls.find),
            (_Forecast, calls.forecast),
            (_Start, calls.start),
            (_Recent, calls.recent),
            (_Job, calls.look),
            (_Job, calls.pause),
            (_Job, calls.go_on),
            (_Job, calls.cancel),
        )
    ]
    value = {**LIMITS, "mb": studio.settings.max_upload_mb, "offline": studio.settings.offline}
    card(*SCRIPTS, value=value, elem_id="batch", server_functions=[*functions, _taking_in(studio)])
    frame.footer()
    gr.on(None, lambda: frame.banners(studio), None, head, show_progress="hidden", api_visibility="private")


class _Find(Asked):
    before: Annotated[str, Field(max_length=40)] | None = None
    name: Annotated[str, Field(max_length=80)] = ""
    all: bool = False


class _File(Asked):
    path: Annotated[str, Field(max_length=4096)]
    name: Annotated[str, Field(max_length=1000)]


class _Forecast(Asked):
    personas: Annotated[list[Id], Field(max_length=MOST_PERSONAS)]
    planned: Annotated[list[Id], Field(max_length=MOST_PERSONAS)]
    count: Count


class _Persona(Asked):
    id: Id
    calendar: _File | None = None


class _Start(Asked):
    personas: Annotated[list[_Persona], Field(max_length=MOST_PERSONAS)]
    count: Count
    start: DayOrNothing = ""
    context: Annotated[str, Field(max_length=LONGEST_CONTEXT)] = ""


class _Recent(Asked):
    pass


class _Job(Asked):
    job: Id


class _Calls:
    """What the page's script may ask for."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

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
            calendar_id = (await self.studio.tweets.add_calendar(persona.id, *content))[0] if content else None
            orders.append(Order(persona.id, asked.count, calendar_id, asked.start))
        context = {"weather": asked.context.strip()} if asked.context.strip() else None
        return {"job": await self.studio.tweets.start(orders, context=context)}

    async def recent(self, _: _Recent) -> Answer:
        """The newest jobs that write tweets."""
        keys = ("id", "title", "status", "created_at", "done", "failed", "total")
        return {"jobs": [{key: job[key] for key in keys} for job in await self.studio.tweets.recent(RECENT)]}

    async def look(self, asked: _Job) -> Answer:
        """The batch as a table; a persona with failures has their reasons, each with how often."""
        batch = await self.studio.tweets.batch(asked.job)
        if batch["kind"] != KIND:
            raise NotFoundError("There is no job {job}.", job=asked.job)
        reasons = _reasons(batch.pop("failures"))
        return {**batch, "personas": [{**persona, "reasons": reasons.get(persona["id"], [])} for persona in batch["personas"]]}

    async def pause(self, asked: _Job) -> Answer:
        """Take no further step; what is under way goes on to its end."""
        await self.studio.jobs.pause(asked.job)
        return await self.look(asked)

    async def go_on(self, asked: _Job) -> Answer:
        """Write what is missing: of a paused job all that waits, of others what failed or was cancelled."""
        await self.studio.resume(asked.job)
        return await self.look(asked)

    async def cancel(self, asked: _Job) -> Answer:
        """Stop for good; what is done stays."""
        await self.studio.cancel(asked.job)
        return await self.look(asked)


def _taking_in(studio: Studio) -> Callable[..., Awaitable[Answer]]:
    """The function that is given a dropped file; it needs the visitor's language for the remarks."""
    language = studio.settings.ui_language

    async def take_in(asked: object, request: gr.Request) -> Answer:
        spoken = of_request(request, language)

        async def bring(file: _File) -> Answer:
            content, name = await asyncio.to_thread(taken, file.path, file.name)
            found = await studio.files.any_file(content, name)
            remarks = [sentence(one, spoken) if isinstance(one, Remark) else one for one in found.remarks]
            if not isinstance(found, TakenIn):
                return {"kind": "calendar", **asdict(found), "remarks": remarks}
            view = await studio.persona(found.persona_id)
            persona = {"id": found.persona_id, "name": found.name, "known": found.known, "card": found.kind, "picture": view["picture"]}
            return {"kind": "persona", **persona, "remarks": remarks}

        return await answering(_File, bring, language)(asked, request)

    return take_in


def _shown(persona: dict[str, Any]) -> dict[str, Any]:
    return {key: persona[key] for key in ("id", "name", "picture", "archetype", "done", "tweets", "status")}


def _reasons(failures: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By persona: ``{what, kind, reason, times}``, each reason once."""
    found: dict[str, dict[tuple[str, str, str], int]] = {}
    for failure in failures:
        said = found.setdefault(failure["persona"], {})
        key = (failure["what"], failure["kind"] or "", failure["reason"] or "")
        said[key] = said.get(key, 0) + 1
    return {
        persona: [{"what": what, "kind": kind, "reason": reason, "times": times} for (what, kind, reason), times in said.items()]
        for persona, said in found.items()
    }
