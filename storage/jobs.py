"""The journal: jobs and their steps, and every change of state they may go through.

A step goes ``waiting -> running -> done | failed | cancelled``. Running means claimed: an owner holds it under a fence, a number that
grows with every claim. Finishing names the fence, so a result that arrives after the step was taken back is dropped and a step is
never finished twice. A step is taken back when its owner is dead (its lock file is free) or its lease has run out (it hangs).

Functions whose first parameter is ``tx`` change things and run on the writer thread; those that take ``db`` only read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlite_utils import Database

from errors import NotFoundError
from storage.clock import timestamp
from storage.database import Transaction, row, rows

Key = tuple[str, str]
"""A step within its job: (item, stage)."""

Alive = Callable[[str], bool]

LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class NewStep:
    """A step of a job that is about to be made. *needs* are steps of the same job that must be done first."""

    item: str
    stage: str
    needs: tuple[Key, ...] = ()
    lane: str = "llm"


@dataclass(frozen=True)
class Claim:
    """The right to finish one step, for as long as nobody took it back."""

    job_id: str
    item: str
    stage: str
    owner: str
    fence: int
    attempts: int
    retries: int

    @property
    def key(self) -> Key:
        return self.item, self.stage


def create(
    tx: Transaction, job_id: str, kind: str, title: str, steps: Sequence[NewStep], *, params: dict[str, Any], priority: int, now: datetime
) -> None:
    """Write a job and all its steps, queued. Raises :class:`ValueError` when a step needs one that is not among them: it would wait for
    ever.
    """
    keys = {(step.item, step.stage) for step in steps}
    if unknown := [need for step in steps for need in step.needs if tuple(need) not in keys]:
        raise ValueError(f"steps that are needed and not there: {unknown}")
    tx.table("jobs").insert(
        {
            "id": job_id,
            "kind": kind,
            "title": title,
            "status": "queued",
            "params": json.dumps(params, ensure_ascii=False),
            "priority": priority,
            "created_at": timestamp(now),
        }
    )
    tx.table("steps").insert_all(
        {
            "job_id": job_id,
            "item": step.item,
            "stage": step.stage,
            "position": position,
            "needs": json.dumps(step.needs),
            "lane": step.lane,
            "status": "waiting",
        }
        for position, step in enumerate(steps)
    )


# What a runner does


def adopt(tx: Transaction, job_id: str, owner: str, alive: Alive, now: datetime) -> bool:
    """Make *owner* the one that runs the job. False when a live other runs it, or it is not to be run."""
    job = row(tx, "SELECT status, owner FROM jobs WHERE id = ?", job_id)
    if job is None or job["status"] not in ("queued", "running"):
        return False
    if job["owner"] not in (None, owner) and alive(job["owner"]):
        return False
    tx.execute(
        "UPDATE jobs SET status = 'running', owner = ?, started_at = coalesce(started_at, ?), finished_at = NULL WHERE id = ?",
        [owner, timestamp(now), job_id],
    )
    return True


def take_back(tx: Transaction, job_id: str, owner: str, alive: Alive, now: datetime, *, at_work: Collection[Key] | None = None) -> int:
    """Set steps that a dead or hanging other owner holds to waiting again, and those *owner* itself holds but is not *at_work* on (where
    that is given). Returns how many.
    """

    def lost(step: dict[str, Any]) -> bool:
        if step["owner"] == owner:
            return at_work is not None and (step["item"], step["stage"]) not in at_work
        return step["lease_until"] < timestamp(now) or not alive(step["owner"])

    held = rows(tx, "SELECT item, stage, owner, lease_until FROM steps WHERE job_id = ? AND status = 'running'", job_id)
    dead = [step for step in held if lost(step)]
    for step in dead:
        tx.execute(
            "UPDATE steps SET status = 'waiting', owner = NULL, lease_until = NULL WHERE job_id = ? AND item = ? AND stage = ?",
            [job_id, step["item"], step["stage"]],
        )
    return len(dead)


def claim(tx: Transaction, job_id: str, keys: Iterable[Key], owner: str, now: datetime) -> list[Claim]:
    """Claim those of *keys* that wait and whose needs are done, while *owner* runs the job. Returns what was got."""
    if row(tx, "SELECT 1 FROM jobs WHERE id = ? AND owner = ? AND status = 'running'", job_id, owner) is None:
        return []
    claims = []
    for item, stage in keys:
        got = rows(
            tx,
            f"""UPDATE steps SET status = 'running', owner = ?, fence = fence + 1, attempts = attempts + 1, lease_until = ?,
                       started_at = ?, finished_at = NULL, error_kind = NULL, error = NULL
                WHERE job_id = ? AND item = ? AND stage = ? AND status = 'waiting' AND {_NEEDS_DONE}
                RETURNING fence, attempts, retries""",
            owner,
            timestamp(now + LEASE),
            timestamp(now),
            job_id,
            item,
            stage,
        )
        claims += [Claim(job_id, item, stage, owner, step["fence"], step["attempts"], step["retries"]) for step in got]
    return claims


_NEEDS_DONE = """NOT EXISTS (
    SELECT 1 FROM json_each(steps.needs) AS need
    JOIN steps AS other ON other.job_id = steps.job_id AND other.item = need.value ->> 0 AND other.stage = need.value ->> 1
    WHERE other.status <> 'done')"""


def finish(tx: Transaction, held: Claim, now: datetime, *, input_hash: str | None = None) -> bool:
    """Mark the step done. False, and nothing changed, when it was taken back or cancelled meanwhile."""
    return _end(tx, held, now, "done", input_hash=input_hash)


def fail(tx: Transaction, held: Claim, now: datetime, *, kind: str, error: str) -> bool:
    """Mark the step failed with the reason. False when the claim no longer holds."""
    return _end(tx, held, now, "failed", error_kind=kind, error=error)


def release(tx: Transaction, held: Claim, now: datetime) -> bool:
    """Give a claimed step back unfinished, so that it can be taken at once. False when the claim no longer holds."""
    return _end(tx, held, now, "waiting", owner=None, finished_at=None)


def _end(tx: Transaction, held: Claim, now: datetime, status: str, **columns: object) -> bool:
    values = {"status": status, "lease_until": None, "finished_at": timestamp(now), **columns}
    changed = tx.execute(
        f"""UPDATE steps SET {", ".join(f"{name} = ?" for name in values)}
            WHERE job_id = ? AND item = ? AND stage = ? AND status = 'running' AND owner = ? AND fence = ?""",
        [*values.values(), held.job_id, held.item, held.stage, held.owner, held.fence],
    )
    return changed.rowcount == 1


def renew(tx: Transaction, owner: str, now: datetime) -> int:
    """Extend the lease of everything *owner* holds."""
    until = timestamp(now + LEASE)
    return tx.execute("UPDATE steps SET lease_until = ? WHERE owner = ? AND status = 'running'", [until, owner]).rowcount


def settle(tx: Transaction, job_id: str, owner: str, now: datetime) -> str | None:
    """End the job when no step of it runs or can run: ``done`` when all are done, else ``failed``. ``None`` when there is more to do.
    A job that *owner* does not run is left alone, and its status returned; but one that is paused ends where nothing is left to go on with.
    """
    job = row(tx, "SELECT status, owner FROM jobs WHERE id = ?", job_id)
    if job is None:
        raise NotFoundError("There is no job {job}.", job=job_id)
    runs = job["status"] == "running" and job["owner"] == owner
    if not runs and job["status"] != "paused":
        return job["status"]
    more = row(
        tx, f"SELECT 1 FROM steps WHERE job_id = ? AND (status = 'running' OR (status = 'waiting' AND {_NEEDS_DONE})) LIMIT 1", job_id
    )
    if more:
        return None if runs else "paused"
    open_step = row(tx, "SELECT 1 FROM steps WHERE job_id = ? AND status <> 'done' LIMIT 1", job_id)
    status = "failed" if open_step else "done"
    _set_job(tx, job_id, status, now)
    return status


# What a person does


def cancel(tx: Transaction, job_id: str, now: datetime, *, failed: bool = False) -> bool:
    """Stop the job for good: what waits or runs is cancelled, what is done stays. False when it had ended already. With *failed* so ends
    one that had failed in parts too, which else is tried again with all others.
    """
    status = _status(tx, job_id)
    if status not in ("queued", "running", "paused", *(("failed",) if failed else ())):
        return False
    tx.execute(
        """UPDATE steps SET status = 'cancelled', lease_until = NULL, finished_at = ?
           WHERE job_id = ? AND status IN ('waiting', 'running')""",
        [timestamp(now), job_id],
    )
    if status == "failed":
        tx.execute("UPDATE jobs SET status = 'cancelled' WHERE id = ?", [job_id])  # it ended when it failed
    else:
        _set_job(tx, job_id, "cancelled", now)
    return True


def drop(tx: Transaction, job_id: str, keys: Iterable[Key], now: datetime) -> int:
    """Cancel these steps of a job, where they wait or run; the others go on. Returns how many."""
    _status(tx, job_id)
    sql = """UPDATE steps SET status = 'cancelled', lease_until = NULL, finished_at = ?
             WHERE job_id = ? AND item = ? AND stage = ? AND status IN ('waiting', 'running')"""
    return sum(tx.execute(sql, [timestamp(now), job_id, *key]).rowcount for key in keys)


def prioritise(tx: Transaction, job_id: str, priority: int) -> None:
    """Let the job's steps go before or after those of others; the lower the number, the sooner."""
    _status(tx, job_id)
    tx.execute("UPDATE jobs SET priority = ? WHERE id = ?", [priority, job_id])


def pause(tx: Transaction, job_id: str) -> bool:
    """Take no further step; what runs goes on to its end. False when there is nothing to pause."""
    return _move(tx, job_id, ("queued", "running"), "paused")


def resume(tx: Transaction, job_id: str) -> bool:
    """Let a paused job go on. False when it is not paused."""
    return _move(tx, job_id, ("paused",), "queued")


def retry(tx: Transaction, job_id: str, keys: Iterable[Key] | None = None) -> int:
    """Set failed and cancelled steps (*keys*, or all) to waiting and the job to be run. Returns how many steps."""
    _status(tx, job_id)
    sql = """UPDATE steps SET status = 'waiting', finished_at = NULL, retries = retries + (status = 'failed')
             WHERE job_id = ? AND status IN ('failed', 'cancelled')"""
    if keys is None:
        count = tx.execute(sql, [job_id]).rowcount
    else:
        count = sum(tx.execute(f"{sql} AND item = ? AND stage = ?", [job_id, *key]).rowcount for key in keys)
    if count:
        _move(tx, job_id, ("done", "failed", "cancelled"), "queued")
    return count


def forget(tx: Transaction, item: str, now: datetime) -> list[tuple[str, bool]]:
    """Take what is not done of *item* (and of ``item:...``) out of all jobs, since it is about to be deleted. A job under way that is
    about nothing else is cancelled. Returns the jobs that were changed: (id, whether it was cancelled).
    """
    about, bounds = "(item = ? OR (item > ? AND item < ?))", (item, f"{item}:", f"{item};")
    changed = []
    for job in rows(tx, f"SELECT DISTINCT job_id AS id FROM steps WHERE {about} AND status <> 'done'", *bounds):
        others = row(tx, f"SELECT 1 FROM steps WHERE job_id = ? AND NOT {about} LIMIT 1", job["id"], *bounds)
        cancelled = others is None and cancel(tx, job["id"], now)
        tx.execute(f"DELETE FROM steps WHERE job_id = ? AND {about} AND status <> 'done'", [job["id"], *bounds])
        changed.append((job["id"], cancelled))
    return changed


def deliver(tx: Transaction, job_id: str) -> None:
    """Remember that the files of the job are written."""
    tx.execute("UPDATE jobs SET params = json_set(params, '$.delivered', json('true')) WHERE id = ?", [job_id])


def _move(tx: Transaction, job_id: str, before: Sequence[str], after: str) -> bool:
    if _status(tx, job_id) not in before:
        return False
    tx.execute("UPDATE jobs SET status = ?, owner = NULL, finished_at = NULL WHERE id = ?", [after, job_id])
    return True


def _set_job(tx: Transaction, job_id: str, status: str, now: datetime) -> None:
    tx.execute("UPDATE jobs SET status = ?, owner = NULL, finished_at = ? WHERE id = ?", [status, timestamp(now), job_id])


def _status(tx: Transaction, job_id: str) -> str:
    job = row(tx, "SELECT status FROM jobs WHERE id = ?", job_id)
    if job is None:
        raise NotFoundError("There is no job {job}.", job=job_id)
    return job["status"]


# Reads


def get(db: Database, job_id: str) -> dict[str, Any]:
    """The job's row with ``params`` as a dictionary. Raises :class:`NotFoundError`."""
    job = row(db, "SELECT * FROM jobs WHERE id = ?", job_id)
    if job is None:
        raise NotFoundError("There is no job {job}.", job=job_id)
    return {**job, "params": json.loads(job["params"])}


def steps(db: Database, job_id: str, item: str | None = None) -> list[dict[str, Any]]:
    """The job's steps (or only those about *item*) in the order they were given, ``needs`` as a list of keys."""
    about, values = ("", []) if item is None else (" AND item = ?", [item])
    found = rows(db, f"SELECT * FROM steps WHERE job_id = ?{about} ORDER BY position", job_id, *values)
    return [{**step, "needs": [tuple(need) for need in json.loads(step["needs"])]} for step in found]


def newest_steps(db: Database, kind: str, items: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Of each of *items* and each of its stages the step of the newest job of this *kind* that has one, with the job's status as
    ``job_status``: {item: {stage: step}}.
    """
    found = rows(
        db,
        f"""SELECT s.*, j.status AS job_status FROM steps AS s JOIN jobs AS j ON j.id = s.job_id
            WHERE s.item IN ({",".join("?" * len(items))}) AND j.kind = ? ORDER BY s.job_id, s.position""",
        *items,
        kind,
    )
    newest: dict[str, dict[str, dict[str, Any]]] = {item: {} for item in items}
    for step in found:
        newest[step["item"]][step["stage"]] = {**step, "needs": [tuple(need) for need in json.loads(step["needs"])]}
    return newest


def is_open(step: dict[str, Any]) -> bool:
    """True while a step of :func:`newest_steps` is still to be done or under way."""
    return step["status"] in ("waiting", "running") and step["job_status"] in ("queued", "running", "paused")


def open_jobs(db: Database, kind: str, item: str, stages: Collection[str]) -> list[str]:
    """The jobs of this *kind* under way in which one of *stages* of *item* is still to be done or under way."""
    found = rows(
        db,
        f"""SELECT DISTINCT s.job_id FROM steps AS s JOIN jobs AS j ON j.id = s.job_id
            WHERE s.item = ? AND j.kind = ? AND s.stage IN ({",".join("?" * len(stages))})
            AND s.status IN ('waiting', 'running') AND j.status IN ('queued', 'running', 'paused')""",
        item,
        kind,
        *stages,
    )
    return [job["job_id"] for job in found]


def unfinished(db: Database) -> list[dict[str, Any]]:
    """Jobs that are to be run (queued) or were being run, oldest first: id, owner, status."""
    return rows(db, "SELECT id, owner, status FROM jobs WHERE status IN ('queued', 'running') ORDER BY priority, id")


def undelivered(db: Database, kinds: Sequence[str]) -> list[str]:
    """Jobs of these *kinds* that are done, have files to write (``outputs`` among their params), and were not delivered; oldest first."""
    found = rows(
        db,
        """SELECT id FROM jobs WHERE kind IN (SELECT value FROM json_each(?)) AND status = 'done' AND params ->> '$.outputs' IS NOT NULL
           AND params ->> '$.delivered' IS NULL ORDER BY id""",
        json.dumps(kinds),
    )
    return [job["id"] for job in found]


def recent(db: Database, limit: int = 20, before: str = "~", kind: str | None = None) -> list[dict[str, Any]]:
    """The newest jobs (of this *kind*, where it is given) with their counts, by id downwards from *before* (``~`` sorts after every id)."""
    return rows(
        db,
        """SELECT id, kind, title, status, created_at, started_at, finished_at,
                  (SELECT count(*) FROM steps WHERE job_id = jobs.id) AS total,
                  (SELECT count(*) FROM steps WHERE job_id = jobs.id AND status = 'done') AS done,
                  (SELECT count(*) FROM steps WHERE job_id = jobs.id AND status = 'failed') AS failed
           FROM jobs WHERE id < ? AND kind = coalesce(?, kind) ORDER BY id DESC LIMIT ?""",
        before,
        kind,
        limit,
    )


def statuses(db: Database, job_ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """(status, owner) of each of *job_ids* that exists."""
    marks = ",".join("?" * len(job_ids))
    found = rows(db, f"SELECT id, status, owner FROM jobs WHERE id IN ({marks})", *job_ids)
    return {job["id"]: (job["status"], job["owner"]) for job in found}
