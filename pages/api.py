"""The Gradio API: what programs may ask for, by name, with ``gradio_client``. JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.events import api

from errors import StudioError
from pages.components.reference_image import uploaded
from pipeline.stages import Wishes
from pipeline.studio import Studio, Upload

T = TypeVar("T")


def build(studio: Studio) -> None:
    """Publish the functions. An error a caller can mend arrives as ``gr.Error`` with its sentence."""

    async def start_persona(image: gr.FileData, language: str = "English", instructions: str = "") -> dict[str, Any]:
        """Start writing a persona from a picture. Returns {job, persona}."""
        file: dict[str, Any] = dict(image) if isinstance(image, dict) else {}  # the plain dictionary, or whatever a program sent
        try:
            path, name = uploaded(str(file.get("path")), file.get("orig_name"))
            upload = Upload(Path(path), name)
            job_id, persona_id = await studio.create_persona(upload, Wishes.said(language, instructions=instructions))
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from None
        return {"job": job_id, "persona": persona_id}

    async def job(job_id: str) -> dict[str, Any]:
        """A job: {status, done, failed, total, steps, ...}."""
        found = await _or_error(studio.job(job_id))
        return {key: value for key, value in found.items() if key != "params"}  # they name folders of this machine

    async def personas() -> list[dict[str, Any]]:
        """The newest personas: {id, name, archetype, stages, ...}."""
        return await studio.personas(200)

    async def persona(persona_id: str) -> dict[str, Any]:
        """A persona with its seven stages."""
        return await _or_error(studio.persona(persona_id))

    for function in (start_persona, job, personas, persona):
        api(function, api_name=function.__name__)


async def _or_error(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except StudioError as error:
        raise gr.Error(str(error), print_exception=False) from None
