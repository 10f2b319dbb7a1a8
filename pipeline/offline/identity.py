"""Who an answer is about: what the author wants changed, then what the material says, then what the author asks, then what the picture and
the seed suggest.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.offline import places, wishes
from pipeline.offline.colours import by_name
from pipeline.offline.prompt import Reading
from pipeline.offline.shelves import FALLBACK, Life, almanac, shelf
from pipeline.offline.sight import Sight

YOUNGEST, OLDEST = 21, 71


@dataclass(frozen=True)
class Identity:
    """The fixed points of a persona. *gender* is ``f``, ``m`` or ``n``; *palette* begins with the accent."""

    language: str
    name: str
    gender: str
    age: int
    birthday: str
    zodiac: str
    place: places.Place
    life: Life
    job: str
    palette: tuple[str, ...]
    light: tuple[str, ...]
    statement: str = ""
    wish: str = ""
    goal: str = ""
    known: bool = False


def identify(reading: Reading, sight: Sight | None, root: str) -> Identity:
    """*root* is the seed of everything that neither material nor author decides."""
    asked = _asked(reading)
    rng = random.Random(f"{root}|who")
    change = wishes.understand(reading.change, reading.language)
    known = change.name or reading.fact("name", "persona_name")
    life = _changed_life(reading, change) or _life(reading, asked, sight, rng)
    place = places.find(change.city, reading.language) if change.city else _place(reading, asked, life, rng)
    gender = change.gender or _gender(reading, asked, rng)
    name = str(known or asked.name or invent_name(reading.language, place.culture, gender, random.Random(f"{root}|name")))
    birthday = _birthday(reading, rng)
    return Identity(
        language=reading.language,
        name=name,
        gender=gender,
        age=change.age or _age(reading, asked, rng),
        birthday=birthday,
        zodiac=str(reading.fact("zodiac") or zodiac_of(birthday, reading.language)),
        place=place,
        life=life,
        job=change.job or _job(reading, asked, life),
        palette=_palette(reading, sight, rng),
        light=_light(sight),
        statement=asked.statement,
        wish=asked.wish,
        goal=reading.goal[: wishes.LONGEST].rstrip(" .。"),
        known=bool(known),
    )


def _asked(reading: Reading) -> wishes.Asked:
    """The author's wishes taken together; a later one wins where it says something."""
    together: dict[str, Any] = {}
    for text in reading.asks:
        understood = wishes.understand(text, reading.language)
        together |= {name: value for name, value in vars(understood).items() if value}
    return wishes.Asked(**together)


def _life(reading: Reading, asked: wishes.Asked, sight: Sight | None, rng: random.Random) -> Life:
    lives = shelf(reading.language).lives
    occupation = reading.fact("occupation", "job", "profession")
    if occupation or reading.fact("name", "persona_name"):
        told = f"{occupation or ''} {reading.fact('description') or ''}"
        by_job = wishes.match_life(str(occupation or ""), reading.language)
        return by_job or (None if occupation else wishes.match_life(told, reading.language)) or lives[FALLBACK]
    if asked.job or asked.life:
        return lives[asked.life or FALLBACK]
    if life := wishes.match_life(reading.goal, reading.language):
        return life
    return _drawn_to(sight, shelf(reading.language).choosable, rng)


def _changed_life(reading: Reading, change: wishes.Asked) -> Life | None:
    return shelf(reading.language).lives[change.life or FALLBACK] if change.job or change.life else None


def _drawn_to(sight: Sight | None, lives: list[Life], rng: random.Random) -> Life:
    """The life that feels drawn to what is seen. Chance decides among those that are about as near."""
    if sight is None:
        return rng.choice(lives)
    traits = sight.traits()
    strength = {life.key: sum(traits.get(trait, 0.0) * weight for trait, weight in life.affinity.items()) for life in lives}
    # The picture's own hash moves every life a little, so that two sunny photos need not be two beekeepers.
    nudge = random.Random(sight.digest)
    return max(lives, key=lambda life: strength[life.key] + nudge.uniform(0, 0.8) + rng.gauss(0, 0.35))


def _place(reading: Reading, asked: wishes.Asked, life: Life, rng: random.Random) -> places.Place:
    language = reading.language
    city = reading.fact("city")
    if isinstance(city, str):
        found = places.find(city, language)
        country = str(reading.fact("country_code") or found.country).upper()
        state = reading.fact("state")
        timezone, culture = places.country_facts(country)
        same = country == found.country
        zone = reading.fact("timezone") or (found.timezone if same else timezone)
        return places.Place(city, state if isinstance(state, str) else found.state, country, str(zone), found.culture if same else culture)
    where = reading.location or asked.city
    if not where and isinstance(told := reading.fact("location"), str):
        where = told
    return places.find(where or rng.choice(life.cities), language)


_SHE = re.compile(r"\b(?:she|her|hers|herself)\b|她", re.IGNORECASE)
_HE = re.compile(r"\b(?:he|him|his|himself)\b|(?<![其吉])他(?![们人])", re.IGNORECASE)
_THEY = re.compile(r"\bthey/them\b|\bthey (?:are|have|keep|live|work)\b|(?-i:(?<![A-Za-z])TA(?![A-Za-z]))", re.IGNORECASE)


def _gender(reading: Reading, asked: wishes.Asked, rng: random.Random) -> str:
    drawn = rng.choice("fm")
    told = " ".join(str(reading.fact(key) or "") for key in ("gender", "pronouns", "description", "personality", "scenario", "history"))
    if told.strip():
        first = str(reading.fact("gender") or reading.fact("pronouns") or "").lower()
        for gender, words in (("f", ("female", "woman", "she", "女")), ("m", ("male", "man", "he", "男")), ("n", ("they", "non", "非"))):
            if first.startswith(words):
                return gender
        she, he, they = _pronouns_in(told)
        if they > max(she, he):
            return "n"
        if she != he:
            return "f" if she > he else "m"
    return asked.gender or drawn


@lru_cache(maxsize=512)
def _pronouns_in(told: str) -> tuple[int, int, int]:
    """How often *told* says she, he and they."""
    return len(_SHE.findall(told)), len(_HE.findall(told)), len(_THEY.findall(told))


def _age(reading: Reading, asked: wishes.Asked, rng: random.Random) -> int:
    drawn = round(max(YOUNGEST, min(OLDEST, rng.gauss(39, 12))))
    told = reading.fact("age")
    return told if isinstance(told, int) and not isinstance(told, bool) else asked.age or drawn


def _birthday(reading: Reading, rng: random.Random) -> str:
    drawn = f"{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    told = reading.fact("birthday")
    if isinstance(told, str) and (match := re.search(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$", told)):
        return match[0]
    return drawn


def zodiac_of(birthday: str, language: str) -> str:
    """The western sign of a day given as MM-DD."""
    signs = almanac()["zodiac"]
    sign = signs[-1]  # Capricorn spans the new year
    for candidate in signs:
        if candidate[0] <= birthday:
            sign = candidate
    return sign[2 if language == "zh" else 1]


def _job(reading: Reading, asked: wishes.Asked, life: Life) -> str:
    """What they do for a living, as a noun. The first clause of a told occupation, which may run on."""
    told = reading.fact("occupation", "job", "profession")
    if isinstance(told, str):
        first = re.split(r"[,;:(，；：（。]| at | in | for | who ", told.strip())[0].strip().rstrip(".")
        first = re.sub(r"^(?:an?|the)\s+", "", first, flags=re.IGNORECASE)
        if 0 < len(first) <= 40:
            return first if first[:2].isupper() else first[:1].lower() + first[1:]
    return asked.job or life.trade


def _palette(reading: Reading, sight: Sight | None, rng: random.Random) -> tuple[str, ...]:
    """Colour names, the accent first: those of the picture; without one those the material names; without any, some."""
    language = reading.language
    if sight:
        names = [sight.accent.name(language), *(colour.name(language) for colour in sight.palette)]
        return tuple(dict.fromkeys(names))
    keys = ("style", "summary", "appearance_prompt", "color_preferences", "home", "description")
    told = " ".join(str(reading.fact(key) or "") for key in keys)
    some = rng.sample(list(by_name(language)), 4)
    return tuple(dict.fromkeys([*_colours_in(told, language), *some]))[:6]


@lru_cache(maxsize=512)
def _colours_in(told: str, language: str) -> tuple[str, ...]:
    """The garment that is named most has the accent; then the others in the order of the text, "mustard green" before "mustard"."""
    worn = {name: sum(told.count(f"{name}{garment}") for garment in _garments(language)) for name in by_name(language)}
    accent = max(worn, key=lambda name: worn[name])
    named = sorted((place, -len(name), name) for name in by_name(language) if (place := told.find(name)) != -1)
    return tuple(dict.fromkeys([*([accent] if worn[accent] else []), *(name for _, _, name in named)]))


def _garments(language: str) -> list[str]:
    """The garments of `people.toml` as they stand after a colour."""
    pool = shelf(language).pools["garment"]
    return [entry[0] if isinstance(entry, list) else f" {entry}" for entry in pool]


def _light(sight: Sight | None) -> tuple[str, ...]:
    """Words for the light and the air, strongest first; they pick the pools ``seen_light_*`` and ``seen_air_*``."""
    if sight is None:
        return ("warm", "calm")
    traits = sight.traits()
    words = ("dark", "bright", "warm", "cool", "vivid", "muted", "busy", "calm", "contrast", "soft")
    return tuple(sorted((word for word in words if traits[word] > 0.05), key=lambda word: -traits[word])) or ("soft",)


def invent_name(language: str, culture: str, gender: str, rng: random.Random) -> str:
    """A full name. English texts use names of the country's culture, Chinese texts Chinese names."""
    if language == "zh":
        return invent_surname(language, culture, rng) + given_name(language, culture, gender, rng)
    return f"{given_name(language, culture, gender, rng)} {invent_surname(language, culture, rng)}"


def given_name(language: str, culture: str, gender: str, rng: random.Random) -> str:
    pools = _names(language, culture)
    return rng.choice(pools["f"] + pools["m"] if gender == "n" else pools[gender])


def invent_surname(language: str, culture: str, rng: random.Random) -> str:
    return rng.choice(_names(language, culture)["surname"])


def _names(language: str, culture: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = shelf("zh").tables["names"] if language == "zh" else shelf("en").tables["culture"][culture]
    return names
