"""The picture an author hands in, taken as the raw file."""

from __future__ import annotations

import gradio as gr
from gradio.data_classes import ImageData

from pages.language import t

Chosen = tuple[str, str]
"""(path of the uploaded file, its name as the author knows it)"""


def reference_image() -> gr.Image:
    """The field to drop, paste or take a picture. Its handlers are given :data:`Chosen` or ``None``.

    Gradio would decode what was uploaded in the web process; here that is done in a child process with limits (`uploads.py`).
    """
    field = gr.Image(
        label=t("create.image"),
        placeholder=t("create.image.hint"),  # type: ignore[arg-type]  translated all the same
        sources=["upload", "clipboard", "webcam"],
        type="filepath",
        height=300,
        buttons=[],
        elem_id="picture",
    )
    field.preprocess = _undecoded  # type: ignore[method-assign, assignment]  a subclass would make Gradio write a stub file beside it
    return field


def _undecoded(payload: ImageData | None) -> Chosen | None:
    if payload is None or payload.path is None:
        return None
    return payload.path, payload.orig_name or payload.path.rsplit("/", 1)[-1]
