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
from functools import cached_property, lru_cache
from typing import Any

from pipeline.offline import Json

_LANGUAGE = re.compile(r"(?:Write|Answer|Reply)\s+(?:every text|everything|all texts|it|this)?\s*in\s+([^\n.。]+)", re.IGNORECASE)
_CHINESE = re.compile(r"中文|汉语|华语|普通话|國語|chinese|mandarin|^zh", re.IGNORECASE)
_LOCATION = re.compile(r"^They live here:\s*(.+)$", re.MULTILINE)
_GOAL = re.compile(r"^The account is for:\s*(.+)$", re.MULTILINE)
_ASKS = re.compile(r"^The author asks(?: for this change)?:\s*(.+(?:\n(?!\n).+)*)", re.MULTILINE)
_CHANGE = re.compile(r"^The author asks for this change:\s*(.+(?:\n(?!\n).+)*)", re.MULTILINE)
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
class Found:
    """A JSON object of the material, with what is asked of it again and again: its text, the value nearest to its top under each name,
    earlier texts in it. Found objects are shared by requests; do not change them.
    """

    value: dict[str, Any]
    text: str
    nearest: Mapping[str, Any]
    earlier: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What a request says."""

    language: str
    text: str
    found: tuple[Found, ...] = ()
    schema: dict[str, Any] | None = None
    schema_name: str = ""
    schema_in_prompt: bool = False
    pictures: tuple[str, ...] = ()
    location: str = ""
    goal: str = ""
    asks: tuple[str, ...] = ()
    change: str = ""
    """What the author wants changed of the material: here the material no longer counts."""
    avoid: tuple[str, ...] = ()
    dates: tuple[date, ...] = ()
    kinds_due: Mapping[date, str] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    earlier_answers: tuple[str, ...] = ()

    def fact(self, *names: str) -> Json:
        """The value of the first of *names* that the material has, nearest to its top; ``None`` where it has none."""
        for name in names:
            for item in self.found:
                if (value := item.nearest.get(name)) not in (None, "", []):
                    return value
        return None

    @cached_property
    def material(self) -> str:
        """All of the material as one text, for finding words in it."""
        return f"[{', '.join(item.text for item in self.found)}]" if self.found else ""


def read(messages: list[Any], response_format: Mapping[str, Any] | None) -> Reading:
    """Read the messages of a request; shapes were checked before. A repair turn is read like the question it repairs."""
    system, user, answers, pictures = _split(messages)
    said = "\n\n".join(user)
    schema, name, in_prompt = _schema(said, response_format)
    bare, blocks = _split_data(said)
    if in_prompt:
        bare = _FENCE.sub(" ", bare)
    found = _objects(blocks, bare)
    data = tuple(item.value for item in found)
    due = _kinds_due(found)
    return Reading(
        language=_language(system, bare),
        text=bare.strip(),
        found=found,
        schema=schema,
        schema_name=name,
        schema_in_prompt=in_prompt,
        pictures=pictures,
        location=_last(_LOCATION, bare),
        goal=_last(_GOAL, bare),
        asks=tuple(match.strip() for match in _ASKS.findall(bare)),
        change=_last(_CHANGE, bare),
        avoid=tuple(_earlier_texts(found, bare)),
        dates=tuple(due) or tuple(_dates(bare, found)),
        kinds_due=due,
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


def _text_and_pictures(content: Json) -> tuple[str, list[str]]:
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
        if isinstance(found, dict) and (
            {"properties", "$ref", "$defs", "anyOf"} & found.keys() or found.get("type") in ("object", "array")
        ):
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


def _split_data(said: str) -> tuple[str, list[str]]:
    """What stands outside of data blocks, and the blocks."""
    outside, blocks, at = [], [], 0
    while (start := said.find("<data>", at)) != -1 and (end := said.find("</data>", start)) != -1:
        outside.append(said[at:start])
        blocks.append(said[start + len("<data>") : end].strip())
        at = end + len("</data>")
    return " ".join([*outside, said[at:]]), blocks


def _objects(blocks: list[str], bare: str) -> tuple[Found, ...]:
    """The JSON objects of the material: what stands in data blocks; without any, every larger object in the text."""
    if blocks:
        return tuple(item for block in blocks for item in _objects_of(block))
    return tuple(_search(bare))


@lru_cache(maxsize=256)
def _objects_of(block: str) -> tuple[Found, ...]:
    """The objects of a data block, remembered: a persona's block comes with each of their tweets."""
    return tuple(_search(block))


def _search(block: str) -> Iterator[Found]:
    decoder = json.JSONDecoder()
    at = block.find("{")
    while at != -1:
        try:
            found, end = decoder.raw_decode(block, at)
        except (ValueError, RecursionError):
            at = block.find("{", at + 1)
            continue
        if isinstance(found, dict) and found and not ("properties" in found and found.get("type") == "object"):
            earlier = tuple(_texts_under(found, wanted=False, depth=0))
            yield Found(found, json.dumps(found, ensure_ascii=False), _nearest(found), earlier)
        at = block.find("{", end)


def _nearest(root: dict[str, Any]) -> dict[str, Any]:
    """All names with their values, breadth-first, so that the persona's own name comes before that of anybody they know."""
    nearest: dict[str, Any] = {}
    queue: deque[dict[str, Any]] = deque([root])
    while queue:
        node = queue.popleft()
        for key, value in node.items():
            nearest.setdefault(key, value)
            if key not in _OTHERS and isinstance(value, dict):
                queue.append(value)
    return nearest


def _earlier_texts(found: tuple[Found, ...], said: str) -> Iterator[str]:
    for item in found:
        yield from item.earlier
    if _EARLIER.search(said):
        yield from _BULLET.findall(said)


def _texts_under(node: Json, *, wanted: bool, depth: int) -> Iterator[str]:
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


def _dates(said: str, material: tuple[Found, ...]) -> list[date]:
    """Days the text speaks of: those it names, or so many from the first one; else those of the material's plan."""
    found = sorted(set(_valid_dates(said)))
    count = _DAYS.search(said)
    days = int(count[1] or count[2]) if count else 0
    if found and len(found) <= 2 and days > len(found):
        return [found[0] + timedelta(days=offset) for offset in range(min(days, 366))]
    return found or sorted(set(_valid_dates(" ".join(str(item.nearest.get("date") or "") for item in material))))


def _kinds_due(material: tuple[Found, ...]) -> dict[date, str]:
    """The days that the material lists, each with the kind of tweet that is due then: ``{"days": [{"date": ..., "topic_type": ...}]}``."""
    listed = next((item.nearest["days"] for item in material if isinstance(item.nearest.get("days"), list)), [])
    due = {}
    for entry in listed:
        if isinstance(entry, dict) and (day := next(_valid_dates(str(entry.get("date") or "")), None)):
            due[day] = str(entry.get("topic_type") or "")
    return due


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
