"""Personas as steps of a job: the graph of their stages, and the work of one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from errors import ConflictError
from pipeline.jobs import Result, Step
from pipeline.llm.client import Caller, Writer
from pipeline.stages import BY_KEY, STAGES, Material, Wishes, write
from pipeline.uploads import Picture
from storage import personas
from storage.database import Store, Transaction
from storage.files import Files
from storage.jobs import NewStep

KIND = "persona"
"""Of the jobs that write stages."""


def graph(persona_ids: Sequence[str], order: str, keys: Collection[str] | None = None) -> list[NewStep]:
    """The seven stages of each persona, or only those of *keys*, which wait for each other but not for what stands already. With *order*
    ``sequential`` each persona is a lane of its own, in which one stage at a time is written, first to last; a stage that fails holds up
    only those that need it.
    """
    wanted = [stage for stage in STAGES if keys is None or stage.key in keys]
    written = {stage.key for stage in wanted}
    return [
        NewStep(
            persona_id,
            stage.key,
            tuple((persona_id, need) for need in stage.needs if need in written),
            lane="llm" if order == "graph" else f"persona {persona_id}",
        )
        for persona_id in persona_ids
        for stage in wanted
    ]


def options(wishes: Wishes, picture: Picture | None, source: str) -> dict[str, Any]:
    """What a persona's row keeps of how it was asked for. *source* is the upload's name as the author knows it."""
    return {"wishes": asdict(wishes), "picture": asdict(picture) if picture else None, "source": source}


def wishes_of(persona: Mapping[str, Any]) -> Wishes:
    """What the author of a persona (its row) asked for."""
    return Wishes(**persona["options"].get("wishes", {"language": persona["language"]}))


def picture_of(persona: Mapping[str, Any]) -> Picture | None:
    """The persona's picture; one that was imported may have none."""
    kept = persona["options"].get("picture")
    return Picture(**kept) if kept else None


@dataclass(frozen=True)
class PersonaWork:
    """Writes one stage of one persona, from what the database holds of it."""

    store: Store
    uploads: Files
    writer: Writer
    model: str
    vision_model: str

    async def __call__(self, step: Step) -> Result:
        stage = BY_KEY[step.stage]
        persona = await self.store.fetch(personas.get, step.item)
        current = await self.store.fetch(personas.current_stages, step.item)
        if missing := [BY_KEY[need].title for need in stage.needs if need not in current]:
            raise ConflictError("It is written from what is missing: {stages}.", stages=", ".join(missing))
        picture = picture_of(persona) if stage.sees_image else None
        model = self.vision_model if picture else self.model
        material = self._again(
            step.params,
            current.get(stage.key),
            Material(
                wishes=wishes_of(persona),
                outputs={key: current[key]["output"] for key in stage.needs},
                picture=await self._data_uri(picture.seen) if picture else None,
            ),
        )
        caller = Caller(step.job_id, step.item, step.stage, step.priority, redo=step.redo, retries=step.claim.retries, report=step.report)
        output = await write(stage, material, self.writer, caller, model)
        made = personas.StageVersion(
            persona_id=step.item,
            stage=stage.key,
            output=output,
            made_from={key: current[key]["output_hash"] for key in stage.needs},
            instruction=material.instruction or None,
            model=model,
            input_hash=material.digest(stage, model),
            job_id=step.job_id,
        )

        def save(tx: Transaction) -> None:
            personas.save_stage(tx, made, datetime.now(UTC))

        return Result(save, made.input_hash)

    def _again(self, params: Mapping[str, Any], version: Mapping[str, Any] | None, material: Material) -> Material:
        """*material* for a stage that the author wants anew: with the instruction and what is to be changed by it, and another seed where
        there is one, since the same would give the same. What was imported is never replaced by something that knows nothing of it.
        """
        if not params.get("again"):
            return material
        instruction = params.get("instruction", "")
        number = version["version"] if version else 0
        shown = version and (instruction or version["made_by"] == "import")
        wishes = material.wishes if material.wishes.seed is None else replace(material.wishes, seed=material.wishes.seed + number)
        return replace(material, wishes=wishes, instruction=instruction, before=version["output"] if version and shown else None)

    async def _data_uri(self, name: str) -> str:
        content = await asyncio.to_thread(self.uploads.path(name).read_bytes)
        return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
