"""The worlds on the shelf: every template expands wherever the writer uses it, and every life has what a life needs."""

import json
from collections.abc import Iterator

import pytest
from asking import LANGUAGES, SAMPLES, complete_languages, data_uri, question, response_format

from pipeline.offline import grammar, shelves, writer
from pipeline.offline.grammar import Choice, Slot, Telling, UnknownSymbol, parse
from pipeline.offline.places import find
from pipeline.offline.shelves import FALLBACK, shelf
from pipeline.offline.wishes import match_life
from pipeline.offline.world import World
from pipeline.stages import STAGES, Wishes

TWEET = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "parts": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "topic_type": {"type": "string"},
        "mood": {"type": "string"},
        "hashtags": {"type": "array", "items": {"type": "string"}},
        "alt_text": {"type": "string"},
        "image_generation": {"type": "object", "properties": {"scene_hint": {"type": "string"}, "positive_prompt": {"type": "string"}}},
    },
}
CALENDAR = {
    "type": "object",
    "properties": {
        "monthly_strategy": {"type": "string"},
        "calendar": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    name: {"type": "string"}
                    for name in ("weekday", "topic_type", "theme", "content_direction", "outfit_direction", "suggested_scene", "mood")
                }
                | {"special_event": {"type": ["string", "null"]}, "strategic_flaw": {"type": ["string", "null"]}},
            },
        },
    },
}
FREE = {"type": "object", "properties": {"songs": {"type": "array", "items": {"type": "string"}}, "summary": {"type": "string"}}}
PLACED_ELSEWHERE = {"given_f", "given_m", "surname", "full"}
"""Symbols that names are put together from, by the world itself."""

every_life = pytest.mark.parametrize(
    ("language", "life"),
    [(language, key) for language in complete_languages() for key in sorted(shelf(language).lives)],
)


def texts(entry: object) -> Iterator[str]:
    """All strings in an entry of a pool or a table."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from texts(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from texts(value)


def slots(nodes: tuple) -> Iterator[Slot]:
    for node in nodes:
        if isinstance(node, Slot):
            yield node
        elif isinstance(node, Choice):
            for option in node.options:
                yield from slots(option)


def unknown(template: str, known: set[str]) -> set[str]:
    """The symbols of *template* that are neither known nor remembered in it before."""
    remembered: set[str] = set()
    found: set[str] = set()
    for slot in slots(parse(template)):
        if slot.name not in known | remembered:
            found.add(slot.name)
        remembered |= {slot.remember} - {""}
    return found


def ask_for_everything(language: str, life: str, seed: int) -> World:
    """Have all kinds of answers written about a persona of *life*; returns their world."""
    worlds = []
    telling = World.telling
    World.telling = lambda self, rng: (worlds.append(self), telling(self, rng))[1]
    try:
        trade = shelf(language).lives[life].trade
        core = {
            "name": "Ada Quay" if language == "en" else "柳青",
            "core_info": {"age": 41, "occupation": trade},
            "description": "She is kind.",
        }
        outputs = {"core": core}
        for stage in STAGES:
            asked, shape = question(stage.key, outputs, data_uri(SAMPLES[seed % len(SAMPLES)]), Wishes(language=LANGUAGES[language]))
            if stage.key == "core":
                asked[1]["content"][0]["text"] += f"\n<data>\n{json.dumps(core, ensure_ascii=False)}\n</data>"
            outputs[stage.key] = json.loads(writer.write(asked, shape, seed, writer.sights(asked)).text)
        system = {"role": "system", "content": f"Write every text in {LANGUAGES[language]}."}
        for name, schema in {"tweet": TWEET, "calendar": CALENDAR, "anything": FREE, "": None}.items():
            text = f"<data>\n{json.dumps(outputs, ensure_ascii=False)}\n</data>\n10 days from 2026-12-20"
            shape = response_format(name, schema) if schema else None
            writer.write([system, {"role": "user", "content": text}], shape, seed, [])
    finally:
        World.telling = telling
    return worlds[0]


@every_life
def test_every_template_expands_wherever_it_is_told(language, life, monkeypatch):
    """What a template may name depends on who tells it: the symbols that are bound in *every* place its pool was seen told count."""
    shared, own = shelf(language), shelf(language).lives[life]
    pools = {**shared.pools, **own.pools}
    home = {
        parse(text): name for name, entries in pools.items() for entry in entries if not isinstance(entry, dict) for text in texts(entry)
    }
    always: dict[str, set[str]] = {}
    ever: set[str] = set()
    expand = Telling._expand

    def noting(self, nodes, bound, depth):
        ever.update(bound)
        if nodes in home:
            pool = home[nodes]
            always[pool] = always[pool] & bound.keys() if pool in always else set(bound)
        return expand(self, nodes, bound, depth)

    def unless_unknown(self, pool, entries=None):
        try:
            return draw(self, pool, entries)
        except UnknownSymbol:
            return "?"  # found below, with all others like it

    draw = Telling.draw
    monkeypatch.setattr(Telling, "_expand", noting)
    monkeypatch.setattr(Telling, "draw", unless_unknown)
    for seed in range(6):
        world = ask_for_everything(language, life, seed)

    known = world.facts.keys() | pools.keys() | {"regular", "friend", "joke"}
    wrong = {
        (name, text, symbol)
        for name, entries in pools.items()
        for entry in entries
        if not isinstance(entry, dict)
        for text in texts(entry)
        for symbol in unknown(text, known | always.get(name, ever))
    }
    tables = [entry for entries in own.pools.values() for entry in entries if isinstance(entry, dict)]
    wrong |= {
        ("a table", text, symbol) for text in texts([tables, shared.tables]) for symbol in unknown(text, known | ever | PLACED_ELSEWHERE)
    }
    assert not wrong


@pytest.mark.parametrize("language", complete_languages())
def test_every_template_can_be_read(language):
    """Brackets come in pairs, and no sign of the grammar is left over as text."""
    wrong = []
    for pools in (shelf(language).pools, *(life.pools for life in shelf(language).lives.values())):
        for text in texts(pools):
            rest = "".join(node for node in _leaves(parse(text)) if isinstance(node, str)).replace("{{user}}", "").replace("{{char}}", "")
            if text.count("[") != text.count("]") or set(rest) & set("{}[]|"):
                wrong.append(text)
    assert not wrong


def _leaves(nodes: tuple) -> Iterator[object]:
    for node in nodes:
        if isinstance(node, Choice):
            for option in node.options:
                yield from _leaves(option)
        else:
            yield node


@every_life
def test_a_life_has_what_all_lives_have(language, life):
    here, others = shelf(language).lives[life], [other for other in shelf(language).lives.values() if other.key != FALLBACK]
    common = set.intersection(*(set(other.pools) for other in others))
    assert here.key == FALLBACK or common <= set(here.pools)
    assert all(len(here.pools[pool]) >= 1 for pool in here.pools)
    assert all(len(clock) == 5 and clock[2] == ":" for clock in here.hours)
    assert here.key == FALLBACK or match_life(here.trade, language) is here


@every_life
def test_the_cities_of_a_life_are_in_the_gazetteer(language, life):
    known = json.dumps(shelves.almanac(), ensure_ascii=False)
    for city in shelf(language).lives[life].cities:
        assert f'"{city}"' in known
        assert find(city, language).timezone.count("/") >= 1


@pytest.mark.parametrize("language", complete_languages())
def test_there_is_a_life_for_those_whose_trade_no_other_knows(language):
    assert FALLBACK in set(shelf(language).lives)


def test_every_language_folder_is_complete():
    folders = sorted(folder.name for folder in shelves.FOLDER.iterdir() if folder.is_dir())
    assert complete_languages() == folders


def test_verbs_agree_with_they():
    assert [grammar.plural_verb(verb) for verb in ("keeps", "watches", "is", "carries", "goes")] == ["keep", "watch", "are", "carry", "go"]


def test_articles_fit_the_word_that_came_after_them():
    assert grammar.tidy("a hour, an unicorn, a 8-hour shift, a owl, good .") == "an hour, a unicorn, an 8-hour shift, an owl, good."
