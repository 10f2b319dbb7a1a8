"""What the gallery asks for, as SQL: filters over one narrow index, words over the trigram index, shorter terms through LIKE."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

SHORTEST_WORD = 3
"""Characters that a term needs for the trigram index; shorter ones are looked for in every text."""
MOST_TERMS = 64
"""Terms of a search that count; what follows is left out."""


@dataclass(frozen=True)
class Filters:
    """Which tweets are meant: those that meet every filter given, and within one filter any of its values.

    Days are ``YYYY-MM-DD``, both included. *search* is what a person types: each of its terms occurs in the text, in any case.
    *with_image*: whether a picture is asked for.
    """

    persona_ids: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    badges: tuple[str, ...] = ()
    first_day: str | None = None
    last_day: str | None = None
    job_id: str | None = None
    with_image: bool | None = None
    search: str = ""


@dataclass(frozen=True)
class Query:
    """``FROM ... WHERE ...`` whose *number* names the tweets, for ``ORDER BY`` and ``LIMIT`` behind it."""

    sql: str
    values: tuple[Any, ...]
    number: str


def query(filters: Filters, before: int | None = None) -> Query:
    """The tweets that *filters* mean, or those of them whose number is below *before*."""
    words, shorts = terms(filters.search)
    conditions, values = _conditions(filters, shorts)
    if words:
        source, number = "tweets_fts AS found", "found.rowid"
        if conditions:
            source += " CROSS JOIN tweets AS t ON t.number = found.rowid"  # CROSS: the words first, the rest of what they find
        conditions.insert(0, "tweets_fts MATCH ?")
        values.insert(0, " AND ".join(quoted(word) for word in words))
    else:
        index = "tweets_by_persona" if len(filters.persona_ids) == 1 else "tweets_by_number"
        source, number = f"tweets AS t INDEXED BY {index}", "t.number"
    if before is not None:
        conditions.append(f"{number} < ?")
        values.append(before)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Query(f"FROM {source}{where}", tuple(values), number)


def _conditions(filters: Filters, shorts: list[str]) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *given: object) -> None:
        conditions.append(condition)
        values.extend(given)

    for column, wanted in (("persona_id", filters.persona_ids), ("status", filters.statuses), ("topic_type", filters.topics)):
        if wanted:
            add(f"t.{column} IN (SELECT value FROM json_each(?))" if len(wanted) > 1 else f"t.{column} = ?", _one_or_json(wanted))
    if filters.badges:
        add("t.number IN (SELECT number FROM tweet_badges WHERE kind IN (SELECT value FROM json_each(?)))", json.dumps(filters.badges))
    if filters.first_day is not None:
        add("t.date >= ?", filters.first_day)
    if filters.last_day is not None:
        add("t.date <= ?", filters.last_day)
    if filters.job_id is not None:
        add("t.job_id = ?", filters.job_id)
    if filters.with_image is not None:
        add("t.with_image = ?", int(filters.with_image))
    for short in shorts:
        add(r"t.text LIKE ? ESCAPE '\'", like(short))
    return conditions, values


def _one_or_json(wanted: tuple[str, ...]) -> str:
    return wanted[0] if len(wanted) == 1 else json.dumps(wanted)


def terms(search: str) -> tuple[list[str], list[str]]:
    """The terms of a search, each once: (those for the trigram index, shorter ones)."""
    clean = search.encode("utf-8", "ignore").decode().replace("\x00", " ")
    found = list(dict.fromkeys(clean.split()))[:MOST_TERMS]
    return [term for term in found if len(term) >= SHORTEST_WORD], [term for term in found if len(term) < SHORTEST_WORD]


def quoted(term: str) -> str:
    """*term* as a string of an FTS5 query, in which nothing is an operator."""
    return '"' + term.replace('"', '""') + '"'


def like(term: str) -> str:
    r"""A LIKE pattern (``ESCAPE '\'``) for texts that contain *term*."""
    for special in ("\\", "%", "_"):
        term = term.replace(special, f"\\{special}")
    return f"%{term}%"
