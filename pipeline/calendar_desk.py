"""Everything that is done with calendars: `studio.calendars`. They are written, taken in, looked at, taken away, and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from errors import ConflictError, NotFoundError
from pipeline import calendar, tweet_steps
from pipeline.formats.calendars import as_csv, as_ics, read_calendar
from pipeline.formats.json_out import as_json
from pipeline.formats.names import file_stem
from pipeline.jobs import Jobs
from pipeline.tweet_steps import CALENDAR, KIND, Order
from storage import calendars, personas, standing
from storage import jobs as journal
from storage.clock import new_id
from storage.database import Store, Transaction

KINDS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "ics": "text/calendar; charset=utf-8"}
"""As what a calendar is exported, with the media type of each."""
LONGEST_TITLE = 120


@dataclass(frozen=True)
class Writing:
    """The newest job that writes a calendar for a persona and nothing else. *status* is ``waiting``, ``running``, ``paused``, ``done``,
    ``failed`` or ``cancelled``; *kind* and *reason* say why it failed, where it did.
    """

    job_id: str
    status: str
    kind: str
    reason: str


class CalendarDesk:
    """Part of the Studio, which makes it. *disclosure* is the setting."""

    def __init__(self, store: Store, jobs: Jobs, *, disclosure: str) -> None:
        self._store = store
        self._jobs = jobs
        self._disclosure = disclosure

    # Making

    async def start(self, order: Order, *, priority: int = 0, extra: dict[str, Any] | None = None) -> str:
        """Start a job that writes a calendar of as many days as the order counts, and no tweets. Returns its id. *priority* 0 is for a
        person who waits. *extra* is kept in the job's params.

        Raises :class:`ConflictError` for an absurd number of days, :class:`NotFoundError` for an unknown persona.
        """
        if not 1 <= order.count <= calendar.MOST_DAYS:
            raise ConflictError("A calendar has 1 to {limit} days.", limit=calendar.MOST_DAYS)
        title = f"{(await self._store.fetch(tweet_steps.called, [order]))[0]}: {order.count} days"
        steps, params = tweet_steps.graph([order], tweets=False), {**(extra or {}), **tweet_steps.params([order])}
        return await self._jobs.submit(KIND, title, steps, params=params, priority=priority)

    async def writing(self, persona_id: str) -> Writing | None:
        """How it stands with the calendar that was last ordered by itself for the persona; ``None`` where none was."""
        step = await self._store.fetch(standing.newest_alone, KIND, persona_id, CALENDAR)
        if step is None:
            return None
        status = step["status"]
        if journal.is_open(step):
            status = "paused" if step["job_status"] == "paused" else status
        elif status != "done" and (status != "failed" or step["job_status"] == "cancelled"):
            status = "cancelled"
        return Writing(step["job_id"], status, step["error_kind"] or "", step["error"] or "")

    async def add(self, persona_id: str, content: bytes, name: str) -> tuple[str, list[str]]:
        """Keep an uploaded calendar (JSON or CSV). Returns its id and a sentence for every deviation. Raises :class:`UploadError`."""
        body, deviations = await asyncio.to_thread(read_calendar, content, name)
        await self._store.fetch(personas.get, persona_id)
        calendar_id = new_id()
        new = calendars.NewCalendar(persona_id=persona_id, title=name[:LONGEST_TITLE], source="upload", body=body)
        await self._store.write(calendars.save, calendar_id, new, datetime.now(UTC))
        return calendar_id, deviations

    async def delete(self, calendar_id: str) -> None:
        """Delete a calendar; tweets that were written from it stay. A job that wrote it and has tweets left to write writes another first.

        Raises :class:`NotFoundError`, and :class:`ConflictError` while a job under way still needs it.
        """
        await self._store.write(_delete, calendar_id)

    # Looking

    async def of_persona(self, persona_id: str) -> list[dict[str, Any]]:
        """The persona's calendars, newest first; see :func:`storage.calendars.of_persona`."""
        return await self._store.fetch(calendars.of_persona, persona_id)

    async def get(self, calendar_id: str) -> dict[str, Any]:
        """The calendar's row, with its ``body`` as SPEC 4 has it. Raises :class:`NotFoundError`."""
        return await self._store.fetch(calendars.get, calendar_id)

    # Taking away

    async def file(self, calendar_id: str, kind: str) -> tuple[str, str, bytes]:
        """The calendar as a file of one of :data:`KINDS`: (name, media type, content). Raises :class:`NotFoundError`, also for another
        kind.
        """
        if kind not in KINDS:
            raise NotFoundError("A calendar is exported as {kinds}.", kinds=", ".join(KINDS))
        found = await self.get(calendar_id)
        persona = await self._store.fetch(personas.get, found["persona_id"])
        return f"{file_stem(persona['name'])}_calendar_{found['first_day']}.{kind}", KINDS[kind], await self._content(found, kind)

    async def of_job(self, job_id: str, persona_id: str, kind: str = "json") -> bytes:
        """The calendar that a job wrote for a persona, as a file of *kind*. Raises :class:`NotFoundError` while there is none."""
        return await self._content(await self._store.fetch(calendars.of_job, job_id, persona_id), kind)

    async def _content(self, found: Mapping[str, Any], kind: str) -> bytes:
        body = found["body"]
        if kind == "csv":
            return await asyncio.to_thread(as_csv, body)
        if kind == "ics":
            current = await self._store.fetch(personas.current_stages, found["persona_id"])
            zone = calendar.known_zone({stage: version["output"] for stage, version in current.items()})
            return await asyncio.to_thread(as_ics, body, zone=zone, key=found["id"])
        return await asyncio.to_thread(as_json, self._marked(body))

    def _marked(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The calendar as an export is to say what it is; a line that it came with is kept. Its days come last."""
        own = body.get("disclosure")
        line = own if isinstance(own, str) and own.strip() else self._disclosure
        rest = {key: value for key, value in body.items() if key != "calendar"}
        return {**rest, "ai_generated": True, **({"disclosure": line} if line else {}), "calendar": body["calendar"]}


def _delete(tx: Transaction, calendar_id: str) -> None:
    found = calendars.get(tx, calendar_id)
    busy = {step["job_id"] for step in standing.open_steps(tx, KIND) if tweet_steps.persona_of(step["item"]) == found["persona_id"]}
    if any(job_id == found["job_id"] or _given(journal.get(tx, job_id), found) for job_id in busy):
        raise ConflictError("Tweets are being written from this calendar just now. Wait until they are done, or stop that job first.")
    calendars.delete(tx, calendar_id, CALENDAR)


def _given(job: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    return job["params"]["orders"].get(found["persona_id"], {}).get("calendar") == found["id"]
