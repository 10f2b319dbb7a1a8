"""Everything that is done with personas after they were begun: `studio.people`.

Stages are edited by hand, written anew, refreshed when what they were made from has changed, brought back; personas are imported from cards
and exported as such, and deleted.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import tempfile
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from errors import ConflictError, EditError, NotFoundError, UploadError
from pipeline import persona_steps, problems, stages, views
from pipeline.formats import cards, cards_again, cards_in, eliza, stages_in
from pipeline.formats.json_in import problem_of
from pipeline.formats.json_out import as_json
from pipeline.formats.names import file_stem
from pipeline.formats.remarks import Remark
from pipeline.jobs import Jobs
from pipeline.stages import BY_KEY, LONGEST_WISH, STAGES, Stage, Wishes
from pipeline.uploads import GONE, Picture, short
from storage import images, personas
from storage import jobs as journal
from storage.clock import new_id, parse
from storage.database import Store, Transaction
from storage.files import Files
from storage.personas import StageVersion

log = logging.getLogger(__name__)

LONGEST_EDIT = 200_000
"""Characters of a stage that an author may store."""
REMOVED_AT_ONCE = 200
"""Files that are removed in one transaction."""
KINDS = ("json", "png", "v3", "v3png", "eliza")
"""As what a persona is exported: Character Card V2, a PNG with V2 and V3 in it, V3, a PNG with V3 alone, an elizaOS character."""
_CARD_EDGE = 1024
_BLANK = (512, 768)


@dataclass(frozen=True)
class Imported:
    """A persona that came from a file: its *kind* (``v1``, ``v2``, ``v3``, ``data``, ``eliza``), and a sentence for everything that was put
    right, left out or taken from another place.
    """

    persona_id: str
    name: str
    kind: str
    deviations: list[Remark]


@dataclass(frozen=True)
class ReadIn:
    """A persona as its file has it, which is not saved yet: as :class:`Imported`; *save* saves it and returns its name."""

    kind: str
    deviations: list[Remark]
    save: Callable[[Transaction], str]


class PersonaDesk:
    """Part of the Studio, which makes it. *drawn* is the folder of pictures that were drawn, *clean* takes one in (path, name); the rest
    are settings.
    """

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        uploads: Files,
        drawn: Path,
        clean: Callable[[Path, str], Awaitable[Picture]],
        *,
        order: str,
        disclosure: str,
        limit_mb: float,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._uploads = uploads
        self._drawn = drawn
        self._clean = clean
        self._order = order
        self._disclosure = disclosure
        self._limit_mb = limit_mb

    async def page(self, limit: int = 24, before: str = "~", name: str = "") -> list[dict[str, Any]]:
        """The newest personas by id downwards from *before* whose names contain *name*; see :func:`pipeline.views.people`."""
        return await self._store.fetch(views.people, min(limit, 200), before, name)

    # By hand

    async def edit_stage(self, persona_id: str, stage: str, output: dict[str, Any], version: int) -> int:
        """Keep what an author wrote as a new version of a stage, and return its number. *version* is the one that was edited (0 where there
        was none). From here on the stage counts as made from what stands now; what was made from it is stale.

        Raises :class:`EditError` with a sentence for each problem, :class:`ConflictError` where the stage is another by now.
        """
        asked = _stage(stage)
        if not isinstance(output, dict) or problem_of(output):
            raise ConflictError("It holds something that cannot be kept.")
        if len(json.dumps(output)) > LONGEST_EDIT:
            raise ConflictError("It has more than {limit} characters, which is too long to be kept.", limit=LONGEST_EDIT)
        before = (await self._store.fetch(personas.current_stages, persona_id)).get(stage)
        settled, found = problems.checked(asked.writes, output, before["output"] if before else None)
        if found:
            raise EditError(found)

        def save(tx: Transaction) -> int:
            current = self._unchanged(tx, persona_id, stage, version)
            return _save(tx, StageVersion(persona_id, stage, settled or output, _made_from(asked, current), made_by="author"))

        return await self._store.write(save)

    async def restore(self, persona_id: str, stage: str, version: int) -> int:
        """Bring a version of a stage back, to the letter, as a new version; returns its number. It is stale if what it was made from is."""
        _stage(stage)

        def save(tx: Transaction) -> int:
            self._refuse_if_written(tx, persona_id, [stage])
            made = next((made for made in personas.versions(tx, persona_id, stage) if made["version"] == version), None)
            if made is None:
                raise NotFoundError("This stage has no version {version}.", version=version)
            return _save(tx, StageVersion(persona_id, stage, made["output"], made["made_from"], made_by="restore"))

        return await self._store.write(save)

    async def versions(self, persona_id: str, stage: str) -> list[dict[str, Any]]:
        """All versions of a stage, newest first: ``{version, created_at, made_by, instruction, model, output, made_from}``."""
        _stage(stage)
        shown = ("version", "created_at", "made_by", "instruction", "model", "output", "made_from")
        return [{key: made[key] for key in shown} for made in await self._store.fetch(personas.versions, persona_id, stage)]

    async def delete(self, persona_id: str) -> None:
        """Delete a persona with its stages, calendars, tweets and pictures, and the picture it was made of unless another persona was made
        of it too. What was still to be done for it is taken out of its jobs first.
        """
        drawn: list[str] = []
        made_of: list[str] = []

        def delete(tx: Transaction) -> None:
            picture = persona_steps.picture_of(personas.get(tx, persona_id))
            drawn[:] = images.files_of(tx, persona_id)
            made_of[:] = picture.files if picture else []
            personas.delete(tx, persona_id)

        await self._jobs.forget(persona_id, delete)
        await self._store.write(self._remove, [], made_of)
        for start in range(0, len(drawn), REMOVED_AT_ONCE):  # other writes wait meanwhile
            await self._store.write(self._remove, drawn[start : start + REMOVED_AT_ONCE], [])

    def _remove(self, tx: Transaction, drawn: Sequence[str], made_of: Sequence[str]) -> None:
        """Remove those of the files that nobody knows of any more. In a transaction, so that nobody comes to know of one meanwhile; after
        the one that deleted, which cannot be taken back then. A file that cannot be removed is in nobody's way.
        """
        uses = personas.pictures_in_use(tx, made_of), images.in_use(tx, drawn)
        removals = [partial(self._uploads.remove, name) for name in made_of if name not in uses[0]]
        removals += [partial((self._drawn / name).unlink, missing_ok=True) for name in drawn if name not in uses[1]]
        for remove in removals:
            try:
                remove()
            except OSError as error:
                log.warning("a file of a deleted persona is left: %s", error)

    # By the writer

    async def regenerate(self, persona_id: str, stage: str, instruction: str = "") -> str:
        """Start writing one stage anew, with what the author asks for. Returns the job's id; all else stays."""
        asked = _stage(stage)
        current = await self._store.fetch(personas.current_stages, persona_id)
        _refuse_missing(asked, current)
        return await self._write(persona_id, [stage], {"again": True, "instruction": _wish(instruction)})

    async def refresh(self, persona_id: str) -> str:
        """Start writing exactly the stale stages anew, each after what it needs. Returns the job's id."""
        current = await self._store.fetch(personas.current_stages, persona_id)
        stale = stages.stale(current)
        if not stale:
            raise ConflictError("Nothing is stale: every stage was made from what stands now.")
        for stage in stale:
            _refuse_missing(BY_KEY[stage], current)
        return await self._write(persona_id, stale, {})

    async def retry_stage(self, persona_id: str, stage: str) -> None:
        """Write a failed stage again, in the job in which it failed; the others stay as they are."""
        view = await self._store.fetch(views.persona, persona_id)
        failed = any(shown["key"] == stage and shown["error"] is not None for shown in view["stages"])
        steps = await self._steps(persona_id)
        if not failed or not await self._jobs.retry(steps[stage]["job_id"], [(persona_id, stage)]):
            raise ConflictError("This stage is not failed, so there is nothing to retry.")

    async def complete(self, persona_id: str) -> None:
        """Write what is missing of a persona: in the job that was to write it where that can go on, else in a new one. Other personas of
        that job stay as they are.
        """
        view = await self._store.fetch(views.persona, persona_id)
        missing = [shown["key"] for shown in view["stages"] if not shown["version"]]
        steps = await self._steps(persona_id)
        job_id = _same_job(missing, steps)
        if job_id and await self._jobs.retry(job_id, [(persona_id, stage) for stage in missing]):
            return
        paused = {step["job_id"] for step in steps.values() if journal.is_open(step) and step["job_status"] == "paused"}
        if paused:
            await asyncio.gather(*(self._jobs.resume(found) for found in paused))
            return
        states = {shown["key"]: shown["status"] for shown in view["stages"]}
        at_work = any(journal.is_open(steps[stage]) and states[stage] != "blocked" for stage in missing if stage in steps)
        if not missing or at_work:
            raise ConflictError("Nothing is missing, or it is being written already.")
        await self._write(persona_id, missing, {})

    async def working_job(self, persona_id: str) -> str | None:
        """The newest job that has something to do for the persona."""
        steps = await self._steps(persona_id)
        return views.working_job({stage: step for stage, step in steps.items() if journal.is_open(step)})

    async def _write(self, persona_id: str, keys: Collection[str], params: dict[str, Any]) -> str:
        """Start a job that writes these stages, unless one of them is being written."""
        persona = await self._store.fetch(personas.get, persona_id)
        steps = persona_steps.graph([persona_id], self._order, keys)
        told = {**params, "personas": [persona_id], "stages": list(keys)}

        def refuse(tx: Transaction, job_id: str) -> None:
            self._refuse_if_written(tx, persona_id, keys, but=job_id)

        return await self._jobs.submit(persona_steps.KIND, persona["name"], steps, params=told, priority=0, also=refuse)

    async def _steps(self, persona_id: str) -> dict[str, dict[str, Any]]:
        return (await self._store.fetch(journal.newest_steps, persona_steps.KIND, [persona_id]))[persona_id]

    # In one transaction

    def _unchanged(self, tx: Transaction, persona_id: str, stage: str, version: int) -> dict[str, dict[str, Any]]:
        """The current stages, when *stage* is still the *version* that an author saw and nobody is writing it."""
        personas.get(tx, persona_id)
        self._refuse_if_written(tx, persona_id, [stage])
        current = personas.current_stages(tx, persona_id)
        if version != (current[stage]["version"] if stage in current else 0):
            raise ConflictError("This stage was changed elsewhere meanwhile. Reload the page to see the newest state.")
        return current

    def _refuse_if_written(self, tx: Transaction, persona_id: str, keys: Collection[str], but: str = "") -> None:
        for job in journal.open_jobs(tx, persona_steps.KIND, persona_id, keys):
            if job != but:
                raise ConflictError("This is being written just now. Wait until it is done, or stop it first.")

    # In and out

    async def import_file(self, content: bytes, name: str, *, digest: str = "") -> Imported:
        """Make a persona of a file, as :meth:`read_file` has it."""
        persona_id = new_id()
        found = await self.read_file(content, name, persona_id, digest=digest)
        return Imported(persona_id, await self._store.write(found.save), found.kind, found.deviations)

    async def read_file(self, content: bytes, name: str, persona_id: str, *, digest: str = "") -> ReadIn:
        """The persona in a file that the author calls *name*: a character card of any version or an elizaOS character, as JSON or PNG.

        *digest* is the hash by which its file is known again, where it is to be. Stages that the card has nothing for are missing;
        :meth:`complete` writes them. Raises :class:`UploadError`.
        """
        shown = short(name)
        if len(content) > self._limit_mb * 2**20:
            size = math.ceil(len(content) / 2**20 * 10) / 10
            raise UploadError(
                "{name} has {size:.1f} MB; the limit is {limit:g} MB (MAX_UPLOAD_MB).", name=shown, size=size, limit=self._limit_mb
            )
        found = await asyncio.to_thread(cards_in.read, content, shown)
        read = await asyncio.to_thread(stages_in.read, found.card)
        picture, said = await self._picture(content, shown) if found.is_picture else (None, [])
        now = datetime.now(UTC)
        wishes = Wishes(language=read.language)
        options = persona_steps.options(wishes, picture, shown)
        options |= ({"lora": read.lora} if read.lora else {}) | ({"file": digest} if digest else {})
        made = _first_versions(persona_id, read.outputs)

        def save(tx: Transaction) -> str:
            if picture and picture.gone(self._uploads):
                raise UploadError(GONE, name=shown)
            called, thumb = stages_in.shown_name(found.card["data"]["name"]), picture.thumb if picture else None
            personas.create(tx, persona_id, name=called, language=read.language, picture=thumb, options=options, job_id=None, now=now)
            personas.keep_card(tx, persona_id, found.kind, found.card, now)
            for version in made:
                _save(tx, version)
            return personas.get(tx, persona_id)["name"]

        return ReadIn(found.kind, [*found.remarks, *read.remarks, *said], save)

    async def _picture(self, content: bytes, name: str) -> tuple[Picture | None, list[Remark]]:
        """The picture that a card came in; a card whose picture cannot be used is a card nevertheless."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "card.png"
            await asyncio.to_thread(path.write_bytes, content)
            try:
                return await self._clean(path, name), []
            except UploadError as error:
                return None, [Remark("It has no picture: {reason}", reason=str(error))]

    async def card(self, persona_id: str) -> dict[str, Any]:
        """The persona as a Character Card: V2, or of the version in which it was imported."""
        row = await self._store.fetch(personas.get, persona_id)
        current = await self._store.fetch(personas.current_stages, persona_id)
        outputs = {key: version["output"] for key, version in current.items()}
        kept = await self._store.fetch(personas.card, persona_id)
        about = {"name": row["name"], "persona_id": persona_id, "disclosure": self._disclosure, "language": row["language"]}
        if kept is None:
            return cards.card_v2(outputs, **about)
        return await asyncio.to_thread(cards_again.card_again, kept, outputs, **about)

    async def export(self, persona_id: str, kind: str) -> tuple[str, bytes]:
        """The persona as a file of one of :data:`KINDS`. Returns (file name, content)."""
        if kind not in KINDS:
            raise NotFoundError("A persona is exported as {kinds}.", kinds=", ".join(KINDS))
        row = await self._store.fetch(personas.get, persona_id)
        card, created, stem = await self.card(persona_id), parse(row["created_at"]), file_stem(row["name"])
        if kind in ("png", "v3png"):
            kept = persona_steps.picture_of(row)
            picture = await asyncio.to_thread(_as_png, self._uploads.path(kept.kept) if kept else None, row["name"])
            return f"{stem}.png", cards.as_png(card, created, picture, only_v3=kind == "v3png")
        if kind == "eliza":
            return f"{stem}.eliza.json", as_json(eliza.from_card(card))
        return f"{stem}.json", as_json(cards.as_v2(card) if kind == "json" else cards.card_v3(card, created))


def _save(tx: Transaction, made: StageVersion) -> int:
    return personas.save_stage(tx, made, datetime.now(UTC))


def _first_versions(persona_id: str, outputs: dict[str, dict[str, Any]]) -> list[StageVersion]:
    """Of the stages of a persona that is imported; each counts as made from those beside it."""
    hashes = {stage: personas.output_hash(output) for stage, output in outputs.items()}
    kept = [stage for stage in STAGES if stage.key in outputs]
    return [
        StageVersion(persona_id, stage.key, outputs[stage.key], {need: hashes[need] for need in stage.needs if need in hashes}, "import")
        for stage in kept
    ]


def _stage(key: str) -> Stage:
    if key not in BY_KEY:
        raise NotFoundError("There is no stage {stage}.", stage=key)
    return BY_KEY[key]


def _wish(text: str) -> str:
    return text.encode("utf-8", "replace").decode().strip()[:LONGEST_WISH]


def _made_from(stage: Stage, current: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {need: current[need]["output_hash"] for need in stage.needs if need in current}


def _refuse_missing(stage: Stage, current: Collection[str]) -> None:
    if missing := [BY_KEY[need].title for need in stage.needs if need not in current]:
        raise ConflictError("It is written from what is missing: {stages}.", stages=", ".join(missing))


def _same_job(missing: Collection[str], steps: dict[str, dict[str, Any]]) -> str | None:
    """The job whose steps all of *missing* are and in which nothing else stands in their way."""
    jobs = {steps[stage]["job_id"] if stage in steps else None for stage in missing}
    if len(jobs) != 1:
        return None
    job_id = jobs.pop()
    needs = {need for stage in missing if stage in steps for _, need in steps[stage]["needs"]} - set(missing)
    ready = all(need in steps and steps[need]["job_id"] == job_id and steps[need]["status"] == "done" for need in needs)
    return job_id if ready else None


def _as_png(path: Path | None, name: str) -> bytes:
    """A stored (already cleaned) picture as PNG, at most :data:`_CARD_EDGE` pixels on its longer edge so that the card stays light; a blank
    one in a colour of its own where there is none.
    """
    target = BytesIO()
    if path is None:
        hue = sum(name.encode()) * 37 % 360
        Image.new("RGB", _BLANK, f"hsl({hue}, 25%, 70%)").save(target, "PNG", optimize=True)
        return target.getvalue()
    with Image.open(path) as image:
        image.thumbnail((_CARD_EDGE, _CARD_EDGE))
        image.save(target, "PNG", optimize=True)
    return target.getvalue()
