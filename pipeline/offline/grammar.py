"""Expands the templates of `worlds/`.

A template is ordinary text with four signs:

- ``{tool}`` is replaced by an entry of the pool ``tool`` (itself a template) or by the fact of that name (a string is no template: it
  may come from a stranger). ``{Tool}`` does the same and capitalises. ``{friend.first}`` takes one field of a table.
- ``{tool>t}`` draws and remembers, ``{t}`` repeats what was remembered.
- ``[again|still|]`` is one of the alternatives.
- ``[keeps]`` is a verb that agrees with the persona: ``keeps`` after he and she, ``keep`` after they.

``{{user}}`` and ``{{char}}``, the macros of character cards, are left as they are. A :class:`Telling` never draws the same entry of a
pool twice until the pool is used up, so one answer does not repeat itself.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.offline import Json

DEEPEST = 12


@dataclass(frozen=True)
class Slot:
    name: str
    field: str = ""
    remember: str = ""
    capital: bool = False


@dataclass(frozen=True)
class Choice:
    options: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Verb:
    singular: str


class UnknownSymbol(KeyError):
    """A template names something that is neither a fact nor a pool: a slip in `worlds/`, found by the tests."""


_TOKEN = re.compile(r"(\{\{\w+\}\}|\{[A-Za-z_]\w*(?:\.\w+)?(?:>\w+)?\}|[\[\]|])")


@lru_cache(maxsize=20_000)
def parse(template: str) -> tuple[Any, ...]:
    """The nodes of *template*: strings, slots, choices, verbs."""
    nodes, _, _ = _parse(_TOKEN.split(template), 0, inside=False)
    return nodes


def _parse(tokens: list[str], at: int, *, inside: bool) -> tuple[tuple[Any, ...], int, str]:
    """Nodes up to the end or, *inside* brackets, to the next ``|`` or ``]``, with where and at which sign that was."""
    nodes: list[Any] = []
    while at < len(tokens):
        token = tokens[at]
        if inside and token in ("|", "]"):
            return tuple(nodes), at, token
        if token == "[":  # noqa: S105  a bracket is no password
            node, at = _bracket(tokens, at + 1)
            nodes.append(node)
        elif token.startswith("{") and not token.startswith("{{"):
            nodes.append(_slot(token[1:-1]))
        elif token:
            nodes.append(token)
        at += 1
    return tuple(nodes), at, ""


def _bracket(tokens: list[str], at: int) -> tuple[Choice | Verb, int]:
    options: list[tuple[Any, ...]] = []
    while True:
        nodes, at, sign = _parse(tokens, at, inside=True)
        options.append(nodes)
        if sign != "|":
            break
        at += 1
    if len(options) == 1:
        return Verb("".join(str(node) for node in options[0])), at
    return Choice(tuple(options)), at


def _slot(inner: str) -> Slot:
    inner, _, remember = inner.partition(">")
    name, _, field = inner.partition(".")
    capital = name[0].isupper()
    return Slot(name[0].lower() + name[1:], field, remember, capital)


class Telling:
    """One answer being told: where names are looked up, a source of chance, and what was drawn already.

    *facts* win over *pools*: a string is inserted as it is, a list offers its entries, a table its fields. *plural* tells whether verbs
    agree with "they".
    """

    def __init__(
        self, facts: Mapping[str, Any], pools: Callable[[str], Sequence[Any] | None], rng: random.Random, *, plural: bool = False
    ) -> None:
        self.facts = dict(facts)
        self.rng = rng
        self._pools = pools
        self._plural = plural
        self._undrawn: dict[str, list[Any]] = {}

    def tell(self, template: str, **bound: Json) -> str:
        """*template* expanded and tidied. *bound* are further facts for this text only."""
        return tidy(self._expand(parse(template), dict(bound), 0))

    def draw(self, pool: str, entries: Sequence[Any] | None = None) -> Json:
        """An entry of *pool* as it stands there, or of *entries*, which are then remembered under that name.

        Raises :class:`UnknownSymbol` where there is no such pool.
        """
        undrawn = self._undrawn.get(pool)
        if not undrawn:
            entries = entries or self._pools(pool)
            if not entries:
                raise UnknownSymbol(pool)
            undrawn = self._undrawn[pool] = list(entries)
        return undrawn.pop(self.rng.randrange(len(undrawn)))

    def has(self, pool: str) -> bool:
        return bool(self._pools(pool))

    def say(self, pool: str, **bound: Json) -> str:
        """An entry of *pool*, expanded."""
        return self.tell(self._template(self.draw(pool)), **bound)

    def _expand(self, nodes: tuple[Any, ...], bound: dict[str, Any], depth: int) -> str:
        if depth > DEEPEST:
            raise RecursionError("a template of worlds/ contains itself")
        parts: list[str] = []
        for node in nodes:
            if isinstance(node, str):
                parts.append(node)
            elif isinstance(node, Slot):
                parts.append(self._fill(node, bound, depth))
            elif isinstance(node, Choice):
                parts.append(self._expand(node.options[self.rng.randrange(len(node.options))], bound, depth + 1))
            else:
                parts.append(plural_verb(node.singular) if self._plural else node.singular)
        return "".join(parts)

    def _fill(self, slot: Slot, bound: dict[str, Any], depth: int) -> str:
        value = bound[slot.name] if slot.name in bound else self.facts.get(slot.name)
        if isinstance(value, str):
            text = value
        else:
            if value is None:
                value = self.draw(slot.name)
            elif isinstance(value, list):  # several values for one fact: any of them
                value = value[self.rng.randrange(len(value))]
            if slot.remember and isinstance(value, dict):
                bound[slot.remember] = value
            text = self._expand(parse(self._template(value, slot.field)), bound, depth + 1)
        if slot.remember and not isinstance(value, dict):
            bound[slot.remember] = text
        return capitalised(text) if slot.capital else text

    def _template(self, value: Json, field: str = "") -> str:
        """The template that *value* stands for; of a table the wanted field, of a field with several one that was not told yet."""
        if isinstance(value, dict):
            field = field or ("text" if "text" in value else "name")
            chosen = value[field]
            return str(self.draw(f"{value.get('name')}.{field}", chosen) if isinstance(chosen, list) else chosen)
        return str(value[0] if isinstance(value, list) else value)


def capitalised(text: str) -> str:
    """*text* with its first letter in upper case; the rest untouched."""
    return text[:1].upper() + text[1:]


_IRREGULAR = {
    "is": "are",
    "has": "have",
    "does": "do",
    "was": "were",
    "goes": "go",
    "isn't": "aren't",
    "hasn't": "haven't",
    "doesn't": "don't",
}


def plural_verb(singular: str) -> str:
    """The form of an English verb after "they": ``keeps`` -> ``keep``, ``watches`` -> ``watch``, ``is`` -> ``are``."""
    if singular in _IRREGULAR:
        return _IRREGULAR[singular]
    if re.search(r"(ss|sh|ch|x|zz)es$", singular):
        return singular[:-2]
    if singular.endswith("ies"):
        return singular[:-3] + "y"
    return singular.removesuffix("s")


_VOWEL_SOUND = re.compile(
    r"^(?:(?![Uu]ni(?!n|m)|[Uu]s[aeiu]|[Uu]te|[Ee]u|[Oo]ne\b|[Oo]nce|[Uu]kulele)[AEIOUaeiou]|(?:hour|honest|heir|honou?r)|8\b|8\d\b|11\b|18\b|[FHLMNRSX]{2,3}\b)"
)
_ARTICLE = re.compile(r"\b([Aa])(n?) (?=([\"'“‘]?)([\w']+))")
_SPACES = re.compile(r"[ \t]{2,}")
_BEFORE_STOP = re.compile(r" +([,.;:!?])(?=\s|$)")
_STOPS = re.compile(r"([.!?…])([\"”]?)\.(?!\.)")
_ZH_STOPS = re.compile(r"([。！？…，、；：])([。，、；：]+)")


@lru_cache(maxsize=8192)
def tidy(text: str) -> str:
    """Articles that fit the word that came after them, no doubled spaces or stops."""
    if "  " in text or " \n" in text:
        text = _SPACES.sub(" ", text).replace(" \n", "\n")
    text = _ARTICLE.sub(_article, text)
    text = _BEFORE_STOP.sub(r"\1", text)
    if "…" not in text and "..." not in text:
        text = _STOPS.sub(r"\1\2", text)
    text = _ZH_STOPS.sub(_zh_stop, text).strip()
    return _quotes_in_quotes(text) if text.count("“") > 1 else text


def _quotes_in_quotes(text: str) -> str:
    """Chinese quotation marks inside others become single ones: “甲说“乙”。” -> “甲说‘乙’。”"""
    if text.count("“") != text.count("”"):
        return text
    depth, signs = 0, []
    for sign in text:
        depth += sign == "“"
        signs.append({"“": "‘", "”": "’"}.get(sign, sign) if depth > 1 else sign)
        depth -= sign == "”"
    return "".join(signs)


def _article(match: re.Match[str]) -> str:
    letter, _, _, word = match.groups()
    return f"{letter}{'n' if _VOWEL_SOUND.match(word) else ''} "


def _zh_stop(match: re.Match[str]) -> str:
    first, rest = match.groups()
    if first in "。！？…":
        return first
    return rest[-1] if rest[-1] == "。" else first
