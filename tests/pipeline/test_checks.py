"""What is found in a tweet, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline.checks import HARD, KINDS, NETWORKS, Finding, Fingerprints, PersonaFacts, check
from pipeline.facts import contradictions
from tests.pipeline.hostile import HOSTILE, seconds

MAYA = PersonaFacts(name="Maya Santos", age=41, city="Lisbon", job="Ceramicist with a small studio")
XIAOYU = PersonaFacts(name="林小雨", age=41, city="上海", job="陶艺师")


def kinds(text: str, **more: object) -> list[str]:
    return [finding.kind for finding in check(text, persona=MAYA, earlier=None, **more)]  # pyright: ignore[reportArgumentType]


def test_a_plain_tweet_has_nothing_wrong():
    assert check("First coffee on the balcony. #lisbon", persona=MAYA, earlier=Fingerprints(), networks=tuple(NETWORKS)) == []


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b\u200d\ufeff", "\u3164", "\u2800", "\u0301", "\U000e0041", "\x00", "\ud800", "\u00ad\u2060"]
)
def test_what_cannot_be_seen_is_empty(text: str):
    assert kinds(text) == ["empty"]


@pytest.mark.parametrize("text", [".", "☕", "❤️", "雨", "1️⃣", "é"])
def test_what_can_be_seen_is_not(text: str):
    assert "empty" not in kinds(text)


def test_each_part_of_a_thread_is_a_tweet():
    assert kinds("One.", parts=["Two.", "\u200b"]) == ["empty"]
    assert check("One.", parts=["雨" * 141], persona=MAYA, earlier=None) == [Finding("too_long", "282/280")]
    assert kinds("x" * 200, parts=["y" * 200]) == []


@pytest.mark.parametrize(
    ("text", "tags", "detail"),
    [
        ("Rain on the roof. #rain #clay #kiln #tea and nothing else to say about this day", (), "4 hashtags"),
        ("Rain on the roof, clay on the wheel, and nothing else to say", ("rain", "clay", "kiln", "tea"), "4 hashtags"),
        ("Rain on the roof, clay on the wheel #rain and still #Rain", (), "#rain twice"),
        ("Rain on the roof, clay on the wheel", ("rain", "#rain"), "#rain twice"),
        ("Mood #mondaymood", (), "11 of 15 characters"),
        ("下雨 #下雨天的心情", (), "7 of 9 characters"),
    ],
)
def test_too_many_hashtags(text: str, tags: tuple[str, ...], detail: str):
    assert check(text, persona=MAYA, earlier=None, hashtags=tags) == [Finding("hashtag_spam", detail)]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Rain on the roof, clay on the wheel, and a cat in the oven #rain #clay #kiln", ("rain", "clay", "kiln")),
        ("C# is a language, #1 is a rank, a&#39;b is HTML, see example.com/page#top or example.com/#top", ()),
        ("#下雨# 的早晨，阳台上有咖啡，也有一只猫。", ()),
        ("We're #1! #2! #3! #4!", ()),
    ],
)
def test_hashtags_that_are_no_spam(text: str, tags: tuple[str, ...]):
    assert kinds(text, hashtags=tags) == []


def test_a_thread_may_have_hashtags_in_each_part():
    assert kinds("Rain on the roof again, all day. #rain #clay", parts=["And the kiln is still cold today. #kiln #rain"]) == []


@pytest.mark.parametrize(
    ("network", "fits", "over"),
    [
        ("bluesky", "👨‍👩‍👧‍👦" * 100 + "x" * 160, "e\u0301" * 161 + "x" * 140),
        ("threads", "雨" * 140, "👍" * 126),  # 4 bytes each
        ("mastodon", "x" * 240 + " https://example.com/" + "y" * 600, "x" * 501),
        ("instagram", "x" * 2200, "x" * 2201),
        ("weibo", "雨" * 2000, "雨" * 2001),
    ],
)
def test_limits_of_other_networks(network: str, fits: str, over: str):
    assert "over_limit" not in kinds(fits, networks=(network,))
    assert kinds(over, networks=(network,))[-1] == "over_limit"
    assert "over_limit" not in kinds(over)


def test_a_mention_counts_its_name_on_mastodon():
    assert NETWORKS["mastodon"].length("hello @maya@example.social!") == len("hello @maya!")


def test_an_unknown_network_is_the_callers_mistake():
    with pytest.raises(ValueError, match="myspace"):
        check("Rain.", persona=MAYA, earlier=None, networks=("myspace",))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("My name is Anna and I burn tea.", "name Anna, not Maya Santos"),
        ("Hi everyone, I'm Clara Weber. New here.", "name Clara Weber, not Maya Santos"),
        ("Hello! I’m Clara, a potter.", "name Clara, not Maya Santos"),
        ("I'm 32, and the kiln still scares me.", "age 32, not 41"),
        ("Finally! I just turned 32.", "age 32, not 41"),
        ("Turned 32 today 🎂", "age 32, not 41"),
        ("I'm thirty-two years old and own four kilns.", "age 32, not 41"),
        ("I'm in my twenties and tired.", "age 20s, not 41"),
        ("As a 25-year-old potter, I like mud.", "age 25, not 41"),
        ("Today is my 30th birthday today!", "age 30, not 41"),
        ("I live in Berlin and love the rain.", "city Berlin, not Lisbon"),
        ("Rainy morning here in Tokyo.", "city Tokyo, not Lisbon"),
        ("I work as a nurse, mostly nights.", "job nurse, not Ceramicist with a small studio"),
        ("As a lawyer, I never sign anything.", "job lawyer, not Ceramicist with a small studio"),
        ("I'm a dentist by trade.", "job dentist, not Ceramicist with a small studio"),
    ],
)
def test_a_contradiction_in_english(text: str, what: str):
    said, fact = what.split(", not ")
    (found,) = contradictions(text, MAYA)
    assert found.startswith(said)
    assert found.endswith(f", not {fact}")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("我叫张伟，请多关照。", "name 张伟, not 林小雨"),
        ("大家好，我是王小明！", "name 王小明, not 林小雨"),
        ("我32岁，还在学拉坯。", "age 32, not 41"),
        ("我今年三十二岁了！", "age 32, not 41"),
        ("我住在北京，天天堵车。", "city 北京, not 上海"),
        ("我是一名护士，今天又是夜班。", "job 护士, not 陶艺师"),
        ("作为一名律师，我从不签字。", "job 律师, not 陶艺师"),
    ],
)
def test_a_contradiction_in_chinese(text: str, what: str):
    assert contradictions(text, XIAOYU) == [what]


@pytest.mark.parametrize(
    "text",
    [
        "My name is Maya, hello.",
        "Hello, I'm Portuguese. Hi, I'm tired. Hi, I'm South African.",
        "I'm 41, fine. I'm 42 today!",
        "I'm 32 pages in. I'm 10 minutes late. I'm 32% coffee. I'm 32.5 km into this.",
        "When I'm 64, I'll still glaze bowls. I feel like I'm 80. Because I'm 12 inside.",
        "I was 32 once. I turned 30 in this studio. I'm in my forties and happy.",
        'She said "My name is Anna" and left. “I\'m 32,” said the customer.',
        "Here in Alfama the trams squeak. I live in Portugal. I live in Lisboa. My flat in Lisbon, Portugal leaks.",
        "Live from here in Berlin for the weekend, visiting friends.",
        "As a kid, I ate clay. As a joke, I glazed the cat bowl. I'm a doctor of procrastination.",
        "I work as a potter and part-time cat servant. I used to dream I live in Tokyo. If I work as a nurse, who glazes?",
    ],
)
def test_no_false_alarm_in_english(text: str):
    assert contradictions(text, MAYA) == []


@pytest.mark.parametrize(
    "text",
    [
        "我叫外卖。我叫她回家。我叫小雨，请多关照。",
        "我32岁那年开了工作室。外婆今年82岁，还在爬山。20岁的我想不到今天。我41岁了。",
        "她说：“我今年32岁。”我好像32岁。",
        "我在上海，下雨。",
        "我在北京出差，周末回来。",
        "我是一名陶艺师。",
        "My name is Lin Xiaoyu.",
    ],
)
def test_no_false_alarm_in_chinese(text: str):
    assert contradictions(text, XIAOYU) == []


def test_what_is_not_known_cannot_be_contradicted():
    text = "My name is Anna. I'm 32. I live in Berlin. I work as a nurse."
    assert len(contradictions(text, MAYA)) == 4
    assert contradictions(text, PersonaFacts()) == []
    assert len(contradictions(text, PersonaFacts("Maya", 41, "Óbidos", "Rememberer of tides"))) == 2


def test_facts_are_read_from_the_core_stage():
    core = {
        "name": " Maya Santos ",
        "core_info": {"age": 41, "location": {"city": "Lisbon"}},
        "background_info": {"occupation": "Ceramicist"},
    }
    assert PersonaFacts.from_outputs({"core": core}) == PersonaFacts("Maya Santos", 41, "Lisbon", "Ceramicist")
    assert PersonaFacts.from_outputs({}) == PersonaFacts()
    assert PersonaFacts.from_outputs({"core": {"name": 7, "core_info": [], "background_info": {"occupation": None}}}) == PersonaFacts()


def test_findings_come_in_a_fixed_order():
    text = "My name is Anna. I'm 32. " + "#rain #clay #kiln #tea #tea " * 100
    earlier = Fingerprints()
    earlier.add("other", text + "\n\n")
    found = check(text, parts=[""], persona=MAYA, earlier=earlier, networks=("weibo", "bluesky", "x"))
    assert [finding.kind for finding in found] == ["empty", "too_long", "near_duplicate", "contradicts", "contradicts", "hashtag_spam"] + [
        "over_limit"
    ] * 2
    assert [finding.detail for finding in found[-2:]] == [f"Bluesky {len(text)}/300", f"Weibo {len(text)}/2000"]
    assert set(KINDS) == {finding.kind for finding in found}
    assert set(KINDS) > HARD


def test_a_tweet_is_no_duplicate_of_itself():
    earlier = Fingerprints()
    earlier.add("one", "The kiln is finally cooling down.")
    again = "The kiln is finally cooling down!"
    assert check(again, persona=MAYA, earlier=earlier) == [Finding("near_duplicate", "one")]
    assert check(again, persona=MAYA, earlier=earlier, tweet_id="one") == []


PIECES = some.sampled_from(
    ["I'm ", "32", "我", "岁", "#", "@", ".", "com", "http://", "\u200d", "👨", "\u0301", "“", '"', "\ud800", "xn--", "\n"]
)
TEXTS = some.text(some.characters()) | some.lists(PIECES | some.text(max_size=3), max_size=30).map("".join)


@given(TEXTS, some.lists(TEXTS, max_size=3), some.lists(TEXTS, max_size=5))
@settings(max_examples=300, deadline=None)
def test_no_text_is_too_strange(text: str, parts: list[str], hashtags: list[str]):
    earlier = Fingerprints()
    earlier.add("other", text)
    found = check(text, parts=parts, persona=MAYA, earlier=earlier, hashtags=hashtags, networks=tuple(NETWORKS))
    places = [KINDS.index(finding.kind) for finding in found]
    assert places == sorted(places)


@pytest.mark.parametrize("text", HOSTILE)
def test_all_checks_of_hostile_text_take_no_time(text: str):
    assert seconds(lambda: check(text, persona=MAYA, earlier=Fingerprints(), networks=tuple(NETWORKS))) < 1
