"""Renders `assets/prompts/*.md`.

Values are put in as they are (no HTML escaping: the reader is an LLM) and never evaluated as templates themselves; a name that a
template uses and nobody gave is an error.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "prompts"

_environment = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=False,  # noqa: S701  prompts are plain text, not HTML
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=False,
    auto_reload=False,  # they do not change while the program runs
)


def render(name: str, **values: object) -> str:
    """The prompt ``assets/prompts/<name>.md`` with *values* filled in."""
    return _environment.get_template(f"{name}.md").render(**values)


@cache
def version(*names: str) -> str:
    """A short hash of the named prompts' sources: changes when their wording does."""
    digest = hashlib.sha256()
    for name in names:
        digest.update((FOLDER / f"{name}.md").read_bytes())
    return digest.hexdigest()[:12]
