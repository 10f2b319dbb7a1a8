"""Tweets: their versions, their review, and the pages in which they are looked through.

A tweet's text, and whatever else an edit may change, lives in versions; the current one also stands in the tweet's row. Its status is
no part of them: only :func:`set_status` and its like change it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlite_utils import Database

from errors import ConflictError, NotFoundError
from storage.clock import new_id, timestamp
from storage.database import Transaction, row, rows
from storage.filters import Filters, query

__all__ = [
    "Change",
    "Filters",
    "NewTweet",
    "by_slot",
    "count",
    "edit",
    "facets",
    "get",
    "of_job",
    "page",
    "personas_of",
    "restore",
    "save",
    "set_status",
    "set_status_of",
    "set_statuses",
    "several",
    "stream",
    "texts",
    "undo",
    "versions",
]

STATUSES = ("draft", "approved", "rejected")
FIELDS = ("date", "time", "poll", "topic_type", "mood", "time_segment", "tweet_format", "hashtags", "alt_text", "image", "badges", "length")
"""What a version holds beside ``text`` and ``parts``."""
_JSON = ("parts", "poll", "hashtags", "image", "plan", "badges", "extra")
EXPORTED = 500
"""Tweets of a page of :func:`stream`."""


@dataclass(frozen=True)
class NewTweet:
    """A tweet that is about to be saved, as a draft. Of a thread, *parts* are all its texts and *text* is them, joined by an empty line.

    *date* (``YYYY-MM-DD``) and *time* (``HH:MM``) are the persona's own; *length* is the weighted length of the longest part; *badges* are
    ``{"kind": ..., "detail": ...}``; an empty *image* asks for no picture; *slot* says which of the persona's tweets in the job it is.
    """

    persona_id: str
    text: str
    length: int
    id: str = field(default_factory=new_id)
    calendar_id: str | None = None
    job_id: str | None = None
    slot: int = 0
    date: str | None = None
    time: str | None = None
    parts: Sequence[str] = ()
    poll: Sequence[str] = ()
    topic_type: str = ""
    mood: str = ""
    time_segment: str = ""
    tweet_format: str = ""
    hashtags: Sequence[str] = ()
    alt_text: str = ""
    image: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    badges: Sequence[Mapping[str, Any]] = ()
    made_by: str = "writer"
    extra: Mapping[str, Any] = field(default_factory=dict)


def save(tx: Transaction, new: NewTweet, now: datetime) -> str:
    """Write a tweet and its first version. Returns the id under which it stands.

    Where the job has written this slot of the persona before, that tweet stays as it is: no plan is written twice.
    """
    columns = {**_columns(vars(new)), "created_at": timestamp(now), "updated_at": timestamp(now)}
    marks = ", ".join("?" * len(columns))
    written = rows(
        tx,
        f"""INSERT INTO tweets ({", ".join(columns)}) VALUES ({marks})
            ON CONFLICT (job_id, persona_id, slot) WHERE job_id IS NOT NULL DO NOTHING RETURNING number""",
        *columns.values(),
    )
    if not written:
        (standing,) = rows(
            tx, "SELECT id FROM tweets WHERE job_id = ? AND persona_id = ? AND slot = ?", new.job_id, new.persona_id, new.slot
        )
        return standing["id"]
    _set_badges(tx, written[0]["number"], new.badges)
    _add_version(tx, new.id, new.made_by, None, now)
    return new.id


def edit(
    tx: Transaction,
    tweet_id: str,
    *,
    text: str,
    parts: Sequence[str],
    badges: Sequence[Mapping[str, Any]],
    length: int,
    revision: int,
    by: str,
    now: datetime,
    instruction: str | None = None,
    **fields: object,
) -> int:
    """Make a new version; *fields* are others of :data:`FIELDS`. Returns the new revision; raises :class:`ConflictError` when *revision*
    is old.

    What the ``writer`` writes anew is a draft again: nothing stays approved that no person has seen.
    """
    if unknown := fields.keys() - set(FIELDS):
        raise TypeError(f"an edit does not change {sorted(unknown)}")
    changes = {"text": text, "parts": parts, "badges": badges, "length": length, **fields}
    return _change(tx, tweet_id, changes, revision=revision, by=by, instruction=instruction, now=now)


def restore(tx: Transaction, tweet_id: str, version: int, revision: int, now: datetime) -> int:
    """Make an old version the current one, to the letter, as a new version. Returns the new revision; raises :class:`ConflictError` when
    *revision* is old.
    """
    old = row(tx, "SELECT text, parts, fields FROM tweet_versions WHERE tweet_id = ? AND version = ?", tweet_id, version)
    if old is None:
        get(tx, tweet_id)
        raise NotFoundError("This tweet has no version {version}.", version=version)
    changes = {"text": old["text"], "parts": json.loads(old["parts"]), **json.loads(old["fields"])}
    return _change(tx, tweet_id, changes, revision=revision, by="restore", instruction=None, now=now)


def _change(
    tx: Transaction, tweet_id: str, changes: Mapping[str, Any], *, revision: int, by: str, instruction: str | None, now: datetime
) -> int:
    columns = {**_columns(changes), "made_by": by, "updated_at": timestamp(now)}
    changed = rows(
        tx,
        f"""UPDATE tweets SET {", ".join(f"{name} = ?" for name in columns)}, version = version + 1, revision = revision + 1
            WHERE id = ? AND revision = ? RETURNING number""",
        *columns.values(),
        tweet_id,
        revision,
    )
    if not changed:
        get(tx, tweet_id)
        raise ConflictError("This tweet was changed elsewhere meanwhile. Reload the page to see the newest state.")
    _set_badges(tx, changed[0]["number"], changes["badges"])
    _add_version(tx, tweet_id, by, instruction, now)
    if by == "writer":
        set_status(tx, [tweet_id], "draft", by=by, now=now)
    return revision + 1


def _set_badges(tx: Transaction, number: int, badges: Sequence[Mapping[str, Any]]) -> None:
    tx.execute("DELETE FROM tweet_badges WHERE number = ?", [number])
    for kind in {badge["kind"] for badge in badges}:
        tx.execute("INSERT INTO tweet_badges (number, kind) VALUES (?, ?)", [number, kind])


def _add_version(tx: Transaction, tweet_id: str, by: str, instruction: str | None, now: datetime) -> None:
    """The row as it is now, as a version."""
    fields = ", ".join(f"'{name}', {f'json({name})' if name in _JSON else name}" for name in FIELDS)
    tx.execute(
        f"""INSERT INTO tweet_versions (tweet_id, version, text, parts, fields, made_by, instruction, created_at)
            SELECT id, version, text, parts, json_object({fields}), ?, ?, ? FROM tweets WHERE id = ?""",
        [by, instruction, timestamp(now), tweet_id],
    )


# Review


class Change(NamedTuple):
    """A status that was changed: of the tweet with this *id*, from *before* to *after*, when *version* was its text."""

    id: str
    before: str
    after: str
    version: int


def set_status(tx: Transaction, ids: Iterable[str], status: str, *, by: str, now: datetime) -> list[Change]:
    """Approve, reject or set back to draft, and remember *by* whom. Returns what changed: ids already in that status, and unknown ones, do
    not count. Edits under way are not disturbed: the revision stays.
    """
    return set_statuses(tx, [(tweet_id, status) for tweet_id in ids], by=by, now=now)


def set_status_of(
    tx: Transaction, filters: Filters, status: str, *, before: int, limit: int, by: str, now: datetime
) -> tuple[list[Change], int | None]:
    """:func:`set_status` for the *limit* newest tweets that *filters* mean, by key downwards from *before*. Returns what changed,
    and the *before* of the next ones, ``None`` where there are none.
    """
    wanted = query(filters, before)
    numbers = f"SELECT {wanted.number} {wanted.sql} ORDER BY {wanted.number} DESC LIMIT ?"
    found = rows(tx, f"SELECT id, number FROM tweets WHERE number IN ({numbers}) ORDER BY number DESC", *wanted.values, limit)
    changed = set_status(tx, [tweet["id"] for tweet in found], status, by=by, now=now)
    return changed, found[-1]["number"] if len(found) == limit else None


def set_statuses(tx: Transaction, wanted: Iterable[tuple[str, str]], *, by: str, now: datetime) -> list[Change]:
    """:func:`set_status` with a status for each id."""
    asked = dict(wanted)
    if unknown := set(asked.values()) - set(STATUSES):
        raise ValueError(f"no status of a tweet: {sorted(unknown)}")
    found = rows(tx, "SELECT id, status, version FROM tweets WHERE id IN (SELECT value FROM json_each(?))", json.dumps(list(asked)))
    standing = {tweet["id"]: tweet for tweet in found}
    changed = [
        Change(tweet_id, tweet["status"], status, tweet["version"])
        for tweet_id, status in asked.items()
        if (tweet := standing.get(tweet_id)) and tweet["status"] != status
    ]
    for change in changed:
        tx.execute(
            "UPDATE tweets SET status = ?, reviewed_by = ?, updated_at = ? WHERE id = ?",
            [change.after, None if change.after == "draft" else by, timestamp(now), change.id],
        )
    return changed


def undo(tx: Transaction, changes: Sequence[Change], *, by: str, now: datetime) -> list[Change]:
    """Give tweets back the status that they had. Those that were decided anew meanwhile stay as they are, and so do those that the writer
    has written anew: nobody has approved that text.
    """
    ids = json.dumps([change.id for change in changes])
    found = rows(tx, "SELECT id, status, version, made_by FROM tweets WHERE id IN (SELECT value FROM json_each(?))", ids)
    standing = {tweet["id"]: tweet for tweet in found}
    back = []
    for change in changes:
        tweet = standing.get(change.id)
        if tweet and tweet["status"] == change.after and (tweet["version"] == change.version or tweet["made_by"] != "writer"):
            back.append((change.id, change.before))
    return set_statuses(tx, back, by=by, now=now)


# Reads


def get(db: Database, tweet_id: str) -> dict[str, Any]:
    """The tweet's row, JSON columns decoded, with ``persona_name`` and ``persona_picture``. Raises :class:`NotFoundError`."""
    found = row(db, f"{_TWEET} WHERE t.id = ?", tweet_id)
    if found is None:
        raise NotFoundError("There is no tweet {tweet}.", tweet=tweet_id)
    return _decoded(found)


def several(db: Database, tweet_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Those of these tweets that are there, by id, each as :func:`get` has it."""
    found = rows(db, f"{_TWEET} WHERE t.id IN (SELECT value FROM json_each(?))", json.dumps(list(tweet_ids)))
    return {tweet["id"]: _decoded(tweet) for tweet in found}


_TWEET = """SELECT t.*, p.name AS persona_name, p.picture AS persona_picture
            FROM tweets AS t JOIN personas AS p ON p.id = t.persona_id"""


def versions(db: Database, tweet_id: str) -> list[dict[str, Any]]:
    """Every version of a tweet, newest first, with what it holds of :data:`FIELDS` as ``fields``. Raises :class:`NotFoundError`."""
    found = rows(db, "SELECT * FROM tweet_versions WHERE tweet_id = ? ORDER BY version DESC", tweet_id)
    if not found:
        raise NotFoundError("There is no tweet {tweet}.", tweet=tweet_id)
    return [{**version, "parts": json.loads(version["parts"]), "fields": json.loads(version["fields"])} for version in found]


def page(db: Database, filters: Filters, *, before: int | None = None, limit: int = 48) -> list[dict[str, Any]]:
    """The newest tweets that *filters* mean, as :func:`get` has them. The next page is *before* the ``number`` of the last one here."""
    wanted = query(filters, before)
    numbers = f"SELECT {wanted.number} {wanted.sql} ORDER BY {wanted.number} DESC LIMIT ?"
    found = rows(db, f"{_TWEET} WHERE t.number IN ({numbers}) ORDER BY t.number DESC", *wanted.values, limit)
    return [_decoded(tweet) for tweet in found]


def by_slot(db: Database, job_id: str, persona_id: str, limit: int) -> list[dict[str, Any]]:
    """What a job has written for a persona, by slot, as :func:`get` has it."""
    found = rows(db, f"{_TWEET} WHERE t.job_id = ? AND t.persona_id = ? ORDER BY t.slot LIMIT ?", job_id, persona_id, limit)
    return [_decoded(tweet) for tweet in found]


def stream(db: Database, filters: Filters) -> Iterator[list[dict[str, Any]]]:
    """All tweets that *filters* mean, newest first, in pages of :data:`EXPORTED`: an export holds one page at a time."""
    before = None
    while tweets := page(db, filters, before=before, limit=EXPORTED):
        yield tweets
        before = tweets[-1]["number"]


def count(db: Database, filters: Filters) -> int:
    """How many tweets *filters* mean."""
    wanted = query(filters)
    (found,) = rows(db, f"SELECT count(*) AS tweets {wanted.sql}", *wanted.values)
    return found["tweets"]


def personas_of(db: Database, filters: Filters) -> list[str]:
    """Whose tweets *filters* mean, the newest persona first."""
    wanted = query(filters)
    found = rows(
        db,
        f"""SELECT DISTINCT persona_id FROM tweets WHERE number IN (SELECT {wanted.number} {wanted.sql}) ORDER BY persona_id DESC""",
        *wanted.values,
    )
    return [tweet["persona_id"] for tweet in found]


def facets(db: Database) -> dict[str, list[dict[str, Any]]]:
    """What the filters can be set to, each with how many ``tweets`` it has: ``personas`` (id, name), ``statuses`` (status), ``topics``
    (topic), ``badges`` (kind).
    """
    topics, statuses = Counter(), Counter()
    found = rows(db, "SELECT topic_type, status, count(*) AS tweets FROM tweets INDEXED BY tweets_by_topic GROUP BY topic_type, status")
    for group in found:
        topics[group["topic_type"]] += group["tweets"]
        statuses[group["status"]] += group["tweets"]
    return {
        "personas": rows(
            db,
            """SELECT p.id, p.name, c.tweets FROM personas AS p
               JOIN (SELECT persona_id, count(*) AS tweets FROM tweets INDEXED BY tweets_by_persona GROUP BY persona_id) AS c
               ON c.persona_id = p.id ORDER BY p.id DESC""",
        ),
        "statuses": [{"status": status, "tweets": statuses[status]} for status in STATUSES],
        "topics": [{"topic": topic, "tweets": tweets} for topic, tweets in topics.most_common() if topic],
        "badges": rows(db, "SELECT kind, count(*) AS tweets FROM tweet_badges GROUP BY kind ORDER BY tweets DESC, kind"),
    }


def texts(db: Database, persona_id: str, limit: int = 2000, after: int = 0) -> list[tuple[int, str, str]]:
    """(number, id, text) of the persona's newest tweets beyond the number *after*, at most *limit*, the newest last."""
    newest = "SELECT number, id, text FROM tweets WHERE persona_id = ? AND number > ? ORDER BY number DESC LIMIT ?"
    return [(tweet["number"], tweet["id"], tweet["text"]) for tweet in reversed(rows(db, newest, persona_id, after, limit))]


def owners(db: Database, tweet_ids: Sequence[str], *, strict: bool = True) -> dict[str, str]:
    """The persona of each of these tweets. With *strict* it raises :class:`NotFoundError` for the first that is not there."""
    found = rows(db, "SELECT id, persona_id FROM tweets WHERE id IN (SELECT value FROM json_each(?))", json.dumps(list(tweet_ids)))
    owner = {tweet["id"]: tweet["persona_id"] for tweet in found}
    for tweet_id in tweet_ids:
        if strict and tweet_id not in owner:
            raise NotFoundError("There is no tweet {tweet}.", tweet=tweet_id)
    return owner


def texts_of(db: Database, tweet_ids: Iterable[str]) -> dict[str, str]:
    """The text of each of these tweets that is there."""
    found = rows(db, "SELECT id, text FROM tweets WHERE id IN (SELECT value FROM json_each(?))", json.dumps(list(tweet_ids)))
    return {tweet["id"]: tweet["text"] for tweet in found}


def of_job(db: Database, job_id: str) -> dict[str, int]:
    """How many tweets a job has written for each persona: {persona_id: tweets}."""
    found = rows(db, "SELECT persona_id, count(*) AS tweets FROM tweets WHERE job_id = ? GROUP BY persona_id", job_id)
    return {persona["persona_id"]: persona["tweets"] for persona in found}


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """*values* as the table holds them, with what follows from them."""
    columns = {name: json.dumps(value, ensure_ascii=False) if name in _JSON else value for name, value in values.items()}
    if "image" in values:
        columns["with_image"] = int(bool(values["image"]))
    return columns


def _decoded(found: dict[str, Any]) -> dict[str, Any]:
    return {name: json.loads(value) if name in _JSON else value for name, value in found.items()}
