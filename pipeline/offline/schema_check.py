"""Whether a JSON Schema can be read at all: the right kinds of values under the keywords the writer knows.

Requests of one kind carry the same schema over and over, so a schema is checked once and remembered by its hash.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping

import orjson

from pipeline.offline import Json

_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}
_SCHEMAS = ("items", "additionalProperties")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_TABLES = ("properties", "$defs", "definitions")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_TEXTS = ("pattern", "format", "$ref")
DEEPEST = 60
REMEMBERED = 512

_checked: OrderedDict[bytes, None] = OrderedDict()


class BadSchema(ValueError):
    """The sentence says where and why."""


def check(schema: object) -> None:
    """Raises :class:`BadSchema`."""
    digest = hashlib.blake2b(orjson.dumps(schema), digest_size=16).digest()
    if digest in _checked:
        return
    if not isinstance(schema, Mapping):
        raise BadSchema("the schema must be an object")
    _check(schema, "", 0)
    _checked[digest] = None
    while len(_checked) > REMEMBERED:
        _checked.popitem(last=False)


def _check(schema: object, where: str, depth: int) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise BadSchema(f"{where or 'the schema'} must be an object or a boolean")
    if depth > DEEPEST:
        raise BadSchema(f"{where}: nested too deeply")
    _check_words(schema, where)
    _check_numbers(schema, where)
    for name, part in _parts(schema, where):
        _check(part, name, depth + 1)


def _parts(schema: Mapping[str, Json], where: str) -> Iterator[tuple[str, Json]]:
    """The schemas inside *schema*, each with where it stands."""
    for key in _SCHEMAS:
        if key in schema:
            yield f"{where}/{key}", schema[key]
    for key in _LISTS:
        if key in schema:
            if not isinstance(schema[key], list) or (not schema[key] and key != "prefixItems"):
                raise BadSchema(f"{where}/{key} must be a list of schemas")
            yield from ((f"{where}/{key}/{place}", part) for place, part in enumerate(schema[key]))
    for key in _TABLES:
        if key in schema:
            if not isinstance(schema[key], Mapping):
                raise BadSchema(f"{where}/{key} must be an object of schemas")
            yield from ((f"{where}/{key}/{name}", part) for name, part in schema[key].items())


def _check_words(schema: Mapping[str, Json], where: str) -> None:
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if not isinstance(kind, str) or kind not in _TYPES:
            raise BadSchema(f"{where}/type: {kind!r} is not a type")
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        raise BadSchema(f"{where}/enum must be a list with something in it")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise BadSchema(f"{where}/required must be a list of names")
    for key in _TEXTS:
        if key in schema and not isinstance(schema[key], str):
            raise BadSchema(f"{where}/{key} must be a string")


def _check_numbers(schema: Mapping[str, Json], where: str) -> None:
    for key in _COUNTS:
        if key in schema and (isinstance(schema[key], bool) or not isinstance(schema[key], int) or schema[key] < 0):
            raise BadSchema(f"{where}/{key} must be a whole number from 0 on")
    for key in _NUMBERS:
        if key in schema and not isinstance(schema[key], int | float):  # booleans are the exclusive limits of draft 4
            raise BadSchema(f"{where}/{key} must be a number")
