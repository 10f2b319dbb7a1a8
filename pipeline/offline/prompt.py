"""Reads a request: language, wishes, pictures, the material between ``<data>`` and ``</data>``, the schema, dates, what to avoid.

It knows the sentences of `assets/prompts/` that carry wishes, and otherwise only shapes: JSON objects with a ``name`` and a ``city`` in
them describe a persona wherever they stand. Material is never read as instruction.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

_LANGUAGE = re.compile(r"(?:Write|Answer|Reply)\s+(?:every text|everything|all texts|it|this)?\s*in\s+([^\n.。]+)", re.IGNORECASE)
_CHINESE = re.compile(r"中文|汉语|华语|普通话|國語|chinese|mandarin|^zh", re.IGNORECASE)
_LOCATION = re.compile(r"^They live here:\s*(.+)$", re.MULTILINE)
_GOAL = re.compile(r"^The account is for:\s*(.+)$", re.MULTILINE)
_ASKS = re.compile(r"^The author asks(?: for this change)?:\s*(.+(?:\n(?!\n).+)*)", re.MULTILINE)
_DATA = re.compile(r"<data>\s*(.*?)\s*</data>", re.DOTALL)
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DAYS = re.compile(r"\b(\d{1,3})\s+(?:consecutive\s+)?days\b|(\d{1,3})\s*天")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(.{20,})$", re.MULTILINE)
_CJK = re.compile(r"[\u4e00-\u9fff]")

_OTHERS = {"social_circle", "close_friends", "past_relationships", "online_friends", "character_book", "entries", "friends", "network"}
"""Keys under which names and ages belong to other people than the persona."""
_EARLIER = re.compile(r"recent|avoid|previous|earlier|already|tweet_examples|examples", re.IGNORECASE)
_PLAN_KEYS = {"topic_type", "theme", "content_direction", "suggested_scene", "recommended_time", "tweet_format"}


@dataclass(frozen=True)
class Reading:
    """What a request says."""

    language: str
    text: str
    data: tuple[dict[str, Any], ...] = ()
    schema: dict[str, Any] | None = None
    schema_name: str = ""
    schema_in_prompt: bool = False
    pictures: tuple[str, ...] = ()
    location: str = ""
    goal: str = ""
    asks: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    dates: tuple[date, ...] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    earlier_answers: tuple[str, ...] = ()

    def fact(self, *names: str) -> Any:
        """The value of the first of *names* that the material has, nearest to its top; ``None`` where it has none."""
        for name in names:
            for item in self.data:
                if (value := _nearest(item, name)) not in (None, "", []):
                    return value
        return None

    @property
    def material(self) -> str:
        """All of the material as one text, for finding words in it."""
        return json.dumps(self.data, ensure_ascii=False) if self.data else ""


def read(messages: list[Any], response_format: Mapping[str, Any] | None) -> Reading:
    """Read the messages of a request; shapes were checked before. A repair turn is read like the question it repairs."""
    system, user, answers, pictures = _split(messages)
    said = "\n\n".join(user)
    schema, name, in_prompt = _schema(said, response_format)
    bare = _DATA.sub(" ", said)
    if in_prompt:
        bare = _FENCE.sub(" ", bare)
    data = tuple(_objects(said, in_prompt=in_prompt))
    return Reading(
        language=_language(system, bare),
        text=bare.strip(),
        data=data,
        schema=schema,
        schema_name=name,
        schema_in_prompt=in_prompt,
        pictures=pictures,
        location=_last(_LOCATION, bare),
        goal=_last(_GOAL, bare),
        asks=tuple(match.strip() for match in _ASKS.findall(bare)),
        avoid=tuple(_earlier_texts(data, bare)),
        dates=tuple(_dates(bare, data)),
        plan=_plan(data),
        earlier_answers=answers,
    )


def _split(messages: list[Any]) -> tuple[str, list[str], tuple[str, ...], tuple[str, ...]]:
    """System text, user texts up to the first answer (what follows repairs it), the answers so far, picture addresses."""
    system, user, answers, pictures = [], [], [], []
    for message in messages:
        text, seen = _text_and_pictures(message.get("content"))
        if message["role"] in ("system", "developer"):
            system.append(text)
        elif message["role"] == "assistant":
            answers.append(text)
        elif message["role"] == "user" and not answers:
            user.append(text)
            pictures.extend(seen)
    return "\n".join(system), user, tuple(answers), tuple(pictures)


def _text_and_pictures(content: Any) -> tuple[str, list[str]]:
    if isinstance(content, str):
        return content, []
    texts, pictures = [], []
    for part in content or []:
        if part["type"] == "text":
            texts.append(part["text"])
        elif part["type"] == "image_url":
            address = part["image_url"]
            pictures.append(address["url"] if isinstance(address, dict) else address)
    return "\n".join(texts), pictures


def pictures(messages: list[Any]) -> list[str]:
    """The addresses of all pictures in the user messages."""
    return [address for message in messages if message["role"] == "user" for address in _text_and_pictures(message.get("content"))[1]]


def _schema(said: str, response_format: Mapping[str, Any] | None) -> tuple[dict[str, Any] | None, str, bool]:
    """The schema to follow, its name, and whether it stood in the prompt."""
    if response_format and response_format.get("type") == "json_schema":
        wrapped = response_format["json_schema"]
        return wrapped.get("schema") or {"type": "object"}, wrapped.get("name", ""), False
    for block in reversed(_FENCE.findall(said)):
        try:
            found = json.loads(block)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and ({"properties", "$ref", "$defs", "anyOf"} & found.keys() or found.get("type") in ("object", "array")):
            return found, str(found.get("title") or found.get("description") or "")[:80], True
    return None, "", False


def _language(system: str, said: str) -> str:
    if wanted := _LANGUAGE.findall(system) or _LANGUAGE.findall(said):
        return "zh" if _CHINESE.search(wanted[-1].strip()) else "en"
    shown = said[-4000:]
    return "zh" if len(_CJK.findall(shown)) > len(shown) / 6 else "en"


def _last(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.findall(text)
    return found[-1].strip() if found else ""


def _objects(said: str, *, in_prompt: bool) -> Iterator[dict[str, Any]]:
    """The JSON objects of the material: what stands in data blocks; without any, every larger object in the text."""
    blocks = _DATA.findall(said)
    if not blocks:
        blocks = [_FENCE.sub(" ", said)] if in_prompt else [said]
    decoder = json.JSONDecoder()
    for block in blocks:
        at = block.find("{")
        while at != -1:
            try:
                found, end = decoder.raw_decode(block, at)
            except (ValueError, RecursionError):
                at = block.find("{", at + 1)
                continue
            if isinstance(found, dict) and found and not ("properties" in found and found.get("type") == "object"):
                yield found
            at = block.find("{", end)


def _nearest(root: Any, name: str) -> Any:
    """Breadth-first, so that the persona's own name comes before that of anybody they know."""
    queue: deque[Any] = deque([root])
    while queue:
        node = queue.popleft()
        if isinstance(node, dict):
            if name in node:
                return node[name]
            queue.extend(value for key, value in node.items() if key not in _OTHERS and isinstance(value, dict))
    return None


def _earlier_texts(data: tuple[dict[str, Any], ...], said: str) -> Iterator[str]:
    for item in data:
        yield from _texts_under(item, wanted=False, depth=0)
    if _EARLIER.search(said):
        yield from _BULLET.findall(said)


def _texts_under(node: Any, *, wanted: bool, depth: int) -> Iterator[str]:
    if depth > 8:
        return
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("text", "tweet_text") and isinstance(value, str):
                yield value
            else:
                yield from _texts_under(value, wanted=wanted or bool(_EARLIER.search(key)), depth=depth + 1)
    elif isinstance(node, list):
        for item in node:
            if wanted and isinstance(item, str):
                yield item
            else:
                yield from _texts_under(item, wanted=wanted, depth=depth + 1)


def _dates(said: str, data: tuple[dict[str, Any], ...]) -> list[date]:
    """Days the text speaks of: those it names, or so many from the first one; else those of the material's plan."""
    found = sorted(set(_valid_dates(said)))
    count = _DAYS.search(said)
    days = int(count[1] or count[2]) if count else 0
    if found and len(found) <= 2 and days > len(found):
        return [found[0] + timedelta(days=offset) for offset in range(min(days, 366))]
    return found or sorted(set(_valid_dates(" ".join(str(_nearest(item, "date") or "") for item in data))))


def _valid_dates(text: str) -> Iterator[date]:
    for year, month, day in _DATE.findall(text):
        try:
            yield date(int(year), int(month), int(day))
        except ValueError:
            continue


def _plan(data: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The day plan in the material: the nearest object with at least two of a plan's keys."""
    for item in data:
        queue: deque[Any] = deque([item])
        while queue:
            node = queue.popleft()
            if isinstance(node, dict):
                if len(_PLAN_KEYS & node.keys()) >= 2 and "text" not in node:
                    return node
                queue.extend(value for value in node.values() if isinstance(value, dict))
    return {}
