"""Copies are found, other tweets on the same template are not."""

from __future__ import annotations

import random

import pytest
from rapidfuzz import fuzz

from pipeline.duplicates import Fingerprints, _hashes, _plain
from tests.pipeline.hostile import HOSTILE, seconds

COFFEE = "First coffee of the day on the balcony, and the tram bell already sounds like home."
KILN = "The kiln is finally cooling down. I burned my tongue on the tea again. Worth it."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(COFFEE, COFFEE.upper().replace(",", "") + "!!", id="case and punctuation"),
        pytest.param(COFFEE, COFFEE + " ☕ #lisbon #mornings", id="emoji and hashtags"),
        pytest.param(COFFEE, COFFEE.replace("coffee", "espresso").replace("sounds", "feels"), id="two words"),
        pytest.param(KILN, "I burned my tongue on the tea again. Worth it. The kiln is finally cooling down.", id="sentences swapped"),
        pytest.param(
            KILN, "Small confession: the kiln is finally cooling down. I burned my tongue on the tea again.", id="opening and end"
        ),
        pytest.param(
            "Spent the whole afternoon glazing bowls and listening to rain on the studio roof. Best day this week.",
            "Spent the whole afternoon glazing cups and listening to the rain on the studio roof, easily my best day in weeks.",
            id="half reworded",
        ),
        pytest.param(
            "今天早上在阳台喝了第一杯咖啡，电车的铃声已经像家一样了。",
            "今天早上在阳台喝了第一杯热咖啡，电车的铃声听起来已经像家一样。",
            id="两个词",
        ),
        pytest.param("窑终于凉下来了。我又被茶烫到了舌头。很值得。", "我又被茶烫到了舌头。很值得。窑终于凉下来了！", id="换句序"),
        pytest.param(
            "下雨天最适合在工作室里给碗上釉，听屋顶的雨声。", "下雨天最适合在工作室里给碗上釉，听屋顶的雨声☔️ #陶艺 #雨天", id="表情和标签"
        ),
        pytest.param("Rain again.", "rain again!", id="short"),
        pytest.param("Ｒａｉｎ　ａｇａｉｎ", "Rain again", id="full width"),
        pytest.param("Café da manhã na varanda, como sempre.", "café da manhã na varanda como sempre 🙂", id="accents"),
    ],
)
def test_copies_are_found(one: str, other: str):
    known = Fingerprints()
    known.add("first", one)
    near = known.nearest(other)
    assert near is not None
    assert near[0] == "first"
    assert 0.65 <= near[1] <= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Good morning from Lisbon! Today I'm glazing six bowls and hoping the rain holds off.",
            "Good morning from Lisbon! Today I'm visiting my grandmother and bringing her the good oranges.",
        ),
        ("Unpopular opinion: pineapple belongs on toast with salt.", "Unpopular opinion: trams should always have right of way."),
        ("What is the one song you play when the studio is too quiet?", "What is the one tool you would save if the studio caught fire?"),
        ("Tea or coffee? Wrong answers only.", "Cats or dogs? Wrong answers only."),
        (KILN, "Opened the kiln this morning: four bowls survived, one has a new personality."),
        ("Friday list: flour, two lemons, new sponge, sleep.", "Friday list: clay, cobalt oxide, fix the wheel, sleep."),
        ("早安里斯本！今天要给六只碗上釉，希望雨别下来。", "早安里斯本！今天要去看外婆，给她带最甜的橙子。"),
        ("工作室太安静的时候，你会放哪一首歌？", "工作室着火的时候，你会救哪一件工具？"),
        ("今天下雨了。", "今天下雪了。"),
    ],
)
def test_tweets_on_one_template_are_not(one: str, other: str):
    known = Fingerprints()
    known.add("first", one)
    assert known.nearest(other) is None


def test_the_nearest_of_several_and_never_oneself():
    known = Fingerprints()
    known.add("far", KILN.replace("the tea", "coffee"))
    known.add("near", KILN)
    assert known.nearest(KILN) == ("near", 1.0)
    other = known.nearest(KILN, but="near")
    assert other is not None
    assert other[0] == "far"
    assert len(known) == 2


def test_another_text_takes_the_place_of_the_first():
    known = Fingerprints()
    known.add("one", KILN)
    known.add("one", COFFEE)
    assert known.nearest(KILN) is None
    assert known.nearest(COFFEE) == ("one", 1.0)


@pytest.mark.parametrize("text", ["", "  ", "🙂🙂", "!!!", "\ud800"])
def test_without_words_nothing_is_alike(text: str):
    known = Fingerprints()
    known.add("one", text)
    assert known.nearest(text) is None


NOUNS = (
    *("kiln", "glaze", "bowl", "rain", "tea", "tram", "balcony", "coffee", "orange", "grandmother", "market", "window", "studio", "clay"),
    *("cobalt", "morning", "bread", "lemon", "cat", "radio", "letter", "river", "stone", "bus", "jacket", "candle", "garden", "piano"),
    *("kitchen", "bicycle", "harbour", "cloud", "blanket", "spoon", "ladder", "pepper"),
)
VERBS = (
    *("found", "lost", "washed", "painted", "forgot", "carried", "traded", "borrowed", "fixed", "dropped", "kept", "photographed"),
    *("measured", "buried", "polished"),
)
FRAMES = (
    "Good morning from Lisbon! Today I {4} the {0} and the {1}, then {5} a {2} before the {3} came back.",
    "Things I learned this week: I {4} a {0}, a {1} {5} itself, and the {2} needs a {3}.",
    "Confession: I {4} my {0} near the {1}. I also {5} the {2} and the {3}.",
)


def test_ten_thousand_tweets_in_three_seconds_and_no_copy_missed():
    """A hard case on purpose: a vocabulary so small that every piece of a tweet occurs in hundreds of others."""
    chance = random.Random(7)
    texts = [chance.choice(FRAMES).format(*chance.sample(NOUNS, 4), *chance.sample(VERBS, 2)) for _ in range(10_000)]
    known = Fingerprints()

    def work() -> None:
        known.__init__()
        for nth, text in enumerate(texts):
            known.nearest(text)
            known.add(str(nth), text)

    assert seconds(work) < 3
    for nth in range(0, 10_000, 20):
        copy = texts[nth].replace("the", "that", 1) + " ☕ #monday"
        near = known.nearest(copy)
        assert near is not None
        assert near[1] >= fuzz.ratio(_hashes(_plain(copy)), _hashes(_plain(texts[nth]))) / 100 - 1e-9


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text(text: str):
    known = Fingerprints()
    assert seconds(lambda: (known.add("one", text), known.nearest(text, but="one"))) < 0.2
