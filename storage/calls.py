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


def totals(db: Database, job_id: str) -> dict[tuple[str, str], dict[str, int]]:
    """Calls, failed calls and tokens of each step of a job that has called: {(item, stage): {...}}."""
    found = rows(
        db,
        """SELECT item, stage, count(*) AS calls, count(error_kind) AS failed_calls, sum(prompt_tokens) AS prompt_tokens,
                  sum(cached_tokens) AS cached_tokens, sum(completion_tokens) AS completion_tokens
           FROM calls WHERE job_id = ? GROUP BY item, stage""",
        job_id,
    )
    return {(step.pop("item"), step.pop("stage")): step for step in found}
