"""Pictures as steps of a job: what is asked for, handed to the pool, kept with its row."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from errors import StudioError
from gpu_pool.pool import Pool
from gpu_pool.problems import PoolError
from gpu_pool.tasks import Drawn, ImageTask, Lora, Progress
from pipeline.runs import Result, Step
from pipeline.tweets import ImageDefaults
from storage import images, personas, tweets
from storage.database import Store, Transaction
from storage.jobs import NewStep

KIND = "images"
IMAGE = "image"
LANE = "gpu"
MOST_COLOURS = 6


class PictureError(StudioError):
    """What was asked for is no picture that could be drawn."""

    kind = "picture"


@dataclass(frozen=True)
class Asked:
    """A picture somebody wants, as the job's params have it: of the tweet *tweet_id*, or, without one, of what *picture* says
    (``image_generation`` of SPEC 5) for a tweet with this *text*, *alt* text and *date*. *variant* counts pictures of the same; a *seed*
    wins over the one that follows from these. *choose*: it takes the place of the tweet's chosen picture.
    """

    tweet_id: str | None = None
    variant: int = 1
    seed: int | None = None
    picture: Mapping[str, Any] | None = None
    text: str = ""
    alt: str = ""
    date: str = ""
    choose: bool = False

    def as_dict(self) -> dict[str, Any]:
        """What differs from a plain one, for the params."""
        plain = Asked()
        return {name: _storable(value) for name, value in asdict(self).items() if value != getattr(plain, name)}

    @property
    def key(self) -> str:
        """What the picture is of; the seed follows from it."""
        return self.tweet_id or hashlib.sha256(json.dumps([self.picture, self.text], sort_keys=True, default=str).encode()).hexdigest()


def graph(items: Sequence[str]) -> list[NewStep]:
    """One step a picture; none needs another."""
    return [NewStep(item, IMAGE, lane=LANE) for item in items]


def item(persona_id: str, tweet_id: str, variant: int) -> str:
    """What the step of a tweet's picture is about. It begins with the persona: with that one it is taken out of its job."""
    return f"{persona_id}:{tweet_id}:{variant}"


def tweet_of(step_item: str) -> str:
    """The tweet whose picture a step is about; empty where it is of no tweet of ours."""
    parts = step_item.split(":")
    return parts[1] if len(parts) == 3 else ""


def task_id(step: Step) -> str:
    """What the pool calls the picture of a step; a step that is begun again is another task."""
    return f"{step.job_id}:{step.item}:{step.claim.fence}"


def of_task(name: str) -> tuple[str, str]:
    """(job id, item) of the step behind a task of the pool."""
    job_id, _, rest = name.partition(":")
    return job_id, rest.rpartition(":")[0]


def seed_of(key: str, variant: int) -> int:
    """A seed that is the same for the same picture, and another for its next variant."""
    return int.from_bytes(hashlib.sha256(f"{key}:{variant}".encode()).digest()[:4], "big")


@dataclass
class PictureWork:
    """Draws one picture through the pool, which is started when the first one is wanted."""

    store: Store
    pool: Callable[[], Awaitable[Pool]]
    folder: Path
    defaults: ImageDefaults
    under_way: dict[tuple[str, str], Progress] = field(default_factory=dict)
    """How far each picture is, by job and item."""

    async def __call__(self, step: Step) -> Result:
        asked = Asked(**step.params["pictures"][step.item])
        tweet = await self.store.fetch(tweets.get, asked.tweet_id) if asked.tweet_id else None
        if tweet:
            asked = replace(
                asked,
                picture=tweet["image"],
                text=tweet["text"],
                alt=tweet["alt_text"],
                date=" ".join(filter(None, (tweet["date"], tweet["time"]))),
            )
        task = self.task(step, asked, await self._palette(tweet["persona_id"]) if tweet else ())
        drawn, engine = await self._drawn(step, task)
        new = images.NewImage(
            job_id=step.job_id,
            item=step.item,
            file=drawn.path.name,
            thumbnail=drawn.thumbnail.name,
            width=drawn.width,
            height=drawn.height,
            seed=drawn.seed,
            engine=engine,
            seconds=round(drawn.seconds, 3),
            worker=drawn.worker,
            variant=asked.variant,
            asked={
                "prompt": task.prompt,
                "negative_prompt": task.negative_prompt,
                "steps": task.steps,
                "guidance": task.guidance,
                "lora": asdict(task.lora) if task.lora else None,
                "text": task.text,
                "alt": task.alt,
                "date": task.date,
            },
            tweet_id=asked.tweet_id,
            persona_id=tweet["persona_id"] if tweet else None,
        )

        def save(tx: Transaction) -> None:
            images.save(tx, new, datetime.now(UTC), choose=asked.choose)

        return Result(save, shown={"image": new.id, "tweet": asked.tweet_id, "file": new.file, "worker": drawn.worker})

    async def _drawn(self, step: Step, task: ImageTask) -> tuple[Drawn, str]:
        """The picture, its progress reported, and the engine's name. A step that is stopped takes its task out of the pool."""
        key = (step.job_id, step.item)

        def tell(progress: Progress) -> None:
            if progress.task_id == task.id:
                self.under_way[key] = progress
                step.report({"phase": "drawing", "step": progress.step, "steps": progress.steps, "worker": progress.worker})

        try:
            pool = await self.pool()
            with ExitStack() as ends:
                ends.callback(pool.listen(tell))
                return await pool.submit(task, priority=step.priority, job=step.job_id), pool.engine.name
        except PoolError as error:
            if error.kind == "stopped":  # the pool is going down: the step is not to blame, and is taken up by the next start
                raise asyncio.CancelledError from error
            raise
        finally:
            self.under_way.pop(key, None)

    def task(self, step: Step, asked: Asked, palette: tuple[str, ...]) -> ImageTask:
        """What the pool is asked to draw. Raises :class:`PictureError` where it cannot be told from what was asked."""
        picture = asked.picture or {}
        prompt = _words(picture.get("positive_prompt") or picture.get("scene_hint"))
        if not prompt:
            raise PictureError("There is no prompt for this picture: image_generation has no positive_prompt.")
        wanted = _mapping(picture.get("generation_params"))
        seed = asked.seed if asked.seed is not None else wanted.get("seed") if asked.variant == 1 else None
        return ImageTask(
            id=task_id(step),
            prompt=prompt,
            folder=self.folder,
            negative_prompt=_words(picture.get("negative_prompt")),
            width=_whole(wanted, "width", self.defaults.width),
            height=_whole(wanted, "height", self.defaults.height),
            steps=_whole(wanted, "steps", self.defaults.steps),
            guidance=_number(wanted, "cfg", self.defaults.guidance),
            seed=_whole({"seed": seed}, "seed", seed_of(asked.key, asked.variant)),
            lora=_lora(picture.get("lora_params")),
            text=asked.text,
            alt=asked.alt,
            palette=palette,
            date=asked.date,
            extra={"ai_generated": "true"},
        )

    async def _palette(self, persona_id: str) -> tuple[str, ...]:
        """The colours of the persona's visual profile."""
        current = await self.store.fetch(personas.current_stages, persona_id)
        profile = _mapping(_mapping(current.get("visual", {}).get("output")).get("visual_profile"))
        found = profile.get("color_preferences")
        return tuple(str(colour) for colour in found[:MOST_COLOURS]) if isinstance(found, list) else ()


def _storable(value: Any) -> Any:  # noqa: ANN401  JSON in, JSON out
    """*value* with numbers that JSON has no form for as text; the drawing then says what is wrong with them."""
    if isinstance(value, dict):
        return {str(name): _storable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_storable(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(wanted: Mapping[str, Any], name: str, usual: float) -> float:
    """What a file says of a picture may be anything: a number, a number in quotes, nothing, nonsense."""
    value = wanted.get(name)
    if value is None or value == "":
        return usual
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise PictureError("{name}: {value} is no number that a picture can have.", name=name, value=str(value)[:40])
    return number


def _whole(wanted: Mapping[str, Any], name: str, usual: int) -> int:
    value = wanted.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else int(_number(wanted, name, usual))


def _lora(value: object) -> Lora | None:
    """Absent, empty, or ``{model_path, strength}``."""
    given = _mapping(value)
    path = _words(given.get("model_path") or given.get("path"))
    return Lora(path, _number(given, "strength", 1.0)) if path else None
