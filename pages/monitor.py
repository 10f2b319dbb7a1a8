"""Monitor: how busy the writer's slots are, what each image worker does, which jobs go on, and the last lines of the log.

The page is one card. Its script asks for everything once a second while somebody looks.
"""

from __future__ import annotations

from typing import Annotated

import gradio as gr
from pydantic import Field

from errors import StudioError
from pages import frame
from pages.components.asked import Answer, Asked, answering_all
from pages.components.card import card
from pages.language import sentence
from pipeline.studio import Studio

SCRIPTS = ("monitor_parts", "monitor_log", "monitor")


def build(studio: Studio) -> None:
    """Lay the page out and wire it."""
    head = frame.header(studio)
    functions = answering_all([(_Look, _Calls(studio).look)], studio.settings.ui_language)
    card(*SCRIPTS, value={}, elem_id="monitor", server_functions=functions)
    frame.footer()
    gr.on(None, lambda: frame.banners(studio), None, head, show_progress="hidden", api_visibility="private")


class _Look(Asked):
    """*after*: number of the newest log line that the page has."""

    after: Annotated[int, Field(ge=0, le=2**53)] = 0


class _Calls:
    """What the page's script may ask for."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def look(self, asked: _Look) -> Answer:
        """Everything as it stands, troubles in the visitor's language."""
        answer = await self.studio.monitor.look(asked.after)
        pool = answer["pool"]
        workers = [{**worker, "trouble": _said(worker["trouble"], asked.spoken)} for worker in pool["workers"]]
        return {**answer, "pool": {**pool, "workers": workers, "trouble": _said(pool["trouble"], asked.spoken)}}


def _said(trouble: StudioError | None, language: str) -> str:
    return sentence(trouble, language) if trouble else ""
