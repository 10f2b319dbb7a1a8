"""Walks a JSON Schema and writes a value that follows it; what to say is asked of an :class:`Oracle`.

Known: objects, open maps, arrays, tuples, ``enum``, ``const``, ``anyOf``/``oneOf``/``allOf``, ``$ref`` within the schema, numbers with
their limits, strings with pattern, format and length, null. Recursive schemas end at :data:`DEEPEST`.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipeline.offline import Json
from pipeline.offline.counts import how_many
from pipeline.offline.strings import Unwritable, fit

DEEPEST = 7
TRIES = 25


@dataclass(frozen=True)
class Field:
    """A place in the answer. *path* holds the property names from the top; *index* and *count* are those of the nearest array around
    it; *subject* is what the enclosing object is about, and *siblings* what was written of that object so far.
    """

    path: tuple[str, ...]
    schema: Mapping[str, Any]
    description: str = ""
    index: int = 0
    count: int = 1
    item: bool = False
    subject: Any = None
    siblings: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.path[-1] if self.path else ""


class Oracle(Protocol):
    """Knows what to say. Every method may answer ``None``: no opinion."""

    language: str

    def subject(self, field: Field) -> Json: ...
    def subjects(self, field: Field, items: Mapping[str, Any], count: int) -> list[Any] | None: ...
    def count(self, field: Field) -> int | None: ...
    def keys(self, field: Field) -> list[str] | None: ...
    def text(self, field: Field) -> str: ...
    def number(self, field: Field, low: float | None, high: float | None) -> float | None: ...
    def flag(self, field: Field) -> bool | None: ...
    def leaves_out(self, field: Field) -> bool: ...


class Walk:
    """One answer. Raises :class:`Unwritable` where the schema cannot be followed."""

    def __init__(self, schema: Mapping[str, Any], oracle: Oracle, rng: random.Random) -> None:
        self.root = schema
        self.oracle = oracle
        self.rng = rng

    def write(self) -> Json:
        return self._value(Field((), self.root))

    def _value(self, field: Field) -> Json:  # noqa: PLR0911  one return a kind of schema
        schema = self._resolved(field.schema, 0)
        field = replace(field, schema=schema, description=str(schema.get("description") or field.description))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._enum(field)
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            return self._option(field, options)
        kind = self._kind(field)
        if kind == "object":
            return self._object(field)
        if kind == "array":
            return self._array(field)
        if kind in ("integer", "number"):
            return self._number(field, whole=kind == "integer")
        if kind == "boolean":
            told = self.oracle.flag(field)
            return self.rng.random() < 0.6 if told is None else told
        return None if kind == "null" else self._string(field)

    def _resolved(self, schema: Json, depth: int) -> Mapping[str, Any]:
        """*schema* with references followed and ``allOf`` merged in."""
        if schema is True or schema == {}:
            return {"type": "string"}
        if not isinstance(schema, Mapping) or depth > 40:
            raise Unwritable("the schema allows nothing")
        merged = dict(schema)
        if isinstance(reference := merged.pop("$ref", None), str):
            merged = {**self._resolved(self._referred(reference), depth + 1), **merged}
        for part in merged.pop("allOf", ()):
            merged = _merge(merged, self._resolved(part, depth + 1))
        return merged

    def _referred(self, reference: str) -> Json:
        if not reference.startswith("#"):
            raise Unwritable(f"the reference {reference!r} leads out of the schema")
        node: Any = self.root
        for escaped in filter(None, reference[1:].split("/")):
            part = escaped.replace("~1", "/").replace("~0", "~")
            node = node[int(part)] if isinstance(node, list) and part.isdigit() else node.get(part) if isinstance(node, Mapping) else None
            if node is None:
                raise Unwritable(f"the reference {reference!r} leads nowhere")
        return node

    def _kind(self, field: Field) -> str:
        kind = field.schema.get("type")
        if isinstance(kind, list):
            if "null" in kind and (self._deep(field) or self.oracle.leaves_out(field)):
                return "null"
            kind = next((one for one in kind if one != "null"), "null")
        if kind:
            return str(kind)
        for word, implied in (
            ("properties", "object"),
            ("additionalProperties", "object"),
            ("items", "array"),
            ("minimum", "number"),
            ("maximum", "number"),
        ):
            if word in field.schema:
                return implied
        return "string"

    def _deep(self, field: Field) -> bool:
        return len(field.path) > DEEPEST

    def _enum(self, field: Field) -> Json:
        allowed = field.schema["enum"]
        if not allowed:
            raise Unwritable("an enum is empty")
        if all(isinstance(value, str) for value in allowed) and len(allowed) > 1:
            said = self.oracle.text(field)
            exact = [value for value in allowed if value.casefold() == said.casefold()]
            inside = [value for value in allowed if value and value.casefold() in said.casefold()]
            if exact or inside:
                return (exact or inside)[0]
        filled = [value for value in allowed if value not in (None, "")]
        return self.rng.choice(filled or allowed)

    def _option(self, field: Field, options: list[Any]) -> Json:
        around = {key: value for key, value in field.schema.items() if key not in ("anyOf", "oneOf", "$defs", "definitions")}
        merged = [_merge(around, self._resolved(option, 0)) for option in options]
        empty = [option for option in merged if option.get("type") == "null"]
        filled = [option for option in merged if option.get("type") != "null"]
        if empty and (not filled or self._deep(field) or self.oracle.leaves_out(field)):
            return None
        if self._deep(field):
            filled.sort(key=lambda option: option.get("type") in ("object", "array") or "properties" in option)
        elif len(filled) > 1:
            first = self.rng.randrange(len(filled))
            filled = filled[first:] + filled[:first]
        for option in filled:
            try:
                return self._value(replace(field, schema=option))
            except Unwritable:
                continue
        raise Unwritable("none of the alternatives can be written")

    def _object(self, field: Field) -> dict[str, Any]:
        properties: Mapping[str, Any] = field.schema.get("properties") or {}
        required = set(field.schema.get("required") or ())
        if len(field.path) > DEEPEST * 3:
            raise Unwritable("the schema requires itself")
        subject = self.oracle.subject(field) if properties else field.subject
        written: dict[str, Any] = {}
        for name, schema in properties.items():
            if name not in required and (self._deep(field) or schema is False):
                continue
            inner = Field(
                (*field.path, name),
                schema,
                "",
                field.index,
                field.count,
                subject=subject if subject is not None else field.subject,
                siblings=written,
            )
            written[name] = self._value(inner)
        for name in sorted(required - properties.keys()):
            more = field.schema.get("additionalProperties", True)
            written[name] = self._value(
                Field((*field.path, name), more if isinstance(more, Mapping) else {"type": "string"}, subject=subject, siblings=written)
            )
        if not properties and field.schema.get("additionalProperties", True) is not False:
            self._open_map(field, written)
        return written

    def _open_map(self, field: Field, written: dict[str, Any]) -> None:
        """Keys of the oracle's choosing, each with a value of the schema for further keys."""
        least, most = int(field.schema.get("minProperties", 0)), int(field.schema.get("maxProperties", 400))
        values = field.schema.get("additionalProperties", True)
        values = values if isinstance(values, Mapping) else {"type": "string"}
        names = self.oracle.keys(field) or []
        names += [f"note_{number}" for number in range(1, least + 1)]
        wanted = max(least, min(len(names) - least, most))
        names = [name for name in dict.fromkeys(names) if name not in written][: 0 if self._deep(field) and not least else wanted]
        subjects = self.oracle.subjects(replace(field, item=True), self._resolved(values, 0), len(names)) or [field.subject] * len(names)
        for place, (name, subject) in enumerate(zip(names, subjects, strict=True)):
            written[name] = self._value(Field((*field.path, name), values, "", place, len(names), subject=subject))

    def _array(self, field: Field) -> list[Any]:
        schema = field.schema
        fixed = list(schema.get("prefixItems") or ())
        items = schema.get("items", {"type": "string"})
        written = [
            self._value(Field(field.path, part, "", place, len(fixed), item=True, subject=field.subject))
            for place, part in enumerate(fixed)
        ]
        if items is False or (fixed and "items" not in schema):
            return written
        count = int(schema.get("minItems", 0)) if self._deep(field) else self._how_many(field)
        items = self._resolved(items, 0)
        subjects = self.oracle.subjects(replace(field, item=True), items, count) or [field.subject] * count
        # Texts of one list should differ even where the schema does not insist.
        distinct = bool(schema.get("uniqueItems")) or items.get("type") == "string"
        for place in range(max(0, count - len(fixed))):
            inner = Field(field.path, items, field.description, place, count, item=True, subject=subjects[place], siblings=field.siblings)
            self._append(written, inner, distinct=distinct, strict=bool(schema.get("uniqueItems")), least=int(schema.get("minItems", 0)))
        return written

    def _how_many(self, field: Field) -> int:
        told = self.oracle.count(field)
        if told is None:
            return how_many(field.schema, field.description, self.rng)
        return max(int(field.schema.get("minItems", 0)), min(told, int(field.schema.get("maxItems", told))))

    def _append(self, written: list[Any], field: Field, *, distinct: bool, strict: bool, least: int) -> None:
        seen = {_key(value) for value in written} if distinct else set()
        value = self._value(field)
        for _ in range(TRIES):
            if _key(value) not in seen:
                break
            value = self._value(field)
        if _key(value) not in seen:
            written.append(value)
            return
        allowed = field.schema.get("enum")
        unused = [value for value in allowed if _key(value) not in seen] if allowed else []
        if unused:
            written.append(unused[0])
        elif not strict:
            if len(written) < least:
                written.append(value)
        elif len(written) < least:
            written.append(self._another(value, field, seen))

    def _another(self, value: Json, field: Field, seen: set[str]) -> Json:
        """A value not among *seen*, for arrays that insist on it."""
        if "enum" in field.schema or "const" in field.schema:
            allowed = field.schema.get("enum", [field.schema.get("const")])
            for candidate in allowed:
                if _key(candidate) not in seen:
                    return candidate
            raise Unwritable("an array asks for more different items than its enum has")
        for step in range(1, 500):
            if isinstance(value, str):
                candidate: Any = f"{value} {step + 1}"
            elif isinstance(value, int | float) and not isinstance(value, bool):
                low, high = _limits(field.schema, whole=isinstance(value, int))
                candidate = (low if low is not None else value) + step * (field.schema.get("multipleOf") or 1)
                if high is not None and candidate > high:
                    break
            else:
                candidate = self._value(field)
            if _key(candidate) not in seen:
                return candidate if not isinstance(candidate, str) else fit(candidate, field.schema, self.rng, self.oracle.language)
        raise Unwritable("an array asks for more different items than there are")

    def _number(self, field: Field, *, whole: bool) -> int | float:
        low, high = _limits(field.schema, whole=whole)
        told = self.oracle.number(field, low, high)
        if told is None:
            told = self.rng.uniform(low if low is not None else min(1, high or 1), high if high is not None else max((low or 0) + 10, 12))
        step = field.schema.get("multipleOf")
        value = round(told) if whole else round(float(told), 2)
        if step:
            value = round(told / step) * step
            if low is not None and value < low:
                value = math.ceil(low / step - 1e-9) * step
            if high is not None and value > high:
                value = math.floor(high / step + 1e-9) * step
        if low is not None and value < low:
            value = low
        if high is not None and value > high:
            value = high
        if low is not None and high is not None and (low > high or not low <= value <= high):
            raise Unwritable("no number lies between the limits")
        return int(value) if whole else value

    def _string(self, field: Field) -> str:
        return fit(self.oracle.text(field), field.schema, self.rng, self.oracle.language)


def _limits(schema: Mapping[str, Any], *, whole: bool) -> tuple[float | None, float | None]:
    """The closed limits of a number; what is exclusive is moved in a little."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    inch = 1 if whole else 0.001
    if isinstance(above, int | float) and not isinstance(above, bool):
        inner = math.floor(above) + 1 if whole else above + inch
        low = inner if low is None else max(low, inner)
    if isinstance(below, int | float) and not isinstance(below, bool):
        inner = math.ceil(below) - 1 if whole else below - inch
        high = inner if high is None else min(high, inner)
    if whole:
        low = math.ceil(low) if low is not None else None
        high = math.floor(high) if high is not None else None
    return low, high


def _merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Two schemas that both hold, as one."""
    merged = {**base, **more}
    if "properties" in base and "properties" in more:
        merged["properties"] = {**base["properties"], **more["properties"]}
    if "required" in base and "required" in more:
        merged["required"] = [*base["required"], *more["required"]]
    return merged


def _key(value: Json) -> str:
    return f'"{value}"' if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
