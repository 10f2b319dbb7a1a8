"""The view of a persona (`pipeline/views.py`) as the cards that show one are given it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pages.language import stored


def shown(view: dict[str, Any], language: str) -> dict[str, Any]:
    """The view, why its stages failed in the reader's *language*, and the server's time for its clocks."""
    stages = [{**stage, "error": stored(stage["error"], language)} if stage["error"] else stage for stage in view["stages"]]
    return {**view, "stages": stages, "now": datetime.now(UTC).isoformat()}
