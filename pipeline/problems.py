"""What an author wrote by hand does not fit a model: Pydantic's findings as sentences for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from errors import ConflictError, StudioError

SHOWN = 12
"""Problems that are named at once."""
SENTENCES = {
    "missing": "{place} is missing.",
    "string_too_short": "{place} must not be empty.",
    "string_too_long": "{place} has more than {limit} characters.",
    "string_type": "{place} must be a text.",
    "string_unicode": "{place} holds half of a character, which cannot be kept.",
    "whole": "{place} must be a whole number.",
    "number": "{place} must be a number.",
    "greater_than_equal": "{place} must be {limit} or more.",
    "less_than_equal": "{place} must be {limit} or less.",
    "list_type": "{place} must be a list.",
    "object": "{place} must be an object with its own fields.",
    "too_short": "{place} needs at least {limit} entries.",
    "too_long": "{place} may have {limit} entries at most.",
    "form": "{place} must look like {form}.",
    "is not an IANA time zone such as Europe/Lisbon": "{place} is not an IANA time zone such as Europe/Lisbon.",
    "is not a day of the calendar": "{place} is not a day of the calendar.",
    "has nothing in it that can be seen": "{place} has nothing in it that can be seen.",
    "each item needs a type, and no two the same": "{place}: each item needs a type, and no two the same.",
    "weights must not all be 0": "{place}: weights must not all be 0.",
    "two of the tweets have the same text": "{place}: two of the tweets have the same text.",
    "everybody here is 18 or older": "{place}: everybody here is 18 or older.",
    "other": "{place}: {words}.",
}
_FORMS = {"birthday": "02-29", "country_code": "SE", "posting_times": "09:30"}
_KINDS = {
    "int_type": "whole",
    "int_parsing": "whole",
    "int_from_float": "whole",
    "float_type": "number",
    "float_parsing": "number",
    "finite_number": "number",
    "model_type": "object",
    "model_attributes_type": "object",
    "dict_type": "object",
}
_LIMITS = {
    "string_too_long": "max_length",
    "greater_than_equal": "ge",
    "less_than_equal": "le",
    "too_short": "min_length",
    "too_long": "max_length",
}


def checked(model: type[BaseModel], output: object, before: object = None) -> tuple[dict[str, Any] | None, list[StudioError]]:
    """*output* as *model* keeps it, and a sentence for each problem. Problems that *before* has too do not count: a persona that came
    without something may stay without it. With nothing but such problems *output* is kept as it is (then both results are empty).
    """
    findings = _findings(model, output)
    if findings is None:
        return model.model_validate(output).model_dump(mode="json"), []
    known = {(finding["loc"], finding["type"]) for finding in _findings(model, before) or []} if before is not None else set()
    new = [finding for finding in findings if (finding["loc"], finding["type"]) not in known]
    return None, [_sentence(finding) for finding in new[:SHOWN]]


def _findings(model: type[BaseModel], output: object) -> list[Any] | None:
    try:
        model.model_validate(output)
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)
    return None


def _sentence(finding: Mapping[str, Any]) -> StudioError:
    place = ".".join(str(part) for part in finding["loc"]) or "The text"
    kind, context = finding["type"], finding.get("ctx", {})
    words = finding["msg"].removeprefix("Value error, ").rstrip(".")
    if kind == "string_pattern_mismatch":
        names = [part for part in finding["loc"] if part in _FORMS]
        if names:
            return ConflictError(SENTENCES["form"], place=place, form=_FORMS[names[-1]])
    key = words if kind == "value_error" and words in SENTENCES else _KINDS.get(kind, kind)
    limit = context.get(_LIMITS.get(kind, ""))
    return ConflictError(SENTENCES.get(key, SENTENCES["other"]), place=place, limit=limit, words=words)
