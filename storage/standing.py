"""How jobs stand: counts, failures and times, for whoever watches them. Only reads; what changes a job is in `jobs.py`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from storage.clock import parse
from storage.database import row, rows

NO_STEPS = {"total": 0, "done": 0, "failed": 0, "running": 0}


def counts_by_item(db: Database, job_id: str, prefix: int) -> dict[str, dict[str, dict[str, int]]]:
    """Steps of a job by the first *prefix* characters of what they are about, and by stage: {item: {stage: {total, done, failed,
    running}}}.
    """
    found = rows(
        db,
        """SELECT substr(item, 1, ?) AS about, stage, count(*) AS total, sum(status = 'done') AS done, sum(status = 'failed') AS failed,
                  sum(status = 'running') AS running
           FROM steps WHERE job_id = ? GROUP BY about, stage""",
        prefix,
        job_id,
    )
    counted: dict[str, dict[str, dict[str, int]]] = {}
    for counts in found:
        counted.setdefault(counts.pop("about"), {})[counts.pop("stage")] = counts
    return counted


def newest_about(db: Database, kind: str, item: str) -> str | None:
    """The newest job of this *kind* with steps about ``item:...``."""
    found = row(
        db,
        """SELECT j.id FROM jobs AS j WHERE j.kind = ? AND j.id IN (SELECT job_id FROM steps WHERE item > ? AND item < ?)
           ORDER BY j.id DESC LIMIT 1""",
        kind,
        f"{item}:",
        f"{item};",
    )
    return found["id"] if found else None


def open_steps(db: Database, kind: str) -> list[dict[str, Any]]:
    """The steps that wait or run of all jobs of this *kind* under way: job_id, item, status."""
    return rows(
        db,
        """SELECT s.job_id, s.item, s.status FROM jobs AS j JOIN steps AS s ON s.job_id = j.id
           WHERE j.kind = ? AND j.status IN ('queued', 'running', 'paused') AND s.status IN ('waiting', 'running')""",
        kind,
    )


def lanes(db: Database) -> dict[str, dict[str, int]]:
    """The steps of jobs under way that are still to be done, by what they take: {lane: {waiting, running}}."""
    found = rows(
        db,
        """SELECT s.lane, sum(s.status = 'waiting') AS waiting, sum(s.status = 'running') AS running
           FROM jobs AS j JOIN steps AS s ON s.job_id = j.id
           WHERE j.status IN ('queued', 'running') AND s.status IN ('waiting', 'running') GROUP BY s.lane""",
    )
    return {counts.pop("lane"): counts for counts in found}


def newest_jobs(db: Database, limit: int, *, open_: int) -> list[dict[str, Any]]:
    """Up to *open_* jobs under way and the *limit* newest others, newest first: id, kind, title, status, priority, owner, times, counts of
    steps (total, done, failed, running), and *persona*, the one that the job is about where it is about one.
    """
    under_way = "status IN ('queued', 'running', 'paused')"
    return rows(
        db,
        f"""WITH shown AS (SELECT * FROM (SELECT * FROM jobs WHERE {under_way} ORDER BY id DESC LIMIT ?)
                          UNION ALL SELECT * FROM (SELECT * FROM jobs WHERE NOT {under_way} ORDER BY id DESC LIMIT ?))
            SELECT shown.id, kind, title, shown.status, priority, shown.owner, created_at, shown.started_at, shown.finished_at,
                   iif(json_array_length(params, '$.personas') = 1, params ->> '$.personas[0]', NULL) AS persona,
                   count(*) AS total, sum(s.status = 'done') AS done, sum(s.status = 'failed') AS failed,
                   sum(s.status = 'running') AS running
            FROM shown JOIN steps AS s ON s.job_id = shown.id GROUP BY shown.id ORDER BY shown.id DESC""",
        open_,
        limit,
    )


def newest_step(db: Database, kind: str, item: str) -> dict[str, Any] | None:
    """Of the jobs of this *kind* the newest step about ``item:...``, with its job's status as ``job_status``."""
    return row(
        db,
        """SELECT s.*, j.status AS job_status FROM steps AS s JOIN jobs AS j ON j.id = s.job_id
           WHERE s.item > ? AND s.item < ? AND j.kind = ? ORDER BY s.job_id DESC, s.position DESC LIMIT 1""",
        f"{item}:",
        f"{item};",
        kind,
    )


def newest_alone(db: Database, kind: str, item: str, stage: str) -> dict[str, Any] | None:
    """Of the jobs of this *kind* that do nothing about ``item:...`` the newest step *stage* of *item*, with its job's status as
    ``job_status``.
    """
    return row(
        db,
        """SELECT s.*, j.status AS job_status FROM steps AS s JOIN jobs AS j ON j.id = s.job_id
           WHERE s.item = ? AND s.stage = ? AND j.kind = ?
             AND NOT EXISTS (SELECT 1 FROM steps AS other WHERE other.job_id = s.job_id AND other.item > ? AND other.item < ?)
           ORDER BY s.job_id DESC LIMIT 1""",
        item,
        stage,
        kind,
        f"{item}:",
        f"{item};",
    )


def failures(db: Database, job_id: str, prefix: int, most: int) -> list[dict[str, Any]]:
    """Why steps of a job failed, by the first *prefix* characters of what they are about: item, stage, error_kind, error, and how many
    *times*. Of each such item the *most* frequent reasons; items in the order of the job.
    """
    return rows(
        db,
        """WITH reasons AS (
               SELECT substr(item, 1, ?) AS about, stage, error_kind, error, count(*) AS times, min(position) AS first
               FROM steps WHERE job_id = ? AND status = 'failed' GROUP BY about, stage, error_kind, error),
           ranked AS (SELECT *, row_number() OVER (PARTITION BY about ORDER BY times DESC, first) AS place FROM reasons)
           SELECT about AS item, stage, error_kind, error, times FROM ranked WHERE place <= ? ORDER BY first""",
        prefix,
        job_id,
        most,
    )


def failed_keys(db: Database, job_id: str, item: str) -> list[tuple[str, str]]:
    """(item, stage) of the failed steps of a job about *item* or ``item:...``."""
    found = rows(
        db,
        "SELECT item, stage FROM steps WHERE job_id = ? AND status = 'failed' AND (item = ? OR (item > ? AND item < ?)) ORDER BY position",
        job_id,
        item,
        f"{item}:",
        f"{item};",
    )
    return [(step["item"], step["stage"]) for step in found]


def elapsed(job: dict[str, Any]) -> float | None:
    """Seconds from the start of a job to its end, or to now; ``None`` before it starts."""
    if not job["started_at"]:
        return None
    end = parse(job["finished_at"]) if job["finished_at"] else datetime.now(UTC)
    return round((end - parse(job["started_at"])).total_seconds(), 2)
