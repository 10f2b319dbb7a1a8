"""What pages, the command line and the API are shown: plain values, ready to be turned into JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from pipeline.stages import BY_KEY, STAGES, Stage
from storage import calls, jobs, personas
from storage.clock import parse


@contextmanager
def _one_moment(db: Database) -> Iterator[None]:
    """All queries inside see the same state: a step that is done has its output."""
    db.conn.execute("BEGIN")
    try:
        yield
    finally:
        db.conn.rollback()


def persona(db: Database, persona_id: str) -> dict[str, Any]:
    """A persona with its seven stages: ``{id, name, status, picture, job, stages: [...], progress: {...}}``.

    A stage is ``{key, title, title_zh, status, needs, output, error_kind, error, seconds, since, calls, tokens}``; *status* is
    ``waiting``, ``blocked`` (something it needs failed), ``running``, ``done``, ``failed`` or ``cancelled``.
    """
    with _one_moment(db):
        row = personas.get(db, persona_id)
        current = personas.current_stages(db, persona_id)
        job = jobs.get(db, row["job_id"]) if row["job_id"] else None
        steps = {step["stage"]: step for step in jobs.steps(db, row["job_id"]) if step["item"] == persona_id} if job else {}
        spent = {stage: totals for (item, stage), totals in calls.totals(db, row["job_id"]).items() if item == persona_id} if job else {}
    shown = [_stage(stage, current.get(stage.key), steps, spent.get(stage.key, {})) for stage in STAGES]
    return {
        "id": row["id"],
        "name": row["name"],
        "named": bool(row["renamed"]) or "core" in current,
        "revision": row["revision"],
        "language": row["language"],
        "picture": row["picture"],
        "source": row["options"].get("source", ""),
        "created_at": row["created_at"],
        "status": _persona_status(shown, job["status"] if job else None),
        "job": {"id": job["id"], "status": job["status"], "personas": len(job["params"].get("personas", ()))} if job else None,
        "stages": shown,
        "progress": _progress(shown, job),
    }


def _stage(stage: Stage, version: dict[str, Any] | None, steps: dict[str, dict[str, Any]], spent: dict[str, int]) -> dict[str, Any]:
    step = steps.get(stage.key)
    status = step["status"] if step else ("done" if version else "waiting")
    if status == "waiting" and any(steps[need]["status"] == "failed" for need in _behind(stage) if need in steps):
        status = "blocked"
    return {
        "key": stage.key,
        "title": stage.title,
        "title_zh": stage.title_zh,
        "needs": list(stage.needs),
        "status": status,
        "output": version["output"] if version and status == "done" else None,
        "version": version["version"] if version else 0,
        "error_kind": step["error_kind"] if step else None,
        "error": step["error"] if step else None,
        "since": step["started_at"] if step and status == "running" else None,
        "seconds": _seconds(step) if step and status in ("done", "failed") else None,
        "calls": spent.get("calls", 0),
        "tokens": spent.get("prompt_tokens", 0) + spent.get("completion_tokens", 0),
    }


def _behind(stage: Stage) -> set[str]:
    """The stages that *stage* needs, and those that they need."""
    return {*stage.needs, *(further for need in stage.needs for further in _behind(BY_KEY[need]))}


def _seconds(step: dict[str, Any]) -> float | None:
    if not (step["started_at"] and step["finished_at"]):
        return None
    return round((parse(step["finished_at"]) - parse(step["started_at"])).total_seconds(), 2)


def _persona_status(stages: list[dict[str, Any]], job_status: str | None) -> str:
    if all(stage["status"] == "done" for stage in stages):
        return "complete"
    return "writing" if job_status in ("queued", "running") else "paused" if job_status == "paused" else "partial"


def _progress(stages: list[dict[str, Any]], job: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "done": sum(stage["status"] == "done" for stage in stages),
        "failed": sum(stage["status"] == "failed" for stage in stages),
        "total": len(stages),
        "calls": sum(stage["calls"] for stage in stages),
        "tokens": sum(stage["tokens"] for stage in stages),
        "seconds": _elapsed(job) if job else None,
        "since": job["started_at"] if job and job["status"] in ("queued", "running") else None,
    }


def _elapsed(job: dict[str, Any]) -> float | None:
    if not job["started_at"]:
        return None
    end = parse(job["finished_at"]) if job["finished_at"] else datetime.now(UTC)
    return round((end - parse(job["started_at"])).total_seconds(), 2)


def job(db: Database, job_id: str) -> dict[str, Any]:
    """A job with its counts and steps: ``{id, kind, title, status, done, failed, total, steps, personas, params, calls, tokens}``."""
    with _one_moment(db):
        row = jobs.get(db, job_id)
        steps = jobs.steps(db, job_id)
        spent = calls.totals(db, job_id).values()
        written = personas.of_job(db, job_id)
    return {
        "id": row["id"],
        "kind": row["kind"],
        "title": row["title"],
        "status": row["status"],
        "created_at": row["created_at"],
        "seconds": _elapsed(row),
        "total": len(steps),
        "done": sum(step["status"] == "done" for step in steps),
        "failed": sum(step["status"] == "failed" for step in steps),
        "calls": sum(totals["calls"] for totals in spent),
        "tokens": sum(totals["prompt_tokens"] + totals["completion_tokens"] for totals in spent),
        "personas": [found["id"] for found in written],
        "params": row["params"],
        "steps": [
            {key: step[key] for key in ("item", "stage", "status", "attempts", "error_kind", "error")} | {"seconds": _seconds(step)}
            for step in steps
        ],
    }
