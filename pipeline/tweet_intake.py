"""Tweets that were exported, edited elsewhere and come back: what differs is applied as their author's edit.

A row says which revision of the tweet it shows, and which status it had then. So what was edited in the file is told from what was
changed here meanwhile: a row whose tweet has another text, day or time by now is left out and reported, and a status that nobody touched
in the file is not taken for a wish.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from errors import ConflictError, NotFoundError, UploadError
from pipeline.dates import read_clock, read_date
from pipeline.formats import tables
from pipeline.formats.remarks import Remark
from pipeline.formats.tables import Row
from storage import tweets as table
from storage.database import Store, Transaction

LONGEST_EDIT = 10_000
"""Characters of a tweet that an author may store; what is over a network's limit gets its badge."""
AT_ONCE = 200
"""Rows that are looked at, and written, in one go: the writer is held for a few hundredths of a second."""
SHOWN = 20
"""Remarks of one kind that are listed; of the others only the number is said."""

APPROVED = "approved"
"""The status that is for the text that the file shows, and for no other."""

Judge = Callable[[Mapping[str, Any], str], dict[str, Any]]
"""Text, parts, badges and length of a tweet with another text."""


@dataclass(frozen=True)
class TakenBack:
    """What came of the rows of a file. *changed* have a new version and *reviewed* another status (a row may be both), *same* are as they
    were, *conflicts* were changed here since the export, *unknown* have no id or one that nothing here has.
    """

    changed: int
    reviewed: int
    same: int
    conflicts: int
    unknown: int
    remarks: tuple[str, ...]


@dataclass
class _Edit:
    """What a row asks for: *changes* of text, date and time, and a *status*."""

    row: int
    tweet: Mapping[str, Any]
    changes: dict[str, Any]
    status: str | None
    judged: dict[str, Any] = field(default_factory=dict)


class TweetIntake:
    """Part of the desk, which makes it: one for each file. *judge* finds the checks for the tweets of a persona, *hear* is told of every
    tweet (its row) that has another text now.
    """

    def __init__(
        self, store: Store, judge: Callable[[str], Awaitable[Judge]], hear: Callable[[Mapping[str, Any]], Awaitable[None]]
    ) -> None:
        self._store = store
        self._judge = judge
        self._hear = hear
        self._counts: Counter[str] = Counter()
        self._remarks: list[Remark] = []

    async def take_back(self, content: bytes, name: str, *, by: str) -> TakenBack:
        """Apply what differs, page by page. What was applied stays, whatever becomes of the rest; the file may be taken back again.

        Raises :class:`UploadError` for a file that holds no tweets of ours.
        """
        found, self._remarks = await asyncio.to_thread(tables.read_tweets, content, name)
        if not any("id" in given for _, given in found):
            raise UploadError(
                "{name} does not say which tweets these are: it has no ids. Choose a CSV or JSON Lines file that was exported here.",
                name=name,
            )
        for start in range(0, len(found), AT_ONCE):
            page = found[start : start + AT_ONCE]
            known = await self._store.fetch(table.several, [given["id"] for _, given in page if "id" in given])
            edits = await asyncio.to_thread(self._compared, page, known)
            if edits := await self._checked(edits):
                reviewed, late = await self._store.write(_apply, edits, by, datetime.now(UTC))
                self._count(edits, reviewed, late)
                for edit in edits:
                    if "text" in edit.changes and edit.tweet["id"] not in late:
                        await self._hear({**edit.tweet, **edit.judged})
        return TakenBack(
            **{key: self._counts[key] for key in ("changed", "reviewed", "same", "conflicts", "unknown")}, remarks=_listed(self._remarks)
        )

    def _compared(self, page: Sequence[Row], known: Mapping[str, Mapping[str, Any]]) -> list[_Edit]:
        """What the rows of a page ask for; all that needs no change is counted."""
        edits = []
        for row, given in page:
            tweet = known.get(given.get("id", ""))
            if tweet is None:
                self._say("unknown", _unknown(row, given))
                continue
            changes, status = self._changes(row, given, tweet), _status(given, tweet)
            if (changes or status == APPROVED) and given.get("revision", tweet["revision"]) != tweet["revision"]:
                self._say("conflicts", _meanwhile(row))
                continue
            if changes or status:
                edits.append(_Edit(row, tweet, changes, status))
            else:
                self._counts["same"] += 1
        return edits

    def _changes(self, row: int, given: Mapping[str, Any], tweet: Mapping[str, Any]) -> dict[str, Any]:
        changes = {}
        if "text" in given and _plain(given["text"]) != _plain(tweet["text"]):
            if not given["text"].strip():
                self._remarks.append(Remark("Row {row} has an empty text; the tweet keeps the one that it has.", row=row))
            elif len(given["text"]) > LONGEST_EDIT:
                self._remarks.append(
                    Remark(
                        "Row {row}: a tweet may have {limit} characters at most; it keeps the text that it has.",
                        row=row,
                        limit=LONGEST_EDIT,
                    )
                )
            else:
                changes["text"] = _unified(given["text"])
        for key, same in (("date", _same_day), ("time", _same_time)):
            if key in given and not same(given[key], tweet[key]):
                changes[key] = given[key]
        return changes

    async def _checked(self, edits: Sequence[_Edit]) -> list[_Edit]:
        """*edits* with their badges and lengths; those whose persona has been deleted meanwhile are left out."""
        judges: dict[str, Judge] = {}
        for persona_id in dict.fromkeys(edit.tweet["persona_id"] for edit in edits if edit.changes):
            with suppress(NotFoundError):
                judges[persona_id] = await self._judge(persona_id)
        ready = []
        for edit in edits:
            if edit.changes and edit.tweet["persona_id"] not in judges:
                self._say("unknown", _unknown(edit.row, edit.tweet))
            else:
                ready.append(edit)

        def check() -> None:
            for edit in ready:
                if edit.changes:
                    edit.judged = _judged(judges[edit.tweet["persona_id"]], edit)

        await asyncio.to_thread(check)
        return ready

    def _count(self, edits: Sequence[_Edit], reviewed: set[str], late: set[str]) -> None:
        for edit in edits:
            tweet_id = edit.tweet["id"]
            if tweet_id in late:
                self._say("conflicts", _meanwhile(edit.row))
                continue
            self._counts["changed"] += bool(edit.changes)
            self._counts["reviewed"] += tweet_id in reviewed
            self._counts["same"] += not edit.changes and tweet_id not in reviewed

    def _say(self, what: str, remark: Remark) -> None:
        self._counts[what] += 1
        self._remarks.append(remark)


def _apply(tx: Transaction, edits: Sequence[_Edit], by: str, now: datetime) -> tuple[set[str], set[str]]:
    """Returns the tweets whose status changed, and those that were changed or deleted while the checks ran: of these nothing is applied."""
    late, known = set(), {edit.tweet["id"]: edit.tweet["revision"] for edit in edits}
    for edit in (edit for edit in edits if edit.changes):
        tweet_id, revision = edit.tweet["id"], edit.tweet["revision"]
        try:
            table.edit(tx, tweet_id, **edit.judged, revision=revision, by=by, now=now)
        except (ConflictError, NotFoundError):
            late.add(tweet_id)
    now_there = table.several(tx, [edit.tweet["id"] for edit in edits if edit.status == APPROVED and not edit.changes])
    late |= {tweet_id for tweet_id, tweet in now_there.items() if tweet["revision"] != known[tweet_id]}
    wanted = [(edit.tweet["id"], edit.status) for edit in edits if edit.status and edit.tweet["id"] not in late]
    return {change.id for change in table.set_statuses(tx, wanted, by=by, now=now)}, late


def _judged(judge: Judge, edit: _Edit) -> dict[str, Any]:
    """What the new version holds. A text that nobody edited stays as it is, to the letter."""
    found = judge(edit.tweet, edit.changes.get("text", edit.tweet["text"]))
    kept = {} if "text" in edit.changes else {"text": edit.tweet["text"], "parts": edit.tweet["parts"]}
    return {**found, **kept, **{key: edit.changes[key] for key in ("date", "time") if key in edit.changes}}


def _status(given: Mapping[str, Any], tweet: Mapping[str, Any]) -> str | None:
    """The status that the author of the file wants and the tweet does not have."""
    wanted = given.get("status")
    return wanted if wanted not in (None, tweet["status"], given.get("exported_status")) else None


def _unified(text: str) -> str:
    """*text* with line ends as we have them, and without the blanks at the ends of lines that nobody sees."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def _plain(text: str) -> str:
    """What is compared: spreadsheets change line ends and lose blanks."""
    return _unified(text).strip()


def _same_day(given: str | None, ours: str | None) -> bool:
    day = read_date(ours)
    return given == (day.isoformat() if day else ours or None)


def _same_time(given: str | None, ours: str | None) -> bool:
    return given == (read_clock(ours) or ours or None)


def _unknown(row: int, given: Mapping[str, Any]) -> Remark:
    if "id" in given:
        return Remark('Row {row}: there is no tweet "{id}" here.', row=row, id=str(given["id"])[:40])
    return Remark("Row {row} has no id, so nobody can say which tweet it is.", row=row)


def _meanwhile(row: int) -> Remark:
    return Remark("Row {row} was left out: its tweet was changed here since the file was exported.", row=row)


def _listed(remarks: Sequence[Remark]) -> tuple[str, ...]:
    """*remarks*, those that say the same of other rows together, and not too many of them."""
    kinds: dict[str, list[Remark]] = {}
    for remark in remarks:
        kinds.setdefault(remark.template, []).append(remark)
    listed: list[str] = []
    for alike in kinds.values():
        listed += alike[:SHOWN]
        if len(alike) > SHOWN:
            listed.append(Remark("The same holds for {count} more rows.", count=len(alike) - SHOWN))
    return tuple(listed)
