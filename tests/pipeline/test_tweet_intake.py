"""Exports that were edited elsewhere come back: a real Studio, a real database, real files."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tempfile
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import seven_outputs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from errors import UploadError
from pipeline import tweet_intake
from pipeline.formats import tables
from pipeline.tweet_files import TweetFiles
from pipeline.tweet_intake import TweetIntake
from storage import personas, tweets
from storage.clock import new_id
from storage.database import Store
from storage.tweets import Filters, NewTweet

NOW = datetime(2026, 11, 25, tzinfo=UTC)


class Shelf:
    """A studio with one persona: tweets are put in, exported, edited as a spreadsheet would, and taken back."""

    def __init__(self, studio, persona_id):
        self.studio = studio
        self.persona_id = persona_id

    async def tweet(self, text, **values):
        about = {"length": 9, "date": "2026-12-01", "time": "08:00", **values}
        return await self.studio._store.write(tweets.save, NewTweet(persona_id=self.persona_id, text=text, **about), NOW)

    async def get(self, tweet_id):
        return await self.studio.tweets.tweet(tweet_id)

    async def exported(self, kind="csv", **filters):
        _, _, chunks = await self.studio.tweets.file(kind, Filters(**filters))
        return b"".join(chunks)

    async def rows(self):
        return list(csv.DictReader(io.StringIO((await self.exported()).decode("utf-8-sig"), newline="")))

    async def back(self, rows, name="tweets.csv"):
        return await self.studio.tweets.take_back(sheet(rows) if isinstance(rows, list) else rows, name)


def sheet(rows):
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue().encode()


def counts(came):
    return {key: value for key, value in vars(came).items() if key != "remarks" and value}


@pytest.fixture
def open_shelf(open_studio):
    @asynccontextmanager
    async def open_shelf(**given):
        async with open_studio(**given) as studio:
            persona_id = new_id()

            def write(tx):
                personas.create(tx, persona_id, name="", language="English", picture=None, options={}, job_id=None, now=NOW)
                for stage, output in {**seven_outputs.outputs(), "core": seven_outputs.core(name="Mara")}.items():
                    personas.save_stage(tx, personas.StageVersion(persona_id, stage, output, {}), NOW)

            await studio._store.write(write)
            yield Shelf(studio, persona_id)

    return open_shelf


async def test_what_was_edited_in_a_sheet_is_applied_as_the_authors_edit(open_shelf):
    async with open_shelf() as shelf:
        text, moved, approved, same = [await shelf.tweet(text) for text in ("One loaf.", "Two.", "Three.", "Four.")]
        rows = {row["id"]: row for row in await shelf.rows()}
        rows[text]["text"] = "x" * 300
        rows[moved] |= {"date": "24/12/2026", "time": "9:30"}
        rows[approved] |= {"text": "Three, but shorter.", "status": "Approved"}
        came = await shelf.back(list(rows.values()))
        assert counts(came) == {"changed": 3, "reviewed": 1, "same": 1}
        assert came.remarks == ()
        edited = await shelf.get(text)
        assert (edited["text"], edited["length"], edited["made_by"], edited["version"]) == ("x" * 300, 300, "author", 2)
        assert [badge["kind"] for badge in edited["badges"]] == ["too_long"]
        assert [version["text"] for version in await shelf.studio.tweets.versions(text)] == ["x" * 300, "One loaf."]
        elsewhen = await shelf.get(moved)
        assert (elsewhen["date"], elsewhen["time"], elsewhen["text"]) == ("2026-12-24", "09:30", "Two.")
        reviewed = await shelf.get(approved)
        assert (reviewed["status"], reviewed["reviewed_by"], reviewed["text"]) == ("approved", "author", "Three, but shorter.")
        assert (await shelf.get(same))["version"] == 1


async def test_lines_of_json_come_back_too_and_a_second_time_change_nothing(open_shelf):
    async with open_shelf() as shelf:
        await shelf.tweet("Rye.")
        line = {**json.loads(await shelf.exported("jsonl")), "text": "Rye, warm.", "time": None}
        content = json.dumps(line).encode()
        assert counts(await shelf.back(content)) == {"changed": 1}
        assert counts(await shelf.back(content)) == {"same": 1}
        assert (await shelf.get(line["id"]))["time"] is None


async def test_a_thread_stays_one_and_its_parts_are_those_of_the_text(open_shelf):
    async with open_shelf() as shelf:
        thread = await shelf.tweet("One.\n\nTwo.", parts=["One.", "Two."])
        odd = await shelf.tweet("A\n\nB\n\nC", parts=["A\n\nB", "C"])
        rows = {row["id"]: row for row in await shelf.rows()}
        rows[thread]["text"] = "One.\r\n \r\nTwo, longer.\r\n\r\nThree."
        rows[odd]["time"] = "10:00"
        assert counts(await shelf.back(list(rows.values()))) == {"changed": 2}
        assert (await shelf.get(thread))["parts"] == ["One.", "Two, longer.", "Three."]
        assert (await shelf.get(odd))["parts"] == ["A\n\nB", "C"], "a text that nobody edited is not divided anew"


async def test_what_was_changed_here_meanwhile_is_a_conflict_of_which_nothing_is_applied(open_shelf):
    async with open_shelf() as shelf:
        ours, theirs = await shelf.tweet("Ours."), await shelf.tweet("Theirs.")
        rows = {row["id"]: row for row in await shelf.rows()}
        await shelf.studio.tweets.edit(ours, "Ours, newer.", 1)
        rows[ours] |= {"text": "Ours, from the file.", "status": "approved"}
        rows[theirs]["text"] = "Theirs, from the file."
        came = await shelf.back([rows[ours], rows[theirs]])
        assert counts(came) == {"changed": 1, "conflicts": 1}
        assert came.remarks == ("Row 2 was left out: its tweet was changed here since the file was exported.",)
        tweet = await shelf.get(ours)
        assert (tweet["text"], tweet["status"]) == ("Ours, newer.", "draft")
        assert (await shelf.get(theirs))["text"] == "Theirs, from the file."


async def test_what_is_changed_while_the_checks_run_is_a_conflict_too(open_shelf):
    async with open_shelf() as shelf:
        tweet_id = await shelf.tweet("Before.")
        (row,) = await shelf.rows()

        async def judge(persona_id):
            await shelf.studio.tweets.edit(tweet_id, "Meanwhile.", 1)
            return await shelf.studio.tweets._judge(persona_id)

        content = sheet([{**row, "text": "From the file.", "status": "approved"}])
        came = await TweetIntake(shelf.studio._store, judge, _nobody).take_back(content, "tweets.csv", by="author")
        assert counts(came) == {"conflicts": 1}
        assert ((await shelf.get(tweet_id))["text"], (await shelf.get(tweet_id))["status"]) == ("Meanwhile.", "draft")


async def test_a_status_that_nobody_touched_in_the_file_undoes_no_review(open_shelf):
    async with open_shelf() as shelf:
        approved, rejected = await shelf.tweet("Good."), await shelf.tweet("Bad.")
        await shelf.studio.tweets.set_status([rejected], "approved")
        rows = {row["id"]: row for row in await shelf.rows()}
        await shelf.studio.tweets.set_status([approved], "approved")
        await shelf.studio.tweets.set_status([rejected], "rejected")
        rows[approved]["text"] = "Good, and corrected."
        assert counts(await shelf.back(list(rows.values()))) == {"changed": 1, "same": 1}
        assert ((await shelf.get(approved))["status"], (await shelf.get(rejected))["status"]) == ("approved", "rejected")


async def test_a_sheet_of_ones_own_is_enough_where_it_names_the_tweets(open_shelf):
    async with open_shelf() as shelf:
        tweet_id = await shelf.tweet("Rye.")
        came = await shelf.back([{"ID": tweet_id, "状态": "通过", "正文": "黑麦面包。"}])
        assert counts(came) == {"changed": 1, "reviewed": 1}
        tweet = await shelf.get(tweet_id)
        assert (tweet["text"], tweet["status"], tweet["date"]) == ("黑麦面包。", "approved", "2026-12-01")


async def test_what_cannot_be_applied_is_said_by_row_and_the_rest_goes_on(open_shelf):
    async with open_shelf() as shelf:
        empty, long, fine = [await shelf.tweet(text) for text in ("One.", "Two.", "Three.")]
        came = await shelf.back(
            [
                {"id": empty, "text": " ", "status": ""},
                {"id": long, "text": "x" * 10_001, "status": "rejected"},
                {"id": "{nobody}", "text": "Hello.", "status": ""},
                {"id": "", "text": "Hello.", "status": ""},
                {"id": fine, "text": "Three!", "status": "published"},
            ]
        )
        assert counts(came) == {"changed": 1, "reviewed": 1, "same": 1, "unknown": 2}
        assert set(came.remarks) == {
            "Row 2 has an empty text; the tweet keeps the one that it has.",
            "Row 3: a tweet may have 10000 characters at most; it keeps the text that it has.",
            'Row 4: there is no tweet "{nobody}" here.',
            "Row 5 has no id, so nobody can say which tweet it is.",
            'Row 6: the status "published" cannot be read; it was left as it is.',
        }
        assert ((await shelf.get(empty))["text"], (await shelf.get(long))["status"]) == ("One.", "rejected")


async def test_of_many_remarks_some_are_listed_and_the_others_counted(open_shelf):
    async with open_shelf() as shelf:
        await shelf.tweet("Rye.")
        strangers = [{"id": f"nobody {number}", "text": "x"} for number in range(1000)]
        came = await shelf.back([*strangers, {"id": "", "text": "y"}])
        assert counts(came) == {"unknown": 1001}
        assert len(came.remarks) == tweet_intake.SHOWN + 2
        assert came.remarks[tweet_intake.SHOWN] == f"The same holds for {1000 - tweet_intake.SHOWN} more rows."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no row with names"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not a text"),
        (b"PK\x03\x04" + bytes(range(256)), "not a text"),
        (b'{"spec": "chara_card_v2", "data": {"name": "Mara"}}', "no tweets in it"),
        (b'{"version": "1.0", "tweets": [{"slot": 1, "tweet_text": "x"}]}', "no tweets in it"),
        (b"Text,Image URL,Tags,Posting Time\nHello,,,\n", "has no ids"),
        (b"date,theme\n2026-12-01,rye\n", 'neither a column "id"'),
    ],
)
async def test_a_file_of_another_kind_is_one_sentence(open_shelf, content, words):
    async with open_shelf() as shelf:
        with pytest.raises(UploadError, match=words) as refused:
            await shelf.back(content)
        assert str(refused.value).startswith("tweets.csv")


async def test_thousands_of_rows_are_written_in_pages_that_leave_room_for_others(open_shelf):
    async with open_shelf() as shelf:
        store = shelf.studio._store
        new = [NewTweet(persona_id=shelf.persona_id, text=f"Loaf number {number} of the night.", length=30) for number in range(3000)]
        await store.write(lambda tx: [tweets.save(tx, each, NOW) for each in new])
        rows = [{**row, "text": row["text"] + "!"} for row in await shelf.rows()]
        waited = []

        async def others():
            while True:
                begun = asyncio.get_running_loop().time()
                await store.write(tweets.count, Filters(search="no such"))
                waited.append(asyncio.get_running_loop().time() - begun)
                await asyncio.sleep(0.01)

        beside = asyncio.create_task(others())
        came = await shelf.back(rows)
        beside.cancel()
        assert counts(came) == {"changed": 3000}
        assert len(waited) > 20
        assert max(waited) < 2


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
HOSTILE = [
    "=1+1",
    "'=1",
    "''=cmd|'/c calc'!A0",
    "@a",
    "-1",
    "'tis",
    'a "quoted" one',
    "a,b;c\td",
    "one\ntwo",
    "one\r\ntwo",
    "a\rb",
    " pad ",
    "👩‍🚀 e\u0301",
]


async def _nobody(about):
    raise AssertionError(f"no text was edited, so nothing of {about} is checked or compared")


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=6), st.sampled_from(["csv", "jsonl"]))
@example(HOSTILE, "csv")
@example(HOSTILE, "jsonl")
@example(["", "\x00", "\ufeff", "sep=;\nx"], "csv")
def test_an_export_that_nobody_edited_changes_nothing(texts, kind):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            about = {"language": "English", "picture": None, "options": {}, "job_id": None, "now": NOW}
            store.submit(lambda tx: personas.create(tx, "mara", name=texts[0], **about)).result()
            dates = [None, "2026-12-01", "soon"]
            for number, text in enumerate(texts):
                parts = [text, text] if number % 2 else []
                new = NewTweet("mara", "\n\n".join(parts) or text, 1, parts=parts, date=dates[number % 3], time=["9:5", None][number % 2])
                store.submit(tweets.save, new, NOW).result()
            made = TweetFiles(store, Path(folder), texts[0]).made(kind, Filters())
            came = asyncio.run(TweetIntake(store, _nobody, _nobody).take_back(b"".join(made.chunks), "tweets", by="author"))
            assert counts(came) == {"same": len(texts)}
            assert {tweet["version"] for tweet in store.read(tweets.page, Filters())} == {1}
        finally:
            store.close()


def test_every_column_that_is_read_back_is_written():
    assert {"id", "text", "status", "date", "time", "revision", "exported_status"} <= set(tables.COLUMNS)


async def test_what_is_written_next_is_compared_with_the_text_that_came_back(open_shelf):
    async with open_shelf() as shelf:
        text = "Four buses went by before one of them felt like stopping at the bridge."
        tweet_id, other = await shelf.tweet("A first text."), await shelf.tweet("Another.")
        (row, *_) = [row for row in await shelf.rows() if row["id"] == tweet_id]
        assert counts(await shelf.back(sheet([{**row, "text": text}]))) == {"changed": 1}
        now = await shelf.get(other)
        edited = await shelf.studio.tweets.edit(other, f"{text}!", now["revision"])
        assert edited["badges"] == [{"kind": "near_duplicate", "detail": tweet_id}]


async def test_a_text_that_the_file_does_not_show_is_not_approved_by_it(open_shelf):
    async with open_shelf() as shelf:
        tweet_id = await shelf.tweet("Seen.")
        (row,) = await shelf.rows()
        now = await shelf.get(tweet_id)
        await shelf.studio.tweets.edit(tweet_id, "Not seen.", now["revision"])
        only = {"id": tweet_id, "revision": row["revision"], "status": "approved"}
        assert counts(await shelf.back(sheet([only]))) == {"conflicts": 1}
        assert (await shelf.get(tweet_id))["status"] == "draft"
        assert counts(await shelf.back(sheet([{**only, "status": "rejected"}]))) == {"reviewed": 1}
