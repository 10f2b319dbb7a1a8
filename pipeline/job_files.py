"""Files that jobs on tweets are begun with, and those that they end with: `studio.files`.

A persona file that was taken in before, byte for byte, is the persona of then: what it has tweeted counts, and so does what its author
changed since. So is the file of a persona that was written here, for as long as it says what the persona says.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from errors import NotFoundError, UploadError
from pipeline import picture_steps, tweet_steps
from pipeline.formats import batches, calendars
from pipeline.formats.json_out import as_json
from pipeline.formats.kinds import PERSONA, kind_of
from pipeline.formats.remarks import Remark
from pipeline.persona_desk import PersonaDesk
from pipeline.picture_steps import Asked
from storage import calendars as calendar_table
from storage import jobs as journal
from storage import personas
from storage import tweets as table
from storage.clock import new_id
from storage.database import Store
from storage.tweets import Filters


@dataclass(frozen=True)
class TakenIn:
    """The persona of a file. *known* says that it was here before; *remarks* are what was put right while it was read."""

    persona_id: str
    name: str
    known: bool
    remarks: tuple[str, ...] = ()
    kind: str = ""
    """As :class:`pipeline.persona_desk.Imported` has it; empty for one that was here before."""


@dataclass(frozen=True)
class CalendarFile:
    """A calendar's file that was looked at and not kept: the name of the persona *whom* it is for, where it says so, and its days."""

    whom: str
    days: int
    first_day: str
    last_day: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Days:
    """A calendar as it was read, and what was put right."""

    body: dict[str, Any]
    remarks: tuple[str, ...] = ()


class JobFiles:
    """Part of the Studio, which makes it."""

    def __init__(self, store: Store, people: PersonaDesk, *, disclosure: str) -> None:
        self._store = store
        self._people = people
        self._disclosure = disclosure

    async def persona(self, content: bytes, name: str, taken: set[str] | None = None) -> TakenIn:
        """The persona in a file that the author calls *name*, none of those *taken*, to which it is added: of two files with the same
        content, taken in at once or not, each has a persona of its own. Raises :class:`UploadError`.
        """
        taken = set() if taken is None else taken
        digest = hashlib.sha256(content).hexdigest()
        for persona_id in [*await self._store.fetch(personas.of_file, digest), *await self._written_here(content)]:
            if persona_id not in taken:
                taken.add(persona_id)
                return TakenIn(persona_id, (await self._store.fetch(personas.get, persona_id))["name"], known=True)
        persona_id = new_id()
        taken.add(persona_id)  # before it is in the database, where another finds it
        imported = await self._people.import_file(content, name, persona_id=persona_id, digest=digest)
        return TakenIn(persona_id, imported.name, known=False, remarks=tuple(imported.deviations), kind=imported.kind)

    async def any_file(self, content: bytes, name: str) -> TakenIn | CalendarFile:
        """What the file holds: a persona, which is kept, or a calendar, which is not yet. Raises :class:`UploadError` for anything else."""
        if await asyncio.to_thread(kind_of, content, name) == PERSONA:
            return await self.persona(content, name)
        body, remarks = await asyncio.to_thread(calendars.read_calendar, content, name)
        days = sorted(body["calendar"])
        return CalendarFile(str(body.get("persona_name") or ""), len(days), days[0], days[-1], tuple(remarks))

    async def _written_here(self, content: bytes) -> list[str]:
        """The persona whose export *content* is, if there is one."""
        persona_id = await asyncio.to_thread(_named_in, content)
        if persona_id is None:
            return []
        try:
            exported = await self._people.export(persona_id, "json")
        except NotFoundError:  # it was written elsewhere, or has been deleted
            return []
        return [persona_id] if exported[1] == content else []

    async def read_calendar(self, content: bytes, name: str) -> Days:
        """The calendar in a file that the author calls *name*. Raises :class:`UploadError`."""
        body, remarks = await asyncio.to_thread(calendars.read_calendar, content, name)
        return Days(body, _texts(remarks))

    async def keep_calendar(self, persona_id: str, days: Days, name: str) -> str:
        """Keep a calendar that was read. Returns its id."""
        new = calendar_table.NewCalendar(persona_id, name, "upload", days.body)
        return await self._store.write(calendar_table.save, new_id(), new, datetime.now(UTC))

    # What comes out

    async def calendar_of_job(self, job_id: str, persona_id: str) -> bytes:
        """The calendar that a job wrote for a persona. Raises :class:`NotFoundError` while there is none."""
        return as_json(await self._store.fetch(calendar_table.of_job, job_id, persona_id))

    async def tweets_of_job(self, job_id: str, persona_id: str, asked: int) -> bytes:
        """What a job has written for a persona, in the order of its slots, as a batch of version 1.0. With fewer tweets than were *asked*
        for the batch says so under ``incomplete``. Raises :class:`NotFoundError` for a persona that was deleted.
        """
        return await self._store.fetch(self._tweets_of_job, job_id, persona_id, asked)

    def _tweets_of_job(self, db: Database, job_id: str, persona_id: str, asked: int) -> bytes:
        persona = personas.get(db, persona_id)
        found = [tweet for page in table.stream(db, Filters(persona_ids=(persona_id,), job_id=job_id)) for tweet in page]
        found.sort(key=lambda tweet: tweet["slot"])
        lora = persona["options"].get("lora")
        batch = batches.as_batch_v1(
            found, persona_name=persona["name"], lora=lora if isinstance(lora, dict) else None, disclosure=self._disclosure
        )
        if len(found) < asked:
            batch["incomplete"] = {"asked": asked, "written": len(found)}
        return as_json(batch)

    # Whether they are where they were to go

    async def delivered(self, job_id: str) -> None:
        """Remember that all files of a job are written: nobody needs to write them again, wherever their reader has put them."""
        await self._store.write(journal.deliver, job_id)

    async def pictures_of(
        self, content: bytes, name: str, *, first: int = 0, most: int | None = None
    ) -> tuple[dict[str, Asked], tuple[str, ...]]:
        """The pictures of the tweets in a batch file that the author calls *name*, by slot (``0001``): of those whose slot is *first* or
        higher, at most *most*. Also what was put right. Raises :class:`UploadError`.
        """
        batch, remarks = await asyncio.to_thread(batches.read_batch, content, name)
        lora = batch["persona"].get("lora")
        wanted = [row for row in batches.as_rows(batch) if row["slot"] >= first][:most]
        if not wanted:
            raise UploadError("{name} has no tweet whose slot is {first} or higher.", name=name, first=first)
        return {f"{row['slot']:04d}": _asked(row, lora) for row in wanted}, _texts(remarks)

    async def undelivered(self) -> list[str]:
        """Jobs that are done and whose files are not known to be written, oldest first: whoever did them was killed just then."""
        return await self._store.fetch(journal.undelivered, (tweet_steps.KIND, picture_steps.KIND))


def _asked(row: dict[str, Any], lora: object) -> Asked:
    """What is asked for a tweet of a file; the persona's *lora* where the tweet says nothing of one."""
    picture = row["image"] if "lora_params" in row["image"] or not lora else {**row["image"], "lora_params": lora}
    when = " ".join(filter(None, (row["date"], row["time"])))
    return Asked(picture=picture, text=row["text"], alt=row.get("alt_text", ""), date=when)


def _named_in(content: bytes) -> str | None:
    """The id that a card of ours carries."""
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    for key in ("data", "extensions", "persona_studio", "persona_id"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def _texts(remarks: Collection[Remark] | Collection[str]) -> tuple[str, ...]:
    return tuple(str(remark) for remark in remarks)
