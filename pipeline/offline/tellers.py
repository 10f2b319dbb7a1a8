"""The register of tellers: who knows what to say in a field of which name.

A teller is registered under a field name (``hobbies``), or under the kind of thing it belongs to and the name (``persona.name``), since
the name of a person and the name of a dish are different questions. Names are compared in snake case, after aliases
(`worlds/fields.toml`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.offline import Json
from pipeline.offline.grammar import Telling
from pipeline.offline.moments import Teller
from pipeline.offline.prompt import Reading
from pipeline.offline.schema_walk import Field
from pipeline.offline.shelves import almanac
from pipeline.offline.sight import Sight
from pipeline.offline.world import World


@dataclass(frozen=True)
class Subject:
    """What an object of the answer is about. *facts* hold the values of its fields, or functions that make them when they are asked."""

    kind: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One answer being written: what was asked, about whom, and by what chance."""

    reading: Reading
    world: World
    sight: Sight | None
    rng: random.Random
    telling: Telling
    posts: Teller

    @property
    def language(self) -> str:
        return self.reading.language

    def say(self, template: str, **bound: Json) -> str:
        return self.telling.tell(template, **bound)

    def draw(self, *pools: str, **bound: Json) -> str:
        """A text from the first pool, mostly; from the others now and then, so that own things outweigh common ones."""
        known = [pool for pool in pools if self.telling.has(pool)]
        first = known[0] if len(known) == 1 or self.rng.random() < 0.68 else self.rng.choice(known[1:])
        return self.telling.say(first, **bound)


Told = Callable[[Job, Field], Any]
_register: dict[str, Told] = {}


def tells(*names: str) -> Callable[[Told], Told]:
    """Register a teller under *names*."""

    def register(teller: Told) -> Told:
        for name in names:
            if name in _register:
                raise ValueError(f"two tellers for {name}")
            _register[name] = teller
        return teller

    return register


def teller_for(kind: str, name: str) -> Told | None:
    return _register.get(f"{kind}.{name}") or _register.get(name)


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """``"fullName"`` -> ``name``: snake case, then the alias."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s\-./]+", "_", name.strip()).lower()
    return almanac()["alias"].get(snake, snake)
