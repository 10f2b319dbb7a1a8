"""What is told about the account and its pictures: strategy and visual profile."""

from __future__ import annotations

import re
from typing import Any

from pipeline.offline.colours import by_name
from pipeline.offline.grammar import tidy
from pipeline.offline.schema_walk import Field
from pipeline.offline.tell_persona import bound_people
from pipeline.offline.tellers import Job, tells


@tells("archetype")
def _archetype(job: Job, _: Field) -> str:
    return job.draw("archetype")


@tells("audience")
def _audience(job: Job, _: Field) -> str:
    return job.draw("audience", "any_audience")


@tells("goals")
def _goal(job: Job, field: Field) -> str:
    """What the author said the account is for comes first, in the author's words."""
    asked = job.world.identity.goal
    if asked and field.index == 0:
        return asked[:1].upper() + asked[1:]
    return job.draw("goal", "any_goal")


@tells("posting_times")
def _posting_time(job: Job, field: Field) -> str:
    """The hours of this life in their order, a few minutes off."""
    hours = job.world.identity.life.hours
    hour, minute = hours[field.index % len(hours)].split(":")
    return f"{hour}:{min(59, int(minute) + job.rng.randint(0, 9)):02d}"


@tells("do")
def _do(job: Job, _: Field) -> str:
    return job.draw("do", "any_do", **bound_people(job))


@tells("dont")
def _dont(job: Job, _: Field) -> str:
    return job.draw("dont", "any_dont", **bound_people(job))


@tells("common_outfits")
def _outfit(job: Job, field: Field) -> str:
    """The garment by which they are known comes first, so that every picture has it."""
    if field.index == 0:
        return job.draw("garment_over")
    return job.draw("outfit", "any_outfit")


@tells("common_props")
def _prop(job: Job, _: Field) -> str:
    return job.draw("prop", "any_prop")


@tells("color_preferences")
def _colour(job: Job, field: Field) -> str:
    palette = job.world.identity.palette
    return palette[field.index % len(palette)]


@tells("lighting_preferences")
def _lighting(job: Job, field: Field) -> str:
    light = job.world.identity.light
    words = [word for word in light if job.telling.has(f"seen_light_{word}")] or ["warm"]
    return job.draw(f"seen_light_{words[field.index % len(words)]}")


@tells("typical_poses")
def _pose(job: Job, _: Field) -> str:
    return job.draw("pose", "any_pose")


@tells("atmosphere_keywords")
def _air(job: Job, field: Field) -> str:
    light = job.world.identity.light
    if field.index < 5:
        return job.draw(f"seen_air_{light[field.index % len(light)]}")
    return job.draw("any_air")


@tells("camera_angles")
def _angle(job: Job, _: Field) -> str:
    return job.draw("any_angle")


@tells("appearance_prompt")
def appearance_prompt(job: Job, _: Field) -> str:
    """English whatever the language: it goes to an image model."""
    who, facts = job.world.identity, job.world.facts
    person = {"f": "woman", "m": "man", "n": "androgynous person"}[who.gender]
    details = [facts["hair_en"], _eyes_en(facts["eyes_en"]), facts["build_en"].split(",")[0], _wearing(job), *features_en(job)]
    return tidy(", ".join([f"A {who.age}-year-old {person}", *(detail for detail in details if detail)]))


def _eyes_en(eyes: str) -> str:
    return f"{eyes.split(',', maxsplit=1)[0]} eyes" if eyes else ""


def _wearing(job: Job) -> str:
    facts = job.world.facts
    colour = facts["accent"]
    if job.language == "zh":
        known = by_name("zh").get(colour)
        colour = known.english if known else ""
    return re.sub(r"\s+", " ", f"wearing a {colour} {facts['garment_en']}")


def features_en(job: Job) -> list[str]:
    """Recognisable details in English. Texts with an English side keep it in the second place of their entry."""
    chance = job.world.chance("features")
    chosen = [chance.choice(job.world.pool(name) or [""]) for name in ("feature", "any_feature")]
    return [job.say(entry[1] if isinstance(entry, list) else entry) for entry in chosen if entry]


def scene_prompt(job: Job, scene_en: str) -> str:
    """The line for one picture: who, doing what, in which light."""
    return f"{appearance_prompt(job, Field((), {}))}; {scene_en}"


NEGATIVE = "text, watermark, logo, extra fingers, deformed hands, blurry, low quality, oversaturated"


def generation_facts() -> dict[str, Any]:
    """Usual parameters of an image, where a schema asks for them."""
    return {
        "negative_prompt": NEGATIVE,
        "width": 1024,
        "height": 1024,
        "steps": 9,
        "cfg": 0,
        "cfg_scale": 0,
        "guidance": 0,
        "strength": 0.8,
        "model_path": "",
    }
