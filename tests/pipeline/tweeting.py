"""Personas that can tweet, their jobs, and what an LLM writes for them."""

from __future__ import annotations

from datetime import UTC, datetime

import seven_outputs

from storage import personas
from storage.clock import new_id

ONE_DAY = b'{"calendar": {"2026-12-01": {"topic_type": "bread", "tweet_format": "standard", "theme": "rye"}}}'
"""A calendar's file."""


def answer(**changes):
    """What the LLM writes for a tweet."""
    whole = {
        "text": "The rye is sulking.",
        "parts": [],
        "poll_options": [],
        "topic_type": "bread",
        "mood": "wry",
        "time_segment": "night",
        "hashtags": [],
        "alt_text": "A loaf.",
        "scene_hint": "a loaf on a sill",
        "image_prompt": "a loaf steaming on a sill at night",
    }
    return {**whole, **changes}


async def people(studio, count):
    """Ids of personas as the seven stages would have left them."""
    return [await person(studio, f"Mara {number}") for number in range(count)]


async def person(studio, name="Mara Lindqvist", *, stages=True):
    """The id of a persona with all stages, or none."""
    persona_id, now = new_id(), datetime.now(UTC)

    def write(tx):
        personas.create(tx, persona_id, name=name, language="English", picture=None, options={}, job_id=None, now=now)
        for stage, output in {**seven_outputs.outputs(), "core": seven_outputs.core(name=name)}.items() if stages else ():
            personas.save_stage(tx, personas.StageVersion(persona_id, stage, output, {}), now)

    await studio._store.write(write)
    return persona_id


async def finished(studio, job_id):
    """The job as a table, once it has ended."""
    async for _ in studio.watch(job_id):
        pass
    return await studio.tweets.batch(job_id)
