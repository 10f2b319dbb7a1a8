"""Time and ids as the database holds them."""

from __future__ import annotations

from datetime import UTC, datetime

from ulid import ULID


def timestamp(moment: datetime | None = None) -> str:
    """UTC as ISO 8601 with milliseconds and ``Z``: sorts as text."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The moment that :func:`timestamp` wrote."""
    return datetime.fromisoformat(text)


def new_id() -> str:
    """A 26-character id whose order as text is the order of creation (ULID)."""
    return str(ULID())
