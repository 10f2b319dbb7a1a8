"""Preview cards: the same for the same task, others for others, in every size and script."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from gpu_pool.devices import Device
from gpu_pool.engines import scenes
from gpu_pool.engines.base import Interrupted
from gpu_pool.engines.preview import PreviewEngine
from gpu_pool.tasks import EngineSpec, ImageTask

SEA = "a lighthouse on the shore at dusk"


@pytest.fixture
def card():
    engine = PreviewEngine(EngineSpec("preview"))
    engine.load(Device(0))

    def draw(prompt: str = SEA, **changes) -> Image.Image:
        given = {"width": 256, "height": 256, "seed": 3, "text": "The tide took my notes.", "date": "2026-12-01", **changes}
        return engine.draw([ImageTask("card", prompt, Path(), **given)], lambda _step: None, lambda: False)[0]

    return draw


def test_the_same_task_gives_the_same_card_and_what_differs_is_seen(card):
    first = card().tobytes()
    assert card().tobytes() == first
    others = [
        card(seed=4),
        card("a tram in the rain at night"),
        card(palette=("#1b4332", "#95d5b2")),
        card(text="Other words."),
        card(date=""),
    ]
    assert len({first, *(other.tobytes() for other in others)}) == 6


@pytest.mark.parametrize("size", [(64, 64), (64, 1024), (1024, 64), (768, 1344), (1344, 768), (241, 239)])
@pytest.mark.parametrize("text", ["", "咖啡凉了。" * 60, "A word" + "w" * 300, "🦊‍🔥 \u202e ${7*7}\n\n", "مرحبا بالعالم"])
def test_every_size_and_text_is_drawn(card, size, text):
    drawn = card(width=size[0], height=size[1], text=text)
    assert drawn.size == size
    assert max(ImageStat.Stat(drawn).stddev) > 3, "it is not empty"


@pytest.mark.parametrize("palette", [(), ("no colour",), ("#000000", "#000000"), ("ink blue #223366", "brass", "#ffffff"), ("#12345",)])
def test_every_palette_gives_a_readable_card(card, palette):
    drawn = card(palette=palette, width=512, height=512)
    light = ImageStat.Stat(drawn.crop((0, 400, 512, 512)).convert("L"))
    assert light.mean[0] > 200, "the panel is paper"
    assert light.extrema[0][0] < 90, "and the words are ink"


@pytest.mark.parametrize(
    "words", ["a café table by the window", "harbour at night", "tram in the city", "snow on the hills", "night, rain, neon", "nothing"]
)
def test_every_kind_of_scene_is_drawn(card, words):
    assert max(ImageStat.Stat(card(words, width=320, height=320)).stddev) > 12


def test_words_choose_the_scene_and_the_time_of_day():
    assert scenes.kind_of("boats in the harbour, a street behind", random.Random(1)) == "water"
    assert scenes.kind_of("咖啡馆的桌子", random.Random(1)) == "room"
    assert scenes.time_of("the street at midnight", random.Random(1)) == "night"


def test_steps_are_told_up_to_the_last_and_a_cancelled_card_is_given_up():
    engine, told = PreviewEngine(EngineSpec("preview")), []
    task = ImageTask("card", SEA, Path(), width=128, height=128, steps=9)
    engine.draw([task], told.append, lambda: False)
    assert told == sorted(told)
    assert told[-1] == 9
    with pytest.raises(Interrupted):
        engine.draw([task], told.append, lambda: True)
