"""Every LLM call that ended, with its raw answer: nothing that was paid for is lost, and nothing is paid for twice."""

from __future__ import annotations

from typing import Any

from sqlite_utils import Database

from storage.database import Transaction, row, rows


def record(tx: Transaction, call: dict[str, Any]) -> int:
    """Write one ended call (keys are the columns of ``calls``). Returns its id."""
    columns = ", ".join(call)
    marks = ", ".join("?" * len(call))
    (number,) = tx.execute(f"INSERT INTO calls ({columns}) VALUES ({marks}) RETURNING id", list(call.values())).fetchone()
    return number


def find_answer(db: Database, job_id: str, item: str, stage: str, request_hash: str) -> dict[str, Any] | None:
    """The stored answer of this very request of this step, so that a step that is redone after a crash does not ask again."""
    return row(
        db,
        """SELECT * FROM calls WHERE job_id = ? AND item = ? AND stage = ? AND request_hash = ? AND answer IS NOT NULL
           ORDER BY id DESC LIMIT 1""",
        job_id,
        item,
        stage,
        request_hash,
    )


def totals(db: Database, job_id: str, item: str | None = None) -> dict[tuple[str, str], dict[str, int]]:
    """Calls, failed calls and tokens of each step of a job (or only those about *item*) that has called: {(item, stage): {...}}."""
    found = rows(
        db,
        f"""SELECT item, stage, count(*) AS calls, count(error_kind) AS failed_calls, sum(prompt_tokens) AS prompt_tokens,
                  sum(cached_tokens) AS cached_tokens, sum(completion_tokens) AS completion_tokens
           FROM calls WHERE job_id = ? {"" if item is None else "AND item = ?"} GROUP BY item, stage""",
        *([job_id] if item is None else [job_id, item]),
    )
    return {(step.pop("item"), step.pop("stage")): step for step in found}


def sum_of(db: Database, job_id: str) -> dict[str, int]:
    """Calls and tokens of a whole job."""
    found = row(
        db,
        """SELECT count(*) AS calls, coalesce(sum(prompt_tokens), 0) AS prompt_tokens, coalesce(sum(cached_tokens), 0) AS cached_tokens,
                  coalesce(sum(completion_tokens), 0) AS completion_tokens FROM calls WHERE job_id = ?""",
        job_id,
    )
    return found or {}


def averages(db: Database, stage: str, last: int = 200) -> dict[str, float]:
    """Tokens and seconds of the last answers to steps of this *stage*, on average; 0 where there are none."""
    found = row(
        db,
        """SELECT coalesce(avg(prompt_tokens), 0) AS prompt_tokens, coalesce(avg(completion_tokens), 0) AS completion_tokens,
                  coalesce(avg(seconds), 0) AS seconds
           FROM (SELECT * FROM calls WHERE stage = ? AND answer IS NOT NULL ORDER BY id DESC LIMIT ?)""",
        stage,
        last,
    )
    return found or {}
