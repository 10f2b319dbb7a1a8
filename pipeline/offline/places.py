"""Where a place is: from what an author typed to city, region, country and time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from pipeline.offline.shelves import almanac


@dataclass(frozen=True)
class Place:
    """*country* is an ISO 3166-1 alpha-2 code, *culture* a key of the names in English texts."""

    city: str
    state: str
    country: str
    timezone: str
    culture: str


@dataclass(frozen=True)
class _City:
    names: tuple[str, str]
    regions: tuple[str, str]
    country: str
    timezone: str


@cache
def _cities() -> dict[str, _City]:
    found: dict[str, _City] = {}
    for english, chinese, region, region_zh, country, timezone in almanac()["city"]:
        city = _City((english, chinese), (region, region_zh), country, timezone)
        for name in (english, chinese, _plain(english)):
            found.setdefault(name.casefold(), city)
    return found


@cache
def _countries() -> dict[str, str]:
    found = {
        "uk": "GB",
        "england": "GB",
        "scotland": "GB",
        "wales": "GB",
        "usa": "US",
        "u.s.": "US",
        "america": "US",
        "holland": "NL",
        "czech republic": "CZ",
        "korea": "KR",
    }
    for code, (english, chinese, *_) in almanac()["country"].items():
        found |= {english.casefold(): code, chinese: code}
    return found


def _plain(name: str) -> str:
    return name.translate(str.maketrans("áàâãéêíóôõöøúüçñ", "aaaaeeiooooouucn"))


def country_facts(code: str) -> tuple[str, str]:
    """Time zone of most people there, and naming culture. London's and nobody's in particular where the country is unknown."""
    entry = almanac()["country"].get(code.upper())
    return (entry[2], entry[3]) if entry else ("Europe/London", "international")


def find(text: str, language: str) -> Place:
    """The place an author means by ``"Lisbon"``, ``"Austin, Texas"``, ``"a village near Bergen"`` or ``"四川成都"``.

    A city that is not in the gazetteer keeps its name; country and zone are taken from the rest of the text, else from the language.
    """
    words = " ".join(text.split())
    known = _known_city(words)
    parts = [part.strip() for part in re.split(r"[,，、/]", words) if part.strip()]
    if known and (len(parts) < 2 or _agrees(known, parts[1:])):
        return _place(known, language)
    country, timezone = _surroundings(words, language)
    name = parts[0] if parts else words
    state = parts[1] if len(parts) > 1 and parts[1].casefold() not in _countries() else ""
    if name.casefold() in _countries() or name in almanac()["zone_of_state"]:
        return _capital_of(country, language) or Place(name, state, country, timezone, country_facts(country)[1])
    return Place(name[:60], state[:60], country, timezone, country_facts(country)[1])


def _known_city(words: str) -> _City | None:
    cities = _cities()
    folded = words.casefold()
    if folded in cities:
        return cities[folded]
    first = re.split(r"[,，、/]", folded)[0].strip()
    if first in cities:
        return cities[first]
    # "near Bergen", "四川成都": the longest known name in the text.
    inside = [name for name in cities if name in folded and (not name.isascii() or re.search(rf"\b{re.escape(name)}\b", folded))]
    return cities[max(inside, key=len)] if inside else None


def _agrees(city: _City, rest: list[str]) -> bool:
    """Portland, Maine is not the Portland of the gazetteer."""
    for part in rest:
        country = _countries().get(part.casefold())
        state = almanac()["zone_of_state"].get(part)
        if (country and country != city.country) or (state and part not in city.regions):
            return False
    return True


def _place(city: _City, language: str) -> Place:
    chinese = language == "zh"
    return Place(city.names[chinese], city.regions[chinese], city.country, city.timezone, country_facts(city.country)[1])


def _surroundings(words: str, language: str) -> tuple[str, str]:
    states: dict[str, str] = almanac()["zone_of_state"]
    for state, timezone in states.items():
        if re.search(rf"\b{state}\b", words):
            return "US", timezone
    folded = words.casefold()
    for name, code in _countries().items():
        if (name in folded) if not name.isascii() else re.search(rf"\b{re.escape(name)}\b", folded):
            return code, country_facts(code)[0]
    return ("CN", "Asia/Shanghai") if language == "zh" else ("GB", "Europe/London")


def _capital_of(country: str, language: str) -> Place | None:
    """Some city of *country*, for authors who name only that."""
    for city in _cities().values():
        if city.country == country:
            return _place(city, language)
    return None
