"""Persona files read: Character Cards V1, V2 and V3 as JSON and PNG, a bare ``data`` object, elizaOS characters.

A file is taken for what is in it, never for what it is called. Whatever it is, it becomes a card in normal form: V2 or V3 with every field
that the specification asks for, in the type it asks for. What had to be put right is said in one sentence each; what is not known stays
where it was. Reading a card in normal form changes nothing. See :mod:`pipeline.formats.cards` for the specifications.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from errors import UploadError
from pipeline.formats import eliza
from pipeline.formats.cards import V1_FIELDS, V2, V3
from pipeline.formats.json_in import Json, read_json
from pipeline.formats.png_chunks import SIGNATURE, read_texts
from pipeline.formats.remarks import Remark

TEXTS = (*V1_FIELDS, "creator_notes", "system_prompt", "post_history_instructions", "creator", "character_version")
LISTS = ("alternate_greetings", "tags")
_INNER = {*TEXTS, *LISTS, "extensions", "character_book", "core_info", "twitter_persona"} - {*V1_FIELDS}
"""What shows that an object without ``spec`` is the inside of a V2 card, not a V1 card."""
_CHUNKS = ("ccv3", "chara")
"""Keywords of the texts in a PNG, the better one first."""


@dataclass(frozen=True)
class Found:
    """A persona file: its *kind* (``v1``, ``v2``, ``v3``, ``data`` or ``eliza``), the card in normal form, what was put right, and whether
    the file is a picture at the same time.
    """

    kind: str
    card: dict[str, Any]
    remarks: list[Remark]
    is_picture: bool = False


def read(content: bytes, name: str) -> Found:
    """The persona in a file that the author calls *name*. Raises :class:`UploadError` with one sentence where there is none."""
    if content.startswith(SIGNATURE):
        return _read_png(content, name)
    if content.startswith(b"PK\x03\x04"):
        raise UploadError("{name} is an archive. Unpack it and take the card.json in it.", name=name)
    if content.startswith((b"\xff\xd8\xff", b"RIFF", b"GIF8")):
        raise UploadError("{name} is a picture without a card in it. Cards are in JSON and PNG files.", name=name)
    return normal(read_json(content, name), name)


def _read_png(content: bytes, name: str) -> Found:
    try:
        texts = read_texts(content, _CHUNKS)
    except ValueError:
        raise UploadError("{name} is a PNG file that is damaged or cut off.", name=name) from None
    refused: UploadError | None = None
    for keyword in (keyword for keyword in _CHUNKS if keyword in texts):
        try:
            found = normal(read_json(_unpacked(texts[keyword]), name), name)
        except UploadError as error:
            refused = refused or error
            continue
        remarks = [Remark("Its newer card (ccv3) cannot be read; the older one was taken."), *found.remarks] if refused else found.remarks
        return Found(found.kind, found.card, remarks, is_picture=True)
    raise refused or UploadError("{name} is a picture without a card in it. Cards are in JSON and PNG files.", name=name)


def _unpacked(text: str) -> bytes:
    """The JSON in a text of a PNG: in Base64 as the specification has it (padding and line breaks as they come), or as it is."""
    text = text.strip()
    if text.startswith("{"):
        return text.encode()
    packed = "".join(text.split()).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "replace")


def normal(value: object, name: str) -> Found:
    """The persona that *value* (of a JSON file) describes, as a card in normal form."""
    if not isinstance(value, dict):
        raise UploadError("{name} is JSON, but no persona: neither a character card nor an elizaOS character.", name=name)
    if isinstance(value.get("data"), dict) and (value["data"] or "spec" in value):
        return _card(value, name)
    if eliza.is_one(value):
        card = eliza.as_card(value)
        return Found("eliza", *_fields(card, _stem(name), []))
    if not any(isinstance(value.get(field), str) and value[field].strip() for field in V1_FIELDS):
        raise UploadError("{name} is JSON, but no persona: neither a character card nor an elizaOS character.", name=name)
    if _INNER & value.keys():
        remark = Remark("It is the inside of a card only; it was read as Character Card V2.")
        return Found("data", *_fields({"spec": V2, "spec_version": "2.0", "data": value}, _stem(name), [remark]))
    inside = {field: value[field] for field in V1_FIELDS if field in value}
    around = {key: item for key, item in value.items() if key not in V1_FIELDS}
    remark = Remark("It is a Character Card V1; it was read as V2.")
    return Found("v1", *_fields({**around, "spec": V2, "spec_version": "2.0", "data": inside}, _stem(name), [remark]))


def _card(value: dict[str, Any], name: str) -> Found:
    """A card with its wrapper. Some tools write the V1 fields beside ``data`` too; they count where ``data`` lacks them."""
    remarks: list[Remark] = []
    spec = value.get("spec")
    version = str(value.get("spec_version") or "")
    if spec not in (V2, V3):
        guessed = V3 if version.startswith("3") or "group_only_greetings" in value["data"] else V2
        remarks.append(Remark("It does not say which kind of card it is; it was read as {spec}.", spec=guessed))
        spec = guessed
    own = "3." if spec == V3 else "2."
    inside = dict(value["data"])
    beside = [field for field in V1_FIELDS if not inside.get(field) and isinstance(value.get(field), str) and value[field].strip()]
    if beside:
        inside |= {field: value[field] for field in beside}
        remarks.append(Remark("Taken from beside the card's data: {fields}.", fields=", ".join(beside)))
    kept = isinstance(value.get("spec_version"), str) and version.startswith(own)
    card = {**value, "spec": spec, "spec_version": version if kept else own + "0", "data": inside}
    return Found("v3" if spec == V3 else "v2", *_fields(card, _stem(name), remarks))


def _stem(name: str) -> str:
    return " ".join(PurePath(name.replace("\\", "/")).stem.replace("_", " ").replace("-", " ").split())[:80] or "Persona"


# Fields


def _fields(card: dict[str, Any], called: str, remarks: list[Remark]) -> tuple[dict[str, Any], list[Remark]]:
    """The card with every field of the specification in its type; *called* is the name where it has none."""
    data = dict(card["data"])
    mended = _Mended()
    if not isinstance(data.get("name"), str | int | float) or not str(data["name"]).strip():
        data["name"] = called
        remarks.append(Remark("It has no name; the file's was taken: {name}.", name=called))
    for field in TEXTS:
        data[field] = mended.take(field, data.get(field), str, _text, "")
    for field in (*LISTS, *(("group_only_greetings",) if card["spec"] == V3 else ())):
        data[field] = mended.texts(field, data.get(field))
    if not isinstance(data.get("extensions"), dict):
        kept = {"imported_extensions": data["extensions"]} if data.get("extensions") else {}
        data["extensions"] = mended.take("extensions", data.get("extensions"), dict, lambda _: kept, {})
    remarks += mended.remarks()
    _book(data, card["spec"], remarks)
    return {**card, "data": data}, remarks


class _Mended:
    """Fields that were missing, and those that had another type."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.turned: list[str] = []

    def take(self, field: str, value: Json, kind: type, turn: Callable[[Any], Any], default: Json) -> Json:
        """*value* where it is of *kind*, else what *turn* makes of it, *default* for ``None``."""
        if value is None:
            self.missing.append(field)
            return default
        if type(value) is kind:
            return value
        self.turned.append(field)
        return turn(value)

    def texts(self, field: str, value: Json) -> list[str]:
        found = self.take(field, value, list, lambda one: _split(one) if field in ("tags", "keys") else [_text(one)] if one else [], [])
        if all(type(item) is str for item in found):
            return found
        self.turned.append(field)
        return [_text(item) for item in found]

    def remarks(self) -> list[Remark]:
        said = []
        if self.missing:
            said.append(Remark("Missing and taken as empty: {fields}.", fields=", ".join(dict.fromkeys(self.missing))))
        if self.turned:
            said.append(
                Remark(
                    "Of another type than the specification's, and turned into it: {fields}.", fields=", ".join(dict.fromkeys(self.turned))
                )
            )
        return said


def _text(value: Json) -> str:
    """Any value as a text that loses nothing: a list of texts line by line, other things as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def _split(value: Json) -> list[str]:
    text = _text(value).replace("，", ",").replace("、", ",").replace("\n", ",")
    return [part.strip() for part in text.split(",") if part.strip()]


# The character book


def _book(data: dict[str, Any], spec: str, remarks: list[Remark]) -> None:
    """Put the book into the specification's form; one that is ``null`` is none."""
    book: Json = data.get("character_book")
    if book is None:
        data.pop("character_book", None)
        return
    if isinstance(book, list):
        book = {"entries": book}
        remarks.append(Remark("Its character book is a list of entries only; it was read as a book."))
    if not isinstance(book, dict):
        data["extensions"] = {**data["extensions"], "imported_character_book": data.pop("character_book")}
        remarks.append(Remark("Its character book is none; it was put among the extensions."))
        return
    book = dict(book)
    entries = book.get("entries")
    if isinstance(entries, dict):  # a world book of SillyTavern
        entries = list(entries.values())
        remarks.append(Remark("The entries of its character book are numbered by name; they were read as a list."))
    elif not isinstance(entries, list):
        remarks.append(Remark("Its character book has no list of entries; it was taken as empty."))
        if entries is not None:
            book["imported_entries"] = entries
        entries = []
    mended = [_entry(entry, number, spec) for number, entry in enumerate(entries, 1)]
    lacking = sorted({field for _, fields in mended for field in fields})
    if lacking:
        count = sum(bool(fields) for _, fields in mended)
        remarks.append(
            Remark("Entries of its character book that got defaults: {count} ({fields}).", count=count, fields=", ".join(lacking))
        )
    book["entries"] = [entry for entry, _ in mended]
    if not isinstance(book.get("extensions"), dict):
        book["extensions"] = {"imported_extensions": book["extensions"]} if book.get("extensions") else {}
    data["character_book"] = book


def _entry(raw: Json, number: int, spec: str) -> tuple[dict[str, Any], list[str]]:
    """One entry in the specification's form, and the fields that got a default or another type."""
    entry: dict[str, Any] = dict(raw) if isinstance(raw, dict) else {"content": _text(raw)}
    mended = _Mended()
    entry["keys"] = mended.texts("keys", entry["keys"] if "keys" in entry else _split(entry["key"]) if "key" in entry else None)
    entry["content"] = mended.take("content", entry.get("content"), str, _text, "")
    disabled = entry.get("disable")
    given = entry["enabled"] if "enabled" in entry else not disabled if isinstance(disabled, bool) else None
    entry["enabled"] = mended.take("enabled", given, bool, _flag, True)
    order = entry.get("insertion_order", entry.get("order"))
    if isinstance(order, bool) or not isinstance(order, int | float):
        order = mended.take("insertion_order", order, int, lambda value: _number(value, number * 10), number * 10)
    entry["insertion_order"] = order
    if not isinstance(entry.get("extensions"), dict):
        kept = {"imported_extensions": entry["extensions"]} if entry.get("extensions") else {}
        entry["extensions"] = mended.take("extensions", entry.get("extensions"), dict, lambda _: kept, {})
    if spec == V3:
        entry["use_regex"] = mended.take("use_regex", entry.get("use_regex"), bool, _flag, False)
    return entry, [*mended.missing, *mended.turned]


def _flag(value: Json) -> bool:
    return value.strip().lower() not in ("", "false", "no", "off", "0") if isinstance(value, str) else bool(value)


def _number(value: Json, default: int) -> int:
    text = str(value).strip() if isinstance(value, str) else ""
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 16 else default
