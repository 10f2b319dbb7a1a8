"""Tweets as files, page by page."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest

from errors import NotFoundError
from pipeline.formats import tables
from pipeline.tweet_files import TweetFiles
from storage import images, personas, tweets
from storage.clock import new_id
from storage.images import NewImage
from storage.tweets import Filters, NewTweet

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PNG = bytes.fromhex("89504e470d0a1a0a") + b"x" * 3000


@pytest.fixture
def files(store, tmp_path):
    (tmp_path / "images").mkdir()
    return TweetFiles(store, tmp_path / "images", "made up")


def saved(store, name, texts, status="draft", **values):
    persona_id = new_id()
    about = {"language": "English", "picture": None, "options": {"lora": {"model_path": "x"}}, "job_id": None, "now": NOW}
    store.submit(lambda tx: personas.create(tx, persona_id, name=name, **about)).result()
    more(store, persona_id, texts, status, **values)
    return persona_id


def more(store, persona_id, texts, status="draft", **values):
    given = {"length": 9, "date": "2026-12-01", "time": "08:00", **values}
    new = [NewTweet(persona_id=persona_id, text=text, **given) for text in texts]
    store.submit(lambda tx: [tweets.save(tx, each, NOW) for each in new]).result()
    store.submit(tweets.set_status, [each.id for each in new], status, by="anna", now=NOW).result()
    return [each.id for each in new]


def draw(store, folder, tweet_id, number, *, write=True):
    file = f"{number:064x}.png"
    if write:
        (folder / file).write_bytes(PNG + bytes([number]))
    about = {"width": 8, "height": 8, "seed": 1, "engine": "preview", "seconds": 0.1, "worker": 0, "asked": {}}
    new = NewImage(None, f"p:{number}", file=file, thumbnail="x.webp", tweet_id=tweet_id, **about)
    store.submit(lambda tx: images.save(tx, new, NOW)).result()


def whole(made):
    return b"".join(made.chunks)


def sheet(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def opened(made):
    assert (made.suffix, made.media_type) == ("zip", "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(whole(made)))
    assert archive.testzip() is None
    return archive


@pytest.mark.parametrize("kind", ["jsonl", "csv", "metricool"])
def test_a_file_of_many_pages_is_the_file_of_all_at_once(store, files, kind):
    saved(store, "Mara", [f"line one,\r\nline two of {number}" for number in range(tweets.EXPORTED * 2 + 1)])
    everything = [
        {**tweet, "disclosure": "made up"} for page in store.read(lambda db: list(tweets.stream(db, Filters()))) for tweet in page
    ]
    chunks = list(files.made(kind, Filters()).chunks)
    assert len(chunks) == 4
    assert b"".join(chunks) == tables.WRITERS[kind](everything)


def test_nothing_to_export_is_a_file_with_a_header_only(files):
    assert len(list(csv.reader(io.StringIO(whole(files.made("csv", Filters())).decode("utf-8-sig"))))) == 1


def test_every_row_carries_the_disclosure(store, files):
    saved(store, "Mara", ["first"])
    assert sheet(whole(files.made("csv", Filters())))[0]["disclosure"] == "made up"
    line = json.loads(whole(files.made("jsonl", Filters())))
    assert (line["disclosure"], line["ai_generated"]) == ("made up", True)


# Schedulers


def test_a_scheduler_gets_what_a_person_has_approved_whatever_is_filtered(store, files):
    mara = saved(store, "Mara", ["yes"], "approved")
    more(store, mara, ["perhaps"])
    more(store, mara, ["no"], "rejected")

    def texts(kind, *statuses):
        return [row["Text"] for row in sheet(whole(files.made(kind, Filters(statuses=statuses))))]

    assert texts("buffer") == texts("buffer", "approved") == texts("buffer", "rejected", "approved") == ["yes"]
    assert texts("buffer", "draft") == texts("buffer", "rejected") == texts("buffer", "draft", "rejected") == []
    assert texts("metricool") == ["perhaps", "yes"]
    assert texts("metricool", "draft") == ["perhaps"]
    assert texts("metricool", "rejected") == []
    assert [row["Draft"] for row in sheet(whole(files.made("metricool", Filters())))] == ["TRUE", "FALSE"]


@pytest.mark.parametrize("kind", tables.MAY_LEAVE)
def test_a_scheduler_that_may_get_none_of_them_gets_the_header(store, files, kind):
    saved(store, "Mara", ["no"], "rejected")
    for filters in (Filters(), Filters(statuses=("rejected",)), Filters(statuses=("published",))):
        made = files.made(kind, filters)
        assert made.suffix == "csv"
        assert whole(made) == tables.WRITERS[kind]([])


def test_buffer_takes_a_hundred_rows_a_file(store, files):
    mara = saved(store, "Mara", [f"loaf {number}" for number in range(tables.BUFFERS_MOST)], "approved")
    made = files.made("buffer", Filters())
    assert made.suffix == "csv"
    assert len(sheet(whole(made))) == 100
    more(store, mara, [f"roll {number}" for number in range(101)], "approved")
    archive = opened(files.made("buffer", Filters()))
    assert archive.namelist() == ["tweets-001.csv", "tweets-002.csv", "tweets-003.csv"]
    rows = [sheet(archive.read(name)) for name in archive.namelist()]
    assert [len(some) for some in rows] == [100, 100, 1]
    assert [row["Text"] for some in rows for row in some] == [
        *(f"roll {number}" for number in reversed(range(101))),
        *(f"loaf {number}" for number in reversed(range(100))),
    ]


# Batches


def test_a_batch_is_one_file_a_persona_in_the_order_of_writing(store, files):
    mara = saved(store, "Mara / of: <night>", ["first", "second"])
    saved(store, "Otto", ["third"])
    saved(store, "Nobody", [])
    one = files.made("batch", Filters(persona_ids=(mara,)))
    batch = json.loads(whole(one))
    assert one.suffix == "json"
    assert [tweet["tweet_text"] for tweet in batch["tweets"]] == ["first", "second"]
    assert (batch["disclosure"], batch["persona"]["lora"]) == ("made up", {"model_path": "x"})
    assert sorted(name.split("-")[0] for name in opened(files.made("batch", Filters())).namelist()) == ["Mara_of_night", "Otto"]


def test_whether_a_batch_is_one_file_is_said_by_the_filters(store, files):
    mara = saved(store, "Mara", ["rye bread"], topic_type="bread")
    otto = saved(store, "Otto", ["green tea"], topic_type="tea")
    for filters in (
        Filters(search="rye"),
        Filters(search="ry"),
        Filters(topics=("bread",)),
        Filters(persona_ids=(mara, otto), topics=("bread",)),
    ):
        made = files.made("batch", filters)
        assert made.suffix == "json", filters
        assert json.loads(whole(made))["persona"]["name"] == "Mara"
    assert len(opened(files.made("batch", Filters(persona_ids=(mara, otto)))).namelist()) == 2
    assert json.loads(whole(files.made("batch", Filters(persona_ids=(otto,), search="rye"))))["tweets"] == []
    assert opened(files.made("batch", Filters(search="nothing has this"))).namelist() == []


# With pictures


def test_a_zip_has_the_tweets_and_their_pictures_under_names_that_find_them(store, files):
    mara = saved(store, "Mara ../of: 夜", ["no picture"])
    first, second = more(store, mara, ["drawn", "undated"])
    store.submit(lambda tx: tx.execute("UPDATE tweets SET date = NULL WHERE id = ?", [second])).result()
    draw(store, files.folder, first, 1)
    draw(store, files.folder, first, 2)
    draw(store, files.folder, second, 3)
    archive = opened(files.made("zip", Filters()))
    named = {first: f"2026-12-01-Mara_of_夜-{first[-10:]}.png", second: f"undated-Mara_of_夜-{second[-10:]}.png"}
    assert archive.namelist() == ["tweets.csv", "tweets.jsonl", f"images/{named[second]}", f"images/{named[first]}"]
    assert archive.read(f"images/{named[first]}") == PNG + b"\x02", "the current one"
    assert {one.compress_type for one in archive.infolist() if one.filename.startswith("images/")} == {zipfile.ZIP_STORED}
    rows = sheet(archive.read("tweets.csv"))
    lines = [json.loads(line) for line in archive.read("tweets.jsonl").splitlines()]
    assert {row["id"]: row["image_file"] for row in rows if row["image_file"]} == named
    assert [line["image_file"] for line in lines] == [row["image_file"] for row in rows]
    assert [row["text"] for row in rows] == ["undated", "drawn", "no picture"]
    assert rows[0]["disclosure"] == lines[0]["disclosure"] == "made up"


def test_a_picture_whose_file_is_gone_is_named_in_a_text(store, files):
    mara = saved(store, "Mara", [])
    here, gone = more(store, mara, ["here", "gone"])
    draw(store, files.folder, here, 1)
    draw(store, files.folder, gone, 2, write=False)
    archive = opened(files.made("zip", Filters()))
    assert len([name for name in archive.namelist() if name.startswith("images/")]) == 1
    assert archive.read("missing.txt").decode() == f"2026-12-01-Mara-{gone[-10:]}.png: tweet {gone}\n"
    assert [bool(row["image_file"]) for row in sheet(archive.read("tweets.csv"))] == [False, True]


def test_a_zip_is_of_the_tweets_that_there_were_when_it_was_begun(store, files):
    mara = saved(store, "Mara", ["first"])
    made = files.made("zip", Filters())
    content = next(made.chunks)
    more(store, mara, ["late"])
    archive = zipfile.ZipFile(io.BytesIO(content + whole(made)))
    assert len(sheet(archive.read("tweets.csv"))) == len(archive.read("tweets.jsonl").splitlines()) == 1


def test_a_zip_holds_one_picture_at_a_time(store, files):
    mara = saved(store, "Mara", [])
    for number, tweet_id in enumerate(more(store, mara, [f"loaf {number}" for number in range(20)])):
        draw(store, files.folder, tweet_id, number)
    assert max(map(len, files.made("zip", Filters()).chunks)) < 2 * len(PNG) + 4000


def test_an_unknown_kind_is_refused(files):
    with pytest.raises(NotFoundError):
        files.made("exe", Filters())
