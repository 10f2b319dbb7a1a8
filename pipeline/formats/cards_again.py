"""An imported card going out again: as it came, with what was changed since written over it."""

from __future__ import annotations

import copy
from typing import Any

from pipeline.formats import stages_in
from pipeline.formats.cards import EXTENSION, OURS, V1_FIELDS, card_v2


def card_again(
    card: dict[str, Any], outputs: dict[str, dict[str, Any]], *, name: str, persona_id: str, disclosure: str, language: str
) -> dict[str, Any]:
    """*card* in normal form (V2 or V3) with the *outputs* that stages have now. What they do not change stays to the letter; only the label
    that it is made with AI is always there.
    """
    before = stages_in.read(card).outputs
    made = card_v2(outputs, name=name, persona_id=persona_id, disclosure=disclosure, language=language)["data"]
    changed = {key for key, output in outputs.items() if output != before.get(key)}
    again = copy.deepcopy(card)
    data = again["data"]
    theirs = data["extensions"].get(EXTENSION)
    ours = data["extensions"][EXTENSION] = dict(theirs) if isinstance(theirs, dict) else {}
    if "core" in changed:
        _write_core(again, outputs["core"], before.get("core", {}))
    if name != stages_in.shown_name(card["data"]["name"]):
        data["name"] = name
        _beside(again, "name")
    if "knowledge" in changed:
        data["character_book"] = made["character_book"]
    for stage, parts in _PARTS.items():
        if stage in changed:
            ours |= {part: made["extensions"][EXTENSION][part] for part in parts if part in made["extensions"][EXTENSION]}
    _label(ours, made["extensions"][EXTENSION])
    return again


_PARTS = {
    **{stage: parts for stage, parts in OURS.items() if stage != "core"},
    "strategy": ("tweet_strategy",),
    "examples": ("tweet_examples",),
}


def _write_core(card: dict[str, Any], core: dict[str, Any], before: dict[str, Any]) -> None:
    data = card["data"]
    for field in (*stages_in.CARD_TEXTS, "tags"):
        if core.get(field) != before.get(field):
            data[field] = copy.deepcopy(core.get(field, [] if field == "tags" else ""))
            _beside(card, field)
    for field in OURS["core"]:
        if field in core and core[field] != before.get(field):
            data["extensions"][EXTENSION][field] = copy.deepcopy(core[field])


def _beside(card: dict[str, Any], field: str) -> None:
    """Some tools write the V1 fields beside ``data`` too, and read them there."""
    if field in V1_FIELDS and field in card:
        card[field] = card["data"][field]


def _label(ours: dict[str, Any], made: dict[str, Any]) -> None:
    """The label may not be taken off by an import; which persona it was and what it lacks is said where it was said before."""
    ours["ai_generated"] = True
    if not (isinstance(ours.get("disclosure"), str) and ours["disclosure"].strip()):
        ours["disclosure"] = made["disclosure"]
    ours.setdefault("persona_id", made["persona_id"])
    ours.setdefault("language", made["language"])
    if "missing" in ours:
        ours.pop("missing")
        ours |= {"missing": made["missing"]} if "missing" in made else {}
