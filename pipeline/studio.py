"""The one door: what pages and the command line talk to. It owns the gate, the store and the jobs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from config import Settings
from errors import ConflictError, NotFoundError, StudioError
from pipeline import live, persona_steps, uploads, views
from pipeline.events import Event
from pipeline.formats import cards
from pipeline.jobs import Jobs, Result, Step
from pipeline.llm.client import Writer
from pipeline.llm.gate import Gate
from pipeline.offline.embedded import EmbeddedWriter
from pipeline.stages import STAGES, Wishes
from pipeline.uploads import Picture
from storage import jobs as journal
from storage import personas
from storage.clock import new_id, parse
from storage.database import Store, Transaction
from storage.files import Files
from storage.owners import Owner

log = logging.getLogger(__name__)

OFFLINE_MODEL = "offline-demo"
NAME_LIMIT = 80
CLAIMED_AHEAD = 2
"""Steps of a job that may be claimed for each slot of the gate, so that a freed slot always finds a call waiting."""


@dataclass(frozen=True)
class Upload:
    """A picture that was handed in: where the file lies, and what the author calls it."""

    path: Path
    name: str


class Studio:
    """Start it with :meth:`start`, end it with :meth:`stop`; in between everything the product does is a method here.

    *serving* says that this process is the web server: it goes on with jobs that a dead process left behind.
    """

    def __init__(self, settings: Settings, *, serving: bool = False) -> None:
        self.settings = settings
        self.state = "starting"
        self.gate = Gate(settings.max_concurrent)
        self._serving = serving
        self._store = Store(settings.data_dir)
        self._owner = Owner(settings.data_dir)
        self.uploads = Files(settings.data_dir / "uploads")
        self._embedded = EmbeddedWriter(settings.offline_latency, jitter=0.3) if settings.offline else None
        self._writer: Writer | None = None
        self._jobs: Jobs | None = None
        self._cleaned: dict[str, Picture] = {}
        self._decoders = asyncio.Semaphore(os.cpu_count() or 1)

    async def start(self) -> None:
        """Open everything and go on with what was left unfinished."""
        settings = self.settings
        if self._embedded:
            base_url, key = await self._embedded.start(), "offline"
            model = vision_model = OFFLINE_MODEL
        else:
            base_url = settings.openai_base_url or "https://api.openai.com/v1"
            key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
            model, vision_model = settings.openai_model, settings.vision_model
        self._writer = Writer(
            base_url, key, self.gate, self._store, request_timeout=settings.request_timeout, retry_budget=settings.retry_budget
        )
        self._stage_work = persona_steps.PersonaWork(self._store, self.uploads, self._writer, model, vision_model)
        lanes = {"llm": CLAIMED_AHEAD * settings.max_concurrent}
        self._jobs = Jobs(self._store, self._owner, self._work, lanes, adopt_orphans=self._serving)
        await self._jobs.start()
        self.state = "ok"

    async def drain(self, grace: float = 10) -> None:
        """Take no further step and give those under way *grace* seconds. What was saved can still be read."""
        self.state = "draining"
        if self._jobs:
            await self._jobs.stop(grace)

    async def stop(self, grace: float = 10) -> None:
        """Take no further step, give those under way *grace* seconds, close everything."""
        await self.drain(grace)
        if self._writer:
            await self._writer.close()
        if self._embedded:
            await self._embedded.stop()
        self._owner.close()
        await asyncio.to_thread(self._store.close)

    async def _work(self, step: Step) -> Result:
        """Which part of the product does the steps of a job."""
        return await self._stage_work(step)

    @property
    def jobs(self) -> Jobs:
        if self._jobs is None:
            raise StudioError("The studio has not started yet. Try again in a moment.")
        return self._jobs

    # Personas

    async def add_picture(self, upload: Upload) -> Picture:
        """Check, clean and store an uploaded picture. Raises :class:`UploadError` with one sentence for a bad one."""
        async with self._decoders:
            return await uploads.clean(upload.path, upload.name, self.uploads, limit_mb=self.settings.max_upload_mb, known=self._cleaned)

    async def create_personas(
        self,
        pictures: Sequence[tuple[Upload, Picture]],
        wishes: Wishes,
        *,
        order: str | None = None,
        priority: int = 0,
        extra: dict[str, Any] | None = None,
    ) -> tuple[str, list[str]]:
        """Start a job that writes one persona a picture. Returns its id and the personas' ids, in the order of *pictures*.

        *priority* 0 is for a person who waits; a batch takes a higher number and lets that person's calls pass. *extra* is kept in the
        job's params, for whoever started it.
        """
        if wishes.temperature is None:
            wishes = replace(wishes, temperature=self.settings.temperature)
        ids = [new_id() for _ in pictures]
        names = [_stem(upload.name) for upload, _ in pictures]

        def create(tx: Transaction, job_id: str) -> None:
            for persona_id, name, (upload, picture) in zip(ids, names, pictures, strict=True):
                personas.create(
                    tx,
                    persona_id,
                    name=name,
                    language=wishes.language,
                    picture=picture.thumb,
                    options=persona_steps.options(wishes, picture, upload.name),
                    job_id=job_id,
                    now=datetime.now(UTC),
                )

        title = names[0] if len(names) == 1 else f"{len(names)} personas"
        steps = persona_steps.graph(ids, order or self.settings.stage_order)
        job_id = await self.jobs.submit("persona", title, steps, params={**(extra or {}), "personas": ids}, priority=priority, also=create)
        return job_id, ids

    async def create_persona(self, upload: Upload, wishes: Wishes) -> tuple[str, str]:
        """Start writing a persona from one picture while a person waits. Returns (job id, persona id)."""
        job_id, ids = await self.create_personas([(upload, await self.add_picture(upload))], wishes)
        return job_id, ids[0]

    async def rename(self, persona_id: str, name: str, revision: int) -> int:
        """Give a persona a name of the author's choice. Returns the new revision."""
        name = " ".join(name.split())
        if not name or len(name) > NAME_LIMIT or not name.isprintable():
            raise ConflictError("A name has 1 to {limit} printable characters.", limit=NAME_LIMIT)
        return await self._store.write(personas.rename, persona_id, name, revision, datetime.now(UTC))

    async def retry_stage(self, persona_id: str, stage: str) -> None:
        """Write a failed stage again; the others stay as they are."""
        persona = await self._store.fetch(personas.get, persona_id)
        if not await self.jobs.retry(persona["job_id"], [(persona_id, stage)]):
            raise ConflictError("This stage is not failed, so there is nothing to retry.")

    async def complete(self, persona_id: str) -> None:
        """Write what is missing of a persona whose job was stopped or failed in parts; other personas of that job stay as they are."""
        job_id = (await self._store.fetch(personas.get, persona_id))["job_id"]
        if await self.jobs.retry(job_id, [(persona_id, stage.key) for stage in STAGES]):
            return
        if (await self._store.fetch(journal.get, job_id))["status"] != "paused" or not await self.jobs.resume(job_id):
            raise ConflictError("Nothing is missing, or it is being written already.")

    async def persona(self, persona_id: str) -> dict[str, Any]:
        """The persona with its stages; see :func:`pipeline.views.persona`."""
        return await self._store.fetch(views.persona, persona_id)

    async def follow(self, persona_id: str) -> AsyncIterator[dict[str, Any]]:
        """The persona's view at once and after every change, for as long as its job runs; see :func:`pipeline.live.follow`."""
        job_id = (await self._store.fetch(personas.get, persona_id))["job_id"]
        async with aclosing(live.follow(lambda: self.persona(persona_id), self.watch(job_id), persona_id)) as seen:
            async for view in seen:
                yield view

    def picture(self, name: str) -> Path:
        """Where the stored picture *name* is. Raises :class:`NotFoundError` for anything that is not one."""
        return self.uploads.path(name)

    async def personas(self, limit: int = 24, before: str = "~") -> list[dict[str, Any]]:
        """The newest personas, by key downwards from *before*."""
        return await self._store.fetch(personas.page, min(limit, 200), before)

    async def card(self, persona_id: str) -> dict[str, Any]:
        """The persona as a Character Card V2 (see :mod:`pipeline.formats.cards`)."""
        row = await self._store.fetch(personas.get, persona_id)
        current = await self._store.fetch(personas.current_stages, persona_id)
        outputs = {key: version["output"] for key, version in current.items()}
        return cards.card_v2(outputs, name=row["name"], persona_id=persona_id, disclosure=self.settings.disclosure)

    async def card_file(self, persona_id: str, kind: str) -> tuple[str, bytes]:
        """The card as a file, *kind* ``json`` or ``png``. Returns (file name, content)."""
        row = await self._store.fetch(personas.get, persona_id)
        card = await self.card(persona_id)
        if kind == "json":
            return f"{_file_stem(row['name'])}.json", cards.as_json(card)
        if kind != "png":
            raise NotFoundError("Cards come as json or png.")
        picture = self.uploads.path(row["options"]["picture"]["kept"])
        png = await asyncio.to_thread(_as_png, picture)
        return f"{_file_stem(row['name'])}.png", cards.as_png(card, parse(row["created_at"]), png)

    # Jobs

    def watch(self, job_id: str) -> AsyncIterator[Event]:
        """The job's events until it ends; see :meth:`pipeline.jobs.Jobs.watch`."""
        return self.jobs.watch(job_id)

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job with counts and steps; see :func:`pipeline.views.job`."""
        return await self._store.fetch(views.job, job_id)

    async def recent_jobs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest jobs with their counts."""
        return await self._store.fetch(journal.recent, limit)

    async def elsewhere(self, job_id: str) -> bool:
        """True while another living process runs the job."""
        _, owner = (await self._store.fetch(journal.statuses, [job_id])).get(job_id, ("", None))
        return owner not in (None, self._owner.id) and await asyncio.to_thread(self._owner.alive, owner)

    async def cancel(self, job_id: str) -> bool:
        """Stop a job for good; what is done stays. False when it had ended already."""
        return await self.jobs.cancel(job_id)

    async def resume(self, job_id: str) -> bool:
        """Run what is missing of a job that was paused, cancelled, or failed in parts. False when nothing is missing."""
        return await self.jobs.resume(job_id)

    def health(self) -> dict[str, Any]:
        """What `/healthz` says."""
        return {
            "status": self.state if not self._store.trouble else "unsaved",
            "writer": {
                "kind": "offline" if self._embedded else "remote",
                "slots": self.gate.width,
                "in_use": self.gate.in_use,
                "waiting": self.gate.waiting,
            },
            "pool": {"engine": None, "workers": 0},
            "jobs": {"running": self._jobs.running if self._jobs else 0},
            **({"trouble": self._store.trouble} if self._store.trouble else {}),
        }


def _stem(name: str) -> str:
    words = Path(name).stem.replace("_", " ").replace("-", " ").split()
    return " ".join(words)[:NAME_LIMIT] or "Persona"


def _file_stem(name: str) -> str:
    """A persona's name as a file name: letters and digits of any script, joined by ``_``."""
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name).split())[:60] or "persona"


def _as_png(path: Path) -> bytes:
    """A stored (already cleaned) picture as PNG, at most 1024 pixels on its longer edge so that the card stays light."""
    with Image.open(path) as image:
        image.thumbnail((1024, 1024))
        target = BytesIO()
        image.save(target, "PNG", optimize=True)
    return target.getvalue()
