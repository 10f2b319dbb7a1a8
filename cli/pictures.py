"""Pictures of the tweets in a batch file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli import outputs
from cli.orders import Failure, ImagesOrder, Shot
from cli.progress import Place, plain
from cli.session import BATCH, Session, unusable, utf8
from errors import NotFoundError, StudioError

FLAG = "--image-output-dir"


class Pictures:
    """Starts jobs that draw pictures, and knows what is to be made of them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def usable(self, order: ImagesOrder) -> bool:
        """Whether the file is there; else it fails. Touches nothing."""
        bad = unusable(order.batch)
        if bad:
            self._session.fail(_unread(order, f"{utf8(str(order.batch))} {bad}"))
        return not bad

    async def draw(self, order: ImagesOrder) -> None:
        """Draw the pictures that are ordered, of those tweets that are in the file."""
        session = self._session
        try:
            content = await asyncio.to_thread(order.batch.read_bytes)
            asked, remarks = await session.studio.files.pictures_of(content, order.batch.name, first=order.start_slot, most=order.most)
        except OSError as error:
            session.fail(_unread(order, f"{utf8(str(order.batch))} cannot be read: {error.strerror or error}."))
            return
        except StudioError as error:
            session.fail(_unread(order, str(error)))
            return
        for remark in remarks:
            session.progress.note(plain(f"{order.batch.name}: {remark}"))
        targets = {item: outputs.absolute(Path(order.folder) / f"{outputs.stem(order.batch)}_{item}.png", FLAG) for item in asked}
        outputs.make_folders(list(targets.values()), FLAG)
        self._introduce()
        extra = {
            "items": list(asked),
            "sources": [f"{utf8(order.batch.name)} {_slot(item)}" for item in asked],
            "outputs": [str(target) for target in targets.values()],
        }
        await session.begin(session.studio.pictures.start_all(asked, title=utf8(order.batch.name), priority=BATCH, extra=extra))

    def _introduce(self) -> None:
        pool = self._session.studio.health()["pool"]
        self._session.progress.note(f"Pictures: engine {pool['engine']}, {pool['on']}.")

    # What a session asks

    async def content(self, job: Mapping[str, Any], item: str) -> bytes:
        """The picture's file."""
        return await self._session.studio.pictures.content(job["id"], item)

    async def account(self, job: dict[str, Any], place: Place, label: str, steps: Sequence[Mapping[str, Any]], *, over: bool) -> None:
        """Say in the report what there is of pictures: of one of a batch file, or of all of a persona's where the studio began the job."""
        for step in steps:
            await self._account(job, place, label, step, over=over)

    async def _account(self, job: dict[str, Any], place: Place, label: str, step: Mapping[str, Any], *, over: bool) -> None:
        report = self._session.report
        done = step["status"] == "done"
        status = "done" if done else "failed" if step["status"] == "failed" else "cancelled" if over else "unfinished"
        if status in ("failed", "cancelled"):
            reason = step["error"] or "was cancelled before it was drawn."
            report.failed.append(Failure(persona=label, reason=reason, kind=step["error_kind"] or "cancelled", stage="picture"))
        path, worker = "", None
        if done:
            path = await self._session.deliver(place)
            try:
                worker = (await self._session.studio.pictures.of_step(job["id"], step["item"]))["worker"]
            except NotFoundError:  # it was deleted meanwhile
                status = "gone"
        report.done += status == "done"
        report.images.append(Shot(_slot(place[1]), status, path, worker, job["id"]))

    def unwritten(self, label: str, reason: str) -> Failure:
        """That the picture's file could not be written."""
        return Failure(persona=label, reason=reason, kind="file", stage="picture")


def _unread(order: ImagesOrder, reason: str) -> Failure:
    return Failure(persona=utf8(order.batch.name), reason=reason, kind="batch file")


def _slot(item: str) -> int:
    """The slot in its batch file that an item is about; 0 for pictures that the studio began."""
    return int(item) if item.isdecimal() else 0
