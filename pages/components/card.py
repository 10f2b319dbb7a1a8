"""Components drawn by our own scripts (`assets/templates/*.js`) from a value.

Gradio evaluates ``{{...}}`` and ``${...}`` in the templates of ``gr.HTML``, also where stored text has been put into them. So our
templates are empty: a script builds everything from ``props.value`` with ``textContent``, and text can never become markup or code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

TEMPLATES = Path(__file__).resolve().parent.parent.parent / "assets" / "templates"


def card(*scripts: str, value: object, elem_id: str, server_functions: Sequence[Callable[..., Any]] = ()) -> gr.HTML:
    """A component that the *scripts* (names in `assets/templates/`, run as one after ``dom.js``) draw from *value*, JSON-like.

    They call *server_functions* as ``await server.name(...)``; see :func:`pages.components.asked.answering`.
    """
    source = "\n".join((TEMPLATES / f"{script}.js").read_text("utf-8") for script in ("dom", *scripts))
    return gr.HTML(
        value,
        html_template="",
        css_template="",
        js_on_load=source,
        apply_default_css=False,
        elem_id=elem_id,
        server_functions=list(server_functions),
    )
