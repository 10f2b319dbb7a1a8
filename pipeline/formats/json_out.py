"""JSON for people and other programs to read. Halves of characters are written as ``?``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson


def as_json(value: Mapping[str, Any]) -> bytes:
    """*value* as a file that a person can read."""
    return _dumped(value, orjson.OPT_INDENT_2, indent=2)


def as_line(value: Mapping[str, Any]) -> bytes:
    """*value* on a line of its own."""
    return _dumped(value, 0, indent=None)


def _dumped(value: Mapping[str, Any], option: int, *, indent: int | None) -> bytes:
    try:
        return orjson.dumps(value, option=option | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # integers beyond 64 bits and halves of characters, which only the slower one writes
        return (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode("utf-8", "replace")
