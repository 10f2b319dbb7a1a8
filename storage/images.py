"""Pictures that were drawn: their rows. The files themselves are written by the workers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from errors import NotFoundError
from storage.clock import new_id, timestamp
from storage.database import Transaction, row, rows

_IMAGE = """SELECT i.*, p.name AS persona_name, t.text AS tweet_text
            FROM images AS i LEFT JOIN personas AS p ON p.id = i.persona_id LEFT JOIN tweets AS t ON t.id = i.tweet_id"""


@dataclass(frozen=True)
class NewImage:
    """A picture that is on the disk and about to be known. *file* and *thumbnail* are names in the folder of images; *item* is the job's
    step that drew it; *asked* is all that it takes to draw it again; *variant* counts the pictures of the same. One that belongs to no
    tweet has no *tweet_id*.
    """

    job_id: str
    item: str
    file: str
    thumbnail: str
    width: int
    height: int
    seed: int
    engine: str
    seconds: float
    worker: int
    asked: Mapping[str, Any]
    variant: int = 1
    tweet_id: str | None = None
    persona_id: str | None = None
    id: str = field(default_factory=new_id)


def save(tx: Transaction, new: NewImage, now: datetime, *, choose: bool = True) -> str:
    """Write a picture's row. Returns the id under which it stands: what a step has drawn before stays as it is.

    A tweet's first picture is its chosen one; with *choose* a later one takes its place.
    """
    columns = {**vars(new), "asked": json.dumps(dict(new.asked), ensure_ascii=False), "created_at": timestamp(now)}
    written = tx.execute(
        f"""INSERT INTO images ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})
            ON CONFLICT (job_id, item) WHERE job_id IS NOT NULL DO NOTHING""",
        list(columns.values()),
    )
    if not written.rowcount:
        (standing,) = rows(tx, "SELECT id FROM images WHERE job_id = ? AND item = ?", new.job_id, new.item)
        return standing["id"]
    if new.tweet_id and (choose or not row(tx, "SELECT 1 FROM images WHERE tweet_id = ? AND chosen = 1", new.tweet_id)):
        _choose(tx, new.tweet_id, new.id)
    return new.id


def files_of(db: Database, persona_id: str) -> list[str]:
    """The files of a persona's pictures and of their thumbnails."""
    found = rows(db, "SELECT DISTINCT file, thumbnail FROM images WHERE persona_id = ?", persona_id)
    return [name for image in found for name in (image["file"], image["thumbnail"])]


def in_use(db: Database, names: Sequence[str]) -> set[str]:
    """Those of these files that some picture's row names: what is alike has the same file."""
    sql = """WITH wanted AS (SELECT value AS name FROM json_each(?))
             SELECT file, thumbnail FROM images WHERE file IN (SELECT name FROM wanted) OR thumbnail IN (SELECT name FROM wanted)"""
    return {name for image in rows(db, sql, json.dumps(names)) for name in (image["file"], image["thumbnail"])}


def choose(tx: Transaction, image_id: str) -> None:
    """Make it its tweet's chosen one. Raises :class:`NotFoundError` for one that is not there, or belongs to no tweet."""
    found = get(tx, image_id)
    if found["tweet_id"] is None:
        raise NotFoundError("This picture belongs to no tweet.")
    _choose(tx, found["tweet_id"], image_id)


def _choose(tx: Transaction, tweet_id: str, image_id: str) -> None:
    tx.execute("UPDATE images SET chosen = 0 WHERE tweet_id = ? AND chosen = 1", [tweet_id])
    tx.execute("UPDATE images SET chosen = 1 WHERE id = ?", [image_id])


def get(db: Database, image_id: str) -> dict[str, Any]:
    """The row, *asked* decoded, with ``persona_name`` and ``tweet_text`` where there are such. Raises :class:`NotFoundError`."""
    found = row(db, f"{_IMAGE} WHERE i.id = ?", image_id)
    if found is None:
        raise NotFoundError("There is no picture {image}.", image=image_id)
    return _decoded(found)


def page(db: Database, *, before: str = "~", limit: int = 48, job_id: str | None = None) -> list[dict[str, Any]]:
    """The newest pictures (of this job, where it is given) as :func:`get` has them, by id downwards from *before*."""
    one_job, values = (" AND i.job_id = ?", [job_id]) if job_id else ("", [])
    found = rows(db, f"{_IMAGE} WHERE i.id < ?{one_job} ORDER BY i.id DESC LIMIT ?", before, *values, limit)
    return [_decoded(image) for image in found]


def of_tweet(db: Database, tweet_id: str) -> list[dict[str, Any]]:
    """All pictures of a tweet, newest first."""
    return [_decoded(image) for image in rows(db, f"{_IMAGE} WHERE i.tweet_id = ? ORDER BY i.id DESC", tweet_id)]


def chosen(db: Database, tweet_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The chosen picture of each of these tweets that has one, by tweet."""
    found = rows(db, "SELECT * FROM images WHERE chosen = 1 AND tweet_id IN (SELECT value FROM json_each(?))", json.dumps(list(tweet_ids)))
    return {image["tweet_id"]: _decoded(image) for image in found}


def variants(db: Database, tweet_ids: Iterable[str]) -> dict[str, int]:
    """The highest variant of each of these tweets that has a picture."""
    found = rows(
        db,
        "SELECT tweet_id, max(variant) AS highest FROM images WHERE tweet_id IN (SELECT value FROM json_each(?)) GROUP BY tweet_id",
        json.dumps(list(tweet_ids)),
    )
    return {image["tweet_id"]: image["highest"] for image in found}


def of_job(db: Database, job_id: str) -> dict[str, dict[str, Any]]:
    """The pictures that a job has drawn, by the item of their step."""
    return {image["item"]: _decoded(image) for image in rows(db, f"{_IMAGE} WHERE i.job_id = ?", job_id)}


def _decoded(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "asked": json.loads(found["asked"])}
