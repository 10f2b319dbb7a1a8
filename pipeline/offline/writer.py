"""From a request to the text of an answer. Pure: the same messages, format and seed give the same text, byte for byte."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.offline import Json, chat, prompt
from pipeline.offline.author import Author
from pipeline.offline.identity import identify
from pipeline.offline.moments import Teller
from pipeline.offline.prompt import Reading
from pipeline.offline.schema_walk import Walk
from pipeline.offline.sight import Sight, look
from pipeline.offline.tellers import Job
from pipeline.offline.world import world_of


@dataclass(frozen=True)
class Written:
    """An answer, with what of the request is worth logging. *value* is the object behind the text where there is one."""

    text: str
    value: Any
    schema_name: str
    schema: dict[str, Any] | None
    schema_in_prompt: bool
    language: str


def sights(messages: list[Any]) -> list[Sight]:
    """Look at all pictures of a request. Raises :class:`pipeline.offline.sight.NotAPicture`. Slow the first time a picture comes."""
    return [look(address) for address in prompt.pictures(messages)]


def write(messages: list[Any], response_format: Mapping[str, Any] | None, seed: int | None, seen: list[Sight], *, nth: int = 0) -> Written:
    """Answer a request whose shape was checked. *nth* counts how often the same was asked before, for answers that should vary.

    Raises :class:`pipeline.offline.strings.Unwritable` when the schema cannot be followed.
    """
    reading = prompt.read(messages, response_format)
    sight = seen[0] if seen else None
    salt = f"{seed or 0}|{nth}"
    value, text = _compose(reading, sight, salt)
    if reading.earlier_answers and text.strip() == reading.earlier_answers[-1].strip():
        # This very answer was sent back: another one, not the same again.
        value, text = _compose(reading, sight, f"{salt}|{len(reading.earlier_answers)}")
    return Written(text, value, reading.schema_name, reading.schema, reading.schema_in_prompt, reading.language)


def _compose(reading: Reading, sight: Sight | None, salt: str) -> tuple[Any, str]:
    root = f"{salt}|{sight.digest if sight else '' if reading.fact('name', 'persona_name') else _digest(reading.text)}"
    identity = identify(reading, sight, root)
    world = world_of(identity, reading)
    rng = random.Random(f"{salt}|{identity.name}|{reading.schema_name}|{_digest(reading.text + reading.material[-4000:])}")
    telling = world.telling(rng)
    job = Job(reading, world, sight, rng, telling, Teller(world, telling))
    if reading.schema is None:
        return None, chat.reply(job)
    name = reading.schema_name or str(reading.schema.get("title") or "")
    value = Walk(reading.schema, Author(job, name), rng).write()
    return value, to_json(value)


def to_json(value: Json) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # integers beyond 64 bits
        return json.dumps(value, ensure_ascii=False)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()
