"""Calendars of personas: one JSON object each, with the days it covers beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from errors import ConflictError, NotFoundError
from storage.clock import timestamp
from storage.database import Transaction, row, rows


@dataclass(frozen=True)
class NewCalendar:
    """A calendar that is about to be saved. *body* is the whole object, its days (``YYYY-MM-DD``) under ``calendar``; *source* is
    ``writer`` or ``upload``.
    """

    persona_id: str
    title: str
    source: str
    body: dict[str, Any]
    job_id: str | None = None


def save(tx: Transaction, calendar_id: str, new: NewCalendar, now: datetime) -> str:
    """Write a calendar. Returns the id under which it stands: where the job has written one for this persona before, that one stays."""
    columns = {
        "id": calendar_id,
        "persona_id": new.persona_id,
        "title": new.title,
        "source": new.source,
        "job_id": new.job_id,
        "created_at": timestamp(now),
        **_columns(new.body),
    }
    marks = ", ".join("?" * len(columns))
    tx.execute(
        f"""INSERT INTO calendars ({", ".join(columns)}) VALUES ({marks})
            ON CONFLICT (job_id, persona_id) WHERE job_id IS NOT NULL DO NOTHING""",
        list(columns.values()),
    )
    if new.job_id is None:
        return calendar_id
    standing = row(tx, "SELECT id FROM calendars WHERE job_id = ? AND persona_id = ?", new.job_id, new.persona_id)
    return standing["id"] if standing else calendar_id


def edit(tx: Transaction, calendar_id: str, body: dict[str, Any], revision: int) -> int:
    """Replace the body. Returns the new revision; raises :class:`ConflictError` when *revision* is old."""
    columns = _columns(body)
    changed = tx.execute(
        f"UPDATE calendars SET {', '.join(f'{name} = ?' for name in columns)}, revision = revision + 1 WHERE id = ? AND revision = ?",
        [*columns.values(), calendar_id, revision],
    )
    if changed.rowcount == 0:
        get(tx, calendar_id)
        raise ConflictError("This calendar was changed elsewhere meanwhile. Reload the page to see the newest state.")
    return revision + 1


def _columns(body: dict[str, Any]) -> dict[str, Any]:
    """The columns that follow from *body*. Raises :class:`ValueError` for one without days."""
    days = sorted(body.get("calendar") or ())
    if not days:
        raise ValueError("a calendar has at least one day")
    return {"body": json.dumps(body, ensure_ascii=False), "first_day": days[0], "last_day": days[-1], "days": len(days)}


# Reads


def get(db: Database, calendar_id: str) -> dict[str, Any]:
    """The calendar's row with ``body`` as a dictionary. Raises :class:`NotFoundError`."""
    return _decoded(row(db, "SELECT * FROM calendars WHERE id = ?", calendar_id), calendar_id)


def body(db: Database, calendar_id: str) -> dict[str, Any]:
    """The calendar as it was saved. Raises :class:`NotFoundError`."""
    return get(db, calendar_id)["body"]


def of_job(db: Database, job_id: str, persona_id: str) -> dict[str, Any]:
    """The body of the calendar that a job wrote for a persona. Raises :class:`NotFoundError` while there is none."""
    return _decoded(row(db, "SELECT * FROM calendars WHERE job_id = ? AND persona_id = ?", job_id, persona_id), job_id)["body"]


def of_persona(db: Database, persona_id: str) -> list[dict[str, Any]]:
    """The persona's calendars without their bodies, newest first."""
    return rows(
        db,
        """SELECT id, title, source, first_day, last_day, days, job_id, revision, created_at
           FROM calendars WHERE persona_id = ? ORDER BY id DESC""",
        persona_id,
    )


def _decoded(found: dict[str, Any] | None, wanted: str) -> dict[str, Any]:
    if found is None:
        raise NotFoundError("There is no calendar {calendar}.", calendar=wanted)
    return {**found, "body": json.loads(found["body"])}
