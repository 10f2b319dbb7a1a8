"""Names of files that are taken away."""

from __future__ import annotations


def file_stem(name: str, *, keep: str = "") -> str:
    """A persona's name as a file name: letters and digits of any script (and the characters of *keep*), joined by ``_``."""
    return "_".join("".join(letter if letter.isalnum() or letter in keep else " " for letter in name).split())[:60] or "persona"
