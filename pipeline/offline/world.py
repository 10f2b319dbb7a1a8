"""The world around a persona: their people, jokes, looks and voice, and the names that templates use for all of it.

Whatever the material does not say is drawn from the persona's name, so every stage of one persona draws the same friends, the same
coat and the same running jokes, without the server remembering anything.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pipeline.offline.colours import by_name
from pipeline.offline.grammar import Telling
from pipeline.offline.identity import Identity, given_name, invent_surname
from pipeline.offline.prompt import Reading
from pipeline.offline.shelves import Shelf, shelf

Person = dict[str, Any]

_PRONOUNS = {
    "f": {"she": "she", "her": "her", "them": "her", "hers": "hers", "herself": "herself", "a_person": "a woman"},
    "m": {"she": "he", "her": "his", "them": "him", "hers": "his", "herself": "himself", "a_person": "a man"},
    "n": {"she": "they", "her": "their", "them": "them", "hers": "theirs", "herself": "themself", "a_person": "a person"},
}
_PRONOUNS_ZH = {"f": "她", "m": "他", "n": "TA"}
CIRCLES = {"close": 4, "past": 2, "online": 3}


def pronouns(gender: str, language: str) -> dict[str, str]:
    """The words that templates write as ``{she}``, ``{her}``, ``{them}``, ... for a person of *gender*."""
    if language == "zh":
        word = _PRONOUNS_ZH[gender]
        return {"she": word, "her": f"{word}的", "them": word, "First_she": word, "a_person": {"f": "女人", "m": "男人", "n": "人"}[gender]}
    words = _PRONOUNS[gender]
    return {**words, "First_she": words["she"].capitalize()}


def light_lines(language: str, light: tuple[str, ...]) -> list[str]:
    """Ways of writing the light that *light* names, the two strongest words of it."""
    pools = shelf(language).pools
    return [line for word in light[:2] for line in pools.get(f"seen_light_{word}", [])] or pools["seen_light_warm"]


@dataclass(frozen=True)
class World:
    """An identity with everything that follows from it. Build it with :func:`world_of`."""

    identity: Identity
    shelf: Shelf
    told: tuple[tuple[str, str], ...]

    def chance(self, what: str) -> random.Random:
        """A source of chance that depends on the persona's name alone."""
        return random.Random(f"{what}|{self.identity.name}")

    def telling(self, rng: random.Random) -> Telling:
        return Telling(self.facts, self.pool, rng, plural=self.identity.gender == "n" and self.shelf.language == "en")

    def pool(self, name: str) -> list[Any] | None:
        """What the template symbol *name* draws from: people first, then the life, then what all lives share."""
        if name in self._people:
            return self._people[name]
        return self.identity.life.pools.get(name) or self.shelf.pools.get(name)

    @cached_property
    def _people(self) -> dict[str, list[Person]]:
        return {"regular": self.regulars, "friend": self.circle("close"), "joke": self.jokes}

    @cached_property
    def _circles(self) -> dict[str, list[Person]]:
        rng = self.chance("circle")
        taken = {self.first}
        return {circle: self._cast(circle, count, rng, taken) for circle, count in CIRCLES.items()}

    def circle(self, circle: str) -> list[Person]:
        """The friends of ``close``, ``past`` or ``online``, always in the same order."""
        return self._circles[circle]

    def _cast(self, circle: str, count: int, rng: random.Random, taken: set[str]) -> list[Person]:
        parts = rng.sample(self.shelf.tables[circle], count)
        return [self._friend(part, rng, taken) for part in parts]

    def _friend(self, part: Person, rng: random.Random, taken: set[str]) -> Person:
        who = self.identity
        gender = part.get("sex") or rng.choice("fm")
        first, name = self._unused(gender, rng, taken)
        low, high = part["older"]
        relation = part["relation"].replace("{regular_hobby}", rng.choice(self.shelf.pools["regular_hobby"]))
        age = max(19, min(88, who.age + rng.randint(low, high)))
        known = {"relation": relation, "name": name, "first": first, "age": age, "gender": gender}
        return {**part, **known, **pronouns(gender, self.shelf.language)}

    def _unused(self, gender: str, rng: random.Random, taken: set[str]) -> tuple[str, str]:
        """A given name that nobody here has, and a full name with it."""
        language, culture = self.shelf.language, self.identity.place.culture
        for _ in range(20):
            given = given_name(language, culture, gender, rng)
            if given not in taken:
                break
        taken.add(given)
        surname = self._surname(rng, set())
        return given, f"{surname}{given}" if language == "zh" else f"{given} {surname}"

    def _surname(self, rng: random.Random, taken: set[str]) -> str:
        for _ in range(20):
            name = invent_surname(self.shelf.language, self.identity.place.culture, rng)
            if name not in taken:
                break
        taken.add(name)
        return name

    @cached_property
    def regulars(self) -> list[Person]:
        """The recurring characters of the life, with names of this place."""
        rng = self.chance("regulars")
        taken = {self.first, *(friend["first"] for circle in CIRCLES for friend in self.circle(circle))}
        surnames: set[str] = set()
        people = []
        for part in self.identity.life.pools["regular"]:
            gender = part["sex"]
            given, full = self._unused(gender, rng, taken)
            bound = {"surname": self._surname(rng, surnames), f"given_{gender}": given, "full": full}
            name = re.sub(r"\{(\w+)\}", lambda match, bound=bound: bound[match[1]], part["name"])
            people.append({**part, "name": name, "first": name, "gender": gender, **pronouns(gender, self.shelf.language)})
        return people

    @property
    def jokes(self) -> list[dict[str, Any]]:
        return self.identity.life.pools["joke"]

    @property
    def first(self) -> str:
        """What friends call them."""
        name = self.identity.name
        if self.shelf.language == "zh":
            return name[1:] if re.fullmatch(r"[\u4e00-\u9fff]{3}", name) else name
        return name.split()[0] if name.split() else name

    @cached_property
    def voice(self) -> dict[str, Any]:
        return self.chance("voice").choice(self.shelf.tables["voice"])

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Everything that a template may name and that is the same in all of a persona's texts."""
        who, rng, chinese = self.identity, self.chance("looks"), self.shelf.language == "zh"
        palette = (list(who.palette) * 6)[:6] or ["grey"] * 6
        told = dict(self.told)
        looks = {part: self._look(part, rng) for part in ("hair", "eyes", "build")}
        garment = rng.choice(self.shelf.pools["garment"])
        garment = garment if isinstance(garment, list) else [garment, garment]
        facts: dict[str, Any] = {
            **{name: [text] for name, text in who.life.facts.items()},  # in a list, since they are templates
            **pronouns(who.gender, self.shelf.language),
            **{part: told.get(part) or look[0] for part, look in looks.items()},
            **{f"{part}_en": look[1] for part, look in looks.items()},
            "name": who.name,
            "first": self.first,
            "age": str(who.age),
            "job": who.job,
            "trade": who.life.trade,
            "city": who.place.city,
            "street": self._street(rng),
            "accent": palette[0],
            "second": palette[1],
            "third": palette[2],
            "palette_dark": self._darkest(palette),
            "accent_garment": f"{palette[0]}{garment[0]}" if chinese else f"the {palette[0]} {garment[0]}",
            "garment_en": garment[1],
            "light_words": light_lines(who.language, who.light),
            "clock_work": rng.choice(who.life.hours),
            "wish": who.wish,
            "statement": who.statement,
            "goal_asked": who.goal,
        }
        facts["earlier_year"] = [str(year) for year in range(2011, 2022)]
        return facts

    def _look(self, part: str, rng: random.Random) -> list[str]:
        pool = self.shelf.pools[f"hair_{self.identity.gender}" if part == "hair" else part]
        entry = rng.choice(pool)
        return entry if isinstance(entry, list) else [entry, entry]

    def _street(self, rng: random.Random) -> str:
        if self.shelf.language == "zh":
            return rng.choice(self.shelf.tables["names"]["street"])
        return rng.choice(self.shelf.tables["culture"][self.identity.place.culture]["street"])

    def _darkest(self, palette: list[str]) -> str:
        known = by_name(self.shelf.language)
        return min((name for name in palette if name in known), key=lambda name: known[name].lab.lightness, default=palette[0])


_TOLD = ("hair", "eyes", "build")


@lru_cache(maxsize=512)
def _world(identity_key: tuple[Any, ...], told: tuple[tuple[str, str], ...]) -> World:
    identity = identity_key[0]
    return World(identity, shelf(identity.language), told)


class _Keyed(tuple[Identity]):
    """An identity as a cache key: its life is compared by name, since pools cannot be hashed."""

    __slots__ = ()

    def __hash__(self) -> int:
        who = self[0]
        return hash((who.language, who.name, who.age, who.job, who.place.city, who.birthday, who.palette))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self[0] == other[0]


def world_of(identity: Identity, reading: Reading) -> World:
    """The world of *identity*; what the material says about their looks is kept. Worlds are cached."""
    told = tuple((part, value.rstrip(".。")) for part in _TOLD if isinstance(value := reading.fact(part), str) and value)
    return _world(_Keyed((identity,)), told)
