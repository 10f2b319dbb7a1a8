"""What pages, the command line and the API are shown: plain values, ready to be turned into JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlite_utils import Database

from pipeline import persona_steps, stages
from pipeline.stages import BY_KEY, STAGES, Stage
from storage import calls, jobs, personas, standing
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
    """A persona with its seven stages: ``{id, name, status, picture, job, stages: [...], progress: {...}}``. *picture* may be ``None``;
    *job* is the newest one that works on the persona, else the newest that did, else ``None``.

    A stage is ``{key, title, title_zh, status, stale, changed, needs, output, version, made_by, instruction, error_kind, error, seconds,
    since, calls, tokens}``; *status* is ``waiting``, ``blocked`` (something it needs failed), ``running``, ``done``, ``failed`` or
    ``cancelled``.
    A stage that has a text is ``done`` also when writing it anew failed: *error* then says why, and *output* is the text that stands.
    """
    with _one_moment(db):
        row = personas.get(db, persona_id)
        current = personas.current_stages(db, persona_id)
        steps = jobs.newest_steps(db, persona_steps.KIND, [persona_id])[persona_id]
        job = jobs.get(db, found) if (found := working_job(steps) or row["job_id"]) else None
        spent = _spent(db, persona_id, steps)
    stale = stages.changed(current)
    shown = [
        _stage(stage, current.get(stage.key), steps, spent.get(stage.key, {}))
        | {"stale": stage.key in stale, "changed": stale.get(stage.key, [])}
        for stage in STAGES
    ]
    return {
        "id": row["id"],
        "name": row["name"],
        "named": bool(row["renamed"]) or "core" in current,
        "revision": row["revision"],
        "language": row["language"],
        "picture": row["picture"],
        "source": row["options"].get("source", ""),
        "created_at": row["created_at"],
        "status": _persona_status([str(stage["status"]) for stage in shown], steps),
        "job": {"id": job["id"], "status": job["status"], "personas": len(job["params"].get("personas", ()))} if job else None,
        "stages": shown,
        "progress": _progress(shown, job, steps),
    }


def people(db: Database, limit: int, before: str, name: str = "") -> list[dict[str, Any]]:
    """The newest personas by id downwards from *before*, each as :func:`storage.personas.page` has it, with *status*, *done*, *failed* and
    *stale* (how many stages).
    """
    with _one_moment(db):
        found = personas.page(db, limit, before, name)
        ids = [row["id"] for row in found]
        current = personas.hashes(db, ids)
        steps = jobs.newest_steps(db, persona_steps.KIND, ids)
    return [{**row, **_states(current[row["id"]], steps[row["id"]])} for row in found]


def _states(current: Mapping[str, dict[str, Any]], steps: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    states = [_status(stage, current.get(stage.key), steps) for stage in STAGES]
    return {
        "status": _persona_status(states, steps),
        "done": states.count("done"),
        "failed": states.count("failed"),
        "stale": len(stages.stale(current)),
    }


def working_job(steps: Mapping[str, dict[str, Any]]) -> str | None:
    """Of the newest *steps* of a persona: the newest job that has something to do for it, else the newest job."""
    every = [step["job_id"] for step in steps.values()]
    return max((step["job_id"] for step in steps.values() if jobs.is_open(step)), default=None) or max(every, default=None)


def _spent(db: Database, persona_id: str, steps: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Calls and tokens of the newest step of each stage."""
    totals = {job_id: calls.totals(db, job_id, persona_id) for job_id in {step["job_id"] for step in steps.values()}}
    return {key: totals[step["job_id"]].get((persona_id, key), {}) for key, step in steps.items()}


def _stage(stage: Stage, version: dict[str, Any] | None, steps: Mapping[str, dict[str, Any]], spent: dict[str, int]) -> dict[str, Any]:
    step, status = steps.get(stage.key), _status(stage, version, steps)
    failed = step if step and step["status"] == "failed" and not _newer(version, step) else None
    made = step if step and version and version["job_id"] == step["job_id"] else failed
    return {
        "key": stage.key,
        "title": stage.title,
        "title_zh": stage.title_zh,
        "needs": list(stage.needs),
        "status": status,
        "output": version["output"] if version else None,
        "version": version["version"] if version else 0,
        "made_by": version["made_by"] if version else None,
        "instruction": version["instruction"] if version else None,
        "error_kind": failed["error_kind"] if failed else None,
        "error": failed["error"] if failed else None,
        "since": step["started_at"] if step and status == "running" else None,
        "seconds": _seconds(made) if made and status in ("done", "failed") else None,
        "calls": spent.get("calls", 0),
        "tokens": spent.get("prompt_tokens", 0) + spent.get("completion_tokens", 0),
    }


def _status(stage: Stage, version: dict[str, Any] | None, steps: Mapping[str, dict[str, Any]]) -> str:
    step = steps.get(stage.key)
    if step is None or (version and not jobs.is_open(step)):
        return "done" if version else "waiting"
    if step["status"] == "waiting" and any(need["status"] == "failed" for need in _behind(stage, steps, step["job_id"])):
        return "blocked"
    return step["status"]


def _newer(version: dict[str, Any] | None, step: dict[str, Any]) -> bool:
    """True when the text was made after the step had ended: what became of the step no longer matters."""
    return version is not None and step["finished_at"] is not None and version["created_at"] >= step["finished_at"]


def _behind(stage: Stage, steps: Mapping[str, dict[str, Any]], job_id: str) -> list[dict[str, Any]]:
    """The steps of the same job that a stage waits for, and those that they wait for."""
    needs = [steps[need] for need in stage.needs if need in steps and steps[need]["job_id"] == job_id]
    return [*needs, *(further for need in needs for further in _behind(BY_KEY[need["stage"]], steps, job_id))]


def _seconds(step: dict[str, Any]) -> float | None:
    if not (step["started_at"] and step["finished_at"]):
        return None
    return round((parse(step["finished_at"]) - parse(step["started_at"])).total_seconds(), 2)


def _persona_status(states: list[str], steps: Mapping[str, dict[str, Any]]) -> str:
    at_work = {step["job_status"] for step in steps.values() if jobs.is_open(step)}
    if at_work & {"queued", "running"}:
        return "writing"
    return "paused" if at_work else "complete" if all(state == "done" for state in states) else "partial"


def _progress(shown: list[dict[str, Any]], job: dict[str, Any] | None, steps: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    at_work = any(jobs.is_open(step) for step in steps.values())
    return {
        "done": sum(stage["status"] == "done" for stage in shown),
        "failed": sum(stage["status"] == "failed" for stage in shown),
        "stale": sum(stage["stale"] for stage in shown),
        "total": len(shown),
        "calls": sum(stage["calls"] for stage in shown),
        "tokens": sum(stage["tokens"] for stage in shown),
        "seconds": standing.elapsed(job) if job else None,
        "since": job["started_at"] if job and at_work and job["status"] in ("queued", "running") else None,
    }


def job(db: Database, job_id: str) -> dict[str, Any]:
    """A job with its counts and steps: ``{id, kind, title, status, done, failed, total, steps, personas, params, calls, tokens}``."""
    with _one_moment(db):
        row = jobs.get(db, job_id)
        steps = jobs.steps(db, job_id)
        spent = calls.totals(db, job_id).values()
        written = personas.names(db, row["params"].get("personas", [])) if row["kind"] == persona_steps.KIND else {}
    return {
        "id": row["id"],
        "kind": row["kind"],
        "title": row["title"],
        "status": row["status"],
        "created_at": row["created_at"],
        "seconds": standing.elapsed(row),
        "total": len(steps),
        "done": sum(step["status"] == "done" for step in steps),
        "failed": sum(step["status"] == "failed" for step in steps),
        "calls": sum(totals["calls"] for totals in spent),
        "tokens": sum(totals["prompt_tokens"] + totals["completion_tokens"] for totals in spent),
        "personas": list(written),
        "params": row["params"],
        "steps": [
            {key: step[key] for key in ("item", "stage", "status", "attempts", "error_kind", "error", "finished_at")}
            | {"seconds": _seconds(step)}
            for step in steps
        ],
    }
