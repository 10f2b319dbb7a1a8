"""Everything that is done with pictures: `studio.pictures`."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from errors import ConflictError, NotFoundError
from pipeline import picture_steps
from pipeline.jobs import Jobs, Result, Step
from pipeline.picture_steps import Asked, PictureWork
from storage import images, personas, standing, tweets
from storage import jobs as journal
from storage.database import Store

MOST_PICTURES = 20_000
"""Pictures of one job."""
MOST_VARIANTS = 8
LONGEST_PROMPT = 4000
RECENT = 20
_NAME = re.compile(r"[0-9a-f]{64}\.(png|webp)")


@dataclass(frozen=True)
class Prompt:
    """A single picture somebody describes. Sizes in pixels; ``None`` for the usual."""

    words: str
    negative: str = ""
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    seed: int | None = None

    def picture(self) -> dict[str, Any]:
        """It as ``image_generation`` (SPEC 5)."""
        wanted = {"width": self.width, "height": self.height, "steps": self.steps}
        params = {name: value for name, value in wanted.items() if value is not None}
        return {"positive_prompt": self.words, "negative_prompt": self.negative, "generation_params": params}


class PictureDesk:
    """Part of the Studio, which makes it."""

    def __init__(self, store: Store, jobs: Jobs, work: PictureWork) -> None:
        self._store = store
        self._jobs = jobs
        self._work = work

    async def work(self, step: Step) -> Result:
        """Draw the picture of one step of a job of ours."""
        return await self._work(step)

    # Drawing

    async def start(self, tweet_ids: Sequence[str], *, variants: int = 1, choose: bool = False, priority: int = 10) -> str:
        """Start a job that draws *variants* new pictures of each tweet. Returns its id. A tweet's first picture is its chosen one; with
        *choose* the newest takes its place. *priority* 0 is for a person who waits.

        Raises :class:`ConflictError` for an empty or an absurd order, :class:`NotFoundError` for an unknown tweet.
        """
        ids = list(dict.fromkeys(tweet_ids))
        _check_variants(variants)
        if len(ids) * variants > MOST_PICTURES:
            raise ConflictError(
                "{total} pictures are too many for one job; the limit is {limit}.", total=len(ids) * variants, limit=MOST_PICTURES
            )
        owners, before = await self._store.fetch(lambda db: (tweets.owners(db, ids), _variants(db, ids)))
        asked = {
            picture_steps.item(owners[tweet_id], tweet_id, variant): Asked(tweet_id, variant, choose=choose or variant == 1)
            for tweet_id in ids
            for variant in range(before.get(tweet_id, 0) + 1, before.get(tweet_id, 0) + 1 + variants)
        }
        return await self._submit(asked, sorted(set(owners.values())), priority=priority)

    async def start_all(
        self, asked: Mapping[str, Asked], *, title: str = "", priority: int = 10, extra: Mapping[str, Any] | None = None
    ) -> str:
        """Start a job that draws pictures of tweets that are not in the database; *asked* by what the caller calls each. *extra* is kept in
        the job's params.
        """
        if len(asked) > MOST_PICTURES:
            raise ConflictError("{total} pictures are too many for one job; the limit is {limit}.", total=len(asked), limit=MOST_PICTURES)
        return await self._submit(asked, [], title=title, priority=priority, extra=extra)

    async def draw(self, prompt: Prompt) -> str:
        """Start drawing one picture of what somebody describes, while they wait. Returns the job's id."""
        words = prompt.words.strip()
        if not words or len(words) > LONGEST_PROMPT or len(prompt.negative) > LONGEST_PROMPT:
            raise ConflictError("A prompt has 1 to {limit} characters.", limit=LONGEST_PROMPT)
        asked = Asked(picture=replace(prompt, words=words).picture(), seed=_any_seed() if prompt.seed is None else prompt.seed)
        return await self._submit({"prompt": asked}, [], title=words[:60], priority=0)

    async def again(self, image_id: str, seed: int | None = None) -> str:
        """Start drawing the same as a picture once more, with this *seed* or another one. Returns the job's id."""
        image = await self._store.fetch(images.get, image_id)
        if image["tweet_id"]:
            highest = (await self._store.fetch(_variants, [image["tweet_id"]]))[image["tweet_id"]]
            asked = Asked(image["tweet_id"], highest + 1, seed, choose=True)
            item = picture_steps.item(image["persona_id"], image["tweet_id"], highest + 1)
            return await self._submit({item: asked}, [image["persona_id"]], priority=0)
        return await self._submit({"prompt": _same(image, seed)}, [], title=image["asked"]["prompt"][:60], priority=0)

    async def vary(self, image_id: str, count: int) -> str:
        """Start drawing *count* more like a picture, with other seeds: which is the best, the author says. Returns the job's id."""
        image = await self._store.fetch(images.get, image_id)
        if image["tweet_id"]:
            return await self.start([image["tweet_id"]], variants=count, priority=0)
        _check_variants(count)
        asked = {f"prompt {number}": _same(image) for number in range(1, count + 1)}
        return await self._submit(asked, [], title=image["asked"]["prompt"][:60], priority=0)

    async def _submit(
        self, asked: Mapping[str, Asked], owners: Sequence[str], *, title: str = "", priority: int, extra: Mapping[str, Any] | None = None
    ) -> str:
        if not asked:
            raise ConflictError("Say of which tweets pictures are to be drawn.")
        params = {**(extra or {}), "pictures": {item: picture.as_dict() for item, picture in asked.items()}, "personas": list(owners)}
        shown = title or f"{len(asked)} picture{'s' if len(asked) > 1 else ''}"
        return await self._jobs.submit(picture_steps.KIND, shown, picture_steps.graph(list(asked)), params=params, priority=priority)

    async def cancel(self, job_id: str, items: Sequence[str]) -> int:
        """Stop drawing these pictures of a job; the others go on. Returns how many were stopped."""
        return await self._jobs.drop(job_id, [(item, picture_steps.IMAGE) for item in items])

    async def retry(self, job_id: str, items: Sequence[str]) -> int:
        """Draw failed and cancelled pictures of a job after all. Returns how many."""
        return await self._jobs.retry(job_id, [(item, picture_steps.IMAGE) for item in items])

    async def of_step(self, job_id: str, item: str) -> dict[str, Any]:
        """The picture that a step of a job has drawn. Raises :class:`NotFoundError`."""
        made = (await self._store.fetch(images.of_job, job_id)).get(item)
        if made is None:
            raise NotFoundError("There is no picture {image}.", image=item)
        return made

    async def content(self, job_id: str, item: str) -> bytes:
        """The file of that picture."""
        return await asyncio.to_thread(self.path((await self.of_step(job_id, item))["file"]).read_bytes)

    def path(self, name: str) -> Path:
        """Where the file *name* of a picture is (or of its thumbnail). Raises :class:`NotFoundError` for anything that is not one."""
        path = self._work.folder / name
        if not _NAME.fullmatch(name) or not path.is_file():
            raise NotFoundError("There is no picture {image}.", image=name)
        return path

    async def choose(self, image_id: str) -> dict[str, Any]:
        """Make it its tweet's picture, and return it."""
        await self._store.write(images.choose, image_id)
        return await self._store.fetch(images.get, image_id)

    # Watching

    async def image(self, image_id: str) -> dict[str, Any]:
        """One picture. Raises :class:`NotFoundError`."""
        return await self._store.fetch(images.get, image_id)

    async def page(self, *, before: str = "~", limit: int = 48, job_id: str | None = None) -> list[dict[str, Any]]:
        """The newest pictures, by id downwards from *before*."""
        return await self._store.fetch(images.page, before=before, limit=min(limit, 200), job_id=job_id)

    async def of_tweet(self, tweet_id: str) -> list[dict[str, Any]]:
        """All pictures of a tweet, newest first."""
        return await self._store.fetch(images.of_tweet, tweet_id)

    async def chosen(self, tweet_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The picture of each of these tweets that has one, by tweet."""
        return await self._store.fetch(images.chosen, tweet_ids)

    async def recent(self, limit: int = RECENT) -> list[dict[str, Any]]:
        """The newest jobs that draw pictures, with their counts."""
        return await self._store.fetch(journal.recent, limit, kind=picture_steps.KIND)

    async def states(self, tweet_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of each of these tweets ``{picture, drawing, failed}``: its chosen picture or ``None``, how far one under way is (as :meth:`open`
        has it) or ``None``, and why the newest one failed or an empty text.
        """
        chosen, drawing = await self.chosen(tweet_ids), await self.open(tweet_ids)
        ended = [tweet_id for tweet_id in tweet_ids if tweet_id not in drawing]
        failed = await self._store.fetch(self._failed, ended)
        return {
            tweet_id: {"picture": chosen.get(tweet_id), "drawing": drawing.get(tweet_id), "failed": failed.get(tweet_id, "")}
            for tweet_id in tweet_ids
        }

    def _failed(self, db: Database, tweet_ids: Sequence[str]) -> dict[str, str]:
        owners = tweets.owners(db, tweet_ids, strict=False)
        newest = {
            tweet_id: standing.newest_step(db, picture_steps.KIND, f"{persona_id}:{tweet_id}") for tweet_id, persona_id in owners.items()
        }
        return {tweet_id: step["error"] or "" for tweet_id, step in newest.items() if step and step["status"] == "failed"}

    async def open(self, tweet_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of these tweets, those with a picture under way: {tweet id: {job, item, status, step, steps}}; one that is drawn before one that
        waits.
        """
        found: dict[str, dict[str, Any]] = {}
        wanted = set(tweet_ids)
        for step in await self._store.fetch(standing.open_steps, picture_steps.KIND):
            tweet_id = picture_steps.tweet_of(step["item"])
            if tweet_id not in wanted or found.get(tweet_id, {}).get("status") == "running":
                continue
            progress = self._work.under_way.get((step["job_id"], step["item"]))
            found[tweet_id] = {
                "job": step["job_id"],
                "item": step["item"],
                "status": step["status"],
                "step": progress.step if progress else 0,
                "steps": progress.steps if progress else 0,
            }
        return found

    async def job(self, job_id: str) -> dict[str, Any]:
        """A job of ours: ``{id, title, status, priority, total, done, failed, cancelled, running, seconds, pictures: [{item, tweet, name,
        prompt, status, error, error_kind, step, steps, worker, image, thumbnail, seconds}]}`` in the order of the job.
        """
        return await self._store.fetch(self._job, job_id)

    def _job(self, db: Database, job_id: str) -> dict[str, Any]:
        job = journal.get(db, job_id)
        steps = journal.steps(db, job_id)
        made = images.of_job(db, job_id)
        wanted = job["params"].get("pictures", {})
        texts = tweets.texts_of(db, [asked["tweet_id"] for asked in wanted.values() if asked.get("tweet_id")])
        names = personas.names(db, job["params"].get("personas", []))
        counts = {status: sum(step["status"] == status for step in steps) for status in ("done", "failed", "cancelled", "running")}
        return {
            **{key: job[key] for key in ("id", "kind", "title", "status", "priority", "created_at")},
            **counts,
            "total": len(steps),
            "seconds": standing.elapsed(job),
            "pictures": [
                {
                    **_wanted(wanted.get(step["item"], {}), texts),
                    "item": step["item"],
                    "name": names.get(step["item"].split(":", 1)[0], ""),
                    **{key: step[key] for key in ("status", "error", "error_kind")},
                    **self._drawn(job_id, step, made.get(step["item"])),
                }
                for step in steps
            ],
        }

    def _drawn(self, job_id: str, step: Mapping[str, Any], image: Mapping[str, Any] | None) -> dict[str, Any]:
        """How far a picture is, and which file it has become."""
        progress = self._work.under_way.get((job_id, step["item"])) if step["status"] == "running" else None
        image = image or {}
        return {
            "step": progress.step if progress else 0,
            "steps": progress.steps if progress else 0,
            "worker": progress.worker if progress else image.get("worker"),
            "image": image.get("id"),
            **{key: image.get(key) for key in ("thumbnail", "file", "width", "height", "seed", "seconds")},
        }


def _wanted(asked: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Of which tweet a picture is, or what it is to show."""
    picture = asked.get("picture") or {}
    return {
        "tweet": asked.get("tweet_id"),
        "text": texts.get(asked.get("tweet_id", ""), asked.get("text", "")),
        "prompt": str(picture.get("positive_prompt") or picture.get("scene_hint") or ""),
    }


def _variants(db: Database, tweet_ids: Sequence[str]) -> dict[str, int]:
    """The highest variant of each of these tweets that has a picture, or one under way: its seed must not be drawn twice."""
    highest = images.variants(db, tweet_ids)
    wanted = set(tweet_ids)
    for step in standing.open_steps(db, picture_steps.KIND):
        tweet_id = picture_steps.tweet_of(step["item"])
        if tweet_id in wanted:
            highest[tweet_id] = max(highest.get(tweet_id, 0), int(step["item"].rpartition(":")[2]))
    return highest


def _same(image: Mapping[str, Any], seed: int | None = None) -> Asked:
    """A picture of no tweet once more, with this *seed* or any."""
    made = image["asked"]
    picture = {
        "positive_prompt": made["prompt"],
        "negative_prompt": made["negative_prompt"],
        "generation_params": {"width": image["width"], "height": image["height"], "steps": made["steps"], "cfg": made["guidance"]},
        "lora_params": made["lora"],
    }
    chosen = _any_seed() if seed is None else seed
    return Asked(None, image["variant"] + 1, chosen, picture, made["text"], made["alt"], made["date"])


def _any_seed() -> int:
    """For what somebody draws by hand: who asks for the same words again wants to see something else."""
    return random.getrandbits(32)


def _check_variants(count: int) -> None:
    if not 1 <= count <= MOST_VARIANTS:
        raise ConflictError("A tweet gets 1 to {limit} pictures at once.", limit=MOST_VARIANTS)
