"""Time and ids as the database holds them."""

from __future__ import annotations

from datetime import UTC, datetime

from ulid import ULID


def timestamp(moment: datetime | None = None) -> str:
    """UTC as ISO 8601 with milliseconds and ``Z``: sorts as text."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The moment that :func:`timestamp` wrote."""
    return datetime.fromisoformat(text)


def new_id() -> str:
    """A 26-character id (ULID). Of two that one process makes, the later one is the greater as text, also within a millisecond."""
    return str(ULID())
