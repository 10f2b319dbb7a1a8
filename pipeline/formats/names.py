"""Names of files that are taken away."""

from __future__ import annotations


def file_stem(name: str) -> str:
    """A persona's name as a file name: letters and digits of any script, joined by ``_``."""
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name).split())[:60] or "persona"
