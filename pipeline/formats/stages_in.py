"""What a card (in normal form) has for our seven stages.

Our own exports hold all of it under ``extensions.persona_studio``. Cards of other tools have a description and a book; personas of this
product's ancestors have the same facts in other places, which are looked into too. What fits a stage's model is taken as it is. Of the rest
is taken what can be used, and what a reader of the stage would stumble over is left out (it stays in the card): a persona that lacks
something can have it written.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from pipeline import persona
from pipeline.formats.cards import EXTENSION, OURS
from pipeline.formats.json_in import Json
from pipeline.formats.remarks import Remark

MODELS: dict[str, type[BaseModel]] = {
    "core": persona.CorePersona,
    "strategy": persona.TweetStrategy,
    "examples": persona.ExampleTweets,
    "network": persona.SocialNetwork,
    "authenticity": persona.Authenticity,
    "visual": persona.VisualProfile,
    "knowledge": persona.KnowledgeBase,
}
CARD_TEXTS = ("description", "personality", "scenario", "first_mes", "mes_example")
_FREE = {"core": 1, "network": 3}
"""From which depth on in a stage's output other types than ours are taken too: they are prose for the LLM, whatever their shape."""
_STRICT = {"core": ("core_info", "tags")}
_LORA = {
    "model_path": ("model_path", "path", "file", "model", "model_name", "name"),
    "strength": ("strength", "weight", "recommended_weight", "scale"),
}


@dataclass(frozen=True)
class Read:
    """What a card has for us: outputs of stages by key, the LoRA of its pictures, the language it is written in, and what was noticed."""

    outputs: dict[str, dict[str, Any]]
    lora: dict[str, Any] | None
    language: str
    remarks: list[Remark] = field(default_factory=list)


def read(card: Mapping[str, Any]) -> Read:
    """What *card* has for us. The same card always gives the same."""
    places = _Places(card["data"])
    raw = {key: found for key in MODELS if (found := _raw(key, places))}
    outputs, remarks = {}, []
    for key, found in raw.items():
        output, remark = _fitting(key, found)
        if output:
            outputs[key] = output
        remarks += remark
    lora = _lora(places)
    return Read(outputs, lora, _language(places), [*places.remarks(), *remarks])


class _Places:
    """Where a fact of ours may stand in a card: its own place first, then those of older personas."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        extensions = data["extensions"]
        self.own = _mapping(extensions.get(EXTENSION))
        self._older = {
            "data.twitter_persona": _mapping(data.get("twitter_persona")),
            "data.extensions.twitter_persona": _mapping(extensions.get("twitter_persona")),
            "data.twitter_scenario": _mapping(data.get("twitter_scenario")),
            "data.extensions": extensions,
            "data": data,
        }
        self._used: dict[str, list[str]] = {}

    def find(self, *names: str) -> Json:
        """The first of *names* that is somewhere; ``None`` where it is nowhere."""
        for name in names:
            if self.own.get(name) is not None:
                return self.own[name]
            for place, there in self._older.items():
                if there.get(name) is not None:
                    self._used.setdefault(place, []).append(name)
                    return there[name]
        return None

    def remarks(self) -> list[Remark]:
        return [Remark("Taken from {place}: {fields}.", place=place, fields=", ".join(names)) for place, names in self._used.items()]


def _mapping(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _raw(key: str, places: _Places) -> dict[str, Any]:
    """What the card has for a stage, whether it fits or not."""
    if key == "core":
        parts = {name: places.data[name] for name in CARD_TEXTS if places.data[name].strip()}
        tags = {"tags": places.data["tags"]} if places.data["tags"] else {}
        ours = {name: found for name in OURS["core"] if (found := places.find(name)) is not None}
        return {"name": shown_name(places.data["name"]), **parts, **tags, **ours}
    if key == "strategy":
        return _mapping(places.find("tweet_strategy", "content_strategy"))
    if key == "examples":
        return {"tweet_examples": found} if (found := places.find("tweet_examples")) else {}
    if key == "knowledge":
        return _knowledge(places.data.get("character_book"))
    return {name: found for name in OURS[key] if (found := places.find(name)) is not None}


def shown_name(name: str) -> str:
    """A card's name as a persona may be called: one line of printable characters, not too long."""
    plain = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(plain.split())[: persona.NAME_LIMIT].strip() or "Persona"


def _knowledge(book: Json) -> dict[str, Any]:
    """The card's book. Entries of other tools need no name, and those that always hold no keys."""
    entries = [entry for entry in _mapping(book).get("entries", []) if entry["content"].strip()]
    named = [
        entry if _is_text(entry.get("name")) else {**entry, "name": _first(entry.get("comment"), *entry["keys"], entry["content"])[:80]}
        for entry in entries
    ]
    return {"character_book": {**_mapping(book), "entries": named}} if named else {}


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _first(*values: Json) -> str:
    return next(value.strip() for value in values if _is_text(value))


# What fits


def _fitting(key: str, raw: dict[str, Any]) -> tuple[dict[str, Any], list[Remark]]:
    """The output that *raw* gives for a stage; empty where nothing in it can be used."""
    try:
        return MODELS[key].model_validate(raw).model_dump(mode="json"), []
    except ValidationError as error:
        findings = error.errors(include_url=False, include_input=False)
    missing = [_place(finding["loc"]) for finding in findings if finding["type"] == "missing"]
    broken = [finding["loc"] for finding in findings if not _usable(key, finding)]
    output = {name: _settled(key, name, value) for name, value in _without(copy.deepcopy(raw), broken).items()}
    remarks = []
    if broken:
        said = ", ".join(_place(loc) for loc in broken[:5]) + (" ..." if len(broken) > 5 else "")
        remarks.append(Remark("Does not fit and was left out of {stage}: {fields}.", stage=key, fields=said))
    if missing and not all(place.startswith("character_book") for place in missing):
        said = ", ".join(missing[:8]) + (" ..." if len(missing) > 8 else "")
        remarks.append(Remark("{stage} lacks: {fields}. It can be written anew.", stage=key, fields=said))
    return (output if _has_something(output) else {}), remarks


def _settled(key: str, name: str, value: Json) -> Json:
    """One field of a stage's output as its model keeps it (a list where a text was split, say), where it fits by itself."""
    if name not in MODELS[key].model_fields:
        return value
    try:
        return _alone(key, name).model_validate({name: value}).model_dump(mode="json")[name]
    except ValidationError:
        return value


@cache
def _alone(key: str, name: str) -> type[BaseModel]:
    found = MODELS[key].model_fields[name]
    return create_model(name, __base__=persona.Part, **{name: (found.annotation, found)})  # type: ignore[call-overload]


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(map(str, loc))


def _usable(key: str, finding: Mapping[str, Any]) -> bool:
    """True where whoever reads the stage gets on with what was found."""
    loc, kind = finding["loc"], finding["type"]
    if kind in ("missing", "too_long", "string_too_long"):
        return True
    if kind == "too_short":
        return finding["ctx"]["actual_length"] > 0 or loc[-1] in ("keys", "past_relationships")
    if kind == "value_error" and loc == ("tweet_examples",):
        return True  # two of the same text
    return key in _FREE and len(loc) > _FREE[key] and loc[0] not in _STRICT.get(key, ())


def _without(output: dict[str, Any], places: list[tuple[int | str, ...]]) -> dict[str, Any]:
    """*output* less what stands at *places*; of a list the last ones first, so that the numbers hold."""
    for loc in sorted(set(places), key=lambda loc: [(isinstance(part, str), str(part).zfill(9)) for part in loc], reverse=True):
        node: Any = output
        try:
            for part in loc[:-1]:
                node = node[part]
            del node[loc[-1]]
        except (KeyError, IndexError, TypeError):  # the model had turned it round before it looked: all of the field goes
            output.pop(str(loc[0]) if loc else "", None)
    return output


def _has_something(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_has_something(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_something(item) for item in value)
    return value not in (None, "")


# Beside the stages


def _lora(places: _Places) -> dict[str, Any] | None:
    raw = places.find("lora", "lora_config")
    if isinstance(raw, str) and raw.strip():
        return {"model_path": raw, "strength": 1.0}
    found = _mapping(raw)
    path = next((found[name] for name in _LORA["model_path"] if _is_text(found.get(name))), None)
    if path is None:
        return None
    strength = next((found[name] for name in _LORA["strength"] if type(found.get(name)) in (int, float)), 1.0)
    return {**found, "model_path": path, "strength": strength}


_SCRIPTS = (
    ("日本語", 0x3040, 0x30FF, 0.05),
    ("한국어", 0xAC00, 0xD7AF, 0.1),
    ("中文", 0x4E00, 0x9FFF, 0.1),
    ("Русский", 0x0400, 0x04FF, 0.2),
)


def _language(places: _Places) -> str:
    """What the card says of its language, else what its script says; English where it is written in Latin letters."""
    said = places.own.get("language")
    if isinstance(said, str) and said.strip() and said.isprintable() and len(said) <= 120:
        return said
    text = " ".join(places.data[name] for name in CARD_TEXTS)[:20_000]
    letters = [ord(letter) for letter in text if letter.isalpha()]
    for language, first, last, share in _SCRIPTS:
        if letters and sum(first <= letter <= last for letter in letters) / len(letters) >= share:
            return language
    return "English"
