"""Jobs as a table for a terminal."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

from cli.progress import plain, print_line

HEAD = ("JOB", "KIND", "TITLE", "STATUS", "DONE", "FAILED", "STARTED", "CAN GO ON")
WIDEST = 40


def print_jobs(jobs: list[dict[str, Any]]) -> None:
    """The jobs on stdout, one a line, newest first."""
    lines = [HEAD, *(_cells(job) for job in jobs)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(HEAD))]
    for line in lines:
        print_line("  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cells(job: dict[str, Any]) -> tuple[str, ...]:
    title = plain(job["title"])
    when = datetime.fromisoformat(job["created_at"]).astimezone(UTC).astimezone()
    return (
        job["id"],
        job["kind"],
        title if len(title) <= WIDEST else title[: WIDEST - 1] + "…",
        job["status"],
        f"{job['done']}/{job['total']}",
        str(job["failed"]),
        f"{when:%Y-%m-%d %H:%M}",
        "yes" if job["can_resume"] else "no",
    )


def _width(text: str) -> int:
    """Columns of a terminal: Chinese and Japanese letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text if not unicodedata.combining(letter))
