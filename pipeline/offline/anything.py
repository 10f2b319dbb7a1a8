"""Fields nobody planned: what to say is read from their names and descriptions, and told from the same world."""

from __future__ import annotations

import re
from typing import Any

from pipeline.offline.counts import Length, length
from pipeline.offline.schema_walk import Field
from pipeline.offline.shelves import almanac
from pipeline.offline.tell_persona import bound_people
from pipeline.offline.tellers import Job

_GENERIC = {
    "name",
    "title",
    "label",
    "value",
    "text",
    "content",
    "item",
    "items",
    "data",
    "result",
    "list",
    "object",
    "entry",
    "entries",
    "main",
    "other",
    "short",
    "full",
    "first",
    "second",
}
_TELLING = {
    "sentence",
    "sentences",
    "paragraph",
    "paragraphs",
    "explain",
    "explains",
    "describe",
    "describes",
    "describing",
    "summarise",
    "summary",
    "说明",
    "描述",
    "介绍",
}
_SPLIT = re.compile(r"(?<=[a-z])(?=[A-Z])|[\s_\-./]+")


def text(job: Job, field: Field, schema_name: str) -> str:
    """Prose for *field*, of the length its description asks for."""
    wanted = length(field.description)
    bound = {**bound_people(job), "matter": _matter(job, field, schema_name)}
    pool = _pool(job, field, schema_name)
    if pool == "colour":
        palette = job.world.identity.palette
        return palette[field.index % len(palette)]
    if pool and not _asks_for_prose(field, wanted):
        return _sized(job, job.telling.say(pool, **bound), wanted, bound)
    if _asks_for_prose(field, wanted):
        return _prose(job, wanted, bound)
    if field.name.lower().split("_")[-1] in ("title", "name", "label"):
        return job.telling.say("title_of", **bound)
    if field.name:
        return _sized(
            job, job.telling.say("on_the_matter" if wanted == Length() and not field.item else "short_thing", **bound), wanted, bound
        )
    return job.telling.say("anecdote", **bound)


def _asks_for_prose(field: Field, wanted: Length) -> bool:
    described = set(re.findall(r"[a-z]+|[\u4e00-\u9fff]{2}", field.description.lower()))
    return bool(wanted.sentences[1] > 1 or wanted.paragraphs[1] or wanted.words[1] > 14 or described & _TELLING)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _SPLIT.split(name) if word]


def _pool(job: Job, field: Field, schema_name: str) -> str:
    """The pool of the nearest word with a topic: the field's own name from its end, what encloses it, then the description."""
    topics = almanac()["topic"]
    own = _words(field.name)[::-1]
    around = [word for name in reversed((schema_name, *field.path[:-1])) for word in reversed(_words(name))]
    telling = [word for word in own if word not in _GENERIC]
    candidates = telling or around
    described = re.findall(r"[a-z]+", field.description.lower()) if field.description else []
    for word in [*candidates, *described, *(around if not telling else [])]:
        for form in (word, word.removesuffix("s"), word.removesuffix("es")):
            pool = topics.get(form)
            if pool == "colour" or (pool and job.telling.has(pool)):
                return pool
    return ""


_ORDER_ZH = re.compile(r"[用写请给列把按]|描述|介绍|说明|简[要短]")
"""How a description begins that tells what to do, not what the field is."""


def _matter(job: Job, field: Field, schema_name: str) -> str:
    """What the field is about, as words that fit into a sentence."""
    own = [word for word in _words(field.name) if word not in _GENERIC] or [
        word for name in (*field.path[:-1][-1:], schema_name) for word in _words(name)
    ]
    if job.language == "zh":
        told = re.search(r"[\u4e00-\u9fff]+", field.description)
        return told[0] if told and 2 <= len(told[0]) <= 8 and not _ORDER_ZH.match(told[0]) else "这件事"
    return " ".join(own) or "this"


def _sized(job: Job, told: str, wanted: Length, bound: dict[str, Any]) -> str:
    """*told*, or prose where the description asks for more than it has."""
    return _prose(job, wanted, bound) if wanted.sentences[0] > 1 else told


def _prose(job: Job, wanted: Length, bound: dict[str, Any]) -> str:
    """Sentences about this life, as many as were asked for."""
    chinese = job.language == "zh"
    between = "" if chinese else " "
    paragraphs = job.rng.randint(*wanted.paragraphs) if wanted.paragraphs[1] else 1
    low, high = wanted.sentences if wanted.sentences[1] else (2, 3)
    if wanted.words[1] > 14:
        high = low = max(1, wanted.words[1] // 16)
    written = []
    for _ in range(paragraphs):
        many = job.rng.randint(low, high)
        parts: list[str] = [job.telling.say("on_the_matter", **bound)] if not written else []
        while _sentences("".join(parts)) < many:
            parts.append(job.telling.say("anecdote", **bound))
        written.append(_first_sentences(between.join(parts), many, chinese=chinese))
    return "\n\n".join(written)


_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“])|(?<=[。！？])(?![”’）])")


def _sentences(told: str) -> int:
    return len(re.findall(r"[.!?](?:\s|$)|[。！？]", told))


def _first_sentences(told: str, many: int, *, chinese: bool) -> str:
    parts = [part for part in _END.split(told) if part]
    if len(parts) <= many:
        return told
    kept = ("" if chinese else " ").join(parts[:many])
    return kept + "”" * (kept.count("“") - kept.count("”"))


def number(job: Job, field: Field, low: float | None, high: float | None) -> float | None:
    """A usual number for a field of this name, within the limits; ``None`` where the name says nothing."""
    usual = almanac()["number"]
    described = re.findall(r"[a-z]+", field.description.lower())
    for word in [*reversed(_words(field.name)), *described]:
        for form in (word, word.removesuffix("s")):
            if form in usual:
                least, most = usual[form]
                least = max(least, low) if low is not None else least
                most = min(most, high) if high is not None else most
                if form in ("id", "day", "page") and field.count > 1:
                    return field.index + 1
                return job.rng.uniform(least, most) if least <= most else None
    return None
