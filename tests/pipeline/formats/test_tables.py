"""Tweets as tables: out for people and schedulers, and edited ones back in."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from errors import UploadError
from pipeline.formats.tables import COLUMNS, WRITERS, as_buffer, as_csv, as_jsonl, as_metricool, read_tweets
from pipeline.length import weighted_length

TWEET = {
    "number": 7,
    "id": "01A",
    "persona_id": "01P",
    "persona_name": "Mara",
    "status": "approved",
    "text": "Batch 1 is out, “all” of it.\n\nSecond part; 咖啡",
    "parts": [],
    "poll": ["rye", "wheat"],
    "date": "2026-01-05",
    "time": "05:00",
    "topic_type": "oven",
    "mood": "dry",
    "tweet_format": "standard",
    "hashtags": ["rye", "bread"],
    "alt_text": "a loaf",
    "length": 44,
    "badges": [{"kind": "near_duplicate", "detail": "01B"}],
    "image": {"scene_hint": "a loaf"},
    "plan": {"theme": "rye"},
    "extra": {},
    "revision": 3,
    "disclosure": "made up",
}
FORMULAS = ["=1+1", "+1", "-1 degrees", "@anna hi", "\t=1", " =1", "＝1", "'=1", "=cmd|'/c calc'!A0"]


def rows_of(content):
    assert content.startswith(b"\xef\xbb\xbf"), "Excel needs the mark"
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def read(content):
    """The tweets without their rows, and the remarks."""
    found, remarks = read_tweets(content if isinstance(content, bytes) else content.encode(), "tweets.csv")
    return [tweet for _, tweet in found], remarks


def test_a_sheet_has_what_people_need_and_is_marked():
    (row,) = rows_of(as_csv([TWEET]))
    assert tuple(row) == COLUMNS
    assert (row["text"], row["hashtags"], row["badges"], row["ai_generated"]) == (TWEET["text"], "rye bread", "near_duplicate", "yes")
    assert (row["revision"], row["exported_status"], row["disclosure"]) == ("3", "approved", "made up")


def test_a_line_of_jsonl_has_everything():
    assert [json.loads(line) for line in as_jsonl([TWEET, TWEET]).splitlines()] == [
        {**TWEET, "exported_status": "approved", "ai_generated": True}
    ] * 2
    assert json.loads(as_jsonl([{"extra": {"n": 10**30}}]))["extra"]["n"] == 10**30


@pytest.mark.parametrize("write", [as_csv, as_jsonl])
def test_what_went_out_comes_back_in(write):
    (tweet,), remarks = read(write([TWEET]))
    assert {key: tweet[key] for key in ("id", "text", "status", "date", "time", "revision", "exported_status")} == {
        "id": "01A",
        "text": TWEET["text"],
        "status": "approved",
        "date": "2026-01-05",
        "time": "05:00",
        "revision": 3,
        "exported_status": "approved",
    }
    assert not {"ai_generated", "disclosure"} & tweet.keys(), "what an export says of itself is nobody's edit"
    assert remarks == []


@pytest.mark.parametrize(("cell", "revision"), [("7", 7), (" 7.0", 7), ("seven", 0), ("1e999", 0), ("nan", 0)])
def test_a_revision_is_read_however_a_spreadsheet_left_it(cell, revision):
    assert read(f"id,text,revision\n01A,a,{cell}\n")[0][0]["revision"] == revision
    assert "revision" not in read("id,text,revision\n01A,a,\n")[0][0]


def test_a_tweet_knows_its_row_in_the_file():
    content = b"sep=;\nid;text\n01A;a\n;\n01B;b\n"
    assert [row for row, _ in read_tweets(content, "tweets.csv")[0]] == [3, 5]


def test_a_sheet_that_was_edited_in_excel_comes_back_in():
    content = 'id;text;Status;date;time;note\r\n01A;"two\nlines";Rejected;25/01/2026;9:05;x\r\n01B;b;草稿;05/01/2026;;\r\n'
    tweets, remarks = read(content.encode("cp1252", "ignore") if "草" not in content else content)
    assert tweets == [
        {"id": "01A", "text": "two\nlines", "status": "rejected", "date": "2026-01-25", "time": "09:05", "note": "x"},
        {"id": "01B", "text": "b", "status": "draft", "date": "2026-01-05", "time": None, "note": ""},
    ]
    assert remarks == []


def test_what_cannot_be_kept_is_said_by_row():
    tweets, remarks = read("id,text,status,date\n01A,,done,soon\n01A,again,,\n,,draft,\n01C,c,,\n")
    assert tweets == [{"id": "01A", "text": ""}, {"id": "01C", "text": "c", "date": None}]
    assert remarks == [
        'Row 2: the status "done" cannot be read; it was left as it is.',
        'Row 2: the date "soon" cannot be read; it was left as it is.',
        'Row 3 has the id "01A" again and was left out.',
        "Row 4 has neither an id nor a text and was left out.",
    ]


def test_lines_that_are_no_json_are_left_out_and_said():
    tweets, remarks = read('{"id": "01A", "text": "a"}\n{"id": \n7\n{"id": "01B", "text": "b"}\n')
    assert [tweet["id"] for tweet in tweets] == ["01A", "01B"]
    assert remarks == [f"Line {row} is no tweet that can be read and was left out." for row in (2, 3)]


def test_a_list_of_tweets_as_json_is_read_too():
    assert read('[{"id": "01A", "tweet_text": "a"}, 7]')[0] == [{"id": "01A", "tweet_text": "a", "text": "a"}]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("text", FORMULAS)
def test_nothing_is_a_formula(kind, text):
    content = WRITERS[kind]([{**TWEET, "text": text, "alt_text": text, "persona_name": text, "hashtags": []}])
    if kind == "jsonl":
        return
    for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")):
        assert not any(cell.lstrip()[:1] in tuple("=+-@＝") and cell for cell in row)


@pytest.mark.parametrize("text", FORMULAS)
def test_an_apostrophe_that_we_put_there_is_taken_off_again(text):
    assert read(as_csv([{**TWEET, "text": text}]))[0][0]["text"] == text


@pytest.mark.parametrize("write", [as_buffer, as_metricool])
def test_a_scheduler_never_posts_an_apostrophe(write):
    assert rows_of(write([{**TWEET, "text": "@anna hi", "hashtags": []}]))[0]["Text"] == "\u200b@anna hi"


def test_buffer_gets_its_four_columns():
    timed, untimed = rows_of(as_buffer([TWEET, {**TWEET, "time": None, "image": {"url": "https://x.test/a.png"}}]))
    assert timed == {
        "Text": TWEET["text"] + " #rye #bread",
        "Image URL": "",
        "Tags": "",
        "Posting Time": "2026-01-05 05:00",
    }
    assert (untimed["Posting Time"], untimed["Image URL"]) == ("", "https://x.test/a.png")


def test_metricool_gets_the_columns_of_its_template():
    approved, draft = rows_of(as_metricool([TWEET, {**TWEET, "status": "draft", "date": None, "poll": []}]))
    assert (approved["Date"], approved["Time"], approved["Draft"], approved["Twitter/X"]) == ("2026-01-05", "05:00:00", "FALSE", "TRUE")
    assert (approved["Twitter/X Poll Option 1"], approved["Twitter/X Poll Option 3"]) == ("rye", "")
    assert (draft["Date"], draft["Time"], draft["Draft"]) == ("", "", "TRUE")


def test_hashtags_are_posted_where_there_is_room_and_only_once():
    full = "x" * 276
    assert rows_of(as_buffer([{**TWEET, "text": full}]))[0]["Text"] == full
    assert rows_of(as_buffer([{**TWEET, "text": "x" * 270}]))[0]["Text"] == "x" * 270 + " #rye"
    assert rows_of(as_buffer([{**TWEET, "text": "So #Rye it is"}]))[0]["Text"] == "So #Rye it is #bread"
    assert weighted_length(rows_of(as_buffer([{**TWEET, "text": "x" * 260}]))[0]["Text"]) <= 280


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"[1]", b"{}", b"a,b\n1,2", b"id\n", b'{"x": 1}', b"\xff\xfe", b"[" * 10_000, b'id,text\n1,"']
)
def test_what_has_no_tweets_is_refused_in_one_sentence(content):
    with pytest.raises(UploadError, match=r"tweets\.csv"):
        read(content)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(deadline=None)
@given(st.lists(TEXT.filter(str.strip), min_size=1, max_size=4))
@example(["a\rb", "\r\n", "\x00x"])
@example(["sep=;\nx"])
def test_every_text_comes_back_to_the_letter(texts):
    tweets = [{"id": f"01{nth}", "status": "draft", "text": text, "date": None, "time": None} for nth, text in enumerate(texts)]
    for write in (as_csv, as_jsonl):
        assert [tweet["text"] for tweet in read(write(tweets))[0]] == texts


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(st.sampled_from('{}[]",:;\n\r\tidtexstatus=-1日期') | st.characters(exclude_categories=["Cs"])).map(str.encode)
)
def test_whatever_comes_in_is_read_or_refused(content):
    try:
        tweets, _ = read(content)
    except UploadError:
        return
    assert all("id" in tweet or "text" in tweet for tweet in tweets)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {"text": TEXT},
        optional={
            "hashtags": st.lists(TEXT, max_size=3),
            "poll": st.lists(TEXT, max_size=5),
            "date": st.none() | TEXT,
            "time": st.none() | TEXT,
            "image": st.dictionaries(st.just("url"), TEXT),
            "alt_text": TEXT,
        },
    )
)
def test_schedulers_get_a_table_whatever_a_tweet_has(tweet):
    for write, width in ((as_buffer, 4), (as_metricool, 11)):
        header, row = csv.reader(io.StringIO(write([tweet]).decode("utf-8-sig"), newline=""))
        assert len(header) == len(row) == width
