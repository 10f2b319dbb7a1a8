"""Gallery: tweets are looked through, edited, approved or rejected, by the hundred and from the keyboard.

The page is one card. Its script asks for pages of tweets and keeps them up to date; what it can ask for are the methods of
:class:`_Calls`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import Field

from errors import ConflictError, NotFoundError
from pages import frame
from pages.components.asked import Answer, Asked, Uploaded, answering_all
from pages.components.card import card
from pages.components.picture_calls import PictureCalls
from pages.components.reference_image import taken
from pages.language import stored, told
from pages.tweet_filters import Id, Wanted
from pipeline.studio import Studio
from pipeline.tweet_desk import LONGEST_EDIT, Change, Filters

PAGE = 48
MOST_NEW = 100
"""New tweets that are counted; of more the page says that there are more."""
MOST_UNDONE = 5000
"""Tweets whose status one call changes by id, or takes back."""
MOST_ANEW = 200
"""Tweets that are written anew at once."""
SCRIPTS = (
    "gallery_length",
    "picture_view",
    "gallery_picture",
    "gallery_card",
    "gallery_edit",
    "gallery_filters",
    "gallery_pages",
    "gallery_review",
    "gallery_bulk",
    "gallery_back",
    "gallery",
)
SHOWN = (
    *("id", "number", "persona_id", "persona_name", "persona_picture", "status", "text", "parts", "poll", "hashtags", "date", "time"),
    *("topic_type", "mood", "tweet_format", "length", "badges", "version", "revision"),
)
"""What a card needs of a tweet at once."""
TOLD = ("plan", "alt_text", "image", "time_segment", "made_by", "created_at", "updated_at")
"""What it shows when asked."""
PICTURE = ("id", "file", "thumbnail", "width", "height")
DRAWING = ("status", "step", "steps")
NOT_REWRITTEN = {"open": False, "error": None, "error_kind": None}

Status = Literal["draft", "approved", "rejected"]
Number = Annotated[int, Field(ge=0, le=2**53)]
Ids = Annotated[list[Id], Field(max_length=MOST_UNDONE)]


def build(studio: Studio) -> None:
    """Lay the page out and wire it."""
    head = frame.header(studio)
    calls = _Calls(studio)
    functions = answering_all(
        [
            (_Find, calls.find),
            (_Which, calls.counts),
            (_News, calls.news),
            (_One, calls.told),
            (_Edit, calls.edit),
            (_Review, calls.review),
            (_ReviewAll, calls.review_all),
            (_Undo, calls.undo),
            (_Rewrite, calls.rewrite),
            (_One, calls.versions),
            (_Restore, calls.restore),
            (_Draw, calls.draw),
            (Uploaded, calls.take_back),
            *PictureCalls(studio).pairs(),
        ],
        studio.settings.ui_language,
    )
    value = {"page": PAGE, "mb": studio.settings.max_upload_mb}
    card(*SCRIPTS, value=value, elem_id="gallery", server_functions=functions)
    frame.footer()
    gr.on(None, lambda: frame.banners(studio), None, head, show_progress="hidden", api_visibility="private")


class _Which(Asked):
    filters: Wanted


class _Find(_Which):
    before: Number | None = None


class _News(_Which):
    after: Number
    rewriting: list[Id] = Field([], max_length=200)
    drawing: list[Id] = Field([], max_length=200)


class _One(Asked):
    id: Id


class _Edit(_One):
    text: Annotated[str, Field(max_length=2 * LONGEST_EDIT)]
    revision: Number


class _Review(Asked):
    ids: Ids
    status: Status


class _ReviewAll(_Which):
    status: Status
    newest: Number


_Change = Annotated[tuple[Id, Status, Status, Number], Field(strict=False)]  # JSON has no tuples


class _Undo(Asked):
    changes: Annotated[list[_Change], Field(max_length=MOST_UNDONE)]


class _Rewrite(Asked):
    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_ANEW)]
    instruction: Annotated[str, Field(max_length=2000)] = ""


class _Draw(Asked):
    ids: Ids


class _Restore(_One):
    version: Number
    revision: Number


class _Calls:
    """What the page's script may ask for."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def find(self, asked: _Find) -> Answer:
        """A page of tweets, newest first; and, with the first page, the newest of all."""
        tweets = self.studio.tweets
        if asked.before is not None:
            return {"tweets": await self._shown(await tweets.page(asked.filters.filters(), before=asked.before, limit=PAGE), asked.spoken)}
        # The newest first: a tweet that is saved in between is then counted as new, and not lost.
        newest = await self._newest()
        return {"tweets": await self._shown(await tweets.page(asked.filters.filters(), limit=PAGE), asked.spoken), "newest": newest}

    async def counts(self, asked: _Which) -> Answer:
        """How many tweets there are, and what they can be filtered by."""
        tweets = self.studio.tweets
        count, facets = await asyncio.gather(tweets.count(asked.filters.filters()), tweets.facets())
        return {"count": count, "facets": facets}

    async def news(self, asked: _News) -> Answer:
        """How many tweets came after number *after* that belong on the page, and what became of those that are being rewritten and
        of pictures that are being drawn.
        """
        newest, fresh = await self._newest(), 0
        if newest > asked.after:
            found = await self.studio.tweets.page(asked.filters.filters(), limit=MOST_NEW)
            fresh = sum(tweet["number"] > asked.after for tweet in found)
        (rewritten, gone), drawn = await asyncio.gather(
            self._rewritten(asked.rewriting, asked.spoken), self._pictures(asked.drawing, asked.spoken)
        )
        return {"fresh": fresh, "rewritten": rewritten, "gone": gone, "drawn": drawn}

    async def _rewritten(self, ids: Sequence[str], language: str) -> tuple[list[Answer], list[str]]:
        """The tweets whose rewriting has ended, with the reason where it failed; and the ids of those that are not there any more."""
        states = await self.studio.tweets.rewrites(ids) if ids else {}
        ended, gone = [], []
        for tweet_id in ids:
            state = states.get(tweet_id, NOT_REWRITTEN)
            if state["open"]:
                continue
            try:
                tweet = _narrow(await self.studio.tweets.tweet(tweet_id))
            except NotFoundError:
                gone.append(tweet_id)
                continue
            ended.append({**tweet, "failed": stored(state["error"] or "", language), "failed_kind": state["error_kind"] or ""})
        return ended, gone

    async def _pictures(self, ids: Sequence[str], language: str) -> dict[str, Answer]:
        """Of each of these tweets its picture, how far another one is, and why the newest failed."""
        states = await self.studio.pictures.states(ids) if ids else {}
        return {
            tweet_id: {
                "picture": {key: state["picture"][key] for key in PICTURE} if state["picture"] else None,
                "drawing": {key: state["drawing"][key] for key in DRAWING} if state["drawing"] else None,
                "picture_failed": stored(state["failed"], language),
            }
            for tweet_id, state in states.items()
        }

    async def draw(self, asked: _Draw) -> Answer:
        """Have a new picture of each of these tweets drawn; ``news`` says how far they are."""
        priority = 0 if len(asked.ids) == 1 else 10
        return {"job": await self.studio.pictures.start(asked.ids, choose=len(asked.ids) == 1, priority=priority)}

    async def told(self, asked: _One) -> Answer:
        """Everything else about a tweet: its plan, its picture, the tweets that its badges name."""
        tweet = await self.studio.tweets.tweet(asked.id)
        others = {badge["detail"] for badge in tweet["badges"] if badge["kind"] == "near_duplicate"}
        return {**{key: tweet[key] for key in TOLD}, "others": [text for other in others if (text := await self._text(other))]}

    async def _text(self, tweet_id: str) -> str:
        try:
            return (await self.studio.tweets.tweet(tweet_id))["text"]
        except NotFoundError:
            return ""

    async def edit(self, asked: _Edit) -> Answer:
        """Store what was typed. Where somebody else was faster, their tweet comes with the refusal as ``theirs``."""
        try:
            return {"tweet": _narrow(await self.studio.tweets.edit(asked.id, asked.text, asked.revision))}
        except ConflictError:
            now = await self.studio.tweets.tweet(asked.id)
            if now["revision"] == asked.revision:
                raise
            return {"theirs": _narrow(now)}

    async def review(self, asked: _Review) -> Answer:
        """Approve, reject or set back to draft. ``changed`` is what undoes it."""
        return {"changed": list(map(list, await self.studio.tweets.set_status(asked.ids, asked.status)))}

    async def review_all(self, asked: _ReviewAll) -> Answer:
        """The same for all that the filters mean, but those that came after number *newest*: nobody has seen them. Where more changed than
        can be undone, ``changed`` is empty.
        """
        changed = await self.studio.tweets.set_status_of(asked.filters.filters(), asked.status, newest=asked.newest)
        return {"count": len(changed), "changed": list(map(list, changed)) if len(changed) <= MOST_UNDONE else []}

    async def undo(self, asked: _Undo) -> Answer:
        """Give tweets back the statuses that they had; ``changed`` are those that got them."""
        return {"changed": list(map(list, await self.studio.tweets.undo([Change(*change) for change in asked.changes])))}

    async def rewrite(self, asked: _Rewrite) -> Answer:
        """Have tweets written anew by one job; ``news`` says when each is done."""
        return {"job": await self.studio.tweets.rewrite(asked.ids, asked.instruction)}

    async def versions(self, asked: _One) -> Answer:
        """All versions of a tweet, newest first."""
        keys = ("version", "text", "parts", "made_by", "instruction", "created_at")
        return {"versions": [{key: version[key] for key in keys} for version in await self.studio.tweets.versions(asked.id)]}

    async def restore(self, asked: _Restore) -> Answer:
        """Bring a version back."""
        return {"tweet": _narrow(await self.studio.tweets.restore(asked.id, asked.version, asked.revision))}

    async def take_back(self, asked: Uploaded) -> Answer:
        """Apply what was edited in an exported file: the counts of what came of its rows, and ``remarks``."""
        content, name = await asyncio.to_thread(taken, asked.path, asked.name)
        came = await self.studio.tweets.take_back(content, name)
        return {**asdict(came), "remarks": told(came.remarks, asked.spoken)}

    async def _newest(self) -> int:
        found = await self.studio.tweets.page(Filters(), limit=1)
        return found[0]["number"] if found else 0

    async def _shown(self, tweets: Sequence[Answer], language: str) -> list[Answer]:
        """The tweets as cards need them, with their pictures and the mark of those that are being rewritten."""
        ids = [tweet["id"] for tweet in tweets]
        states, pictures = await asyncio.gather(self.studio.tweets.rewrites(ids), self._pictures(ids, language)) if tweets else ({}, {})
        return [
            {**_narrow(tweet), **pictures[tweet["id"]], "rewriting": states.get(tweet["id"], {}).get("open", False)} for tweet in tweets
        ]


def _narrow(tweet: Answer) -> dict[str, Any]:
    return {key: tweet[key] for key in SHOWN}
