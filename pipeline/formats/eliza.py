"""elizaOS characters, in and out. Fields as https://docs.elizaos.ai/agents/character-interface has them, and those of its first version
(``lore``, ``modelProvider``, ``clients``).

A character becomes a Character Card V2 and lies in it under ``extensions.elizaos`` as it was; going out again it begins with that, and
only what was changed since is written over it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from pipeline.formats.cards import EXTENSION, V2
from pipeline.formats.json_in import Json

KEPT = "elizaos"
_SIGNS = {"bio", "lore", "messageExamples", "postExamples", "adjectives"}
_SPEAKER = re.compile(r"^\s*(\{\{user\}\}|\{\{char\}\}|[^:：\n]{1,40})\s*[:：]\s*(.*)$", re.IGNORECASE)


def is_one(value: Mapping[str, Any]) -> bool:
    """True for an object that is an elizaOS character: it has a name and at least one field that only they have."""
    return isinstance(value.get("name"), str) and bool(_SIGNS & value.keys())


def as_card(character: dict[str, Any]) -> dict[str, Any]:
    """The character as a Character Card V2."""
    lore = [*_lines(character.get("lore")), *_lines(character.get("knowledge"))]
    data = {
        "name": str(character["name"]),
        "description": "\n".join(_lines(character.get("bio"))),
        "personality": ", ".join(_lines(character.get("adjectives"))),
        "scenario": "",
        "first_mes": "",
        "mes_example": _dialogues(character.get("messageExamples"), str(character["name"])),
        "creator_notes": "",
        "system_prompt": character.get("system") if isinstance(character.get("system"), str) else "",
        "post_history_instructions": "\n".join(_lines(_style(character).get("all"))),
        "alternate_greetings": [],
        "tags": _lines(character.get("topics")),
        "creator": "",
        "character_version": "",
        "extensions": {KEPT: character},
    }
    if lore:
        entries = [
            {"keys": _keys(line), "content": line, "extensions": {}, "enabled": True, "insertion_order": number * 10, "name": line[:40]}
            for number, line in enumerate(lore, 1)
        ]
        data["character_book"] = {"extensions": {}, "entries": entries}
    return {"spec": V2, "spec_version": "2.0", "data": data}


def from_card(card: dict[str, Any]) -> dict[str, Any]:
    """A card as an elizaOS character. One that came as such keeps everything that was not changed since."""
    kept = card["data"]["extensions"].get(KEPT)
    if isinstance(kept, dict) and is_one(kept):
        before, now = _written(as_card(kept)), _written(card)
        return {**copy.deepcopy(kept), **{key: value for key, value in now.items() if value != before.get(key)}}
    return {**_written(card), "plugins": [], "settings": {}}


def _written(card: dict[str, Any]) -> dict[str, Any]:
    data = card["data"]
    ours = _mapping(data["extensions"].get(EXTENSION))
    background = _mapping(ours.get("background_info"))
    strategy = _mapping(ours.get("tweet_strategy"))
    voice = _mapping(ours.get("verbal_style"))
    language = _mapping(ours.get("language_authenticity"))
    entries = _mapping(data.get("character_book")).get("entries", [])
    examples = [example for example in ours.get("tweet_examples") or [] if isinstance(example, dict)]
    return {
        "name": data["name"],
        "username": re.sub(r"\W+", "_", data["name"].lower()).strip("_") or "persona",
        "system": data["system_prompt"] or f"Roleplay as {data['name']}, a fictional persona. Never claim to be a real person.",
        "bio": _lines(data["description"]),
        "lore": [*_lines(background.get("history")), *_lines(data["scenario"])],
        "knowledge": [entry["content"] for entry in entries if isinstance(entry, dict) and entry.get("content")],
        "messageExamples": _examples(data["mes_example"], data["first_mes"], data["name"]),
        "postExamples": [example["text"] for example in examples if isinstance(example.get("text"), str)],
        "topics": [*data["tags"], *_mapping(strategy.get("content_type_distribution"))],
        "adjectives": [part.strip() for part in re.split(r"[,，、;；.。\n]", data["personality"]) if 0 < len(part.strip()) <= 60][:12],
        "style": {
            "all": [text for text in (*voice.values(), *language.values()) if isinstance(text, str) and text],
            "chat": _lines(voice.get("catchphrases")),
            "post": [*_lines(strategy.get("do")), *_lines(strategy.get("dont"))],
        },
    }


def _mapping(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _style(character: Mapping[str, Any]) -> dict[str, Any]:
    return _mapping(character.get("style"))


def _lines(value: Json) -> list[str]:
    """A text line by line, or the texts in a list; knowledge may also be objects that name a file."""
    if isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip()]
    return [item.strip() for item in value if isinstance(item, str) and item.strip()] if isinstance(value, list) else []


def _keys(line: str) -> list[str]:
    """Words by which an entry is found: its longer words, or the first characters where there are no words between spaces."""
    words = sorted({word.lower() for word in re.findall(r"[^\W\d_]{5,}", line)}, key=lambda word: (-len(word), word))
    return words[:5] or [line[:20]]


def _dialogues(groups: Json, name: str) -> str:
    """Message examples as a card's ``mes_example``. Each is a list of messages, or (in newer versions) an object with ``examples``."""
    written = []
    for group in groups if isinstance(groups, list) else []:
        messages = group.get("examples") if isinstance(group, dict) else group
        lines = [_line(message, name) for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []
        if any(lines):
            written.append("\n".join(["<START>", *filter(None, lines)]))
    return "\n".join(written)


def _line(message: Mapping[str, Any], name: str) -> str:
    content = message.get("content")
    text = content.get("text") if isinstance(content, dict) else content
    speaker = message.get("name") or message.get("user")
    who = "{{char}}" if isinstance(speaker, str) and speaker.casefold() in (name.casefold(), "{{char}}") else "{{user}}"
    return f"{who}: {' '.join(text.split())}" if isinstance(text, str) and text.strip() else ""


def _examples(dialogue: str, first: str, name: str) -> list[list[dict[str, Any]]]:
    groups: list[list[dict[str, Any]]] = []
    for part in re.split(r"<START>", dialogue, flags=re.IGNORECASE):
        group: list[dict[str, Any]] = []
        for line in part.splitlines():
            if found := _SPEAKER.match(line):
                speaker = name if found[1].lower() in ("{{char}}", name.lower()) else "{{user1}}"
                group.append({"name": speaker, "content": {"text": found[2]}})
            elif line.strip() and group:
                group[-1]["content"]["text"] += "\n" + line.strip()
        if group:
            groups.append(group)
    if first and not groups:
        groups.append([{"name": name, "content": {"text": first}}])
    return groups
