"""Character cards: a persona as Character Card V2 and V3, as JSON and inside a PNG.

Field names are those of the specifications: https://github.com/malfoyslastname/character-card-spec-v2 and
https://github.com/kwaroran/character-card-spec-v3. What is ours stands under ``data.extensions.persona_studio``.
"""

from __future__ import annotations

import base64
import copy
import json
from datetime import datetime
from typing import Any

from pipeline.formats.png_chunks import with_texts

V2, V3 = "chara_card_v2", "chara_card_v3"
V1_FIELDS = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
EXTENSION = "persona_studio"
OURS = {
    "core": ("core_info", "appearance", "background_info", "lifestyle_details", "verbal_style"),
    "network": ("social_circle",),
    "authenticity": ("language_authenticity", "quirks", "strategic_flaws"),
    "visual": ("visual_profile", "appearance_prompt"),
}
"""Which parts of a stage's output have no place of their own in a card and go into the extension as they are."""


def card_v2(outputs: dict[str, dict[str, Any]], *, name: str, persona_id: str, disclosure: str, language: str = "") -> dict[str, Any]:
    """The merge of the stages' *outputs* (those there are) into a Character Card V2. Stages that are missing leave their fields empty
    and are listed under ``extensions.persona_studio.missing``.
    """
    core = outputs.get("core", {})
    data = {
        "name": name,
        "description": core.get("description", ""),
        "personality": core.get("personality", ""),
        "scenario": core.get("scenario", ""),
        "first_mes": core.get("first_mes", ""),
        "mes_example": core.get("mes_example", ""),
        "creator_notes": disclosure,
        "system_prompt": "",
        "post_history_instructions": "",
        "alternate_greetings": [],
        "tags": list(core.get("tags", [])),
        "creator": "Persona Studio",
        "character_version": "1.0",
        "extensions": {EXTENSION: _extension(outputs, persona_id, disclosure, language)},
    }
    if "knowledge" in outputs:
        data["character_book"] = _book(outputs["knowledge"]["character_book"], name)
    return {"spec": V2, "spec_version": "2.0", "data": data}


def _extension(outputs: dict[str, dict[str, Any]], persona_id: str, disclosure: str, language: str) -> dict[str, Any]:
    ours: dict[str, Any] = {"ai_generated": True, "disclosure": disclosure, "persona_id": persona_id}
    ours |= {"language": language} if language else {}
    for stage, keys in OURS.items():
        ours |= {key: outputs[stage][key] for key in keys if key in outputs.get(stage, {})}
    if "strategy" in outputs:
        ours["tweet_strategy"] = outputs["strategy"]
    if "examples" in outputs:
        ours["tweet_examples"] = outputs["examples"]["tweet_examples"]
    known = (*OURS, "strategy", "examples", "knowledge")
    if missing := [stage for stage in known if stage not in outputs]:
        ours["missing"] = missing
    return ours


def _book(book: dict[str, Any], name: str) -> dict[str, Any]:
    entries = [
        {
            **entry,
            "id": number,
            "enabled": _typed(entry.get("enabled"), default=True),
            "insertion_order": _typed(entry.get("insertion_order"), default=number * 10),
            "case_sensitive": _typed(entry.get("case_sensitive"), default=False),
            "constant": _typed(entry.get("constant"), default=False),
            "position": entry["position"] if entry.get("position") in ("before_char", "after_char") else "before_char",
            "extensions": _typed(entry.get("extensions"), default={}),
        }
        for number, entry in enumerate(book["entries"], 1)
    ]
    return {"name": f"{name}: knowledge", "extensions": {}, **book, "entries": entries}


def _typed(value: object, *, default: object) -> object:
    """*value* where it has the type that the specification asks for: strict readers refuse a whole card for ``"enabled": "yes"``."""
    return value if type(value) is type(default) else default


def card_v3(v2: dict[str, Any], created: datetime) -> dict[str, Any]:
    """The same card as Character Card V3; what it has of V3 already stays as it is."""
    if v2["spec"] == V3:
        return v2
    moment = int(created.timestamp())
    added = {"group_only_greetings": [], "creation_date": moment, "modification_date": moment}
    added["assets"] = [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}]
    data = {**added, **copy.deepcopy(v2["data"])}
    for entry in data.get("character_book", {}).get("entries", []):
        entry.setdefault("use_regex", False)
    return {**v2, "spec": V3, "spec_version": "3.0", "data": data}


def as_v2(card: dict[str, Any]) -> dict[str, Any]:
    """A card of either version as Character Card V2; what only V3 knows stays in it, where readers of V2 pass over it."""
    return card if card["spec"] == V2 else {**card, "spec": V2, "spec_version": "2.0"}


def as_png(card: dict[str, Any], created: datetime, picture: bytes, *, only_v3: bool = False) -> bytes:
    """*picture* (a PNG file) with the card in it: ``chara`` holds V2 (not with *only_v3*), ``ccv3`` V3, as tools that read cards expect."""
    v3 = {"ccv3": _packed(card_v3(card, created))}
    return with_texts(picture, v3 if only_v3 else {"chara": _packed(as_v2(card)), **v3})


def _packed(card: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(card, ensure_ascii=False).encode()).decode("ascii")
