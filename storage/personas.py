"""Personas and their stages. A stage's row is one version; the highest version is the current one, and none is ever changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from errors import ConflictError, NotFoundError
from storage.clock import timestamp
from storage.database import Transaction, row, rows


@dataclass(frozen=True)
class StageVersion:
    """One version of one stage of one persona. *made_from* maps each stage it needed to the hash of the output it was shown."""

    persona_id: str
    stage: str
    output: dict[str, Any]
    made_from: dict[str, str]
    made_by: str = "writer"
    instruction: str | None = None
    model: str | None = None
    input_hash: str | None = None
    job_id: str | None = None


def create(
    tx: Transaction,
    persona_id: str,
    *,
    name: str,
    language: str,
    picture: str | None,
    options: dict[str, Any],
    job_id: str | None,
    now: datetime,
) -> None:
    """Write a persona that has no stages yet; *name* is shown until the core stage gives it one."""
    tx.table("personas").insert(
        {
            "id": persona_id,
            "name": name,
            "language": language,
            "picture": picture,
            "options": json.dumps(options, ensure_ascii=False),
            "job_id": job_id,
            "created_at": timestamp(now),
            "updated_at": timestamp(now),
        }
    )


def save_stage(tx: Transaction, made: StageVersion, now: datetime) -> int:
    """Add a version. The core stage also gives the persona its name, unless the author chose one. Returns the version's number."""
    latest = row(
        tx, "SELECT coalesce(max(version), 0) AS version FROM stages WHERE persona_id = ? AND stage = ?", made.persona_id, made.stage
    )
    version = (latest["version"] if latest else 0) + 1
    output = json.dumps(made.output, ensure_ascii=False)
    tx.table("stages").insert(
        {
            "persona_id": made.persona_id,
            "stage": made.stage,
            "version": version,
            "output": output,
            "output_hash": output_hash(made.output),
            "made_from": json.dumps(made.made_from),
            "made_by": made.made_by,
            "instruction": made.instruction,
            "model": made.model,
            "input_hash": made.input_hash,
            "job_id": made.job_id,
            "created_at": timestamp(now),
        }
    )
    tx.execute("UPDATE personas SET updated_at = ? WHERE id = ?", [timestamp(now), made.persona_id])
    if made.stage == "core" and made.output.get("name"):
        tx.execute("UPDATE personas SET name = ? WHERE id = ? AND renamed = 0", [made.output["name"], made.persona_id])
    return version


def output_hash(output: dict[str, Any]) -> str:
    """What tells two outputs of a stage apart, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(output, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:24]


def rename(tx: Transaction, persona_id: str, name: str, revision: int, now: datetime) -> int:
    """Give the persona a name of the author's choice. Returns the new revision; raises :class:`ConflictError` when *revision* is old."""
    changed = tx.execute(
        "UPDATE personas SET name = ?, renamed = 1, revision = revision + 1, updated_at = ? WHERE id = ? AND revision = ?",
        [name, timestamp(now), persona_id, revision],
    )
    if changed.rowcount == 0:
        get(tx, persona_id)
        raise ConflictError("This persona was changed elsewhere meanwhile. Reload the page to see the newest state.")
    return revision + 1


def delete(tx: Transaction, persona_id: str) -> None:
    """Delete the persona with its stages, calendars and tweets. Raises :class:`NotFoundError`."""
    get(tx, persona_id)
    tx.execute("DELETE FROM personas WHERE id = ?", [persona_id])


def keep_card(tx: Transaction, persona_id: str, kind: str, card: dict[str, Any], now: datetime) -> None:
    """Keep the card that the persona was imported from."""
    written = json.dumps(card, ensure_ascii=False)
    tx.table("cards").insert({"persona_id": persona_id, "kind": kind, "card": written, "created_at": timestamp(now)})


# Reads


def pictures_in_use(db: Database, names: Sequence[str]) -> set[str]:
    """Those of these uploaded files that some persona was made of."""
    found = rows(
        db,
        """SELECT name.value AS name FROM json_each(?) AS name WHERE EXISTS (SELECT 1 FROM personas WHERE
           name.value IN (options ->> '$.picture.kept', options ->> '$.picture.seen', options ->> '$.picture.thumb'))""",
        json.dumps(names),
    )
    return {file["name"] for file in found}


OF_FILE = "SELECT id FROM personas WHERE options ->> '$.file' = ? ORDER BY id DESC"


def of_files(db: Database, digests: Iterable[str]) -> dict[str, list[str]]:
    """The personas that were made of the file with each of these hashes, newest first."""
    return {digest: [found["id"] for found in rows(db, OF_FILE, digest)] for digest in digests}


def card(db: Database, persona_id: str) -> dict[str, Any] | None:
    """The card that the persona was imported from, ``None`` where it was not."""
    found = row(db, "SELECT card FROM cards WHERE persona_id = ?", persona_id)
    return json.loads(found["card"]) if found else None


def versions(db: Database, persona_id: str, stage: str) -> list[dict[str, Any]]:
    """All versions of a stage, newest first; ``output`` and ``made_from`` as dictionaries."""
    get(db, persona_id)
    found = rows(db, "SELECT * FROM stages WHERE persona_id = ? AND stage = ? ORDER BY version DESC", persona_id, stage)
    return [{**made, "output": json.loads(made["output"]), "made_from": json.loads(made["made_from"])} for made in found]


def hashes(db: Database, persona_ids: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Of each persona's current stages what tells whether they are stale, without their outputs: {persona: {stage: {...}}}."""
    found = rows(
        db,
        f"""SELECT persona_id, stage, max(version) AS version, output_hash, made_from, job_id, created_at FROM stages
            WHERE persona_id IN ({_marks(persona_ids)}) GROUP BY persona_id, stage""",
        *persona_ids,
    )
    current: dict[str, dict[str, dict[str, Any]]] = {persona_id: {} for persona_id in persona_ids}
    for made in found:
        current[made["persona_id"]][made["stage"]] = {**made, "made_from": json.loads(made["made_from"])}
    return current


def get(db: Database, persona_id: str) -> dict[str, Any]:
    """The persona's row with ``options`` as a dictionary. Raises :class:`NotFoundError`."""
    persona = row(db, "SELECT * FROM personas WHERE id = ?", persona_id)
    if persona is None:
        raise NotFoundError("There is no persona {persona}.", persona=persona_id)
    return {**persona, "options": json.loads(persona["options"])}


def current_stages(db: Database, persona_id: str) -> dict[str, dict[str, Any]]:
    """The current version of each stage that has one, by key; ``output`` and ``made_from`` as dictionaries."""
    found = rows(
        db,
        """SELECT * FROM stages AS s WHERE persona_id = ?
           AND version = (SELECT max(version) FROM stages WHERE persona_id = s.persona_id AND stage = s.stage)""",
        persona_id,
    )
    return {
        stage["stage"]: {**stage, "output": json.loads(stage["output"]), "made_from": json.loads(stage["made_from"])} for stage in found
    }


def page(db: Database, limit: int = 24, before: str = "~", name: str = "") -> list[dict[str, Any]]:
    """The newest personas by id downwards from *before* (``~`` sorts after every id) whose names contain *name*, each with how many stages
    and tweets it has.
    """
    return rows(
        db,
        """SELECT p.id, p.name, p.picture, p.language, p.job_id, p.created_at, p.revision,
                  (SELECT count(DISTINCT stage) FROM stages WHERE persona_id = p.id) AS stages,
                  (SELECT count(*) FROM tweets WHERE persona_id = p.id) AS tweets,
                  (SELECT output ->> '$.archetype' FROM stages WHERE persona_id = p.id AND stage = 'strategy'
                   ORDER BY version DESC LIMIT 1) AS archetype
           FROM personas AS p WHERE p.id < ? AND p.name LIKE ? ESCAPE '\\' ORDER BY p.id DESC LIMIT ?""",
        before,
        "%" + "".join("\\" + letter if letter in "\\%_" else letter for letter in name) + "%",
        limit,
    )


def names(db: Database, persona_ids: Sequence[str]) -> dict[str, str]:
    """The names of those of *persona_ids* that exist, in their order."""
    found = {
        persona["id"]: persona["name"]
        for persona in rows(db, f"SELECT id, name FROM personas WHERE id IN ({_marks(persona_ids)})", *persona_ids)
    }
    return {persona_id: found[persona_id] for persona_id in persona_ids if persona_id in found}


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))
