"""The one door: what pages and the command line talk to. It owns the gate, the store and the jobs."""

from __future__ import annotations

import asyncio
import logging
import os
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config import Settings
from errors import ConflictError, StudioError, UploadError
from gpu_pool.tasks import ALIVE, PoolView
from pipeline import live, persona_steps, picture_steps, rewrite_steps, tweet_steps, uploads, views
from pipeline.calendar_desk import CalendarDesk
from pipeline.drawing import Drawing
from pipeline.events import Event
from pipeline.job_files import JobFiles
from pipeline.jobs import Jobs, Result, Step
from pipeline.llm.client import Writer
from pipeline.llm.gate import Gate
from pipeline.llm.usage import Prices
from pipeline.monitor import Monitor
from pipeline.offline.embedded import EmbeddedWriter
from pipeline.persona_desk import PersonaDesk
from pipeline.picture_desk import PictureDesk
from pipeline.picture_steps import PictureWork
from pipeline.stages import Wishes
from pipeline.tweet_desk import TweetDesk
from pipeline.tweet_files import TweetFiles
from pipeline.tweet_steps import TweetWork
from pipeline.tweets import ImageDefaults
from pipeline.uploads import Picture
from storage import jobs as journal
from storage import personas
from storage.clock import new_id
from storage.database import Store, Transaction
from storage.files import Files
from storage.owners import Owner

log = logging.getLogger(__name__)

OFFLINE_MODEL = "offline-demo"
NAME_LIMIT = 80
_NOT_STARTED = "The studio has not started yet. Try again in a moment."
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
        self.images = settings.data_dir / "images"
        self._drawing = Drawing(settings)
        self._embedded = EmbeddedWriter(settings.offline_latency, jitter=0.3) if settings.offline else None
        self._writer: Writer | None = None
        self._jobs: Jobs | None = None
        self._people: PersonaDesk | None = None
        self._tweets: TweetDesk | None = None
        self._calendars: CalendarDesk | None = None
        self._pictures: PictureDesk | None = None
        self._monitor: Monitor | None = None
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
            base_url,
            key,
            self.gate,
            self._store,
            request_timeout=settings.request_timeout,
            retry_budget=settings.retry_budget,
            temperature=settings.temperature,
        )
        self._stage_work = persona_steps.PersonaWork(self._store, self.uploads, self._writer, model, vision_model)
        lanes = {
            "llm": CLAIMED_AHEAD * settings.max_concurrent,
            tweet_steps.FILES: tweet_steps.FILES_AT_ONCE,
            picture_steps.LANE: self._drawing.width,
        }
        self._jobs = Jobs(self._store, self._owner, self._work, lanes, adopt_orphans=self._serving)
        image = ImageDefaults(*settings.image_pixels, settings.image_steps, settings.image_guidance)
        prices = Prices(model, base_url, _pair(settings.price_input, settings.price_output))
        tweeting = TweetWork(self._store, self._writer, model, image, settings.networks)
        files = TweetFiles(self._store, self.images, settings.disclosure)
        self._tweets = TweetDesk(self._store, self._jobs, tweeting, self.gate, prices, files=files)
        self._calendars = CalendarDesk(self._store, self._jobs, disclosure=settings.disclosure)
        self._pictures = PictureDesk(self._store, self._jobs, PictureWork(self._store, self._drawing.pool, self.images, image))
        self._people = PersonaDesk(
            self._store,
            self._jobs,
            self.uploads,
            self.images,
            lambda path, name: self.add_picture(Upload(path, name)),
            order=settings.stage_order,
            disclosure=settings.disclosure,
            limit_mb=settings.max_upload_mb,
        )
        self._monitor = Monitor(self._store, self._writer, self._drawing, model=model, prices=prices)
        if self._serving:
            await self._monitor.start()
        await self._jobs.start()
        if self._serving:
            await self._drawing.pool()
        self.state = "ok"

    async def drain(self, grace: float = 10) -> None:
        """Take no further step and give those under way *grace* seconds. What was saved can still be read."""
        self.state = "draining"
        # The jobs first: else they would claim the steps that the pool gives back.
        await asyncio.gather(*([self._jobs.stop(grace)] if self._jobs else []), self._drawing.stop(grace))

    async def stop(self, grace: float = 10) -> None:
        """Take no further step, give those under way *grace* seconds, close everything."""
        await self.drain(grace)
        if self._monitor:
            await self._monitor.stop()
        if self._writer:
            await self._writer.close()
        if self._embedded:
            await self._embedded.stop()
        self._owner.close()
        await asyncio.to_thread(self._store.close)

    async def _work(self, step: Step) -> Result:
        """Which part of the product does the steps of a job."""
        if step.stage == tweet_steps.INTAKE:
            return await self.files.take_in(step)
        if step.kind in (tweet_steps.KIND, rewrite_steps.KIND):
            return await self.tweets.work(step)
        if step.kind == picture_steps.KIND:
            return await self.pictures.work(step)
        return await self._stage_work(step)

    @property
    def jobs(self) -> Jobs:
        if self._jobs is None:
            raise StudioError(_NOT_STARTED)
        return self._jobs

    @property
    def tweets(self) -> TweetDesk:
        """Everything that is done with tweets."""
        if self._tweets is None:
            raise StudioError(_NOT_STARTED)
        return self._tweets

    @property
    def calendars(self) -> CalendarDesk:
        """Everything that is done with calendars."""
        if self._calendars is None:
            raise StudioError(_NOT_STARTED)
        return self._calendars

    @property
    def pictures(self) -> PictureDesk:
        """Everything that is done with the pictures of tweets."""
        if self._pictures is None:
            raise StudioError(_NOT_STARTED)
        return self._pictures

    def pool(self) -> PoolView | None:
        """The image workers as they stand; ``None`` before the first picture was wanted."""
        return self._drawing.view()

    @property
    def monitor(self) -> Monitor:
        """How everything is doing right now."""
        if self._monitor is None:
            raise StudioError(_NOT_STARTED)
        return self._monitor

    @property
    def people(self) -> PersonaDesk:
        """Everything that is done with personas after they were begun."""
        if self._people is None:
            raise StudioError(_NOT_STARTED)
        return self._people

    @property
    def files(self) -> JobFiles:
        """Persona and calendar files that jobs are begun with, and the files that come of them."""
        return JobFiles(self._store, self.people, disclosure=self.settings.disclosure, limit_mb=self.settings.max_upload_mb)

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
        # It may have been a while since they were added.
        pictures = [(upload, await self.add_picture(upload) if found.gone(self.uploads) else found) for upload, found in pictures]
        ids = [new_id() for _ in pictures]
        names = [_stem(upload.name) for upload, _ in pictures]

        def create(tx: Transaction, job_id: str) -> None:
            for persona_id, name, (upload, picture) in zip(ids, names, pictures, strict=True):
                if picture.gone(self.uploads):
                    raise UploadError(uploads.GONE, name=upload.name)
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
        job_id = await self.jobs.submit(
            persona_steps.KIND, title, steps, params={**(extra or {}), "personas": ids}, priority=priority, also=create
        )
        return job_id, ids

    async def create_persona(self, upload: Upload, wishes: Wishes) -> tuple[str, str]:
        """Start writing a persona from one picture while a person waits. Returns (job id, persona id)."""
        job_id, ids = await self.create_personas([(upload, await self.add_picture(upload))], wishes)
        return job_id, ids[0]

    async def rename(self, persona_id: str, name: str, revision: int) -> int:
        """Give a persona a name of the author's choice. Returns the new revision."""
        name = " ".join(name.split())
        if not name or len(name) > NAME_LIMIT or any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
            raise ConflictError("A name has 1 to {limit} printable characters.", limit=NAME_LIMIT)
        return await self._store.write(personas.rename, persona_id, name, revision, datetime.now(UTC))

    async def retry_stage(self, persona_id: str, stage: str) -> None:
        """Write a failed stage again; the others stay as they are."""
        await self.people.retry_stage(persona_id, stage)

    async def complete(self, persona_id: str) -> None:
        """Write what is missing of a persona; see :meth:`PersonaDesk.complete`."""
        await self.people.complete(persona_id)

    async def persona(self, persona_id: str) -> dict[str, Any]:
        """The persona with its stages; see :func:`pipeline.views.persona`."""
        return await self._store.fetch(views.persona, persona_id)

    async def follow(self, persona_id: str) -> AsyncIterator[dict[str, Any]]:
        """The persona's view at once and after every change, for as long as a job works on it; see :func:`pipeline.live.follow`."""
        if await self.people.working_job(persona_id) is None:  # nobody writes it, so nothing will change
            yield await self.persona(persona_id)
            return
        async with aclosing(live.follow(lambda: self.persona(persona_id), self._changes(persona_id), persona_id)) as seen:
            async for view in seen:
                yield view

    async def _changes(self, persona_id: str) -> AsyncIterator[Event]:
        """The events of whichever job works on the persona, one job after another, until none does."""
        while job_id := await self.people.working_job(persona_id):
            async for event in self.watch(job_id):
                yield event

    def picture(self, name: str) -> Path:
        """Where the stored picture *name* is. Raises :class:`NotFoundError` for anything that is not one."""
        return self.uploads.path(name)

    async def personas(self, limit: int = 24, before: str = "~") -> list[dict[str, Any]]:
        """The newest personas, by key downwards from *before*."""
        return await self._store.fetch(personas.page, min(limit, 200), before)

    async def card(self, persona_id: str) -> dict[str, Any]:
        """The persona as a Character Card; see :meth:`PersonaDesk.card`."""
        return await self.people.card(persona_id)

    async def card_file(self, persona_id: str, kind: str) -> tuple[str, bytes]:
        """The persona as a file; see :meth:`PersonaDesk.export`. Returns (file name, content)."""
        return await self.people.export(persona_id, kind)

    # Jobs

    def watch(self, job_id: str) -> AsyncGenerator[Event, None]:
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

    async def cancel(self, job_id: str, *, failed: bool = False) -> bool:
        """Stop a job for good, with *failed* also one that has failed in parts; what is done stays. False when it had ended already."""
        return await self.jobs.cancel(job_id, failed=failed)

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
            "pool": self._pool_health(),
            "jobs": {"running": self._jobs.running if self._jobs else 0},
            **({"trouble": self._store.trouble} if self._store.trouble else {}),
        }

    def _pool_health(self) -> dict[str, Any]:
        view = self._drawing.view()
        workers = view.workers if view else ()
        return {
            "engine": self._drawing.engine.name,
            "on": self._drawing.words,
            "workers": len(self._drawing.devices),
            "ready": sum(worker.state in ALIVE for worker in workers),
            "queued": view.queued if view else 0,
            **({"trouble": str(view.trouble)} if view and view.trouble else {}),
        }


def _pair(one: float | None, other: float | None) -> tuple[float, float] | None:
    return (one, other) if one is not None and other is not None else None


def _stem(name: str) -> str:
    words = Path(name).stem.replace("_", " ").replace("-", " ").split()
    return " ".join(words)[:NAME_LIMIT] or "Persona"
