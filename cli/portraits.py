"""Personas from pictures."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli import outputs
from cli.orders import Failure, Made, PersonaOrder
from cli.progress import Place
from cli.session import BATCH, Session, unusable, utf8
from errors import StorageError, StudioError
from pipeline.stages import BY_KEY, Wishes
from pipeline.studio import Upload
from pipeline.uploads import Picture


class Portraits:
    """Starts jobs that write personas, and knows what is to be made of them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._labels: dict[Path, str] = {}
        """What a picture is called: its name, or its path where two have the same name."""

    def sort_out(self, order: PersonaOrder) -> tuple[list[Path], list[Path]]:
        """The pictures that are there, and the files of their personas; the others fail. Touches nothing."""
        targets = outputs.places(order.images, order.output)
        named = Counter(image.name for image in order.images)
        self._labels = {image: image.name if named[image.name] == 1 else str(image) for image in order.images}
        kept = []
        for image, target in zip(order.images, targets, strict=True):
            if reason := unusable(image, f"Name the pictures in it: --images {image}/*"):
                self._session.fail(Failure(utf8(self._labels[image]), f"{utf8(str(image))} {reason}", kind="picture"))
            else:
                kept.append((image, target))
        return [image for image, _ in kept], [target for _, target in kept]

    async def write(self, order: PersonaOrder, images: list[Path], targets: list[Path]) -> None:
        """Write a persona from each picture that can be used."""
        cleaned = await asyncio.gather(*(self._clean(image) for image in images))
        usable = [(upload, picture, target) for (upload, picture), target in zip(cleaned, targets, strict=True) if picture]
        if usable:
            outputs.make_folders([target for *_, target in usable], outputs.FLAG)
            await self._session.begin(self._start(order, usable))

    async def _start(self, order: PersonaOrder, usable: list[tuple[Upload, Picture, Path]]) -> str:
        job_id, _ = await self._session.studio.create_personas(
            [(upload, picture) for upload, picture, _ in usable],
            Wishes(order.language, order.location, order.goal, order.instructions, seed=order.seed),
            priority=0 if len(order.images) == 1 else BATCH,
            extra={"images": [self._labels[upload.path] for upload, *_ in usable], "outputs": [str(target) for *_, target in usable]},
        )
        return job_id

    async def _clean(self, image: Path) -> tuple[Upload, Picture | None]:
        upload = Upload(image, image.name)
        try:
            return upload, await self._session.studio.add_picture(upload)
        except StorageError:
            raise
        except StudioError as error:
            self._session.fail(Failure(self._labels[image], str(error), kind="picture"))
            return upload, None

    # What a session asks

    async def content(self, _job: Mapping[str, Any], persona_id: str) -> bytes:
        """The persona's file."""
        return (await self._session.studio.card_file(persona_id, "json"))[1]

    async def account(self, job: dict[str, Any], place: Place, label: str, steps: Sequence[Mapping[str, Any]], *, over: bool) -> None:
        """Say in the report what there is of a persona."""
        report = self._session.report
        missing = [step["stage"] for step in steps if step["status"] != "done"]
        status = "complete" if not missing else "unfinished" if not over else "failed" if "core" in missing else "partial"
        for step in steps:
            if step["status"] == "failed":
                title = BY_KEY[step["stage"]].title if step["stage"] in BY_KEY else step["stage"]
                report.failed.append(Failure(label, step["error"] or "", kind=step["error_kind"] or "", stage=title))
        if over and missing and not any(step["status"] == "failed" for step in steps):
            report.failed.append(Failure(label, "was cancelled before it was complete.", kind="cancelled"))
        file = await self._session.deliver(place) if status in ("complete", "partial") else ""
        report.done += status == "complete"
        report.personas.append(Made(place[1], label, status, missing, job["id"], file))

    def unwritten(self, label: str, reason: str) -> Failure:
        """That the persona's file could not be written."""
        return Failure(label, reason, kind="file")
