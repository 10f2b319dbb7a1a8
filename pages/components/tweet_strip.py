"""The strip of a persona's tweets on Create: they are ordered there, and fill in while they are written.

It is a card of its own. The persona that the page shows is told to its script by an event of the page's (``studio-persona``), so nothing
that happens here touches the persona's panels.
"""

from __future__ import annotations

from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from pages.components.asked import Answer, Asked, answering_all
from pages.components.card import card
from pages.language import stored
from pages.tweet_filters import DayOrNothing, Id
from pipeline.studio import Studio
from pipeline.tweet_steps import Order

MOST = 50
"""Tweets that are ordered at once here; Batch takes more."""
_SHOWN = ("id", "slot", "text", "badges", "date", "time", "status", "length", "parts")


class _Persona(Asked):
    persona: Id


class _Order(_Persona):
    count: Annotated[int, Field(ge=1, le=MOST)]
    start: DayOrNothing = ""
    calendar: Annotated[str, Field(max_length=40)] = ""


def tweet_strip(studio: Studio) -> gr.HTML:
    """The form and the strip, hidden until the page shows a persona that is complete."""

    async def strip(asked: _Persona) -> Answer:
        """The newest job that writes tweets of the persona, and the tweets that came of it: ``{job, tweets}``."""
        job_id = await studio.tweets.newest_job(asked.persona)
        if job_id is None:
            return {"job": None, "tweets": []}
        batch = await studio.tweets.batch(job_id)
        mine = next((persona for persona in batch["personas"] if persona["id"] == asked.persona), None)
        if mine is None:
            return {"job": None, "tweets": []}
        tweets = await studio.tweets.of_job(job_id, asked.persona, MOST)
        reasons = [failure["reason"] for failure in batch["failures"] if failure["persona"] == asked.persona]
        job = {
            "id": job_id,
            "status": batch["status"],
            **mine["tweets"],
            "calendar": "failed" if mine["file"] == "failed" else mine["calendar"],  # the persona is here, so it was its calendar's file
            "reason": stored(next(iter(reasons), ""), asked.spoken),
        }
        return {"job": job, "tweets": [_narrow(tweet) for tweet in tweets]}

    async def calendars(asked: _Persona) -> Answer:
        """The calendars that tweets of the persona can be written from, newest first."""
        return {"calendars": await studio.calendars.of_persona(asked.persona)}

    async def write(asked: _Order) -> Answer:
        """Start writing, ahead of every batch: a person waits. From a calendar that is given, its own days are taken."""
        start = "" if asked.calendar else asked.start
        await studio.tweets.start([Order(asked.persona, asked.count, asked.calendar or None, start)], priority=0)
        return await strip(asked)

    async def again(asked: _Persona) -> Answer:
        """Write what failed or was stopped."""
        job_id = await studio.tweets.newest_job(asked.persona)
        if job_id:
            await studio.resume(job_id)
        return await strip(asked)

    pairs = [(_Persona, strip), (_Persona, calendars), (_Order, write), (_Persona, again)]
    functions = answering_all(pairs, studio.settings.ui_language)
    return card("calendar_names", "strip_calendars", "strip", value=MOST, elem_id="strip", server_functions=functions)


def _narrow(tweet: dict[str, Any]) -> dict[str, Any]:
    return {key: tweet[key] for key in _SHOWN}
