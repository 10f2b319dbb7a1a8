"""Personas: all of them, and each with its stages to be read, edited, written anew and brought back; cards come in and go out.

The page is one card. Its script asks with the methods of :class:`_Calls` and :class:`CalendarCalls`; a persona that is being written
comes as the card's value.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from errors import StudioError, UploadError
from pages import frame
from pages.components.asked import Answer, Asked, Uploaded, answering_all
from pages.components.calendar_calls import CalendarCalls
from pages.components.card import card
from pages.components.persona_view import shown
from pages.components.reference_image import uploaded
from pages.language import of_request, told
from pipeline.stages import LONGEST_WISH
from pipeline.studio import Studio
from pipeline.tweet_desk import Filters

PAGE = 24
SCRIPTS = (
    *("stage_bodies", "persona_panels", "persona_summary"),
    *("personas_form", "personas_tools", "personas_import", "calendar_names", "calendar_days", "personas_calendars"),
    *("personas_one", "personas_list", "personas"),
)

Id = Annotated[str, Field(min_length=1, max_length=40)]
Key = Annotated[str, Field(min_length=1, max_length=20)]
Version = Annotated[int, Field(ge=0, le=2**31)]


def build(studio: Studio) -> None:
    """Lay the page out and wire it."""
    head = frame.header(studio)
    calls = _Calls(studio)
    functions = answering_all(
        [
            (_Find, calls.find),
            (_One, calls.look),
            (_Edit, calls.edit),
            (_Regenerate, calls.regenerate),
            (_One, calls.refresh),
            (_One, calls.complete),
            (_Stage, calls.retry),
            (_Job, calls.stop),
            (_Rename, calls.rename),
            (_Stage, calls.versions),
            (_Restore, calls.restore),
            (_One, calls.remove),
            (Uploaded, calls.take_in),
            *CalendarCalls(studio).pairs(),
        ],
        studio.settings.ui_language,
    )
    page = card(*SCRIPTS, value=None, elem_id="personas", server_functions=functions)
    frame.footer()

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "multiple"}
    gr.on(None, lambda: frame.banners(studio), None, head, **quiet)
    page.play(calls.watch, None, page, **quiet)


class _Find(Asked):
    before: Annotated[str, Field(max_length=40)] | None = None
    name: Annotated[str, Field(max_length=80)] = ""


class _One(Asked):
    id: Id


class _Stage(_One):
    stage: Key


class _Edit(_Stage):
    output: dict[str, Any]
    version: Version


class _Regenerate(_Stage):
    instruction: Annotated[str, Field(max_length=LONGEST_WISH)] = ""


class _Restore(_Stage):
    version: Version


class _Rename(_One):
    name: Annotated[str, Field(max_length=400)]
    revision: Version


class _Job(_One):
    job: Id


class _Calls:
    """What the page's script may ask for. What changes a persona is answered with its view."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def find(self, asked: _Find) -> Answer:
        """A page of personas, newest first, and whether there are more."""
        found = await self.studio.people.page(PAGE + 1, asked.before or "~", asked.name.strip())
        return {"people": found[:PAGE], "more": len(found) > PAGE}

    async def look(self, asked: _One) -> Answer:
        """The persona, with the number of its tweets."""
        view = await self.studio.persona(asked.id)
        tweets = await self.studio.tweets.count(Filters(persona_ids=(asked.id,)))
        return {"view": shown({**view, "tweets": tweets}, asked.spoken)}

    async def edit(self, asked: _Edit) -> Answer:
        """Keep what the author wrote; ``problems`` says what is wrong with it."""
        await self.studio.people.edit_stage(asked.id, asked.stage, asked.output, asked.version)
        return await self.look(asked)

    async def regenerate(self, asked: _Regenerate) -> Answer:
        """Start writing a stage anew."""
        await self.studio.people.regenerate(asked.id, asked.stage, asked.instruction)
        return await self.look(asked)

    async def refresh(self, asked: _One) -> Answer:
        """Start writing the stale stages anew."""
        await self.studio.people.refresh(asked.id)
        return await self.look(asked)

    async def complete(self, asked: _One) -> Answer:
        """Start writing what is missing."""
        await self.studio.complete(asked.id)
        return await self.look(asked)

    async def retry(self, asked: _Stage) -> Answer:
        """Write a failed stage again."""
        await self.studio.retry_stage(asked.id, asked.stage)
        return await self.look(asked)

    async def stop(self, asked: _Job) -> Answer:
        """Stop the job that works on the persona."""
        await self.studio.cancel(asked.job)
        return await self.look(asked)

    async def rename(self, asked: _Rename) -> Answer:
        """Give the persona another name."""
        await self.studio.rename(asked.id, asked.name, asked.revision)
        return await self.look(asked)

    async def versions(self, asked: _Stage) -> Answer:
        """All versions of a stage, newest first."""
        return {"versions": await self.studio.people.versions(asked.id, asked.stage)}

    async def restore(self, asked: _Restore) -> Answer:
        """Bring a version of a stage back."""
        await self.studio.people.restore(asked.id, asked.stage, asked.version)
        return await self.look(asked)

    async def remove(self, asked: _One) -> Answer:
        """Delete the persona with all that belongs to it."""
        await self.studio.people.delete(asked.id)
        return {"gone": asked.id}

    async def take_in(self, asked: Uploaded) -> Answer:
        """Make a persona of an uploaded file: ``{id, name, kind, remarks}``."""
        path, name = uploaded(asked.path, asked.name)
        made = await self.studio.people.import_file(await asyncio.to_thread(_content, path), name)
        return {"id": made.persona_id, "name": made.name, "kind": made.kind, "remarks": told(made.deviations, asked.spoken)}

    async def watch(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[Any]:
        """The persona's view again and again, for as long as it is being written."""
        persona_id = getattr(event, "persona", None)
        if not isinstance(persona_id, str):
            return
        spoken = of_request(request, self.studio.settings.ui_language)
        try:
            async for view in self.studio.follow(persona_id):
                yield shown(view, spoken)
        except StudioError:  # it was deleted meanwhile; the page hears so when it asks next
            yield gr.skip()


def _content(path: str) -> bytes:
    """An uploaded file is read once and not needed after."""
    file = Path(path)
    try:
        content = file.read_bytes()
        file.unlink(missing_ok=True)
    except OSError:
        raise UploadError("That file was not uploaded. Choose it again.") from None
    return content
