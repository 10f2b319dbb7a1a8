"""Posts: one moment in a life, told in one of the forms of `posts.toml`, with what goes on around it and what a photo would show."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from pipeline.offline.colours import by_name
from pipeline.offline.grammar import Telling
from pipeline.offline.shelves import forms
from pipeline.offline.world import World, light_lines

LIMIT = 274
"""Weighted characters; a little under what networks allow, for a link preview or a slip in counting."""
DRAFTS = 6
SEGMENTS = ("morning", "noon", "afternoon", "evening", "night")
_STARTS = {"morning": 6, "noon": 11, "afternoon": 14, "evening": 18, "night": 22}


@dataclass(frozen=True)
class Occasion:
    """When and why a post is written. Empty fields are decided by chance; *about* are words it should pick up."""

    kind: str = ""
    form_keys: tuple[str, ...] = ()
    segment: str = ""
    mood: str = ""
    day: date | None = None
    about: str = ""
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moment:
    form: str
    kind: str
    format: str
    segment: str
    mood: str
    text: str
    context: str
    scene: str
    scene_en: str
    clock: str
    bound: Mapping[str, Any] = field(default_factory=dict)


def weighted_length(text: str) -> int:
    """Length as twitter-text counts it, but for URLs, which the writer never uses."""
    if text.isascii():
        return len(text)
    return sum(
        1 if ord(sign) <= 0x10FF or 0x2000 <= ord(sign) <= 0x200D or 0x2010 <= ord(sign) <= 0x201F or 0x2032 <= ord(sign) <= 0x2037 else 2
        for sign in text
    )


def segment_of(clock: str) -> str:
    """The part of the day of a time HH:MM."""
    hour = int(clock[:2])
    return (
        next((segment for segment in reversed(SEGMENTS[:4]) if hour >= _STARTS[segment]), "night") if hour < 22 and hour >= 5 else "night"
    )


class Teller:
    """Composes moments of one world in one answer; forms take turns so that neighbours differ."""

    def __init__(self, world: World, telling: Telling) -> None:
        self.world = world
        self.telling = telling
        self.rng = telling.rng
        self._used_forms: list[str] = []
        self._told: list[str] = []
        self.continued: list[str] = []
        """First posts of threads, whose further parts are being asked for."""

    def compose(self, occasion: Occasion) -> Moment:
        """The best of several drafts: near to what the plan is about, far from what was said before."""
        drafts = [self._draft(occasion) for _ in range(DRAFTS if occasion.about or occasion.avoid else 2)]
        wanted = words(occasion.about)
        said = [words(text) for text in (*occasion.avoid[-60:], *self._told)]
        best = max(drafts, key=lambda draft: _worth(words(draft.text), wanted, said))
        self._used_forms.append(best.form)
        self._told.append(best.text)
        return self._surrounded(best)

    def _draft(self, occasion: Occasion) -> Moment:
        for _ in range(12):
            draft = self._once(occasion)
            if weighted_length(draft.text) <= LIMIT and self._fits_one_post(draft.text):
                return draft
        return replace(draft, text=_shorter(draft.text))

    def _fits_one_post(self, text: str) -> bool:
        return self.world.shelf.language != "zh" or len(text) <= LIMIT // 2

    def _once(self, occasion: Occasion) -> Moment:
        form = self._form(occasion)
        segment = occasion.segment or (
            segment_of(self.rng.choice(self.world.identity.life.hours)) if self.rng.random() < 0.6 else self.rng.choice(SEGMENTS)
        )
        bound = self._bind(form, segment, occasion)
        text = self.telling.tell(self._frame(form), **bound)
        mood = occasion.mood or self.rng.choice(self.world.shelf.tables["mood"][self.rng.choice(form["moods"])])
        return Moment(form["key"], occasion.kind or form["key"], form["format"], segment, mood, text, "", "", "", bound["clock"], bound)

    def _frame(self, form: Mapping[str, Any]) -> str:
        return self.telling.draw(f"frames of {form['key']}", form["frames"])

    def _form(self, occasion: Occasion) -> Mapping[str, Any]:
        every = forms(self.world.shelf.language)
        wanted = [form for form in every if form["key"] in occasion.form_keys] or list(every)
        fresh = [form for form in wanted if form["key"] not in self._used_forms[-8:]] or wanted
        return self.rng.choices(fresh, [form["weight"] for form in fresh])[0]

    def _bind(self, form: Mapping[str, Any], segment: str, occasion: Occasion) -> dict[str, Any]:
        """What is one and the same throughout a moment: its people, places, times and numbers."""
        telling, rng = self.telling, self.rng
        bound: dict[str, Any] = when(self.world, segment, occasion.day, rng)
        for name in ("regular", "friend", "joke"):
            bound[name] = telling.draw(name)
        for name in ("where", "place", "machine", "creature", "tool", "container"):
            bound[name] = telling.say(name, **bound)
        bound["tool_a"] = re.sub(r"^my ", "a ", bound["tool"])
        bound["machine_bare"] = re.sub(r"^the ", "", bound["machine"])
        if form["key"] == "exchange":
            question, answer = telling.draw("exchange" if rng.random() < 0.6 else "any_exchange")
            bound |= {"ask": telling.tell(question, **bound), "answer": telling.tell(answer, **bound)}
        elif form["key"] == "versus":
            think, do = telling.draw("versus")
            bound |= {"versus_think": telling.tell(think, **bound), "versus_do": telling.tell(do, **bound)}
        elif form["key"] == "diary":
            beats = telling.draw("diary")
            bound |= {f"beat_{place}": telling.tell(beat, **bound) for place, beat in zip(("one", "two", "three"), beats, strict=True)}
        return bound

    def _surrounded(self, draft: Moment) -> Moment:
        context = self.telling.say("context", **draft.bound)
        pool = "scene" if self.rng.random() < 0.7 else "any_scene"
        entry = self.telling.draw(pool)
        scene, scene_en = entry if isinstance(entry, list) else (entry, entry)
        english = self.telling.tell(scene_en, **{**draft.bound, **_english(self.world)}) if scene_en != scene else ""
        scene = self.telling.tell(scene, **draft.bound)
        return replace(draft, context=context, scene=scene, scene_en=english or scene)


def _english(world: World) -> dict[str, Any]:
    """The colours and the light in English, for lines that go to an image model."""
    if world.shelf.language == "en":
        return {}
    known = by_name("zh")
    english = {key: known[name].english for key in ("accent", "second", "third") if (name := world.facts[key]) in known}
    return {**english, "light_words": light_lines("en", world.identity.light)}


_NUMBERS = {
    "n": [str(number) for number in range(3, 10)],
    "nn": [str(number) for number in range(11, 80) if number % 10],
    "nnn": [str(number) for number in range(81, 130)],
    "big": [str(number) for number in range(112, 940, 37)],
}


def when(world: World, segment: str, day: date | None, rng: random.Random) -> dict[str, Any]:
    """Clock, weekday, season and numbers as facts for templates."""
    calendar, skies = world.shelf.tables["calendar"], world.shelf.tables["sky"]
    day = day or date(2026, 1, 1) + timedelta(days=rng.randrange(364))
    minutes = (_STARTS.get(segment, 8) * 60 + rng.randrange(180)) % 1440
    months = calendar["months"]
    clock = _clock(minutes)
    return {
        **_NUMBERS,
        "clock": clock,
        "t1": clock,
        "t2": _clock(minutes + rng.randint(7, 28)),
        "t3": _clock(minutes + rng.randint(31, 75)),
        "later_clock": _clock(minutes + rng.randint(40, 150)),
        "earlier_clock": _clock(minutes - rng.randint(40, 150)),
        "weekday": calendar["weekdays"][day.weekday()],
        "daypart": calendar["dayparts"].get(segment, segment),
        "season": calendar["seasons"][(day.month % 12) // 3],
        "later": [months[(day.month + step) % 12] for step in (1, 2, 4)] + calendar["later"],
        "earlier": [months[(day.month - step) % 12] for step in (3, 4, 6)] + calendar["earlier"],
        "sky": skies.get(segment) or skies["evening"],
    }


def _clock(minutes: int) -> str:
    minutes %= 1440
    return time(minutes // 60, minutes % 60).strftime("%H:%M")


_WORD = re.compile(r"[a-z0-9à-ÿ']{3,}|[\u4e00-\u9fff]", re.IGNORECASE)
_COMMON = frozenset(
    (  # noqa: SIM905  read as one line of words
        "the and for was that this with from have has not you but are its his her all one two they them who what when then than about "
        "into out our"
    ).split()
)


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """What texts are compared by: words, or pairs of Chinese characters."""
    found = [word.casefold() for word in _WORD.findall(text)]
    pairs = {first + second for first, second in pairwise(found) if len(first) == len(second) == 1}
    return frozenset(word for word in found if len(word) > 1 and word not in _COMMON) | pairs


def _worth(draft: frozenset[str], wanted: frozenset[str], said: Sequence[frozenset[str]]) -> float:
    near = len(draft & wanted) / math.sqrt(len(wanted) or 1)
    again = max((len(draft & other) / (len(draft | other) or 1) for other in said), default=0.0)
    return near - 6 * again


def _shorter(text: str) -> str:
    """*text* without its last sentences, as many as it takes."""
    sentences = re.split(r"(?<=[.!?])\s+|(?<=[。！？])(?![”’）])", text)
    between = "" if re.search(r"[\u4e00-\u9fff]", text) else " "
    while len(sentences) > 1 and weighted_length(between.join(sentences)) > LIMIT:
        sentences.pop()
    short = between.join(sentences)
    while weighted_length(short) > LIMIT:
        short = short[: len(short) * 3 // 4].rsplit(" ", 1)[0].rstrip(",;:，；： ") + "…"
    return short
