"""Batches of tweets as JSON: version 1.0 in and out, version 2.0 (with ``content_plan``) in (SPEC 8).

``{version, generated_at, persona{name, lora}, daily_plan, tweets[{slot, time_segment, topic_type, tweet_text, image_generation}]}``;
whatever else stands anywhere in it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from errors import UploadError
from pipeline.dates import read_clock, read_date
from pipeline.formats.json_in import read_json
from pipeline.formats.remarks import Remark

VERSION = "1.0"
MOST_TWEETS = 20_000
_SLOTS_SHOWN = 20
_TEXT_NAMES = ("tweet_text", "text", "tweet", "content")
"""Keys under which a tweet's text is looked for."""
_OURS = ("date", "time", "mood", "tweet_format", "parts", "poll", "hashtags", "alt_text", "status")
"""What we write of a tweet beside the fields of version 1.0, under our own names."""
_TEXTS = ("topic_type", "time_segment", "mood", "tweet_format", "alt_text")
_LISTS = ("parts", "poll", "hashtags")
_PERSONA_NAMES = ("persona", "persona_info", "character")


def read_batch(content: bytes, name: str) -> tuple[dict[str, Any], list[str]]:
    """The batch in a file that the author calls *name*, in the shape of version 1.0, and a sentence for everything that was put right.

    A tweet without a text stays in its place and is reported. A file that :func:`as_batch_v1` wrote comes back as it was, and nothing is
    said. Raises :class:`UploadError` with one sentence for what is no batch.
    """
    value = read_json(content, name)
    if isinstance(value, list):
        value = {"tweets": value}
    if not isinstance(value, dict) or not isinstance(value.get("tweets"), list):
        raise UploadError('{name} is no batch of tweets: it has no list called "tweets".', name=name)
    if len(value["tweets"]) > MOST_TWEETS:
        raise UploadError("{name} has more than {limit} tweets.", name=name, limit=MOST_TWEETS)
    remarks: list[Remark] = []
    tweets = _tweets(value["tweets"], remarks)
    if not tweets:
        raise UploadError("{name} has no tweets in it.", name=name)
    batch = {**value, "version": _version(value, remarks), "persona": _persona(value, remarks), "tweets": tweets}
    if "content_plan" in value and "daily_plan" not in value:
        batch["daily_plan"] = value["content_plan"]  # both stay: whoever reads the file again knows either
    return batch, list(remarks)


def _version(value: Mapping[str, Any], remarks: list[Remark]) -> str:
    given = value.get("version")
    if given is None:
        remarks.append(Remark("There is no version; the batch was read as {version}.", version=VERSION))
        return VERSION
    if str(given).partition(".")[0] not in ("1", "2"):
        sentence = 'Version "{version}" is not known here; the batch was read as {ours}.'
        remarks.append(Remark(sentence, version=str(given)[:40], ours=VERSION))
    return str(given)


def _persona(value: Mapping[str, Any], remarks: list[Remark]) -> dict[str, Any]:
    found = next((value[key] for key in _PERSONA_NAMES if value.get(key)), None) or value.get("persona_name")
    if isinstance(found, str):
        remarks.append(Remark('The persona is only named: "{name}".', name=found[:80]))
        return {"name": found, "lora": None}
    persona = found if isinstance(found, dict) else {}
    if not isinstance(persona.get("name"), str) or not persona["name"].strip():
        remarks.append(Remark("The batch does not say whose tweets these are."))
    name = persona.get("name")
    return {**persona, "name": name if isinstance(name, str) else "", "lora": persona.get("lora")}


def _tweets(entries: Sequence[object], remarks: list[Remark]) -> list[dict[str, Any]]:
    tweets: list[dict[str, Any]] = []
    empty: list[int] = []
    for number, entry in enumerate(entries, 1):
        tweet: dict[str, Any] | None = {"tweet_text": entry} if isinstance(entry, str) else dict(entry) if isinstance(entry, dict) else None
        if tweet is None:
            remarks.append(Remark("Entry {number} of the tweets is no tweet and was left out.", number=number))
            continue
        tweets.append(tweet)
        key = next((key for key in _TEXT_NAMES if isinstance(tweet.get(key), str) and tweet[key].strip()), None)
        if key is None:
            empty.append(len(tweets))
        elif key != "tweet_text":
            remarks.append(Remark('Tweet {slot}: the text was found under "{key}".', slot=len(tweets), key=key))
        tweet["tweet_text"] = tweet.pop(key) if key else ""
        tweet.setdefault("time_segment", "")
        tweet.setdefault("topic_type", "")
        if not isinstance(tweet.get("image_generation", {}), dict):
            remarks.append(Remark("Tweet {slot}: image_generation is no object and was left out.", slot=len(tweets)))
            tweet["image_generation"] = {}
        tweet.setdefault("image_generation", {})
    if empty:
        shown = ", ".join(map(str, empty[:_SLOTS_SHOWN])) + (", ..." if len(empty) > _SLOTS_SHOWN else "")
        remarks.append(Remark("{count} tweets have no text (slots {slots}).", count=len(empty), slots=shown))
    if [tweet.get("slot") for tweet in tweets] != list(range(1, len(tweets) + 1)):
        remarks.append(Remark("The slots were numbered anew from 1 to {count}.", count=len(tweets)))
    return [{**tweet, "slot": slot} for slot, tweet in enumerate(tweets, 1)]


def as_rows(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tweets of a batch that was read, in the names of the database's columns; what we do not know goes under ``extra``. There is no
    status: nothing is approved without a person.
    """
    plans = batch.get("daily_plan")
    return [_row(tweet, plans if isinstance(plans, dict) else {}) for tweet in batch["tweets"]]


def _row(tweet: Mapping[str, Any], plans: Mapping[str, Any]) -> dict[str, Any]:
    texts = {key: tweet[key] for key in _TEXTS if isinstance(tweet.get(key), str)}
    lists = {key: [str(item) for item in tweet[key]] for key in _LISTS if isinstance(tweet.get(key), list)}
    day = read_date(tweet.get("date"))
    own = tweet.get("content_plan")
    plan = own if isinstance(own, dict) else plans.get(day.isoformat()) if day else None
    row = {
        **texts,
        **lists,
        "slot": tweet["slot"],
        "text": tweet["tweet_text"],
        "image": tweet["image_generation"],
        "plan": plan if isinstance(plan, dict) else {},
        "date": day.isoformat() if day else None,
        "time": read_clock(tweet.get("time")),
    }
    read = {*texts, *lists, "slot", "tweet_text", "image_generation", "status", "time_segment", "topic_type", "ai_generated"}
    read |= {key for key in ("date", "time") if row[key]} | ({"content_plan"} if isinstance(own, dict) else set())
    return {**row, "extra": {key: item for key, item in tweet.items() if key not in read}}


def as_batch_v1(
    tweets: Iterable[Mapping[str, Any]],
    *,
    persona_name: str,
    lora: Mapping[str, Any] | None = None,
    daily_plan: object = None,
    disclosure: str = "",
    now: datetime | None = None,
) -> dict[str, Any]:
    """A batch of one persona's *tweets* (rows of the database) in the order given. Without *daily_plan* it is the plans by date."""
    rows = list(tweets)
    plans = {row["date"]: row["plan"] for row in rows if row.get("date") and row.get("plan")}
    batch: dict[str, Any] = {
        "version": VERSION,
        "generated_at": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "ai_generated": True,
        "persona": {"name": persona_name, "lora": dict(lora) if lora else None},
        "daily_plan": plans if daily_plan is None else daily_plan,
        "tweets": [_entry(slot, row) for slot, row in enumerate(rows, 1)],
    }
    return {**batch, "disclosure": disclosure} if disclosure else batch


def _entry(slot: int, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **(row.get("extra") or {}),
        "slot": slot,
        "time_segment": row.get("time_segment") or "",
        "topic_type": row.get("topic_type") or "",
        "tweet_text": row["text"],
        "image_generation": row.get("image") or {},
        **{key: row[key] for key in _OURS if row.get(key)},
        **({"content_plan": row["plan"]} if row.get("plan") and not row.get("date") else {}),
    }
