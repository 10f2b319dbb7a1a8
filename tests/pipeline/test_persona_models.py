"""What the seven stages may write: lenient where leniency loses nothing, strict where a gap would be a lie."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from decimal import Decimal

import pytest
import seven_outputs as good
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.persona import (
    BOOK_MINIMUM,
    NAME_LIMIT,
    CorePersona,
    ExampleTweets,
    KnowledgeBase,
    SocialNetwork,
    TweetStrategy,
)
from pipeline.stages import BY_KEY, STAGES


def changed(value, path, new):
    """A copy of *value* in which the place *path* (dots between keys) holds *new*."""
    value = deepcopy(value)
    *way, last = path.split(".")
    place = value
    for key in way:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = new
    return value


def places(value, path=""):
    """The path of every text in *value*."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from places(item, f"{path}.{key}" if path else str(key))


def problems(model, value):
    """What is wrong with *value*, as (place, sentence)."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    return [(".".join(map(str, finding["loc"])), finding["msg"]) for finding in caught.value.errors()]


def core(path, new):
    return CorePersona.model_validate(changed(good.core(), path, new)).model_dump()


def shares(distribution):
    made = TweetStrategy.model_validate(good.strategy(content_type_distribution=distribution))
    return {key: item.weight for key, item in made.content_type_distribution.items()}


# All seven


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.key)
def test_a_good_answer_passes_and_comes_through_the_database_unchanged(stage):
    made = stage.writes.model_validate(good.outputs()[stage.key]).model_dump(mode="json")
    stored = json.loads(json.dumps(made))
    assert stage.writes.model_validate(stored).model_dump(mode="json") == made


TEXTS = [(key, path) for key, output in good.outputs().items() for path in places(output) if path != "core_info.location.state"]


@pytest.mark.parametrize(("key", "path"), TEXTS)
def test_no_text_may_be_blank(key, path):
    for blank in ("", "  \n\t", "\u3000", "\u200b", "\x1f"):
        assert problems(BY_KEY[key].writes, changed(good.outputs()[key], path, blank))


@pytest.mark.parametrize(("key", "path"), TEXTS)
def test_no_text_may_be_missing_or_something_else(key, path):
    for wrong in (None, 7, {"text": "x"}, True):
        assert problems(BY_KEY[key].writes, changed(good.outputs()[key], path, wrong))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.key)
def test_no_part_may_be_left_out(stage):
    for field in stage.writes.model_fields:
        output = good.outputs()[stage.key]
        del output[field]
        assert [place for place, _ in problems(stage.writes, output)] == [field]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.key)
@pytest.mark.parametrize("answer", [None, [], "text", 1, {}])
def test_something_else_altogether_is_refused(stage, answer):
    assert problems(stage.writes, answer)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.key)
def test_unknown_keys_are_kept_at_every_level(stage):
    def more(value):
        if isinstance(value, dict):
            return {key: more(item) for key, item in value.items()} | {"unasked": {"deep": [1, None, "x"]}}
        return [more(item) for item in value] if isinstance(value, list) else value

    output = more(good.outputs()[stage.key])
    if stage.key == "strategy":
        del output["content_type_distribution"]["unasked"]  # a type of its own there
    kept = stage.writes.model_validate(output).model_dump(mode="json")
    assert json.dumps(kept, sort_keys=True).count('"unasked"') == json.dumps(output).count('"unasked"')
    assert json.dumps(kept, sort_keys=True).count('{"deep": [1, null, "x"]}') == json.dumps(output).count('{"deep": [1, null, "x"]}')


# Texts and lists


def test_blanks_around_a_text_are_taken_off():
    assert core("description", "  a baker \n")["description"] == "a baker"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("tea, rain", ["tea", "rain"]),
        ("tea", ["tea"]),
        ("tea;rain ; snow", ["tea", "rain", "snow"]),
        ("茶、雨，雪", ["茶", "雨", "雪"]),
        ("- tea\n- rain", ["tea", "rain"]),
        ("* tea\n•rain\n\n", ["tea", "rain"]),
        ("1. tea\n2) rain", ["tea", "rain"]),
        ("- post daily, at dusk\n- answer, always", ["post daily, at dusk", "answer, always"]),
        ("salt, not sugar; rye", ["salt, not sugar", "rye"]),
        ("-5 degrees, rain", ["-5 degrees", "rain"]),
        ("tea,,rain,", ["tea", "rain"]),
        ("tea,\nrain,\n", ["tea", "rain"]),
    ],
)
def test_a_text_where_a_list_was_asked_for_is_divided(text, items):
    assert core("tags", text)["tags"] == items


@pytest.mark.parametrize("empty", ["", " , ;", "-\n-", [], [" "], ["tea", ""], None, {"a": "tea"}, [1]])
def test_a_list_without_items_or_with_empty_ones_is_refused(empty):
    assert problems(CorePersona, good.core(tags=empty))


@given(st.text())
def test_dividing_a_text_never_makes_an_empty_item(text):
    try:
        made = CorePersona.model_validate(good.core(tags=text))
    except ValidationError:
        return
    assert made.tags
    assert all(any(letter.isprintable() and not letter.isspace() for letter in item) for item in made.tags)


# 1 core


@pytest.mark.parametrize("age", [18, 100, "34", 34.0])
def test_adults_of_any_age_are_welcome(age):
    assert core("core_info.age", age)["core_info"]["age"] == int(age)


@pytest.mark.parametrize("age", [17, 0, -1, 101, 17.9, "17", "thirty", "34 years", 34.5, True, None, 1e400])
def test_nobody_is_a_child_or_of_no_age(age):
    assert [place for place, _ in problems(CorePersona, changed(good.core(), "core_info.age", age))] == ["core_info.age"]


@pytest.mark.parametrize("zone", ["Europe/Lisbon", "Asia/Tokyo", "America/Argentina/Buenos_Aires", "UTC"])
def test_time_zones_are_known_ones(zone):
    assert core("core_info.location.timezone", zone)["core_info"]["location"]["timezone"] == zone


@pytest.mark.parametrize("zone", ["Lisbon", "GMT+1:00", "../../etc/passwd", "/etc/localtime", "europe/lisbon", "Mars/Base"])
def test_other_time_zones_are_refused_with_an_example(zone):
    ((place, sentence),) = problems(CorePersona, changed(good.core(), "core_info.location.timezone", zone))
    assert place == "core_info.location.timezone"
    assert "Europe/Lisbon" in sentence


@pytest.mark.parametrize(("given_code", "kept"), [("se", "SE"), (" us ", "US")])
def test_a_country_code_is_two_capital_letters(given_code, kept):
    assert core("core_info.location.country_code", given_code)["core_info"]["location"]["country_code"] == kept


@pytest.mark.parametrize("code", ["SWE", "S", "Sweden", "1A", "瑞典", "SE\n1"])
def test_anything_else_is_no_country_code(code):
    assert problems(CorePersona, changed(good.core(), "core_info.location.country_code", code))


@pytest.mark.parametrize("state", ["", None, "  "])
def test_a_place_need_not_have_a_state(state):
    assert core("core_info.location.state", state)["core_info"]["location"]["state"] == ""


@pytest.mark.parametrize("day", ["02-29", "12-31", "01-01", " 06-30 "])
def test_a_birthday_is_a_day_of_the_calendar(day):
    assert core("core_info.birthday", day)["core_info"]["birthday"] == day.strip()


@pytest.mark.parametrize("day", ["02-30", "04-31", "13-01", "00-10", "1-1", "1990-01-01", "12/31", "12-31\n1", "١٢-٣١"])
def test_anything_else_is_no_birthday(day):
    assert problems(CorePersona, changed(good.core(), "core_info.birthday", day))


def test_a_name_is_one_line_and_not_a_novel():
    assert core("name", " Mara\n Lindqvist ")["name"] == "Mara Lindqvist"
    assert problems(CorePersona, good.core(name="x" * (NAME_LIMIT + 1)))


# 2 strategy


def test_weights_in_percent_become_shares():
    assert shares({"a": {"weight": 60, "desc": "x"}, "b": {"weight": 40, "desc": "y"}}) == {"a": 0.6, "b": 0.4}


def test_what_rounding_leaves_over_goes_to_the_largest():
    assert shares({"a": 1, "b": 2, "c": 4}) == {"a": 0.1429, "b": 0.2857, "c": 0.5714}
    assert shares({"a": 1, "b": 1, "c": 1}) == {"a": 0.3334, "b": 0.3333, "c": 0.3333}


@given(
    st.lists(st.floats(min_value=0, allow_nan=False, allow_infinity=False), min_size=1, max_size=100).filter(any),
    st.sampled_from(["list", "mapping", "numbers"]),
)
def test_weights_of_any_size_and_in_any_form_sum_to_exactly_one_as_they_are_written(weights, form):
    if form == "list":
        given_form = [{"type": f"t{n}", "weight": weight, "desc": "x"} for n, weight in enumerate(weights)]
    elif form == "mapping":
        given_form = {f"t{n}": {"weight": weight, "desc": "x"} for n, weight in enumerate(weights)}
    else:
        given_form = {f"t{n}": weight for n, weight in enumerate(weights)}
    made = shares(given_form)
    assert list(made) == [f"t{n}" for n in range(len(weights))]
    assert sum(Decimal(str(share)) for share in made.values()) == 1
    assert math.fsum(made.values()) == pytest.approx(1, abs=1e-15)
    assert all(0 <= share <= 1 for share in made.values())
    heaviest = max(weights)
    total = sum(weight / heaviest for weight in weights)
    for share, weight in zip(made.values(), weights, strict=True):
        assert share == pytest.approx(weight / heaviest / total, abs=0.0001 * len(weights))


@given(st.dictionaries(st.text("abc", min_size=1), st.floats(0.01, 100), min_size=1, max_size=20))
def test_shares_that_were_normalised_once_stay_as_they_are(weights):
    once = shares(weights)
    assert shares(once) == once


@pytest.mark.parametrize(
    "distribution",
    [
        {},
        [],
        None,
        "oven 60%, harbour 40%",
        {"a": 0, "b": 0},
        {"a": -1, "b": 2},
        {"a": float("nan")},
        {"a": float("inf"), "b": 1},
        {"a": "60%"},
        {"a": {"weight": 1, "desc": ""}},
        {"a": {"weight": 1}},
        {" ": 1},
        [{"type": "a", "weight": 1, "desc": "x"}, {"weight": 1, "desc": "no type"}],
        [{"type": "a", "weight": 1, "desc": "x"}, "b"],
        [{"type": "a", "weight": 1, "desc": "x"}, {"type": " a", "weight": 2, "desc": "again"}],
        {f"t{n}": 1 for n in range(101)},
    ],
)
def test_a_distribution_that_would_lose_or_lie_is_refused(distribution):
    found = problems(TweetStrategy, good.strategy(content_type_distribution=distribution))
    assert all(place.startswith("content_type_distribution") for place, _ in found)


@pytest.mark.parametrize("times", [["24:00"], ["9:00"], ["09:60"], [], ["noon"], None, "0900"])
def test_posting_times_are_times_of_day(times):
    assert problems(TweetStrategy, good.strategy(posting_times=times))


# 3 examples


@pytest.mark.parametrize("count", [0, 7, 9])
def test_there_are_eight_examples_exactly(count):
    assert problems(ExampleTweets, good.examples(count))


def test_no_two_examples_say_the_same():
    output = good.examples()
    output["tweet_examples"][7]["text"] = "  BATCH   0 is out. "
    ((_, sentence),) = problems(ExampleTweets, output)
    assert "two of the tweets have the same text" in sentence


def test_an_example_fits_into_a_tweet():
    output = good.examples()
    output["tweet_examples"][0]["text"] = "x" * 280
    ExampleTweets.model_validate(output)
    output["tweet_examples"][0]["text"] = "x" * 281
    assert problems(ExampleTweets, output)


# 4 network


def test_friends_may_be_of_any_age_but_those_once_loved_are_adults():
    SocialNetwork.model_validate(good.network(close_friends=[good.friend(age=9, relation="niece")]))
    SocialNetwork.model_validate(good.network(past_relationships=[good.friend(age=18)]))
    ((place, sentence),) = problems(SocialNetwork, good.network(past_relationships=[good.friend(age=17)]))
    assert place == "social_circle.past_relationships"
    assert "18 or older" in sentence


def test_nobody_is_without_friends_but_there_need_be_no_past():
    SocialNetwork.model_validate(good.network(past_relationships=[]))
    for circle in ("close_friends", "online_friends"):
        assert problems(SocialNetwork, good.network(**{circle: []}))


# 7 knowledge


def test_a_book_has_six_entries_or_more():
    assert len(KnowledgeBase.model_validate(good.knowledge(BOOK_MINIMUM)).character_book.entries) == 6
    assert problems(KnowledgeBase, good.knowledge(BOOK_MINIMUM - 1))


def test_entries_at_the_top_are_taken_for_the_book():
    book = good.knowledge()["character_book"]
    assert KnowledgeBase.model_validate(book) == KnowledgeBase.model_validate({"character_book": book})
