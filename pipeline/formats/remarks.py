"""What was put right while a file was read, said so that pages can say it in the reader's language."""

from __future__ import annotations

from typing import Self


class Remark(str):
    """One sentence. As with :class:`errors.StudioError`, *template* is also the key under which `assets/i18n/` holds it in other languages,
    and *facts* fill its fields.
    """

    __slots__ = ("facts", "template")

    template: str
    facts: dict[str, object]

    def __new__(cls, template: str, **facts: object) -> Self:
        made = super().__new__(cls, template.format(**facts))
        made.template, made.facts = template, facts
        return made

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Itself: a copy would take the sentence for a template, with whatever braces a file has put into it."""
        return self
