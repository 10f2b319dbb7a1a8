"""The oracle behind :mod:`schema_walk`: asks the subject of the enclosing object, then the tellers, then :mod:`anything`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from pipeline.offline import (
    Json,
    anything,
    days,
    subjects,
    tell_account,  # noqa: F401  registers its tellers
    tell_persona,  # noqa: F401  registers its tellers
)
from pipeline.offline.schema_walk import Field
from pipeline.offline.tellers import Job, Subject, canonical, teller_for

_LEFT_OUT = 0.2
"""How often an optional field is null where nobody has an opinion."""
_TRUE = re.compile(r"enabled|active|adult|fiction|ai_generated|invented|public|available|valid", re.IGNORECASE)
_FALSE = re.compile(r"^(selective|constant|case_sensitive|deleted|nsfw|is_?real|hidden|archived|error)", re.IGNORECASE)


class Author:
    """Writes as the persona of *job* (an :class:`Oracle`)."""

    def __init__(self, job: Job, schema_name: str) -> None:
        self.job = job
        self.language = job.language
        self.schema_name = schema_name

    def subject(self, field: Field) -> Subject | None:
        """What the object at *field* is about. An element of an array was told when the array was begun."""
        kind = subjects.kind_of(field, field.schema)
        given = field.subject
        if field.item and given is not None:
            return given
        if given is not None and (not kind or kind == given.kind or given.kind in ("post", "day", "friend")):
            return given
        made = self._make(kind, field, 1)
        return made[0] if made else Subject(kind, {}) if kind else given

    def subjects(self, field: Field, items: Mapping[str, Any], count: int) -> list[Any] | None:
        """What the elements of an array are about, decided together so that they differ and add up."""
        if not items.get("properties"):
            return None
        kind = subjects.kind_of(field, items)
        return self._make(kind, field, count) or ([Subject(kind or "thing", {}) for _ in range(count)])

    def _make(self, kind: str, field: Field, count: int) -> list[Subject] | None:
        job = self.job
        if kind == "friend":
            return subjects.friends(job, field, count)
        if kind == "kind":
            return subjects.kinds(job, count)
        if kind == "lore":
            return subjects.lore(job, count)
        if kind == "post":
            return [days.post(job)] if count == 1 and not field.item else days.posts(job, count)
        if kind == "day":
            return days.days(job, count)
        return None

    def count(self, field: Field) -> int | None:
        """As many entries as the prompt names days, where an array holds days and nothing else is said. What only a thread or a poll has
        is empty in any other post.
        """
        items = field.schema.get("items")
        name, plan = canonical(field.name), self.job.reading.plan
        if plan and name in ("parts", "poll_options"):
            return None if name == "parts" and str(plan.get("tweet_format")).lower() == "thread" else 0
        if not isinstance(items, Mapping) or not self.job.reading.dates:
            return None
        kind = subjects.kind_of(field, items)
        return len(self.job.reading.dates) if kind == "day" and len(self.job.reading.dates) > 1 else None

    def keys(self, field: Field) -> list[str] | None:
        """Keys for an open map: dates for a calendar, kinds for a distribution, else words of this life."""
        name = canonical(field.name)
        if self.job.reading.dates and ("calendar" in name or "day" in name or "date" in name or not field.path):
            return [day.isoformat() for day in self.job.reading.dates]
        if "type" in name or "distribution" in name:
            return [kind for kind, _, _ in subjects.known_kinds(self.job)]
        tags = [re.sub(r"\W+", "_", str(tag)).strip("_") for tag in self.job.world.pool("tag") or []]
        return tags[:3]

    def text(self, field: Field) -> str:
        told = self._told(field)
        if isinstance(told, list):
            told = told[field.index % len(told)] if told else ""
        if isinstance(told, str) and (told or canonical(field.name) == "state"):
            return told
        if isinstance(told, int | float):
            return str(told)
        return anything.text(self.job, field, self.schema_name)

    def number(self, field: Field, low: float | None, high: float | None) -> float | None:
        told = self._told(field)
        if isinstance(told, int | float) and not isinstance(told, bool):
            return float(told)
        return anything.number(self.job, field, low, high)

    def flag(self, field: Field) -> bool | None:
        told = self._told(field)
        if isinstance(told, bool):
            return told
        if _FALSE.search(field.name):
            return False
        return True if _TRUE.search(field.name) else None

    def leaves_out(self, field: Field) -> bool:
        """Whether a field that may be null is."""
        subject, name = field.subject, canonical(field.name)
        if isinstance(subject, Subject) and name in subject.facts:
            return subject.facts[name] is None
        if teller_for(subject.kind if isinstance(subject, Subject) else "", name):
            return False
        return self.job.rng.random() < _LEFT_OUT

    def _told(self, field: Field) -> Json:  # noqa: PLR0911  one return for each who may know
        """What is known for *field*: a fact of its subject, or what a teller says; ``None`` where nobody knows."""
        subject, name = field.subject, canonical(field.name)
        kind = subject.kind if isinstance(subject, Subject) else ""
        if isinstance(subject, Subject) and name in subject.facts:
            told = subject.facts[name]
            return told() if callable(told) else told
        if kind == "day" and name == "month":
            return days.in_month(self.job)
        if teller := teller_for(kind, name):
            return teller(self.job, field)
        if name in ("month", "generated_at", "date", "start_date"):
            return days.in_month(self.job) if name == "month" else _day(self.job)
        if name == "monthly_strategy":
            return days.monthly_strategy(self.job, field)
        if name in ("persona_name", "name") and self.job.world.identity.known and len(field.path) == 1:
            return self.job.world.identity.name
        return None


def _day(job: Job) -> str:
    found = job.reading.dates
    return (found[0] if found else date(2026, 1, 5)).isoformat()
