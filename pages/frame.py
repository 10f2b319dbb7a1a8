"""The frame of every page: brand, pages, banners, language switch."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from pages.components.card import card
from pages.language import t
from pipeline.studio import Studio


def header(studio: Studio) -> gr.HTML:
    """The first row of a page. Its banners say which writer is in use and whether anything is wrong; who is logged in can leave there."""
    return card("header", "logout", value=banners(studio), elem_id="header")


def banners(studio: Studio) -> dict[str, Any]:
    """What the header shows beside the navigation; *at* tells the first answer of the server from what came with the page."""
    health = studio.health()
    return {"offline": health["writer"]["kind"] == "offline", "trouble": health.get("trouble", ""), "at": time.time()}


def footer() -> None:
    """What the product is and is not, in one line."""
    gr.Markdown(t("footer"), elem_id="foot")
