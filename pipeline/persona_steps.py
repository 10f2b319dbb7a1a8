"""Personas as steps of a job: the graph of their stages, and the work of one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.jobs import Result, Step
from pipeline.llm.client import Caller, Writer
from pipeline.stages import BY_KEY, STAGES, Material, Wishes, write
from pipeline.uploads import Picture
from storage import personas
from storage.database import Store, Transaction
from storage.files import Files
from storage.jobs import NewStep


def graph(persona_ids: Sequence[str], order: str) -> list[NewStep]:
    """The seven stages of each persona. With *order* ``sequential`` each persona is a lane of its own, in which one stage at a time is
    written, first to last; a stage that fails holds up only those that need it.
    """
    return [
        NewStep(
            persona_id,
            stage.key,
            tuple((persona_id, need) for need in stage.needs),
            lane="llm" if order == "graph" else f"persona {persona_id}",
        )
        for persona_id in persona_ids
        for stage in STAGES
    ]


def options(wishes: Wishes, picture: Picture, source: str) -> dict[str, Any]:
    """What a persona's row keeps of how it was asked for. *source* is the upload's name as the author knows it."""
    return {"wishes": asdict(wishes), "picture": asdict(picture), "source": source}


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
        model = self.vision_model if stage.sees_image else self.model
        persona = await self.store.fetch(personas.get, step.item)
        current = await self.store.fetch(personas.current_stages, step.item)
        material = Material(
            wishes=Wishes(**persona["options"]["wishes"]),
            outputs={key: current[key]["output"] for key in stage.needs},
            picture=await self._data_uri(persona["options"]["picture"]["seen"]) if stage.sees_image else None,
        )
        caller = Caller(step.job_id, step.item, step.stage, step.priority, redo=step.redo, retries=step.claim.retries, report=step.report)
        output = await write(stage, material, self.writer, caller, model)
        made = personas.StageVersion(
            persona_id=step.item,
            stage=stage.key,
            output=output,
            made_from={key: current[key]["output_hash"] for key in stage.needs},
            model=model,
            input_hash=material.digest(stage, model),
            job_id=step.job_id,
        )

        def save(tx: Transaction) -> None:
            personas.save_stage(tx, made, datetime.now(UTC))

        return Result(save, made.input_hash)

    async def _data_uri(self, name: str) -> str:
        content = await asyncio.to_thread(self.uploads.path(name).read_bytes)
        return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
