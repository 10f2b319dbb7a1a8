"""Jobs that this process runs: followed to their end, their files written, their report made."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import outputs
from cli.orders import Failure, Made, PersonaOrder, Report, ResumeOrder, sentence
from cli.progress import LogLines, Progress, print_json, print_path
from config import Settings
from errors import StorageError, StudioError
from pipeline.stages import BY_KEY, Wishes
from pipeline.studio import Studio, Upload
from pipeline.uploads import Picture

TICK = 0.5
BATCH = 10
"""Priority of several personas in one go: they let a person who waits pass."""
ENDED = ("done", "failed", "cancelled")
EVERY_JOB = 1_000_000


@dataclass(frozen=True)
class Manner:
    """How to talk: *json* prints one object on stdout and nothing else there, *quiet* says only what failed; *again* is how the command is
    called again on the same data.
    """

    json: bool = False
    quiet: bool = False
    again: str = "python main.py"


@dataclass(frozen=True)
class Spent:
    """What a job had cost when this run took it up."""

    calls: int = 0
    tokens: int = 0


async def can_go_on(studio: Studio, job: dict[str, Any]) -> bool:
    """True when the job has something left to do and no living process does it."""
    return job["status"] != "done" and not (job["status"] in ("queued", "running") and await studio.elsewhere(job["id"]))


class Session:
    """One run of the command line: the Studio, the jobs it follows, and the report that grows meanwhile."""

    studio: Studio

    def __init__(self, settings: Settings, manner: Manner) -> None:
        self.settings = settings
        self.manner = manner
        self.progress = Progress(quiet=manner.quiet)
        self.report = Report()
        self._began = time.monotonic()
        self._jobs: dict[str, Spent] = {}
        self._labels: dict[Path, str] = {}
        """What a picture is called: its name, or its path where two have the same name."""
        self._files: dict[str, Path] = {}
        """Where each persona goes."""
        self._written: set[str] = set()
        """Personas whose file is there: it is not written again, for it may have been edited since."""
        self._unwritten: set[str] = set()
        self._starting: asyncio.Task[str] | None = None

    def open(self) -> None:
        """Open the Studio. Raises :class:`StorageError`."""
        logging.getLogger().addHandler(LogLines(self.progress))
        self.studio = Studio(self.settings)

    async def introduce(self) -> None:
        """Say who writes."""
        self.report.writer = self.studio.health()["writer"]["kind"]
        if self.report.writer == "offline":
            self.progress.note("The offline demo writer answers. For a real LLM set OPENAI_API_KEY or OPENAI_BASE_URL.")

    async def tick(self) -> None:
        """Let the clock on the bar move on, for ever."""
        while True:
            await asyncio.sleep(TICK)
            self.progress.refresh()

    def fail(self, failure: Failure) -> None:
        """Say it now, and again in the report."""
        self.report.failed.append(failure)
        self.progress.warn(f"failed: {sentence(failure)}")

    # Write personas

    def sort_out(self, order: PersonaOrder) -> tuple[list[Path], list[Path]]:
        """The pictures that are there, and the files of their personas; the others fail. Touches nothing."""
        targets = outputs.places(order.images, order.output)
        named = Counter(image.name for image in order.images)
        self._labels = {image: image.name if named[image.name] == 1 else str(image) for image in order.images}
        kept = []
        for image, target in zip(order.images, targets, strict=True):
            if reason := _unusable(image):
                self.fail(Failure(_utf8(self._labels[image]), f"{_utf8(str(image))} {reason}", kind="picture"))
            else:
                kept.append((image, target))
        return [image for image, _ in kept], [target for _, target in kept]

    async def personas(self, order: PersonaOrder, images: list[Path], targets: list[Path]) -> None:
        """Write a persona from each picture that can be used."""
        cleaned = await asyncio.gather(*(self._clean(image) for image in images))
        usable = [(upload, picture, target) for (upload, picture), target in zip(cleaned, targets, strict=True) if picture]
        if not usable:
            return
        outputs.make_folders([target for *_, target in usable])
        # Shielded: what a signal interrupts may be in the database already, and then the report must name it.
        self._starting = asyncio.create_task(self._create(order, usable))
        job_id = await asyncio.shield(self._starting)
        self._recall(await self.studio.job(job_id))
        await self._follow(job_id)

    async def _create(self, order: PersonaOrder, usable: list[tuple[Upload, Picture, Path]]) -> str:
        job_id, _ = await self.studio.create_personas(
            [(upload, picture) for upload, picture, _ in usable],
            Wishes(order.language, order.location, order.goal, order.instructions, self.settings.temperature, order.seed),
            priority=0 if len(order.images) == 1 else BATCH,
            extra={"images": [self._labels[upload.path] for upload, *_ in usable], "outputs": [str(target) for *_, target in usable]},
        )
        self._jobs[job_id] = Spent()
        return job_id

    async def _clean(self, image: Path) -> tuple[Upload, Picture | None]:
        upload = Upload(image, image.name)
        try:
            return upload, await self.studio.add_picture(upload)
        except StorageError:
            raise
        except StudioError as error:
            self.fail(Failure(self._labels[image], str(error), kind="picture"))
            return upload, None

    # Go on with jobs

    async def resume(self, order: ResumeOrder) -> None:
        """Go on with one job, or with all that can go on; a job that another process runs is left to it."""
        if order.job:
            job_ids = [order.job]
        else:
            jobs = await self.studio.recent_jobs(EVERY_JOB)
            job_ids = [job["id"] for job in reversed(jobs) if job["status"] != "cancelled" and await can_go_on(self.studio, job)]
            if not job_ids:
                self.progress.note("There is nothing to go on with.")
        await asyncio.gather(*(self._resume(job_id) for job_id in job_ids))

    async def _resume(self, job_id: str) -> None:
        job = await self.studio.job(job_id)
        if job["status"] in ("queued", "running") and await self.studio.elsewhere(job_id):
            self._left_to_another(job_id)
            return
        self._recall(job)
        for item in job["personas"]:
            if item not in self.progress.labels:
                self.progress.labels[item] = (await self.studio.persona(item))["name"]
        self.progress.sync(job, announce=False)
        self._written |= {item for item, file in self._files.items() if self.progress.complete(job_id, item) and file.exists()}
        if await self.studio.resume(job_id):
            self._jobs[job_id] = Spent(job["calls"], job["tokens"])
            await self._follow(job_id)
        elif await self.studio.elsewhere(job_id):
            self._left_to_another(job_id)
        else:
            self._jobs[job_id] = Spent(job["calls"], job["tokens"])
            self.progress.note(f"Nothing is missing of {job_id}.")

    def _left_to_another(self, job_id: str) -> None:
        reason = "another process runs this job (the web server, or another command). Stop that one first, or watch it there."
        self.fail(Failure(job_id, reason, kind="elsewhere"))

    # Watch, and hand out what is done

    def _recall(self, job: dict[str, Any]) -> None:
        """What the job's params say of its personas: the pictures' names, and where their files go."""
        params = job["params"]
        ids = params.get("personas", [])
        self.progress.labels.update(zip(ids, params.get("images", []), strict=False))
        self._files.update((item, Path(place)) for item, place in zip(ids, params.get("outputs", []), strict=False))

    async def _follow(self, job_id: str) -> None:
        """Until the job has ended, or was paused elsewhere."""
        async for event in self.studio.watch(job_id):
            if event.kind in ("step", "progress"):
                self.progress.tell(event)
                await self._hand_out(job_id, [event.item])
            else:
                self.progress.sync(await self.studio.job(job_id))
                await self._hand_out(job_id, list(self._files))
            if event.status == "paused":
                self.progress.warn(f"{job_id} was paused elsewhere.")
                return

    async def _hand_out(self, job_id: str, items: Iterable[str]) -> None:
        """Write the files of those of *items* that are complete."""
        for item in items:
            if self.progress.complete(job_id, item):
                await self._write(item)

    async def _write(self, item: str) -> bool:
        """Write the persona's file, once. False when it has none, or it cannot be written."""
        target = self._files.get(item)
        if target is None or item in self._written:
            return target is not None
        _, content = await self.studio.card_file(item, "json")
        try:
            await asyncio.to_thread(outputs.write, target, content)
        except StudioError as error:
            self.fail(Failure(self.progress.labels[item], str(error), kind="file"))
            del self._files[item]
            self._unwritten.add(item)
            return False
        self._written.add(item)
        if not self.manner.json:
            with self.progress.aside():
                print_path(outputs.shown(target))
        return True

    # The end

    async def conclude(self) -> None:
        """Write what is left to write, and complete the report."""
        if self._starting:
            await self._starting
        for job_id, before in self._jobs.items():
            job = await self.studio.job(job_id)
            over = job["status"] in ENDED
            self.report.calls += job["calls"] - before.calls
            self.report.tokens += job["tokens"] - before.tokens
            for item in job["personas"]:
                await self._account(job, item, over=over)
            if job["status"] != "done" or not self._unwritten.isdisjoint(job["personas"]):
                self.report.resume.append(job_id)

    async def _account(self, job: dict[str, Any], item: str, *, over: bool) -> None:
        steps = {step["stage"]: step for step in job["steps"] if step["item"] == item}
        missing = [stage for stage, step in steps.items() if step["status"] != "done"]
        status = "complete" if not missing else "unfinished" if not over else "failed" if "core" in missing else "partial"
        label = self.progress.labels.get(item, item)
        for stage, step in steps.items():
            if step["status"] == "failed":
                title = BY_KEY[stage].title if stage in BY_KEY else stage
                self.report.failed.append(Failure(label, step["error"] or "", kind=step["error_kind"] or "", stage=title))
        if over and missing and not any(step["status"] == "failed" for step in steps.values()):
            self.report.failed.append(Failure(label, "was cancelled before it was complete.", kind="cancelled"))
        written = status in ("complete", "partial") and await self._write(item)
        file = outputs.shown(self._files[item]) if written else ""
        self.report.done += status == "complete"
        self.report.personas.append(Made(item, label, status, missing, job["id"], file))

    def finish(self, signal: int) -> int:
        """Say the report. Returns the exit code: 128 and the signal's number where one came."""
        report = self.report
        report.seconds = round(time.monotonic() - self._began, 2)
        unfinished = any(made.status != "complete" for made in report.personas)
        report.status = "interrupted" if signal else "failed" if report.failed or unfinished else "done"
        if self.manner.json:
            print_json(report.as_dict())
        if not self.manner.quiet:
            for line in report.lines(self.manner.again):
                self.progress.warn(line)
        return 128 + signal if signal else int(report.status != "done")


def _unusable(image: Path) -> str:
    """Why the path cannot be a picture, as the end of a sentence that begins with it; empty where it may be one."""
    if _utf8(str(image)) != str(image):
        return "has a name that is not UTF-8. Rename it."
    if image.is_dir():
        return f"is a folder. Name the pictures in it: --images {image}/*"
    return "" if image.exists() else "does not exist."


def _utf8(name: str) -> str:
    return name.encode("utf-8", "replace").decode()
