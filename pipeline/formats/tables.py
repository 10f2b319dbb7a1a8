"""Tweets as files that other programs read: JSON Lines and CSV, both of which can be edited and read back, and CSV for two schedulers.

Text from an LLM may begin with ``=``, ``+``, ``-`` or ``@``, which a spreadsheet takes for a formula: :mod:`pipeline.formats.sheets` puts
an apostrophe in front and takes it off again. A scheduler would post the apostrophe, so there an invisible space (U+200B) stands instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from errors import UploadError
from pipeline.dates import order_of, read_clock, read_date
from pipeline.formats.json_in import read_json
from pipeline.formats.json_out import as_line
from pipeline.formats.remarks import Remark
from pipeline.formats.sheets import column_key, decoded, harmless, read_sheet, write_sheet
from pipeline.length import LIMIT, weighted_length

COLUMNS = (
    "id",
    "persona_name",
    "status",
    "date",
    "time",
    "text",
    "hashtags",
    "alt_text",
    "topic_type",
    "mood",
    "tweet_format",
    "length",
    "badges",
    "revision",
    "exported_status",
    "ai_generated",
    "disclosure",
)
"""What a sheet has of a tweet. ``revision`` and ``exported_status`` say what it was when it left: whoever reads it again sees what was
edited there, and what was changed here meanwhile.
"""
LARGEST = 64 << 20
"""Bytes of a file that is read back."""
MOST_TWEETS = 100_000
INVISIBLE = "\u200b"

Tweet = Mapping[str, Any]
Row = tuple[int, dict[str, Any]]
"""A tweet of a file, with the number of its row there."""


def as_jsonl(tweets: Iterable[Tweet]) -> bytes:
    """One tweet a line, everything that is known of it, marked as AI-generated."""
    return b"".join(as_line({**tweet, "exported_status": tweet.get("status"), "ai_generated": True}) for tweet in tweets)


def as_csv(tweets: Iterable[Tweet], columns: Sequence[str] = COLUMNS) -> bytes:
    """A spreadsheet of *columns*."""
    marked = ({**tweet, "exported_status": tweet.get("status"), "ai_generated": "yes"} for tweet in tweets)
    return write_sheet(columns, ([_cell(tweet.get(column)) for column in columns] for tweet in marked))


def as_buffer(tweets: Iterable[Tweet]) -> bytes:
    """Buffer's bulk upload: exactly these four names, ``YYYY-MM-DD HH:mm`` in the time zone of the channel, pictures by public
    address. Buffer takes :data:`BUFFERS_MOST` rows a file (10 on its free plan).

    See support.buffer.com, "How to upload posts in bulk to Buffer".
    """
    rows = ([_posted(tweet), _picture(tweet), "", f"{tweet['date']} {tweet['time']}" if _is_timed(tweet) else ""] for tweet in tweets)
    return write_sheet(("Text", "Image URL", "Tags", "Posting Time"), rows)


_METRICOOL = ("Text", "Date", "Time", "Draft", "Twitter/X", "Picture Url 1", "Alt text picture 1")
_METRICOOL_POLL = tuple(f"Twitter/X Poll Option {number}" for number in range(1, 5))


def as_metricool(tweets: Iterable[Tweet]) -> bytes:
    """Metricool's import of posts: the columns of its template that a tweet has something for, under the template's names of 2026
    (columns are found by name, the others may be missing). Dates ``YYYY-MM-DD``, times ``HH:MM:SS``. What was not approved stays a draft.

    The names are those of the template that Metricool's planner offers for download under "Import CSV".
    """
    return write_sheet((*_METRICOOL, *_METRICOOL_POLL), ([*_metricool(tweet), *_options(tweet)] for tweet in tweets))


def _metricool(tweet: Tweet) -> list[str]:
    moment = [str(tweet["date"]), f"{tweet['time']}:00"] if _is_timed(tweet) else [str(tweet.get("date") or ""), ""]
    draft = "FALSE" if tweet.get("status") == "approved" else "TRUE"
    return [_posted(tweet), *moment, draft, "TRUE", picture := _picture(tweet), str(tweet.get("alt_text") or "") if picture else ""]


def _options(tweet: Tweet) -> list[str]:
    options = [str(option) for option in tweet.get("poll") or ()][: len(_METRICOOL_POLL)]
    return options + [""] * (len(_METRICOOL_POLL) - len(options))


WRITERS: dict[str, Callable[[Iterable[Tweet]], bytes]] = {
    "jsonl": as_jsonl,
    "csv": as_csv,
    "buffer": as_buffer,
    "metricool": as_metricool,
}
MAY_LEAVE = {"buffer": ("approved",), "metricool": ("approved", "draft")}
"""By kind of file, the statuses of tweets that a scheduler is given: Buffer posts whatever it gets, Metricool keeps drafts as drafts."""
BUFFERS_MOST = 100
"""Rows of a file that Buffer takes."""


def _posted(tweet: Tweet) -> str:
    """The text as it would be posted: with those of its hashtags that it does not have yet and has room for; never a formula."""
    text = str(tweet["text"])
    for tag in tweet.get("hashtags") or ():
        longer = f"{text} #{tag}"
        if f"#{tag}".casefold() not in text.casefold() and weighted_length(longer) <= LIMIT:
            text = longer
    return text if harmless(text) == text else INVISIBLE + text


def _picture(tweet: Tweet) -> str:
    address = str((tweet.get("image") or {}).get("url") or "")
    return address if address.startswith(("https://", "http://")) else ""


def _is_timed(tweet: Tweet) -> bool:
    return bool(tweet.get("date") and tweet.get("time"))


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(str(item.get("kind", item)) if isinstance(item, dict) else str(item) for item in value)
    return "" if value is None else str(value)


# Reading back

_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("tweet_id",),
    "text": ("tweet_text", "tweet", "推文", "正文", "内容"),
    "status": ("state", "状态"),
    "date": ("day", "日期"),
    "time": ("时间",),
    "revision": (),
    "exported_status": (),
}
_OURS = ("ai_generated", "disclosure")
"""What an export says of itself, and nobody's edit."""
_MEANT = {name: ours for ours, names in _NAMES.items() for name in (ours, *names)}
STATUSES = {
    **{status: status for status in ("draft", "approved", "rejected")},
    "草稿": "draft",
    "通过": "approved",
    "已通过": "approved",
    "拒绝": "rejected",
    "已拒绝": "rejected",
}


def read_tweets(content: bytes, name: str) -> tuple[list[Row], list[Remark]]:
    """The tweets in a JSONL, JSON or CSV file, each with its place in it, and a sentence for everything that was put right.

    Each has what of ``id``, ``text``, ``status``, ``date``, ``time``, ``revision`` and ``exported_status`` the file says, in a form that
    can be kept (an empty cell means no date, no time; a revision that cannot be read is 0, which none is), and under their own names
    whatever else it has. Raises :class:`UploadError` with one sentence.
    """
    if len(content) > LARGEST:
        raise UploadError("{name} has more than {limit:g} MB of text.", name=name, limit=LARGEST / 2**20)
    remarks: list[Remark] = []
    text = decoded(content, name, remarks)
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if start == "[":
        found = _from_list(content, name)
    else:
        found = _from_lines(text, name, remarks) if start == "{" else _from_csv(text, name, remarks)
    order = order_of(tweet.get("date") for _, tweet in found)
    tweets: list[Row] = []
    seen: set[str] = set()
    for row, given in found:
        tweet = _settled(row, given, order, remarks)
        if "id" not in tweet and not tweet.get("text", "").strip():
            remarks.append(Remark("Row {row} has neither an id nor a text and was left out.", row=row))
        elif tweet.get("id") in seen:
            remarks.append(Remark('Row {row} has the id "{id}" again and was left out.', row=row, id=tweet["id"]))
        else:
            tweets.append((row, tweet))
            seen |= {tweet["id"]} if "id" in tweet else set()
    if not tweets:
        raise UploadError("{name} has no tweets in it.", name=name)
    return tweets, remarks


def _from_list(content: bytes, name: str) -> list[Row]:
    return [(row, entry) for row, entry in enumerate(read_json(content, name), 1) if isinstance(entry, dict)]


def _from_lines(text: str, name: str, remarks: list[Remark]) -> list[Row]:
    """JSON Lines; a line that cannot be read is left out."""
    lines = [(row, line) for row, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1) if line.strip()]
    if len(lines) > MOST_TWEETS:
        raise UploadError("{name} has more than {limit} rows.", name=name, limit=MOST_TWEETS)
    found: list[Row] = []
    for row, line in lines:
        try:
            value = read_json(line.encode(), name)
        except UploadError:
            value = None
        if isinstance(value, dict):
            found.append((row, value))
        else:
            remarks.append(Remark("Line {row} is no tweet that can be read and was left out.", row=row))
    if not found:
        raise UploadError("{name} has no tweets in it.", name=name)
    return found


def _from_csv(text: str, name: str, remarks: list[Remark]) -> list[Row]:
    sheet = read_sheet(text, name, _MEANT.__contains__, most_rows=MOST_TWEETS, remarks=remarks)
    keys: list[str] = []
    for column in sheet.header:
        meant = _MEANT.get(column_key(column), column)
        keys.append(column if meant in keys or (meant != column and meant in sheet.header) else meant)
    if not {"id", "text"} & set(keys):
        raise UploadError('{name} has neither a column "id" nor a column "text".', name=name)
    return [(row, dict(zip(keys, cells, strict=True))) for row, cells in sheet.rows]


def _settled(row: int, given: Mapping[str, Any], order: Any, remarks: list[Remark]) -> dict[str, Any]:  # noqa: ANN401
    tweet = {key: value for key, value in given.items() if key not in _NAMES and key not in _OURS}
    if isinstance(given.get("id"), str) and given["id"].strip():
        tweet["id"] = given["id"].strip()
    if isinstance(text := given.get("text", given.get("tweet_text")), str):
        tweet["text"] = text
    if str(given.get("revision", "")).strip():
        tweet["revision"] = _whole(given["revision"])
    if left := STATUSES.get(str(given.get("exported_status")).strip().casefold()):
        tweet["exported_status"] = left
    for key, value in _fields(given, order):
        if value is _Unread:
            sentence = 'Row {row}: the {field} "{given}" cannot be read; it was left as it is.'
            remarks.append(Remark(sentence, row=row, field=key, given=str(given[key])[:40]))
        else:
            tweet[key] = value
    return tweet


def _whole(value: object) -> int:
    """A number as a spreadsheet may have left it (``3.0``), 0 where it is none."""
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError):
        return 0


class _Unread:
    """Stands for a value that means nothing."""


def _fields(given: Mapping[str, Any], order: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Status, date and time as they can be kept."""
    if given.get("status"):
        yield "status", STATUSES.get(str(given["status"]).strip().casefold(), _Unread)
    if "date" in given:
        day = read_date(given["date"], order)
        yield "date", day.isoformat() if day else _Unread if str(given["date"] or "").strip() else None
    if "time" in given:
        yield "time", read_clock(given["time"]) or (_Unread if str(given["time"] or "").strip() else None)
