"""Calendars of personas: one JSON object each, with the days it covers beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from errors import NotFoundError
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


def delete(tx: Transaction, calendar_id: str, stage: str) -> None:
    """Delete a calendar. Tweets that were written from it stay, and are from none from here on. Where the job that wrote it, by a step
    *stage*, has steps left that need it, that step is to be done again. Raises :class:`NotFoundError`.
    """
    found = get(tx, calendar_id)
    item = found["persona_id"]
    tx.execute(
        """UPDATE steps SET status = 'waiting', finished_at = NULL WHERE job_id = ? AND item = ? AND stage = ? AND status = 'done'
           AND EXISTS (SELECT 1 FROM steps AS s WHERE s.job_id = steps.job_id AND s.item > ? AND s.item < ? AND s.status <> 'done')""",
        [found["job_id"], item, stage, f"{item}:", f"{item};"],
    )
    tx.execute("UPDATE tweets SET calendar_id = NULL WHERE persona_id = ? AND calendar_id = ?", [found["persona_id"], calendar_id])
    tx.execute("DELETE FROM calendars WHERE id = ?", [calendar_id])


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


def of_job(db: Database, job_id: str, persona_id: str) -> dict[str, Any]:
    """As :func:`get`, the calendar that a job wrote for a persona. Raises :class:`NotFoundError` while there is none."""
    return _decoded(row(db, "SELECT * FROM calendars WHERE job_id = ? AND persona_id = ?", job_id, persona_id), job_id)


def of_persona(db: Database, persona_id: str) -> list[dict[str, Any]]:
    """The persona's calendars without their bodies, newest first; ``tweets`` is how many came from each."""
    return rows(
        db,
        """WITH written AS (SELECT calendar_id, count(*) AS tweets FROM tweets
                            WHERE persona_id = ? AND calendar_id IS NOT NULL GROUP BY calendar_id)
           SELECT id, title, source, first_day, last_day, days, job_id, created_at, coalesce(written.tweets, 0) AS tweets
           FROM calendars LEFT JOIN written ON written.calendar_id = id WHERE persona_id = ? ORDER BY id DESC""",
        persona_id,
        persona_id,
    )


def _decoded(found: dict[str, Any] | None, wanted: str) -> dict[str, Any]:
    if found is None:
        raise NotFoundError("There is no calendar {calendar}.", calendar=wanted)
    return {**found, "body": json.loads(found["body"])}
