"""The picture an author hands in, taken as the raw file."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder

from errors import UploadError
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
    return uploaded(payload.path, payload.orig_name)


def uploaded(path: str, name: str | None) -> Chosen:
    """*path* and *name* of a file that was uploaded here. Raises :class:`UploadError` for any other path: a browser or a program may
    say what it likes.
    """
    place = Path(path).resolve()
    if not place.is_relative_to(Path(get_upload_folder()).resolve()):
        raise UploadError("That file was not uploaded. Choose it again.")
    return str(place), name or place.name


def taken(path: str, name: str | None) -> tuple[bytes, str]:
    """What is in a file that was uploaded here, and its name. Raises :class:`UploadError`, also where it has been deleted meanwhile."""
    place, shown = uploaded(path, name)
    try:
        return Path(place).read_bytes(), shown
    except OSError:
        raise UploadError("{name} cannot be read. Choose it again.", name=shown) from None
