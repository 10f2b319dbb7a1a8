"""Jobs that this process runs: followed to their end, their files written, their report made."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from cli import outputs
from cli.orders import Failure, Report, ResumeOrder
from cli.progress import LogLines, Place, Progress, place_of, print_json, print_path
from config import Settings
from errors import NotFoundError, StudioError
from pipeline.studio import Studio

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
    cost: float | None = None


class Maker(Protocol):
    """What a session must know of one kind of jobs."""

    async def content(self, job: Mapping[str, Any], about: str, /) -> bytes:
        """What the job has made for a persona (or of one of its ``items``), as a file."""
        ...

    async def account(self, job: dict[str, Any], place: Place, label: str, steps: Sequence[Mapping[str, Any]], *, over: bool) -> None:
        """Say in the report what there is for a persona or an item, whose *steps* these are; the job is *over*, or will go on."""
        ...

    def unwritten(self, label: str, reason: str) -> Failure:
        """That the file could not be written."""
        ...


async def can_go_on(studio: Studio, job: dict[str, Any]) -> bool:
    """True when the job has something left to do and no living process does it."""
    return job["status"] != "done" and not (job["status"] in ("queued", "running") and await studio.elsewhere(job["id"]))


class Session:
    """One run of the command line: the Studio, the jobs it follows, and the report that grows meanwhile. *makers* are by kind of job."""

    studio: Studio
    makers: Mapping[str, Maker]

    def __init__(self, settings: Settings, manner: Manner) -> None:
        self.settings = settings
        self.manner = manner
        self.progress = Progress(quiet=manner.quiet)
        self.report = Report()
        self._began = time.monotonic()
        self._jobs: dict[str, Spent] = {}
        self._known: dict[str, dict[str, Any]] = {}
        """The jobs as they were when they were taken up."""
        self._files: dict[Place, Path] = {}
        """Where what is made for each persona goes."""
        self._written: set[Place] = set()
        """Those whose file is there: it is not written again, for it may have been edited since."""
        self._unwritten: set[Place] = set()
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
        self.progress.warn(f"failed: {failure.sentence}")

    async def begin(self, start: Coroutine[Any, Any, str]) -> None:
        """Follow the job that *start* starts."""
        # Shielded: what a signal interrupts may be in the database already, and then the report must name it.
        self._starting = asyncio.create_task(self._begun(start))
        await self._follow(await asyncio.shield(self._starting))

    async def _begun(self, start: Coroutine[Any, Any, str]) -> str:
        job_id = await start
        self._jobs[job_id] = Spent()
        return job_id

    # Go on with jobs

    async def resume(self, order: ResumeOrder) -> None:
        """Go on with one job, or with all that can go on; a job that another process runs is left to it."""
        if order.job:
            job_ids = [order.job]
        else:
            jobs = await self.studio.recent_jobs(EVERY_JOB)
            job_ids = [job["id"] for job in reversed(jobs) if job["status"] != "cancelled" and await can_go_on(self.studio, job)]
            job_ids += await self.studio.files.undelivered()
            if not job_ids:
                self.progress.note("There is nothing to go on with.")
        await asyncio.gather(*(self._resume(job_id) for job_id in job_ids))

    async def _resume(self, job_id: str) -> None:
        job = await self.studio.job(job_id)
        if job["status"] in ("queued", "running") and await self.studio.elsewhere(job_id):
            self._left_to_another(job_id)
            return
        await self._recall(job)
        self.progress.sync(job, announce=False)
        self._written |= {place for place in self._made_of(job) if self.progress.complete(place)}
        before = Spent(job["calls"], job["tokens"], (await self.studio.tweets.batch(job_id))["cost"])
        if await self.studio.resume(job_id):
            self._jobs[job_id] = before
            await self._follow(job_id)
        elif await self.studio.elsewhere(job_id):
            self._left_to_another(job_id)
        else:
            self._jobs[job_id] = before
            self.progress.note(f"Nothing is missing of {job_id}.")

    def _made_of(self, job: Mapping[str, Any]) -> Iterator[Place]:
        """Whose files are newer than what the job did for them: an older one holds only a part, or is another job's."""
        ended: dict[Place, str] = {}
        for step in job["steps"]:
            place = place_of(job["id"], step["item"])
            ended[place] = max(ended.get(place, ""), step["finished_at"] or "")
        for place, moment in ended.items():
            if moment and place in self._files and outputs.written_since(self._files[place], datetime.fromisoformat(moment)):
                yield place

    def _left_to_another(self, job_id: str) -> None:
        reason = "another process runs this job (the web server, or another command). Stop that one first, or watch it there."
        self.fail(Failure(job_id, reason, kind="elsewhere"))

    # Watch, and hand out what is done

    async def _recall(self, job: dict[str, Any]) -> None:
        """What the job's params say of its items or personas: what the user calls them, and where their files go."""
        params, self._known[job["id"]] = job["params"], job
        places = [(job["id"], about) for about in params.get("items") or params.get("personas", [])]
        self.progress.labels.update(zip(places, params.get("images") or params.get("sources") or [], strict=False))
        self._files.update((place, Path(target)) for place, target in zip(places, params.get("outputs", []), strict=False))
        for place in places:
            if place not in self.progress.labels:
                self.progress.labels[place] = await self._name(place[1])

    async def _name(self, persona_id: str) -> str:
        try:
            return (await self.studio.persona(persona_id))["name"]
        except NotFoundError:  # it was deleted
            return persona_id

    async def _follow(self, job_id: str) -> None:
        """Until the job has ended, or was paused elsewhere."""
        async for event in self.studio.watch(job_id):
            if event.kind in ("step", "progress"):
                self.progress.tell(event)
                if event.status == "done":
                    await self._hand_out([place_of(job_id, event.item)])
            else:
                job = await self.studio.job(job_id)
                if job_id not in self._known:  # read after the first event, so that none before it is missed
                    await self._recall(job)
                self.progress.sync(job)
                await self._hand_out([place for place in self._files if place[0] == job_id])
            if event.status == "paused":
                self.progress.warn(f"{job_id} was paused elsewhere.")
                return

    async def _hand_out(self, places: Iterable[Place]) -> None:
        """Write the files of those that are complete."""
        ready = [place for place in places if self.progress.complete(place) and place in self._files and place not in self._written]
        for place in ready:
            await self.deliver(place)

    async def deliver(self, place: Place) -> str:
        """Write what a job has made for a persona, once. Returns the file's path as it is shown, empty where there is none."""
        target = self._files.get(place)
        if target is None or place in self._unwritten:
            return ""
        if place in self._written:
            return outputs.shown(target)
        job = self._known[place[0]]
        maker = self.makers[job["kind"]]
        try:
            await asyncio.to_thread(outputs.write, target, await maker.content(job, place[1]))
        except StudioError as error:
            self.fail(maker.unwritten(self.progress.labels[place], str(error)))
            self._unwritten.add(place)
            return ""
        self._written.add(place)
        if not self.manner.json:
            with self.progress.aside():
                print_path(outputs.shown(target))
        return outputs.shown(target)

    # The end

    async def conclude(self) -> None:
        """Write what is left to write, and complete the report."""
        if self._starting:
            await self._starting
        for job_id, before in self._jobs.items():
            job = await self.studio.job(job_id)
            await self._recall(job)
            batch = await self.studio.tweets.batch(job_id)
            self.report.calls += job["calls"] - before.calls
            self.report.tokens += job["tokens"] - before.tokens
            if batch["cost"] is not None:
                self.report.cost = (self.report.cost or 0) + batch["cost"] - (before.cost or 0)
            there = {*job["params"].get("items", ()), *(persona["id"] for persona in batch["personas"])}
            if not job["params"].get("personas"):  # it is about no persona, so none can have been deleted
                there |= {step["item"] for step in job["steps"]}
            await self._account(job, there)
            written = all(place in self._written for place in self._files if place[0] == job_id and place[1] in there)
            if job["status"] != "done" or not written:
                self.report.resume.append(job_id)
            elif "outputs" in job["params"]:
                await self.studio.files.delivered(job_id)

    async def _account(self, job: dict[str, Any], there: Collection[str]) -> None:
        """Of those items and personas that are still *there*."""
        steps: dict[Place, list[dict[str, Any]]] = {}
        for step in job["steps"]:
            steps.setdefault(place_of(job["id"], step["item"]), []).append(step)
        maker, over = self.makers.get(job["kind"]), job["status"] in ENDED
        for place, found in steps.items():
            label = self.progress.labels.get(place) or str(job["title"])
            if maker:
                if place[1] in there:
                    await maker.account(job, place, label, found, over=over)
                continue
            for step in found:
                if step["status"] != "done":
                    reason = step["error"] or ("was cancelled." if over else "is not done yet.")
                    self.report.failed.append(Failure(persona=label, reason=reason, kind=step["error_kind"] or "", stage=step["stage"]))

    def finish(self, signal: int) -> int:
        """Say the report. Returns the exit code: 128 and the signal's number where one came."""
        report = self.report
        report.seconds = round(time.monotonic() - self._began, 2)
        report.status = "interrupted" if signal else "done" if report.complete else "failed"
        if self.manner.json:
            print_json(report.as_dict())
        if not self.manner.quiet:
            for line in report.lines(self.manner.again):
                self.progress.warn(line)
        return 128 + signal if signal else int(report.status != "done")


def unusable(path: Path, advice: str = "") -> str:
    """Why the path cannot be a file to read, as the end of a sentence that begins with it; empty where it may be one. *advice* is for
    folders.
    """
    if utf8(str(path)) != str(path):
        return "has a name that is not UTF-8. Rename it."
    if path.is_dir():
        return f"is a folder. {advice}".rstrip()
    return "" if path.exists() else "does not exist."


def utf8(name: str) -> str:
    """The name as it can be kept and shown."""
    return name.encode("utf-8", "replace").decode()
