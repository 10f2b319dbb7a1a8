"""The worlds on the shelf: `worlds/<language>/`, read once and kept.

A *life* is a trade with everything that hangs on it (places, tools, mishaps, regulars, running jokes); what all lives of a language
share (looks, voices, friends, ways of telling) stands in files of its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "worlds"
LANGUAGES = ("en", "zh")
FALLBACK = "anyone"
"""The life of those whose trade no other life knows. Never chosen by a picture."""


@dataclass(frozen=True)
class Life:
    """One file of `worlds/<language>/lives/`. *pools* are the lists that templates draw from, tables among them as they stand."""

    key: str
    trade: str
    match: tuple[str, ...]
    hours: tuple[str, ...]
    cities: tuple[str, ...]
    affinity: dict[str, float]
    facts: dict[str, str]
    pools: dict[str, list[Any]]

    def pool(self, name: str) -> list[Any]:
        return self.pools.get(name, [])


@dataclass(frozen=True)
class Shelf:
    """All that one language has."""

    language: str
    lives: dict[str, Life]
    pools: dict[str, list[Any]]
    tables: dict[str, Any] = field(default_factory=dict)

    @property
    def choosable(self) -> list[Life]:
        return [life for life in self.lives.values() if life.key != FALLBACK]


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)


def _life(path: Path) -> Life:
    data = _read(path)
    pools: dict[str, list[Any]] = data.pop("pools")
    # Tables in the plural of their heading: [[regular]] is the pool "regular".
    pools |= {
        name: data.pop(name) for name, value in list(data.items()) if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    return Life(
        key=path.stem,
        trade=data.pop("trade"),
        match=tuple(data.pop("match")),
        hours=tuple(data.pop("hours")),
        cities=tuple(data.pop("cities")),
        affinity=data.pop("affinity", {}),
        facts={name: value for name, value in data.items() if isinstance(value, str)},
        pools=pools,
    )


@cache
def shelf(language: str) -> Shelf:
    """The shelf of ``en`` or ``zh``. Reading it the first time takes a fifth of a second."""
    folder = FOLDER / language
    lives = {path.stem: _life(path) for path in sorted((folder / "lives").glob("*.toml"))}
    pools: dict[str, list[Any]] = {}
    tables: dict[str, Any] = {}
    for path in sorted(folder.glob("*.toml")):
        data = _read(path)
        _add_pools(pools, data.pop("pools", {}))
        tables |= data
    return Shelf(language, lives, pools, tables)


def _add_pools(pools: dict[str, list[Any]], more: dict[str, list[Any]]) -> None:
    twice = pools.keys() & more.keys()
    if twice:
        raise ValueError(f"worlds: the pool {min(twice)} stands in two shared files")
    pools |= more


@cache
def almanac() -> dict[str, Any]:
    """What holds in every language: colours, the gazetteer, zodiac signs, holidays."""
    tables: dict[str, Any] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        tables |= _read(path)
    return tables


def forms(language: str) -> Sequence[dict[str, Any]]:
    """The ways in which a post can be told."""
    return shelf(language).tables["form"]
