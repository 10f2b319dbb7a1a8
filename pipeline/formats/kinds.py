"""What a file that somebody dropped is, by what is in it: a persona or a calendar."""

from __future__ import annotations

from typing import Any

from errors import UploadError
from pipeline.formats import calendars, cards_in
from pipeline.formats.json_in import read_json

PERSONA, CALENDAR = "persona", "calendar"

_WRAPPED = {"spec", "data"}


def kind_of(content: bytes, name: str) -> str:
    """:data:`PERSONA` or :data:`CALENDAR`. Raises :class:`UploadError` with one sentence for a file that is neither."""
    if not content.strip():
        raise UploadError("{name} is empty.", name=name)
    value = _json(content, name)
    if isinstance(value, dict) and isinstance(value.get("tweets"), list):
        raise UploadError("{name} is a batch of tweets that are written already. Personas and calendars belong here.", name=name)
    planned = isinstance(value, dict) and not _WRAPPED & value.keys() and any(value.get(key) for key in calendars.DAYS_NAMES)
    readers = [(PERSONA, cards_in.read), (CALENDAR, calendars.read_calendar)]
    refused: dict[str, UploadError] = {}
    for kind, read in reversed(readers) if planned else readers:
        try:
            read(content, name)
        except UploadError as error:
            refused[kind] = error
        else:
            return kind
    if isinstance(value, dict | list) and not planned:
        raise UploadError("{name} is JSON, but neither a persona nor a calendar.", name=name)
    raise refused[PERSONA if value is None and _is_binary(content) else CALENDAR]


def _json(content: bytes, name: str) -> Any:  # noqa: ANN401  any value that JSON has
    """The value where *content* looks like JSON, else ``None``. Raises :class:`UploadError` for broken JSON."""
    return read_json(content, name) if content.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1] in (b"{", b"[") else None


def _is_binary(content: bytes) -> bool:
    return content.startswith((b"\x89PNG", b"PK\x03\x04", b"\xff\xd8\xff", b"RIFF", b"GIF8"))
