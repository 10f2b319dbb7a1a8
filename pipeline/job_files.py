"""Files that jobs on tweets are begun with, and those that they end with: `studio.files`.

A persona file that was taken in before, byte for byte, is the persona of then: what it has tweeted counts, and so does what its author
changed since. So is the file of a persona that was written here, for as long as it says what the persona says.

Files on this machine are taken in by steps of the job that they begin, so that its first tweets are written while the last files are
read, and whoever goes on with the job after a crash takes in the rest.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlite_utils import Database

from errors import StorageError, StudioError, UploadError
from pipeline import picture_steps, tweet_steps
from pipeline.formats import batches, calendars
from pipeline.formats.json_out import as_json
from pipeline.formats.kinds import PERSONA, kind_of
from pipeline.formats.remarks import Remark
from pipeline.jobs import Result, Step
from pipeline.persona_desk import PersonaDesk
from pipeline.picture_steps import Asked
from pipeline.tweet_steps import Order, Source
from storage import calendars as calendar_table
from storage import jobs as journal
from storage import personas
from storage import tweets as table
from storage.clock import new_id
from storage.database import Store, Transaction
from storage.tweets import Filters

MARKED_AT_ONCE = 20
"""Files that are looked at in one go, which cannot be interrupted."""


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


class JobFiles:
    """Part of the Studio, which makes it."""

    def __init__(self, store: Store, people: PersonaDesk, *, disclosure: str, limit_mb: float) -> None:
        self._store = store
        self._people = people
        self._disclosure = disclosure
        self._limit_mb = limit_mb

    async def persona(self, content: bytes, name: str) -> TakenIn:
        """The persona in a file that the author calls *name*. Raises :class:`UploadError`."""
        mark = await asyncio.to_thread(_marked, lambda: content)
        (known,) = await self._known([mark])
        if known:
            return TakenIn(known[0], (await self._store.fetch(personas.get, known[0]))["name"], known=True)
        imported = await self._people.import_file(content, name, digest=mark.digest)
        return TakenIn(imported.persona_id, imported.name, known=False, remarks=tuple(imported.deviations), kind=imported.kind)

    async def _known(self, marks: Sequence[_Mark]) -> list[list[str]]:
        """Of each file the personas that are here already and may be its own, the likeliest first."""
        made_of = await self._store.fetch(personas.of_files, {mark.digest for mark in marks})
        there = await self._store.fetch(personas.names, [mark.named for mark in marks if mark.named])
        return [
            [*made_of[mark.digest], *([mark.named] if mark.named in there and await self._says(mark.named, mark.content) else [])]
            for mark in marks
        ]

    async def _says(self, persona_id: str, content: Callable[[], bytes]) -> bool:
        """Whether this is what the persona's export says."""
        try:
            return (await self._people.export(persona_id, "json"))[1] == await asyncio.to_thread(content)
        except StorageError:
            raise
        except StudioError:  # deleted, either of them, or no longer whole
            return False

    async def any_file(self, content: bytes, name: str) -> TakenIn | CalendarFile:
        """What the file holds: a persona, which is kept, or a calendar, which is not yet. Raises :class:`UploadError` for anything else."""
        if await asyncio.to_thread(kind_of, content, name) == PERSONA:
            return await self.persona(content, name)
        body, remarks = await asyncio.to_thread(calendars.read_calendar, content, name)
        days = sorted(body["calendar"])
        return CalendarFile(str(body.get("persona_name") or ""), len(days), days[0], days[-1], tuple(remarks))

    # Files on this machine

    async def orders(self, files: Sequence[tuple[Path, Path | None]], count: int, start: str = "") -> list[Order]:
        """An order of *count* tweets for each persona's file, with its calendar's where there is one: the job takes them in, and says what
        is wrong with them. Of two files with the same content each is a persona of its own.
        """
        marks: list[_Mark] = []
        for at in range(0, len(files), MARKED_AT_ONCE):
            some = [partial(self._content, persona) for persona, _ in files[at : at + MARKED_AT_ONCE]]
            marks += await asyncio.to_thread(lambda some=some: [_marked(read) for read in some])
        taken: set[str] = set()
        orders = []
        for (persona, calendar), known in zip(files, await self._known(marks), strict=True):
            here = next((one for one in known if one not in taken), "")
            source = Source("" if here else str(persona.absolute()), str(calendar.absolute()) if calendar else "")
            order = Order(here or new_id(), count, new_id() if calendar else None, start, source if any(astuple(source)) else None)
            taken.add(order.persona_id)
            orders.append(order)
        return orders

    async def take_in(self, step: Step) -> Result:
        """Read the files of an order; they are saved with the step. Raises an error whose kind says which of them cannot be used."""
        order = step.params["orders"][step.item]
        source = Source(**order["source"])
        remarks: list[str] = []
        digest, found, days = "", None, None
        kind, path = "calendar file", Path(source.calendar)
        try:
            # The calendar first: reading a persona may keep its picture.
            if source.calendar:
                content = await asyncio.to_thread(self._content, path)
                body, said = await asyncio.to_thread(calendars.read_calendar, content, path.name)
                days = calendar_table.NewCalendar(step.item, path.name, "upload", body)
                remarks += [f"{path.name}: {remark}" for remark in said]
            kind, path = "persona", Path(source.persona)
            if source.persona:
                content = await asyncio.to_thread(self._content, path)
                digest = hashlib.sha256(content).hexdigest()
                found = await self._people.read_file(content, path.name, step.item, digest=digest)
                remarks += [f"{path.name}: {remark}" for remark in found.deviations]
        except StorageError:
            raise
        except StudioError as error:
            raise _Unusable(kind, error) from None

        def save(tx: Transaction) -> None:
            try:
                if found:
                    _refuse_taken(tx, path.name, digest, step.params["personas"])
                    found.save(tx)
            except UploadError as error:
                raise _Unusable(kind, error) from None
            if days:
                calendar_table.save(tx, order["calendar"], days, datetime.now(UTC))

        return Result(save, shown={"remarks": remarks})

    def _content(self, path: Path) -> bytes:
        """What is in a file. Raises :class:`UploadError`."""
        try:
            if not path.is_file():
                raise UploadError("{name} is not a file.", name=path.name)
            size = path.stat().st_size / 2**20
            if size <= self._limit_mb:
                return path.read_bytes()
        except OSError as error:
            raise UploadError("{name} cannot be read: {why}.", name=path.name, why=error.strerror or error) from None
        sentence = "{name} has {size:.1f} MB; the limit is {limit:g} MB (MAX_UPLOAD_MB)."
        raise UploadError(sentence, name=path.name, size=size, limit=self._limit_mb)

    # What comes out

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


@dataclass(frozen=True)
class _Mark:
    """By what a persona's file is known again: its hash, and the id that a card of ours carries."""

    digest: str
    named: str
    content: Callable[[], bytes]


def _marked(read: Callable[[], bytes]) -> _Mark:
    """The mark of a file; one that nothing has where it cannot be read."""
    try:
        content = read()
    except UploadError:
        return _Mark("", "", read)
    try:
        found: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        found = None
    for key in ("data", "extensions", "persona_studio", "persona_id"):
        found = found.get(key) if isinstance(found, dict) else None
    return _Mark(hashlib.sha256(content).hexdigest(), found if isinstance(found, str) else "", read)


def _refuse_taken(tx: Transaction, name: str, digest: str, ours: Collection[str]) -> None:
    """A file becomes one persona, also where another job takes it in while this one is interrupted."""
    others = [other for other in personas.of_files(tx, [digest])[digest] if other not in ours]
    if others:
        raise UploadError(
            "{name} has been taken in by another job meanwhile, as the persona {persona}. Order its tweets anew, and cancel this job.",
            name=name,
            persona=personas.get(tx, others[0])["name"],
        )


class _Unusable(StudioError):
    """A file that cannot be used; *kind* says what it was to be."""

    def __init__(self, kind: str, error: StudioError) -> None:
        super().__init__(error.template, **error.facts)
        self.kind = kind


def _texts(remarks: Collection[Remark] | Collection[str]) -> tuple[str, ...]:
    return tuple(str(remark) for remark in remarks)
