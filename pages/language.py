"""The language of the pages: texts of `assets/i18n/`, and which of them a visitor is shown.

The server decides (the UI_LANGUAGE setting, else the visitor's choice kept in a cookie, else what the browser asks for) and tells the
page, so Gradio's own labels, our cards and the sentences of handlers always agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter

import gradio as gr
from gradio.i18n import I18nData

from errors import EditError, StudioError
from pipeline.formats.remarks import Remark

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "i18n"
LANGUAGES = {"en": "en", "zh": "zh-CN"}
"""Our languages and the locale by which Gradio and the browser know each."""
COOKIE = "studio_language"

TELLING = 10
"""Letters of its own that a sentence's template must have for a stored sentence to be told by it."""
LONGEST_STORED = 600
"""A longer one is left as it is: what a server answered is in some of them, and matching takes its length to the third power."""

Texts = dict[str, str]


@cache
def texts(language: str) -> Texts:
    """All texts of the pages in *language* (``en`` or ``zh``), by key: one file a page."""
    found: Texts = {}
    for file in sorted((FOLDER / language).glob("*.json")):
        if file.stem != "errors":
            found |= json.loads(file.read_text("utf-8"))
    return found


@cache
def _sentences(language: str) -> Texts:
    """The sentences of :mod:`errors` in *language*, by their English template."""
    file = FOLDER / language / "errors.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def translations() -> gr.I18n:
    """The same texts for the labels of Gradio's components."""
    return gr.I18n(**{locale: texts(language) for language, locale in LANGUAGES.items()})


def t(key: str) -> I18nData:
    """A label that the page shows in the visitor's language."""
    if key not in texts("en"):
        raise KeyError(key)
    return I18nData(key)


def choose(cookies: Mapping[str, str], accept_language: str, fixed: str = "auto") -> str:
    """The language for a visitor: *fixed* unless that is ``auto``, else the cookie's, else the first that the browser knows."""
    wanted = [fixed, cookies.get(COOKIE, ""), *(part.split(";")[0].strip() for part in accept_language.split(","))]
    return next((language for tag in wanted for language in LANGUAGES if tag.lower().split("-")[0] == language), "en")


def of_request(request: gr.Request, fixed: str) -> str:
    """:func:`choose` for a handler."""
    return choose(request.cookies or {}, request.headers.get("accept-language", ""), fixed)


def say(language: str, key: str, **facts: object) -> str:
    """The text *key* with *facts* filled in."""
    return texts(language)[key].format(**facts)


def sentence(error: StudioError | Remark, language: str) -> str:
    """What an error or a remark says, in *language* where it is known there, else in English. One with several problems says each."""
    if isinstance(error, EditError):
        return " ".join(sentence(problem, language) for problem in error.problems)
    return _sentences(language).get(error.template, error.template).format(**error.facts)


def told(remarks: Iterable[str], language: str) -> list[str]:
    """Each of the *remarks* on a file as a sentence in *language*; what is no :class:`Remark` is said as it is."""
    return [sentence(one, language) if isinstance(one, Remark) else one for one in remarks]


@lru_cache(4096)
def stored(text: str, language: str) -> str:
    """A sentence that was stored in English (why a step failed), in *language* where the template that it was made from is known there."""
    if len(text) > LONGEST_STORED:
        return text
    for pattern, template in _patterns(language):
        if found := pattern.fullmatch(text):
            facts = found.groupdict()
            return "".join(literal + (facts[name] if name else "") for literal, name, _, _ in Formatter().parse(template))
    return text


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """What sentences made from our English templates look like, and the template in *language*; the wordiest first."""
    found = []
    for english, template in _sentences(language).items():
        parts = [(literal, name) for literal, name, _, _ in Formatter().parse(english)]
        own = sum(len(literal) for literal, _ in parts)
        if own < TELLING:
            continue
        names: set[str] = set()
        pattern = ""
        for literal, name in parts:
            pattern += re.escape(literal)
            if name:
                pattern += f"(?P={name})" if name in names else f"(?P<{name}>.+?)"
                names.add(name)
        found.append((own, re.compile(pattern, re.DOTALL), template))
    return [(pattern, template) for _, pattern, template in sorted(found, key=lambda one: -one[0])]
