"""The Gradio API: what programs may ask for, by name, with ``gradio_client``. JSON in, JSON out.

Whatever a program sends is checked here first. What it can mend arrives as ``gr.Error`` with its sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

import gradio as gr
from gradio.events import api
from pydantic import Field, ValidationError

from errors import ConflictError, StudioError
from pages.components.asked import Asked
from pages.components.reference_image import taken, uploaded
from pages.tweet_filters import DayOrNothing, Id, Wanted
from pipeline.stages import Wishes
from pipeline.studio import Studio, Upload
from pipeline.tweet_desk import LONGEST_EDIT
from pipeline.tweet_steps import Order

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_PAGE = 200
ROWS_OF_PERSONAS = 200


class _People(Asked):
    persona_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    count: Annotated[int, Field(ge=1, le=10_000)]
    start: DayOrNothing = ""


class _Tweets(Asked):
    tweet_ids: Annotated[list[Id], Field(min_length=1, max_length=20_000)]


class _Page(Asked):
    filters: Wanted
    before: Annotated[int, Field(ge=0, le=2**53)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 48


class _Edit(Asked):
    tweet_id: Id
    text: Annotated[str, Field(max_length=2 * LONGEST_EDIT)]
    revision: Annotated[int, Field(ge=1, le=2**53)] | None = None


class _Review(Asked):
    tweet_ids: Annotated[list[Id], Field(min_length=1, max_length=5000)]
    status: Literal["draft", "approved", "rejected"]


class _Export(Asked):
    format: Annotated[str, Field(max_length=20)]
    filters: Wanted


class _Name(Asked):
    id: Id


A = TypeVar("A", bound=Asked)


def _read(what: type[A], **given: object) -> A:
    """What was sent, checked. Raises :class:`ConflictError` that names what cannot be read."""
    try:
        return what.model_validate(given)
    except ValidationError as error:
        named = dict.fromkeys(".".join(str(part) for part in problem["loc"][:2] if isinstance(part, str)) for problem in error.errors())
        raise ConflictError("This call cannot be read ({what}).", what=", ".join(named)) from None


def _telling(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    @wraps(function)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await function(*args, **kwargs)
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return answer


def build(studio: Studio) -> None:
    """Publish the functions: the public methods of :class:`_Functions`."""
    functions = _Functions(studio)
    for name in [name for name in vars(_Functions) if not name.startswith("_")]:
        api(_telling(getattr(functions, name)), api_name=name)


class _Functions:
    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def start_persona(self, image: gr.FileData, language: str = "English", instructions: str = "") -> dict[str, Any]:
        """Start writing a persona from a picture. Returns {job, persona}."""
        path, name = uploaded(*_sent(image))
        job_id, persona_id = await self.studio.create_persona(Upload(Path(path), name), Wishes.said(language, instructions=instructions))
        return {"job": job_id, "persona": persona_id}

    async def start_tweets(self, persona_ids: list[str], count: int, start: str = "") -> dict[str, Any]:
        """Start writing *count* tweets of each persona, for days from *start* (YYYY-MM-DD; tomorrow where it is empty). Returns {job}."""
        asked = _read(_People, persona_ids=persona_ids, count=count, start=start)
        orders = [Order(persona_id, asked.count, start=asked.start) for persona_id in asked.persona_ids]
        return {"job": await self.studio.tweets.start(orders)}

    async def start_images(self, tweet_ids: list[str]) -> dict[str, Any]:
        """Start drawing a new picture of each tweet. Returns {job}."""
        return {"job": await self.studio.pictures.start(_read(_Tweets, tweet_ids=tweet_ids).tweet_ids)}

    async def job(self, job_id: str) -> dict[str, Any]:
        """A job: {status, done, failed, total, steps, ...}."""
        found = await self.studio.job(_read(_Name, id=job_id).id)
        return {key: value for key, value in found.items() if key != "params"}  # they name folders of this machine

    async def personas(self) -> list[dict[str, Any]]:
        """The newest personas: {id, name, archetype, stages, ...}."""
        return await self.studio.personas(ROWS_OF_PERSONAS)

    async def persona(self, persona_id: str) -> dict[str, Any]:
        """A persona with its seven stages."""
        return await self.studio.persona(_read(_Name, id=persona_id).id)

    async def tweets(self, filters: dict[str, Any] | None = None, before: int | None = None, limit: int = 48) -> dict[str, Any]:
        """A page of tweets, newest first: {tweets, next}; *next* is the *before* of the page that follows, or None.

        *filters*: persona, status, topic, badge (lists), since, until (days), job, q.
        """
        asked = _read(_Page, filters=filters or {}, before=before, limit=limit)
        found = await self.studio.tweets.page(asked.filters.filters(), before=asked.before, limit=asked.limit)
        return {"tweets": found, "next": found[-1]["number"] if len(found) == asked.limit else None}

    async def edit_tweet(self, tweet_id: str, text: str, revision: int | None = None) -> dict[str, Any]:
        """Store a text and return the tweet. With *revision*, only where nobody has changed that one meanwhile."""
        asked = _read(_Edit, tweet_id=tweet_id, text=text, revision=revision)
        newest = asked.revision or int((await self.studio.tweets.tweet(asked.tweet_id))["revision"])
        return await self.studio.tweets.edit(asked.tweet_id, asked.text, newest)

    async def set_status(self, tweet_ids: list[str], status: str) -> dict[str, Any]:
        """Set tweets to draft, approved or rejected. Returns {changed}: those that changed, with the status they had."""
        asked = _read(_Review, tweet_ids=tweet_ids, status=status)
        changed = await self.studio.tweets.set_status(asked.tweet_ids, asked.status)
        return {"changed": [[change.id, change.before] for change in changed]}

    async def export(self, format: str, filters: dict[str, Any] | None = None) -> gr.FileData:  # noqa: A002  its name in the contract
        """The tweets as a file: jsonl, csv, buffer, metricool, batch or zip."""
        asked = _read(_Export, format=format, filters=filters or {})
        name, _, chunks = await self.studio.tweets.file(asked.format, asked.filters.filters())
        path = self.studio.settings.data_dir.resolve() / "incoming" / token_hex(16) / name
        await asyncio.to_thread(_write, path, chunks)
        return gr.FileData(path=str(path), orig_name=name)

    async def take_back(self, file: gr.FileData) -> dict[str, Any]:
        """Apply what was edited in an exported CSV or JSONL file. Returns {changed, reviewed, same, conflicts, unknown, remarks}."""
        return asdict(await self.studio.tweets.take_back(*await asyncio.to_thread(taken, *_sent(file))))


def _sent(file: object) -> tuple[str, str | None]:
    """Path and name of a file as Gradio hands it on: the plain dictionary, or whatever a program sent."""
    given: dict[str, Any] = dict(file) if isinstance(file, dict) else {}
    return str(given.get("path")), given.get("orig_name")


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    """Where Gradio keeps files that it hands out, and deletes them after a day."""
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.writelines(chunks)
