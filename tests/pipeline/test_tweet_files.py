"""Tweets as files, page by page."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest

from errors import NotFoundError
from pipeline import tweet_files
from pipeline.formats import tables
from storage import personas, tweets
from storage.clock import new_id
from storage.tweets import Filters, NewTweet

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def saved(store, name, texts):
    persona_id = new_id()
    values = {"language": "English", "picture": None, "options": {"lora": {"model_path": "x"}}, "job_id": None, "now": NOW}
    store.submit(lambda tx: personas.create(tx, persona_id, name=name, **values)).result()
    new = [NewTweet(persona_id=persona_id, text=text, length=9, date="2026-12-01", time="08:00") for text in texts]
    store.submit(lambda tx: [tweets.save(tx, each, NOW) for each in new]).result()
    return persona_id


@pytest.mark.parametrize("kind", list(tables.WRITERS))
def test_a_file_of_many_pages_is_the_file_of_all_at_once(store, kind):
    saved(store, "Mara", [f"line one,\r\nline two of {number}" for number in range(tweets.EXPORTED * 2 + 1)])
    everything = [tweet for page in store.read(lambda db: list(tweets.stream(db, Filters()))) for tweet in page]
    chunks = list(tweet_files.made(store, kind, Filters()).chunks)
    assert len(chunks) == 4
    assert b"".join(chunks) == tables.WRITERS[kind](everything)


def test_nothing_to_export_is_a_file_with_a_header_only(store):
    made = tweet_files.made(store, "csv", Filters())
    assert len(list(csv.reader(io.StringIO(b"".join(made.chunks).decode("utf-8-sig"))))) == 1


def test_a_batch_is_one_file_a_persona_in_the_order_of_writing(store):
    mara = saved(store, "Mara / of: <night>", ["first", "second"])
    saved(store, "Otto", ["third"])
    saved(store, "Nobody", [])
    one = tweet_files.made(store, "batch", Filters(persona_ids=(mara,)), "made up")
    batch = json.loads(b"".join(one.chunks))
    assert one.suffix == "json"
    assert [tweet["tweet_text"] for tweet in batch["tweets"]] == ["first", "second"]
    assert (batch["disclosure"], batch["persona"]["lora"]) == ("made up", {"model_path": "x"})

    several = tweet_files.made(store, "batch", Filters())
    archive = zipfile.ZipFile(io.BytesIO(b"".join(several.chunks)))
    assert several.media_type == "application/zip"
    assert sorted(name.split("-")[0] for name in archive.namelist()) == ["Mara___of___night", "Otto"]


def test_an_unknown_kind_is_refused(store):
    with pytest.raises(NotFoundError):
        tweet_files.made(store, "exe", Filters())
