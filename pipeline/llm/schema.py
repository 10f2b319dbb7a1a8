"""From a Pydantic model to the JSON Schema that is sent to an LLM server.

Strict structured output (OpenAI, and what vLLM and llama.cpp compile to grammars) knows a subset of JSON Schema: every property is
required, no object is open, and a handful of keywords are refused. Pydantic's own schema says more; what is dropped here is checked by
Pydantic on the answer.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from pydantic import BaseModel

# Refused or ignored by strict servers; the model checks them anyway.
_DROPPED = ("title", "default", "minLength", "maxLength", "format", "examples")


@cache
def wire_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of *model* with references resolved, closed objects and every property required. Do not change the result."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return cast("dict[str, Any]", _close(schema, definitions))


def _close(node: object, definitions: dict[str, Any]) -> object:
    if isinstance(node, list):
        return [_close(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        return _close({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    closed = {key: value for key, value in node.items() if key not in _DROPPED}
    for keyword in ("items", "anyOf", "allOf"):
        if keyword in closed:
            closed[keyword] = _close(closed[keyword], definitions)
    if "properties" in closed:
        closed["properties"] = {name: _close(value, definitions) for name, value in closed["properties"].items()}
        closed["required"] = list(closed["properties"])
        closed["additionalProperties"] = False
    return closed
