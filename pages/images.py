"""Images: what is being drawn and what was drawn; a picture is drawn again, cancelled, chosen for its tweet, or described anew.

The page is one card. Its script asks with the methods of :class:`_Calls`, again and again for as long as something is drawn: a reload or
another tab shows how it goes on.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import gradio as gr
from pydantic import Field

from errors import NotFoundError
from gpu_pool.tasks import ALIVE, LONGEST_SIDE, MOST_STEPS, SHORTEST_SIDE, WorkerState
from pages import frame
from pages.components.asked import Answer, Asked, answering_all
from pages.components.batch_rows import BatchRows
from pages.components.card import card
from pages.components.picture_calls import PictureCalls, Seed, narrow
from pages.language import sentence, stored
from pages.tweet_filters import Id
from pipeline import picture_steps
from pipeline.picture_desk import LONGEST_PROMPT, Prompt
from pipeline.studio import Studio

PAGE = 48
RECENT = 8
MOST_NEW = 48
"""New pictures that one look brings."""
SCRIPTS = ("images_tile", "picture_view", "images_order", "images_job", "images")
FIRST, LATER = 0, 10
"""Priorities of a job that somebody wants first, and of others."""

Item = Annotated[str, Field(min_length=1, max_length=120)]
Side = Annotated[int, Field(ge=SHORTEST_SIDE, le=LONGEST_SIDE)]


def build(studio: Studio) -> None:
    """Lay the page out and wire it."""
    head = frame.header(studio)
    calls = _Calls(studio)
    functions = answering_all(
        [
            (_Page, calls.older),
            (_Look, calls.look),
            (_Job, calls.job),
            (_Draw, calls.draw),
            (_Some, calls.cancel),
            (_Some, calls.retry),
            (_Job, calls.stop),
            (_Urgent, calls.prioritise),
            *PictureCalls(studio).pairs(),
        ],
        studio.settings.ui_language,
    )
    width, height = studio.settings.image_pixels
    value = {"page": PAGE, "width": width, "height": height, "steps": studio.settings.image_steps, "longest": LONGEST_PROMPT}
    card(*SCRIPTS, value=value, elem_id="images", server_functions=functions)
    frame.footer()
    gr.on(None, lambda: frame.banners(studio), None, head, show_progress="hidden", api_visibility="private")


class _Page(Asked):
    before: Id = "~"


class _Look(Asked):
    """*after*: the newest picture that the page has."""

    after: Annotated[str, Field(max_length=40)] = ""


class _Job(Asked):
    """*mark*: that of the answer before, empty at first."""

    job: Id
    mark: Annotated[str, Field(max_length=40)] = ""


class _Some(_Job):
    items: Annotated[list[Item], Field(max_length=20_000)]


class _Urgent(_Job):
    urgent: bool


class _Draw(Asked):
    prompt: Annotated[str, Field(max_length=LONGEST_PROMPT)]
    negative: Annotated[str, Field(max_length=LONGEST_PROMPT)] = ""
    width: Side | None = None
    height: Side | None = None
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] | None = None
    seed: Seed | None = None


class _Calls:
    """What the page's script may ask for."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._rows = BatchRows()

    async def older(self, asked: _Page) -> Answer:
        """A page of pictures, newest first."""
        return {"images": [narrow(image) for image in await self.studio.pictures.page(before=asked.before, limit=PAGE)]}

    async def look(self, asked: _Look) -> Answer:
        """How the workers and the newest jobs stand, and the pictures that came after the newest that the page has."""
        pictures = self.studio.pictures
        jobs, newest, pool = await asyncio.gather(pictures.recent(RECENT), pictures.page(limit=MOST_NEW), self._pool(asked.spoken))
        keys = ("id", "title", "status", "created_at", "done", "failed", "total")
        fresh = [narrow(image) for image in newest if image["id"] > asked.after] if asked.after else []
        return {"jobs": [{key: job[key] for key in keys} for job in jobs], "fresh": fresh, "pool": pool}

    async def _pool(self, language: str) -> Answer:
        """The workers in one line: how many of them draw, how many pictures wait, how long it will take."""
        pool = await self.studio.monitor.pool()
        states = [worker["state"] for worker in pool["workers"]]
        return {
            "engine": pool["engine"],
            "workers": pool["devices"],
            "ready": sum(state in ALIVE for state in states),
            "busy": states.count(WorkerState.BUSY),
            "queued": pool["waiting"],
            "eta": pool["eta"],
            "trouble": sentence(pool["trouble"], language) if pool["trouble"] else "",
        }

    async def job(self, asked: _Job) -> Answer:
        """The job, and of its pictures those that changed since *mark*, ``whole`` where these are all."""
        job = await self.studio.pictures.job(asked.job)
        if job["kind"] != picture_steps.KIND:
            raise NotFoundError("There is no job {job}.", job=asked.job)
        rows = [{**one, "id": one["item"]} for one in job.pop("pictures")]
        changed, whole, mark = self._rows.since(asked.mark, asked.job, rows)
        pictures = [{**one, "error": stored(one["error"] or "", asked.spoken)} for one in changed]
        return {**job, "pictures": pictures, "whole": whole, "mark": mark, "pool": await self._pool(asked.spoken)}

    async def draw(self, asked: _Draw) -> Answer:
        """Draw what somebody describes."""
        prompt = Prompt(asked.prompt, asked.negative, asked.width, asked.height, asked.steps, asked.seed)
        return {"job": await self.studio.pictures.draw(prompt)}

    async def cancel(self, asked: _Some) -> Answer:
        """Stop drawing some pictures of a job."""
        await self.studio.pictures.cancel(asked.job, asked.items)
        return await self.job(asked)

    async def stop(self, asked: _Job) -> Answer:
        """Stop the whole job; what is drawn stays."""
        await self.studio.cancel(asked.job)
        return await self.job(asked)

    async def retry(self, asked: _Some) -> Answer:
        """Draw failed and cancelled pictures of a job after all."""
        await self.studio.pictures.retry(asked.job, asked.items)
        return await self.job(asked)

    async def prioritise(self, asked: _Urgent) -> Answer:
        """Draw the job's pictures before those of others, or in their turn."""
        await self.studio.jobs.prioritise(asked.job, FIRST if asked.urgent else LATER)
        return await self.job(asked)
