"""Batches of tweets in and out: versions 1.0 and 2.0, and whatever else calls itself one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import UploadError
from pipeline.formats.batches import as_batch_v1, as_rows, read_batch
from pipeline.formats.json_out import as_json

IMAGE = {
    "scene_hint": "a loaf",
    "positive_prompt": "a loaf, soft light",
    "negative_prompt": "text",
    "lora_params": {"model_path": "mara.safetensors", "strength": 0.8},
    "generation_params": {"width": 1024, "height": 1024, "steps": 9, "cfg": 0},
}
TWEET = {"slot": 1, "time_segment": "night", "topic_type": "oven", "tweet_text": "Batch 1 is out.", "image_generation": IMAGE}
BATCH = {
    "version": "1.0",
    "generated_at": "2026-01-01T00:00:00+00:00",
    "persona": {"name": "Mara", "lora": {"model_path": "mara.safetensors", "strength": 0.8}},
    "daily_plan": {"2026-01-05": {"theme": "rye"}},
    "tweets": [TWEET, {**TWEET, "slot": 2, "tweet_text": "咖啡"}],
}
ROW = {
    "id": "01A",
    "text": "Batch 1 is out.\n\nAll of it.",
    "parts": ["Batch 1 is out.", "All of it."],
    "poll": [],
    "date": "2026-01-05",
    "time": "05:00",
    "topic_type": "oven",
    "time_segment": "night",
    "mood": "dry",
    "tweet_format": "thread",
    "hashtags": ["rye"],
    "alt_text": "a loaf",
    "status": "approved",
    "image": IMAGE,
    "plan": {"theme": "rye"},
    "extra": {"old_id": 7, "nested": {"a": [1]}},
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def read(value):
    return read_batch(value if isinstance(value, bytes) else json.dumps(value).encode(), "batch.json")


def test_version_1_is_read_without_a_word_and_unknown_keys_survive():
    odd = {**BATCH, "x": 1, "persona": {**BATCH["persona"], "age": 34}, "tweets": [{**TWEET, "likes": {"a": [None]}}]}
    assert read(BATCH) == (BATCH, [])
    assert read(odd) == (odd, [])


def test_what_we_write_is_read_back_as_it_was():
    batch = as_batch_v1([ROW, {"text": "b"}], persona_name="Mara", lora={"model_path": "m"}, disclosure="Made with AI.", now=NOW)
    assert read(as_json(batch)) == (batch, [])
    assert (batch["version"], batch["ai_generated"], batch["disclosure"]) == ("1.0", True, "Made with AI.")
    assert batch["daily_plan"] == {"2026-01-05": {"theme": "rye"}}
    first, second = batch["tweets"]
    assert (first["slot"], first["tweet_text"], first["image_generation"], first["old_id"]) == (1, ROW["text"], IMAGE, 7)
    assert second == {"slot": 2, "time_segment": "", "topic_type": "", "tweet_text": "b", "image_generation": {}}


def test_rows_come_back_to_the_database_without_a_status():
    row, _ = as_rows(as_batch_v1([ROW, {"text": "b"}], persona_name="Mara", now=NOW))
    kept = {key: value for key, value in ROW.items() if key not in ("id", "status", "poll")}
    assert row == {**kept, "slot": 1}, "nothing is approved without a person"


def test_a_plan_without_a_day_goes_with_its_tweet():
    batch = as_batch_v1([{**ROW, "date": None}], persona_name="Mara", now=NOW)
    assert as_rows(read(batch)[0])[0]["plan"] == {"theme": "rye"}


def test_version_2_with_a_content_plan():
    value = {
        "version": "2.0",
        "persona_info": {"name": "Mara"},
        "content_plan": {"days": 1},
        "tweets": [{"slot": 4, "text": "a", "content_plan": {"theme": "rye"}, "date": "2026/1/5", "time": "9 pm"}],
    }
    batch, remarks = read(value)
    assert (batch["version"], batch["persona"]["name"], batch["daily_plan"]) == ("2.0", "Mara", {"days": 1})
    assert batch["content_plan"] == {"days": 1}
    assert remarks == ['Tweet 1: the text was found under "text".', "The slots were numbered anew from 1 to 1."]
    (row,) = as_rows(batch)
    assert (row["text"], row["plan"], row["date"], row["time"], row["extra"]) == ("a", {"theme": "rye"}, "2026-01-05", "21:00", {})


def test_empty_texts_are_reported_and_slots_numbered_anew():
    tweets = [{**TWEET, "slot": 3}, {**TWEET, "slot": 3, "tweet_text": "  "}, 7, {"slot": 9, "tweet_text": None}, "just a text"]
    batch, remarks = read({**BATCH, "tweets": tweets})
    assert [(tweet["slot"], tweet["tweet_text"]) for tweet in batch["tweets"]] == [
        (1, "Batch 1 is out."),
        (2, ""),
        (3, ""),
        (4, "just a text"),
    ]
    assert remarks == [
        "Entry 3 of the tweets is no tweet and was left out.",
        "2 tweets have no text (slots 2, 3).",
        "The slots were numbered anew from 1 to 4.",
    ]


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"version": None}, "There is no version; the batch was read as 1.0."),
        ({"version": "7"}, 'Version "7" is not known here; the batch was read as 1.0.'),
        ({"persona": "Mara"}, 'The persona is only named: "Mara".'),
        ({"persona": None}, "The batch does not say whose tweets these are."),
        ({"persona": {"name": 7}}, "The batch does not say whose tweets these are."),
        ({"tweets": [{**TWEET, "image_generation": "a cat"}]}, "Tweet 1: image_generation is no object and was left out."),
    ],
)
def test_deviations_are_said(changes, remark):
    _, remarks = read({**BATCH, **changes})
    assert remarks == [remark]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"7",
        b'{"tweets": {}}',
        b'{"tweets": []}',
        b'{"tweets": [7]}',
        b'{"tweets": [NaN]}',
        b"[" * 10_000,
        b"\xff\xfe\x00",
        json.dumps({"tweets": ["a"] * 20_001}).encode(),
    ],
)
def test_what_is_no_batch_is_refused_in_one_sentence(content):
    with pytest.raises(UploadError, match=r"batch\.json"):
        read(content)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["slot", "tweet_text", "text", "image_generation", "date", "time", "poll", "parts", "content_plan", "x"])


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {"tweets": st.lists(st.dictionaries(KEYS, JSON) | JSON, max_size=4)},
        optional=dict.fromkeys(("version", "persona", "daily_plan", "content_plan", "persona_info"), JSON),
    )
)
def test_whatever_comes_in_is_read_or_refused_and_a_second_reading_changes_nothing(value):
    try:
        batch, _ = read(value)
    except UploadError:
        return
    assert read(as_json(batch))[0] == batch
    for row in as_rows(batch):
        as_batch_v1([row], persona_name="x", now=NOW)


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": TEXT},
            optional={
                "extra": st.dictionaries(
                    TEXT.filter(lambda key: key not in ROW and key not in TWEET and key not in ("content_plan", "ai_generated")),
                    JSON,
                    max_size=2,
                ),
                "image": st.dictionaries(TEXT, JSON, max_size=2),
                "hashtags": st.lists(TEXT, max_size=2),
                "mood": TEXT,
            },
        ),
        min_size=1,
        max_size=4,
    ),
    TEXT.filter(str.strip),
)
def test_out_and_in_is_the_identity(rows, name):
    batch = as_batch_v1(rows, persona_name=name, now=NOW)
    again, remarks = read(as_json(batch))
    empty = sum(not row["text"].strip() for row in rows)
    assert len(remarks) == (1 if empty else 0)
    for tweet, row, back in zip(batch["tweets"], rows, as_rows(again), strict=True):
        assert back["text"] == (row["text"] if row["text"].strip() else "")
        assert back["extra"] == row.get("extra", {})
        assert back["image"] == tweet["image_generation"] == row.get("image", {})
        assert back.get("hashtags", []) == row.get("hashtags", [])
