"""How a server behaves: how long it takes, what it can do, and what goes wrong how often.

A :class:`Behaviour` draws the fate of every request from its seed, the request's hash and how often that request came before, so a run
can be repeated exactly, whatever order the requests arrive in.
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

from pipeline.offline import Json, chat
from pipeline.offline.writer import Written

KINDS = {
    "429": "too many requests, with Retry-After, answered at once",
    "500": "an internal error",
    "drop": "the connection is cut, half of the time in the middle of the body",
    "truncated": "the answer breaks off, half of the time with finish_reason length, else with stop",
    "wrong_schema": "valid JSON that breaks the schema",
    "html": "a 200 with an HTML page",
    "empty": "a 200 without choices",
    "blank": "a 200 with an empty text",
    "refusal": "the model refuses",
    "slow": "the body drips",
    "fence": "the JSON stands in a code fence with chatter around it",
    "think": "a <think> block comes first",
    "surrogate": "half of a surrogate pair in a text",
    "nan": "NaN in the place of a number",
}
"""Every fault there is, with what it does."""

FORMATS = {
    "json_schema": "takes every response_format",
    "json_object": "takes json_object, refuses json_schema with a 400",
    "none": "refuses every response_format with a 400",
    "ignored": "accepts response_format and ignores it: prose, with JSON in it only where a schema stands in the prompt",
}
"""What a server can do with ``response_format``."""

REFUSAL = "I'm sorry, but I can't help with that request."
PAGE = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1><hr>nginx</body></html>"


@dataclass(frozen=True)
class Fate:
    """What happens to one request: a fault or ``""``, seconds from arrival to answer, and the chance that decides the details."""

    fault: str
    seconds: float
    rng: random.Random


@dataclass(frozen=True)
class Behaviour:
    """*latency* in seconds from a request's arrival, *jitter* its share up or down, *faults* kind -> share of all requests.

    *retry_after* goes with every 429, *slow_seconds* is how long the fault ``slow`` drips, *capacity* how many calls are taken at once.
    Raises :class:`ValueError` for values that make no sense.
    """

    latency: float = 0.0
    jitter: float = 0.0
    faults: Mapping[str, float] = field(default_factory=dict)
    formats: str = "json_schema"
    capacity: int | None = None
    retry_after: float = 1.0
    slow_seconds: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for name, value in dataclasses.asdict(self).items():
            if name != "faults":
                _check_number(name, value, get_args(hints[name]) or (hints[name],))
        if self.jitter > 1:
            raise ValueError("jitter is a share of latency, from 0 to 1")
        if self.formats not in FORMATS:
            raise ValueError(f"formats is one of {', '.join(FORMATS)}, not {self.formats!r}")
        if not isinstance(self.faults, Mapping):
            raise ValueError("faults maps kinds to shares")  # noqa: TRY004  one kind of error for all wrong values
        for kind, share in self.faults.items():
            _check_share(kind, share)
        if sum(self.faults.values()) > 1 + 1e-9:
            raise ValueError("the shares of all faults together are at most 1")

    def changed(self, changes: Mapping[str, Any]) -> Behaviour:
        """The behaviour with *changes*; faults may be given as a mapping or as the text :func:`parse_faults` reads."""
        known = {one.name for one in dataclasses.fields(self)}
        if unknown := changes.keys() - known:
            raise ValueError(f"there is no {min(unknown)!r}; known are {', '.join(sorted(known))}")
        changes = dict(changes)
        if isinstance(changes.get("faults"), str):
            changes["faults"] = parse_faults(changes["faults"])
        return dataclasses.replace(self, **changes)

    def fate(self, digest: str, attempt: int) -> Fate:
        """The fate of the request with this hash when it comes for the *attempt*-th time."""
        rng = random.Random(f"{self.seed}|{digest}|{attempt}")
        at, fault = rng.random(), ""
        for kind, share in self.faults.items():
            at -= share
            if at < 0:
                fault = kind
                break
        return Fate(fault, self.latency * (1 + rng.uniform(-self.jitter, self.jitter)), rng)


def _check_number(name: str, value: object, kinds: tuple[type, ...]) -> None:
    if str in kinds or (value is None and type(None) in kinds):
        return
    if isinstance(value, bool) or not isinstance(value, int if int in kinds else int | float):
        kind = "whole number" if int in kinds else "number"
        raise ValueError(f"{name} is a {kind}, not {value!r}")  # noqa: TRY004  one kind of error for all wrong values
    if not math.isfinite(value) or (value < 0 and name != "seed"):
        raise ValueError(f"{name} cannot be {value!r}")


def _check_share(kind: object, share: object) -> None:
    if kind not in KINDS:
        raise ValueError(f"there is no fault {kind!r}; known are {', '.join(KINDS)}")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ValueError(f"the share of {kind} is a number from 0 to 1, not {share!r}")


def parse_faults(text: str) -> dict[str, float]:
    """``"429=0.3,500=0.1"`` as a mapping. Raises :class:`ValueError` with a sentence for the user."""
    faults: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, sign, share = part.partition("=")
        kind = kind.strip().lower()
        try:
            faults[kind] = float(share) if sign else 1.0
        except ValueError:
            raise ValueError(f"{part!r} is not KIND=SHARE, as in 429=0.3") from None
        _check_share(kind, faults[kind])
    return faults


def spoiled(fault: str, text: str, written: Written, rng: random.Random) -> tuple[str, str]:
    """*text*, which was made from *written*, as the fault leaves it, with its finish_reason. Other faults leave it as it is."""
    if fault == "truncated":
        cut = text[: max(1, round(len(text) * rng.uniform(0.2, 0.9)))]
        return cut, rng.choice(("length", "stop"))
    if fault == "blank":
        return "", "stop"
    if fault == "wrong_schema":
        text = json.dumps(_broken(written.value, written.schema or {}, rng), ensure_ascii=False)
    elif fault == "fence":
        text = chat.around(written.language, f"```json\n{text}\n```")
    elif fault == "think":
        text = f"<think>\nThe user wants one JSON object like {{}}. Let me think about who this is.\n</think>\n\n{text}"
    elif fault == "surrogate":
        text = re.sub(r'(:\s*")', r"\1\\ud83d", text, count=1)
    elif fault == "nan":
        text = _with_nan(text)
    return text, "stop"


def _broken(value: Json, schema: Mapping[str, Json], rng: random.Random) -> Json:
    """*value* without something it must have, or with a list where there must be none."""
    if not isinstance(value, dict):
        return {"unexpected": value}
    required = [name for name in schema.get("required") or () if name in value] or list(value)
    if not required:
        return [value]
    name = rng.choice(required)
    if rng.random() < 0.5:
        return {key: kept for key, kept in value.items() if key != name}
    return {**value, name: {"unexpected": None} if not isinstance(value[name], dict) else [[]]}


def _with_nan(text: str) -> str:
    spoilt, count = re.subn(r":\s*-?\d+(\.\d+)?(?=\s*[,}\]])", ":NaN", text, count=1)
    return spoilt if count else re.sub(r"\}\s*$", ',"score":NaN}', text)
