"""Length and URLs of a tweet, held to the conformance files of twitter-text."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline.length import normal, weighted_length
from pipeline.links import top_level_domains, urls
from tests.pipeline.hostile import HOSTILE, seconds

CONFORMANCE = Path(__file__).parents[2].parent / "shared" / "data" / "twitter-text"
needs_conformance = pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="twitter-text's conformance files are not there")


def cases(file: str, *groups: str) -> list[Any]:
    if not CONFORMANCE.is_dir():
        return []
    tests = yaml.safe_load((CONFORMANCE / file).read_text("utf-8"))["tests"]
    return [pytest.param(case, group, id=f"{group}: {case['description']}") for group in groups for case in tests[group]]


@needs_conformance
@pytest.mark.parametrize(
    ("case", "group"),
    cases(
        "validate.yml", "WeightedTweetsCounterTest", "WeightedTweetsWithDiscountedEmojiCounterTest", "UnicodeDirectionalMarkerCounterTest"
    ),
)
def test_weighted_lengths_of_the_conformance_file(case: dict[str, Any], group: str):
    emoji = group != "WeightedTweetsCounterTest"  # that group is of version 2, which does not know emoji
    assert weighted_length(case["text"], emoji=emoji) == case["expected"]["weightedLength"]


@needs_conformance
@pytest.mark.parametrize(
    ("case", "group"), cases("extract.yml", "urls", "urls_with_indices", "urls_with_directional_markers", "tco_urls_with_params")
)
def test_urls_of_the_conformance_file(case: dict[str, Any], group: str):
    text = case["text"]
    expected = [one if isinstance(one, str) else text[slice(*one["indices"])] for one in case["expected"]]
    assert [text[start:end] for start, end in urls(text)] == expected


@needs_conformance
def test_top_level_domains_of_the_conformance_file():
    """Only what nobody can register any more is missing; the file is of 2018."""
    tests = yaml.safe_load((CONFORMANCE / "tlds.yml").read_text("utf-8"))["tests"]
    texts = [case["text"] for group in ("country", "generic") for case in tests[group]]
    missed = {text.rpartition(".")[2] for text in texts if urls(text) != [(0, len(text))]}
    assert len(texts) > 1500
    assert len(missed) < 150
    assert not missed & top_level_domains()
    assert not missed & {"com", "org", "net", "de", "uk", "cn", "jp", "za", "io", "ai", "app", "中国", "みんな", "рф"}


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("雨", 2),
        ("e\u0301", 1),
        ("👨‍👩‍👧‍👦", 2),
        ("🇵🇹", 2),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", 2),
        ("❤️", 2),
        ("👍🏽", 2),
        ("©", 1),
        ("©️", 2),
        ("👨" + "\u200d👨" * 7, 5),  # two of four, and the joiner between them: nothing of endless length counts 2
        ("🔥🏽", 4),  # fire has no skin
        ("see example.com, ok", 4 + 23 + 4),
        ("去example.com看", 2 + 23 + 2),
        ("file.txt and v1.2.3 and a@example.com", 37),
        ("https://例え.テスト", 8 + 4 + 1 + 6),  # no top-level domain
        ("https://例え.jp/道", 23 + 2),
    ],
)
def test_what_counts_how_much(text: str, length: int):
    assert weighted_length(text) == length


@given(
    some.text(some.sampled_from("ae\u0301\u0316\u0323\u0345\u0f71\u0f73\u0f75\u0f81\u05bc\u05c1\u3099が각\u1100\u1161\u0344"), max_size=120)
)
@settings(max_examples=300, deadline=None)
def test_marks_in_order_change_nothing_but_the_time(text: str):
    assert normal(text) == unicodedata.normalize("NFC", text)


@given(some.text())
@settings(deadline=None)
def test_a_length_for_every_text(text: str):
    assert 0 <= weighted_length(text) <= 23 * max(1, len(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_counted_in_linear_time(text: str):
    weighted_length("a.com")
    assert seconds(lambda: weighted_length(text)) < 0.2
