"""Tweets as files to take away, made page by page: an export of any size holds one page, one picture or one persona's batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from errors import NotFoundError
from pipeline.formats import batches, tables
from pipeline.formats.json_out import as_json
from pipeline.formats.names import file_stem
from pipeline.formats.zips import Entry, zipped
from storage import images, personas
from storage import tweets as table
from storage.database import Store
from storage.tweets import Filters

BATCH = "batch"
BUFFER = "buffer"
WITH_PICTURES = "zip"
KINDS = (*tables.WRITERS, BATCH, WITH_PICTURES)
PICTURES = "images"
"""The folder of the pictures in a zip."""
MISSING = "missing.txt"
"""The pictures that should be in a zip, and whose files are gone."""
_COLUMNS = (*tables.COLUMNS, "image_file")
_TYPES = {"jsonl": "application/x-ndjson", "json": "application/json", "zip": "application/zip"}
_END_OF_HEADER = b"\r\n"

Tweet = Mapping[str, Any]
Pages = Iterator[list[dict[str, Any]]]
Write = Callable[[Iterable[Tweet]], bytes]


@dataclass(frozen=True)
class TweetFile:
    """*chunks* block while they read: take them in a thread."""

    suffix: str
    chunks: Iterator[bytes]

    @property
    def media_type(self) -> str:
        return _TYPES.get(self.suffix, "text/csv; charset=utf-8")


@dataclass(frozen=True)
class TweetFiles:
    """Makes them. *folder* is where the pictures lie; *disclosure* is the line that every export carries."""

    store: Store
    folder: Path
    disclosure: str = ""

    def made(self, kind: str, filters: Filters) -> TweetFile:
        """The tweets that *filters* mean as a file of *kind* (:data:`KINDS`). A ``batch`` file is one persona's: several come in a zip. So
        do more tweets than Buffer takes in one file. Schedulers are given none that :data:`tables.MAY_LEAVE` does not name.

        Raises :class:`NotFoundError` for another kind.
        """
        if kind == BATCH:
            return self._batch(filters)
        if kind == WITH_PICTURES:
            return TweetFile("zip", zipped(self._with_pictures(filters)))
        if kind not in tables.WRITERS:
            raise NotFoundError("Tweets are exported as {kinds}.", kinds=", ".join(KINDS))
        if kind in tables.MAY_LEAVE:
            return self._for_scheduler(kind, filters)
        return TweetFile(kind, _sheet(self._pages(filters), tables.WRITERS[kind], has_header=kind != "jsonl"))

    def _pages(self, filters: Filters, *, before: int | None = None, size: int = table.EXPORTED) -> Pages:
        """As :func:`storage.tweets.stream`, but no page keeps a connection, or sees the database as it was, while a slow reader takes it.
        Each tweet carries the disclosure.
        """
        while tweets := self.store.read(table.page, filters, before=before, limit=size):
            yield [{**tweet, "disclosure": self.disclosure} for tweet in tweets] if self.disclosure else tweets
            before = tweets[-1]["number"]

    # For schedulers

    def _for_scheduler(self, kind: str, filters: Filters) -> TweetFile:
        may, write = tables.MAY_LEAVE[kind], tables.WRITERS[kind]
        allowed = tuple(status for status in may if status in (filters.statuses or may))
        if not allowed:
            return TweetFile("csv", iter([write([])]))
        filters = replace(filters, statuses=allowed)
        if kind != BUFFER:
            return TweetFile("csv", _sheet(self._pages(filters), write))
        pages = self._pages(filters, size=tables.BUFFERS_MOST)
        first = next(pages, [])
        second = next(pages, [])
        if not second:
            return TweetFile("csv", iter([write(first)]))
        return TweetFile("zip", zipped(_numbered([first, second], pages, write)))

    # Batches

    def _batch(self, filters: Filters) -> TweetFile:
        people = filters.persona_ids if len(filters.persona_ids) == 1 else self.store.read(table.personas_of, filters)
        if len(people) == 1:
            self.store.read(personas.get, people[0])  # raises where it is not there, before anything is sent
        files = self._batches(filters, people)
        if len(people) == 1:
            return TweetFile("json", (piece for entry in files for piece in entry.pieces))
        return TweetFile("zip", zipped(files))

    def _batches(self, filters: Filters, people: Iterable[str]) -> Iterator[Entry]:
        """A file for each of *people*, with the tweets in the order in which they were written."""
        for persona_id in people:
            persona = self.store.read(_persona, persona_id)
            found = [tweet for page in self._pages(replace(filters, persona_ids=(persona_id,))) for tweet in page]
            if persona:
                batch = batches.as_batch_v1(reversed(found), persona_name=persona["name"], lora=persona["lora"], disclosure=self.disclosure)
                yield Entry(f"{file_stem(persona['name'])}-{persona_id[-6:]}.json", [as_json(batch)])

    # With pictures

    def _with_pictures(self, filters: Filters) -> Iterator[Entry]:
        """The tweets twice, as a sheet and as lines, then their pictures. All three are of the same tweets: none that comes meanwhile."""
        newest = self.store.read(table.page, Filters(), limit=1)
        before = newest[0]["number"] + 1 if newest else 0
        write: Write = partial(tables.as_csv, columns=_COLUMNS)
        yield Entry("tweets.csv", _sheet(self._named(filters, before), write))
        yield Entry("tweets.jsonl", _sheet(self._named(filters, before), tables.as_jsonl, has_header=False))
        missing: list[str] = []
        for page in self._pages(filters, before=before):
            chosen = self._chosen(page)
            for tweet in page:
                if not (file := chosen.get(tweet["id"])):
                    continue
                name = _picture_name(tweet, file)
                try:
                    content = (self.folder / file).read_bytes()
                except OSError:
                    missing.append(f"{name}: tweet {tweet['id']}\n")
                else:
                    yield Entry(f"{PICTURES}/{name}", [content], packed=True)
        if missing:
            yield Entry(MISSING, [line.encode() for line in missing])

    def _named(self, filters: Filters, before: int) -> Pages:
        """Tweets with the name of their picture's file in the zip as ``image_file``, empty where there is none."""
        for page in self._pages(filters, before=before):
            there = {tweet_id: file for tweet_id, file in self._chosen(page).items() if (self.folder / file).is_file()}
            yield [{**tweet, "image_file": _picture_name(tweet, there[tweet["id"]]) if tweet["id"] in there else ""} for tweet in page]

    def _chosen(self, tweets: Iterable[Tweet]) -> dict[str, str]:
        """The file of the current picture of each of these tweets that has one."""
        found = self.store.read(images.chosen, [tweet["id"] for tweet in tweets])
        return {tweet_id: image["file"] for tweet_id, image in found.items()}


def _sheet(pages: Iterable[list[dict[str, Any]]], write: Write, *, has_header: bool = True) -> Iterator[bytes]:
    yield write([])
    for page in pages:
        content = write(page)
        yield content.partition(_END_OF_HEADER)[2] if has_header else content


def _numbered(first: Iterable[list[dict[str, Any]]], rest: Pages, write: Write) -> Iterator[Entry]:
    number = 0
    for pages in (first, rest):
        for page in pages:
            number += 1
            yield Entry(f"tweets-{number:03d}.csv", [write(page)])


def _persona(db: Database, persona_id: str) -> dict[str, Any] | None:
    try:
        row = personas.get(db, persona_id)
    except NotFoundError:  # deleted while the file is being made
        return None
    lora = row["options"].get("lora")
    return {"name": row["name"], "lora": lora if isinstance(lora, dict) else None}


def _picture_name(tweet: Tweet, file: str) -> str:
    """By which one finds the tweet of a picture: its day, whose it is, and the end of its id."""
    day = file_stem(tweet["date"] or "undated", keep="-")
    return f"{day}-{file_stem(tweet['persona_name'])}-{tweet['id'][-10:]}{Path(file).suffix}"
