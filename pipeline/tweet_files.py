"""Tweets as files to take away, made page by page: an export of any size holds one page, and a batch file one persona, at a time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlite_utils import Database

from errors import NotFoundError
from pipeline.formats import batches, tables
from pipeline.formats.json_out import as_json
from storage import personas
from storage import tweets as table
from storage.database import Store
from storage.tweets import Filters

BATCH = "batch"
KINDS = (*tables.WRITERS, BATCH)
_TYPES = {"jsonl": "application/x-ndjson", "json": "application/json", "zip": "application/zip"}
_END_OF_HEADER = b"\r\n"

Tweet = Mapping[str, Any]


@dataclass(frozen=True)
class TweetFile:
    """*chunks* block while they read: take them in a thread."""

    suffix: str
    chunks: Iterator[bytes]

    @property
    def media_type(self) -> str:
        return _TYPES.get(self.suffix, "text/csv; charset=utf-8")


def made(store: Store, kind: str, filters: Filters, disclosure: str = "") -> TweetFile:
    """The tweets that *filters* mean as a file of *kind* (:data:`KINDS`). A ``batch`` file is one persona's: several come in a zip.

    Raises :class:`NotFoundError` for another kind.
    """
    if kind == BATCH:
        people = filters.persona_ids or tuple(persona["id"] for persona in store.read(table.facets)["personas"])
        files = _batches(store, filters, people, disclosure)
        return TweetFile("json", (content for _, content in files)) if len(people) == 1 else TweetFile("zip", zipped(files))
    if kind not in tables.WRITERS:
        raise NotFoundError("Tweets are exported as {kinds}.", kinds=", ".join(KINDS))
    return TweetFile(
        "jsonl" if kind == "jsonl" else "csv", _sheet(_pages(store, filters), tables.WRITERS[kind], has_header=kind != "jsonl")
    )


def _pages(store: Store, filters: Filters) -> Iterator[list[dict[str, Any]]]:
    """As :func:`storage.tweets.stream`, but no page keeps a connection, or sees the database as it was, while a slow reader takes it."""
    before = None
    while tweets := store.read(table.page, filters, before=before, limit=table.EXPORTED):
        yield tweets
        before = tweets[-1]["number"]


def _sheet(pages: Iterable[list[dict[str, Any]]], write: Callable[[Iterable[Tweet]], bytes], *, has_header: bool) -> Iterator[bytes]:
    yield write([])
    for page in pages:
        content = write(page)
        yield content.partition(_END_OF_HEADER)[2] if has_header else content


def _batches(store: Store, filters: Filters, people: tuple[str, ...], disclosure: str) -> Iterator[tuple[str, bytes]]:
    """(file name, content) for each of *people* that has such tweets, in the order in which they were written."""
    for persona_id in people:
        persona = store.read(_persona, persona_id)
        found = [tweet for page in _pages(store, replace(filters, persona_ids=(persona_id,))) for tweet in page]
        if persona and (found or len(people) == 1):
            batch = batches.as_batch_v1(reversed(found), persona_name=persona["name"], lora=persona["lora"], disclosure=disclosure)
            yield f"{_safe(persona['name'])}-{persona_id[-6:]}.json", as_json(batch)


def _persona(db: Database, persona_id: str) -> dict[str, Any] | None:
    try:
        row = personas.get(db, persona_id)
    except NotFoundError:  # deleted while the file is being made
        return None
    lora = row["options"].get("lora")
    return {"name": row["name"], "lora": lora if isinstance(lora, dict) else None}


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)[:60].strip("_") or "persona"


class _Outlet(io.RawIOBase):
    """What a zip file is written to: it cannot go back, so what was written can be sent."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:  # noqa: ANN401  any buffer
        self._written += content
        return len(content)

    def taken(self) -> bytes:
        content = bytes(self._written)
        self._written.clear()
        return content


def zipped(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """A zip of (name, content), as it grows."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
            yield outlet.taken()
    yield outlet.taken()
