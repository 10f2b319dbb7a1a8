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
    """Personas as the seven stages would have left them."""
    ids = [new_id() for _ in range(count)]
    now = datetime.now(UTC)

    def write(tx):
        for number, persona_id in enumerate(ids):
            core = seven_outputs.core(name=f"Mara {number}")
            personas.create(tx, persona_id, name="", language="English", picture=None, options={}, job_id=None, now=now)
            for stage, output in {**seven_outputs.outputs(), "core": core}.items():
                personas.save_stage(tx, personas.StageVersion(persona_id, stage, output, {}), now)

    await studio._store.write(write)
    return ids


async def finished(studio, job_id):
    """The job as a table, once it has ended."""
    async for _ in studio.watch(job_id):
        pass
    return await studio.tweets.batch(job_id)
