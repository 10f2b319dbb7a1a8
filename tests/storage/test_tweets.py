"""Tweets: written once, versioned, reviewed by somebody, and found again by filter and word, page after page."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlite_utils.utils import sqlite3

from errors import ConflictError, NotFoundError
from storage import jobs as journal
from storage import personas, tweets
from storage.clock import new_id, timestamp
from storage.database import connect, rows
from storage.filters import MOST_TERMS, query, terms
from storage.jobs import NewStep
from storage.tweets import Filters, NewTweet

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
HOSTILE = "'); DROP TABLE tweets; -- <img src=x onerror=alert(1)> ${7*7} {{7*7}} \x00 \u202e =cmd|' /C calc'!A0"


@pytest.fixture
async def anna(store):
    await people(store, "anna")
    return "anna"


async def people(store, *ids):
    for persona_id in ids:
        values = {"language": "English", "picture": f"{persona_id}.jpg", "options": {}, "job_id": None, "now": NOW}
        await store.write(personas.create, persona_id, name=persona_id.title(), **values)


async def save(store, text="hello", persona_id="anna", **changes):
    return await store.write(tweets.save, NewTweet(persona_id, text, len(text), **changes), NOW)


async def edit(store, tweet_id, text, revision=1, by="author", **changes):
    values = {"parts": [], "badges": [], "length": len(text), "now": LATER} | changes
    return await store.write(tweets.edit, tweet_id, text=text, revision=revision, by=by, **values)


async def set_status(store, ids, status, by="mia"):
    """(id, status before) of what changed."""
    return [(change.id, change.before) for change in await changes(store, ids, status, by)]


async def changes(store, ids, status, by="mia"):
    return await store.write(tweets.set_status, ids, status, by=by, now=LATER)


async def undo(store, changed, by="mia"):
    """The ids of what was given back."""
    return [change.id for change in await store.write(tweets.undo, changed, by=by, now=LATER)]


def found(store, search="", **filters):
    """The texts that are found, newest first; and counting finds as many."""
    texts = [tweet["text"] for tweet in store.read(tweets.page, Filters(search=search, **filters))]
    assert store.read(tweets.count, Filters(search=search, **filters)) == len(texts)
    return texts


def index_is_right(store):
    """Raises where the trigram index and the texts differ."""
    return store.submit(lambda tx: tx.execute("INSERT INTO tweets_fts(tweets_fts, rank) VALUES ('integrity-check', 1)") and True).result()


# Saving


async def test_a_tweet_comes_back_as_it_was_saved(store, anna):
    new = NewTweet(
        persona_id=anna,
        text="one\n\n二",
        length=3,
        calendar_id="cal",
        job_id="job",
        slot=7,
        date="2026-12-01",
        time="08:30",
        parts=["one", "二"],
        poll=["tea", "coffee"],
        topic_type="craft",
        mood="wry",
        time_segment="morning",
        tweet_format="thread",
        hashtags=["夜班"],
        alt_text="a kettle",
        image={"scene_hint": "kettle", "generation_params": {"steps": 9}},
        plan={"theme": "tea"},
        badges=[{"kind": "near_duplicate", "detail": "another"}],
        made_by="import",
        extra={"odd": [None, 1.5]},
    )
    assert await store.write(tweets.save, new, NOW) == new.id
    tweet = store.read(tweets.get, new.id)
    assert {name: tweet[name] for name in vars(new)} == vars(new)
    assert (tweet["status"], tweet["reviewed_by"], tweet["version"], tweet["revision"]) == ("draft", None, 1, 1)
    assert (tweet["created_at"], tweet["updated_at"], tweet["with_image"]) == (timestamp(NOW), timestamp(NOW), 1)
    assert (tweet["persona_name"], tweet["persona_picture"]) == ("Anna", "anna.jpg")
    assert store.read(tweets.page, Filters()) == [tweet]


async def test_a_slot_of_a_job_is_written_once_and_the_first_text_stays(store, anna):
    first = await save(store, "first", job_id="job", slot=1, badges=[{"kind": "empty", "detail": ""}])
    assert await save(store, "second", job_id="job", slot=1) == first
    assert found(store) == ["first"]
    assert len(store.read(tweets.versions, first)) == 1
    assert index_is_right(store)


async def test_other_slots_personas_jobs_and_tweets_without_a_job_are_others(store, anna):
    await people(store, "bert")
    for changes in ({"slot": 1}, {"slot": 2}, {"slot": 1, "persona_id": "bert"}, {"slot": 1, "job_id": "other"}):
        await save(store, **{"job_id": "job"} | changes)
    for _ in range(2):
        await save(store, slot=1)
    assert store.read(tweets.count, Filters()) == 6
    assert store.read(tweets.of_job, "job") == {"anna": 2, "bert": 1}
    assert store.read(tweets.of_job, "none") == {}


async def test_the_same_id_twice_is_refused(store, anna):
    await save(store, id="one")
    with pytest.raises(sqlite3.IntegrityError, match="id"):
        await save(store, id="one")


async def test_a_tweet_of_no_persona_is_refused(store):
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await save(store)


async def test_a_result_that_comes_too_late_leaves_no_tweet_and_one_in_time_is_saved_with_its_step(store, anna):
    item = f"{anna}:00001"
    await store.write(journal.create, "job", "tweets", "t", [NewStep(item, "tweet")], params={}, priority=1, now=NOW)
    await store.write(journal.adopt, "job", "me", lambda _: True, NOW)
    (claim,) = await store.write(journal.claim, "job", [(item, "tweet")], "me", NOW)

    def finish(tx, held):
        if not journal.finish(tx, held, NOW):
            return False
        tweets.save(tx, NewTweet(anna, "hello", 5, job_id="job", slot=1), NOW)
        return True

    assert not await store.write(finish, dataclasses.replace(claim, fence=claim.fence + 1))
    assert found(store) == []
    assert await store.write(finish, claim)
    assert not await store.write(finish, claim)
    assert found(store, job_id="job") == ["hello"]


async def test_a_save_that_fails_half_way_leaves_nothing(store, anna):
    def half(tx):
        tweets.save(tx, NewTweet(anna, "half a tweet", 4, badges=[{"kind": "empty", "detail": ""}]), NOW)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.write(half)
    assert found(store) == found(store, "half") == found(store, badges=("empty",)) == []
    assert index_is_right(store)


# Versions


async def test_every_edit_is_a_version_and_says_who_made_it(store, anna):
    tweet_id = await save(store, "first", mood="wry")
    assert await edit(store, tweet_id, "second", 1, mood="calm", hashtags=["tea"]) == 2
    assert await edit(store, tweet_id, "third", 2, by="writer", instruction="shorter") == 3
    versions = store.read(tweets.versions, tweet_id)
    told = [(one["version"], one["text"], one["made_by"], one["instruction"], one["fields"]["mood"]) for one in versions]
    assert told == [(3, "third", "writer", "shorter", "calm"), (2, "second", "author", None, "calm"), (1, "first", "writer", None, "wry")]
    tweet = store.read(tweets.get, tweet_id)
    assert (tweet["text"], tweet["version"], tweet["revision"], tweet["made_by"]) == ("third", 3, 3, "writer")
    assert (tweet["hashtags"], tweet["updated_at"]) == (["tea"], timestamp(LATER))


async def test_restoring_brings_a_version_back_to_the_letter_as_a_new_one(store, anna):
    badges = [{"kind": "contradicts", "detail": "age"}]
    image = {"positive_prompt": "a kettle", "generation_params": {"cfg": 0}}
    tweet_id = await save(store, HOSTILE, alt_text=HOSTILE, parts=["a", HOSTILE], image=image, badges=badges, date="2026-12-01")
    before = store.read(tweets.get, tweet_id)
    await edit(store, tweet_id, "other", 1, alt_text="", image={}, date=None)
    assert found(store, badges=("contradicts",)) == []
    assert await store.write(tweets.restore, tweet_id, 1, 2, LATER) == 3
    after = store.read(tweets.get, tweet_id)
    changed = {"version": 3, "revision": 3, "made_by": "restore", "updated_at": timestamp(LATER)}
    assert after == before | changed
    assert found(store, "onerror", badges=("contradicts",)) == [HOSTILE]
    assert len(store.read(tweets.versions, tweet_id)) == 3


async def test_an_edit_or_restore_from_an_old_revision_changes_nothing_and_says_so(store, anna):
    tweet_id = await save(store, "first")
    await edit(store, tweet_id, "second", 1)
    with pytest.raises(ConflictError, match="changed elsewhere"):
        await edit(store, tweet_id, "third", 1)
    with pytest.raises(ConflictError, match="changed elsewhere"):
        await store.write(tweets.restore, tweet_id, 1, 1, LATER)
    assert found(store) == ["second"]
    assert len(store.read(tweets.versions, tweet_id)) == 2


async def test_of_edits_at_once_exactly_one_wins(store, anna):
    tweet_id = await save(store)
    outcomes = await asyncio.gather(*(edit(store, tweet_id, f"edit {n}") for n in range(5)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConflictError"] * 4 + ["int"]


async def test_one_that_does_not_exist_is_said_so(store, anna):
    tweet_id = await save(store)
    for ask in (lambda: store.read(tweets.get, "no"), lambda: store.read(tweets.versions, "no")):
        with pytest.raises(NotFoundError, match="no tweet no"):
            ask()
    for change in (edit(store, "no", "x"), store.write(tweets.restore, "no", 1, 1, NOW)):
        with pytest.raises(NotFoundError, match="no tweet no"):
            await change
    with pytest.raises(NotFoundError, match="no version 9"):
        await store.write(tweets.restore, tweet_id, 9, 1, NOW)


@pytest.mark.parametrize("field", ["status", "persona_id", "number", "revision = 9 --"])
async def test_an_edit_changes_no_other_columns(store, anna, field):
    tweet_id = await save(store)
    with pytest.raises(TypeError, match="does not change"):
        await edit(store, tweet_id, "x", **{field: "approved"})
    assert store.read(tweets.get, tweet_id)["status"] == "draft"


# Review


async def test_approving_remembers_who_and_counts_only_what_changed(store, anna):
    ids = [await save(store, f"{n}") for n in range(3)]
    assert await set_status(store, ids[:1], "approved", by="leo") == [(ids[0], "draft")]
    assert await set_status(store, [*ids, ids[1], "unknown"], "approved", by="mia") == [(ids[1], "draft"), (ids[2], "draft")]
    assert [store.read(tweets.get, tweet_id)["reviewed_by"] for tweet_id in ids] == ["leo", "mia", "mia"]
    assert await set_status(store, ids, "approved") == []
    assert await set_status(store, [], "approved") == []


async def test_a_review_is_undone_with_what_it_returned(store, anna):
    ids = [await save(store, f"{n}") for n in range(3)]
    await set_status(store, ids[:1], "rejected")
    assert await undo(store, await changes(store, ids, "approved")) == ids
    assert [store.read(tweets.get, tweet_id)["status"] for tweet_id in ids] == ["rejected", "draft", "draft"]
    assert [store.read(tweets.get, tweet_id)["reviewed_by"] for tweet_id in ids] == ["mia", None, None]


async def test_what_was_decided_anew_since_is_not_undone(store, anna):
    one, other = [await save(store, f"{n}") for n in range(2)]
    changed = await changes(store, [one, other], "approved")
    await set_status(store, [one], "rejected", by="leo")
    assert await undo(store, changed) == [other]
    assert store.read(tweets.get, one)["status"] == "rejected"


async def test_undo_never_approves_what_the_writer_has_written_since(store, anna):
    seen, rewritten, edited = [await save(store, f"{n}") for n in range(3)]
    await set_status(store, [seen, rewritten, edited], "approved")
    changed = await changes(store, [seen, rewritten, edited], "draft")
    await edit(store, rewritten, "written anew", by="writer")
    await edit(store, edited, "by hand")
    assert await undo(store, changed) == [seen, edited]
    assert store.read(tweets.get, rewritten)["status"] == "draft"


async def test_all_that_filters_mean_are_reviewed_some_at_a_time_from_the_newest_that_was_seen(store, anna):
    ids = [await save(store, f"rye {n}") for n in range(5)]
    other, late = await save(store, "wheat"), await save(store, "rye, unseen")
    numbers = {tweet_id: store.read(tweets.get, tweet_id)["number"] for tweet_id in ids}
    given = {"limit": 2, "by": "mia", "now": LATER}
    drafts = Filters(search="rye", statuses=("draft",))
    changed, before = [], numbers[ids[-1]] + 1
    while before is not None:
        some, before = await store.write(tweets.set_status_of, drafts, "approved", before=before, **given)
        changed += some
    assert [(change.id, change.before) for change in changed] == [(tweet_id, "draft") for tweet_id in reversed(ids)]
    assert [store.read(tweets.get, tweet_id)["status"] for tweet_id in (other, late)] == ["draft", "draft"]
    again = await store.write(tweets.set_status_of, Filters(), "approved", before=numbers[ids[-1]] + 1, **given)
    assert again == ([], numbers[ids[-2]]), "none changed, and there are more to look at"


async def test_a_review_does_not_disturb_an_edit_under_way_and_makes_no_version(store, anna):
    tweet_id = await save(store)
    await set_status(store, [tweet_id], "approved")
    assert await edit(store, tweet_id, "by hand") == 2
    tweet = store.read(tweets.get, tweet_id)
    assert (tweet["status"], tweet["reviewed_by"], tweet["version"]) == ("approved", "mia", 2)


async def test_what_the_writer_writes_anew_is_a_draft_again(store, anna):
    tweet_id = await save(store)
    await set_status(store, [tweet_id], "approved")
    await edit(store, tweet_id, "written anew", by="writer")
    tweet = store.read(tweets.get, tweet_id)
    assert (tweet["status"], tweet["reviewed_by"]) == ("draft", None)


async def test_a_status_that_is_none_is_refused(store, anna):
    tweet_id = await save(store)
    with pytest.raises(ValueError, match="published"):
        await set_status(store, [tweet_id], "published")


# Pages


async def test_pages_go_from_the_newest_down_by_key_and_miss_none_while_tweets_arrive(store, anna):
    saved = [await save(store, f"{n}") for n in range(10)]
    seen, before = [], None
    while page := store.read(tweets.page, Filters(), before=before, limit=4):
        seen += [tweet["id"] for tweet in page]
        before = page[-1]["number"]
        await save(store, "newer")
    assert seen == saved[::-1]


@pytest.mark.parametrize("search", ["", "hello", "lo"])
async def test_a_stream_gives_all_in_pages(store, anna, monkeypatch, search):
    monkeypatch.setattr(tweets, "EXPORTED", 3)
    ids = [await save(store, f"hello {n}") for n in range(7)]
    pages = store.read(lambda db: list(tweets.stream(db, Filters(search=search))))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [tweet["id"] for page in pages for tweet in page] == ids[::-1]


async def test_the_texts_of_a_persona_come_newest_first(store, anna):
    await people(store, "bert")
    ids = [await save(store, f"{n}") for n in range(5)]
    await save(store, persona_id="bert")
    newest = [(text_id, text) for _, text_id, text in store.read(tweets.texts, anna, 3)]
    assert newest == [(ids[2], "2"), (ids[3], "3"), (ids[4], "4")]
    known = store.read(tweets.texts, anna, 3)[1][0]
    assert [text for _, _, text in store.read(tweets.texts, anna, after=known)] == ["4"]


@pytest.fixture
async def gallery(store):
    """Four tweets that differ in everything that can be filtered."""
    await people(store, "anna", "bert", "cleo")
    near, far = {"kind": "near_duplicate", "detail": "x"}, {"kind": "over_limit", "detail": "bluesky"}
    await save(store, "A", date="2026-12-01", topic_type="craft", badges=[near, near], job_id="one", slot=1)
    b = await save(store, "B", date="2026-12-02", topic_type="memory", badges=[near, far], job_id="one", slot=2, image={"scene_hint": "b"})
    c = await save(store, "C", "bert", date="2026-12-03", topic_type="craft", job_id="two", slot=1)
    await save(store, "D", "cleo")
    await set_status(store, [b], "approved")
    await set_status(store, [c], "rejected")
    return store


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "DCBA"),
        ({"persona_ids": ("anna",)}, "BA"),
        ({"persona_ids": ("anna", "bert")}, "CBA"),
        ({"persona_ids": ("nobody",)}, ""),
        ({"statuses": ("draft",)}, "DA"),
        ({"statuses": ("approved", "rejected")}, "CB"),
        ({"topics": ("craft",)}, "CA"),
        ({"topics": ("craft", "memory")}, "CBA"),
        ({"badges": ("near_duplicate",)}, "BA"),
        ({"badges": ("over_limit", "near_duplicate")}, "BA"),
        ({"badges": ("over_limit",)}, "B"),
        ({"first_day": "2026-12-02"}, "CB"),
        ({"last_day": "2026-12-02"}, "BA"),
        ({"first_day": "2026-12-02", "last_day": "2026-12-02"}, "B"),
        ({"job_id": "one"}, "BA"),
        ({"with_image": True}, "B"),
        ({"with_image": False}, "DCA"),
        ({"topics": ("craft",), "statuses": ("draft",)}, "A"),
        ({"persona_ids": ("anna",), "badges": ("near_duplicate",), "statuses": ("approved",), "job_id": "one", "with_image": True}, "B"),
        ({"badges": ("near_duplicate",), "topics": ("memory",), "search": "b"}, "B"),
        ({"badges": ("near_duplicate",), "search": "zzz"}, ""),
    ],
)
async def test_each_filter_alone_and_together(gallery, filters, expected):
    assert found(gallery, **filters) == list(expected)


async def test_facets_count_what_there_is(gallery):
    assert gallery.read(tweets.facets) == {
        "personas": [
            {"id": "cleo", "name": "Cleo", "tweets": 1},
            {"id": "bert", "name": "Bert", "tweets": 1},
            {"id": "anna", "name": "Anna", "tweets": 2},
        ],
        "statuses": [{"status": "draft", "tweets": 2}, {"status": "approved", "tweets": 1}, {"status": "rejected", "tweets": 1}],
        "topics": [{"topic": "craft", "tweets": 2}, {"topic": "memory", "tweets": 1}],
        "badges": [{"kind": "near_duplicate", "tweets": 2}, {"kind": "over_limit", "tweets": 1}],
    }


async def test_facets_of_an_empty_gallery_are_empty(store):
    facets = store.read(tweets.facets)
    assert facets["personas"] == facets["topics"] == facets["badges"] == []
    assert [status["tweets"] for status in facets["statuses"]] == [0, 0, 0]


# Search


TEXTS = (
    "The coffee grinder smells of cardamom",
    "老电车的咖啡磨，说真的",
    "咖啡",
    "100% wool, snake_case & c++",
    'She said "AND" -x #tag',
    "Ünïcode COFFEE 🐝🐝🐝",
)


@pytest.fixture
async def searchable(store, anna):
    for text in TEXTS:
        await save(store, text)
    return store


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("coffee", (5, 0)),
        ("COFF", (5, 0)),
        ("grinder coffee", (0,)),
        ("coffee 🐝", (5,)),
        ("🐝🐝🐝", (5,)),
        ("咖啡", (2, 1)),
        ("咖啡磨", (1,)),
        ("咖啡　说", (1,)),
        ("咖", (2, 1)),
        ("咖啡 coffee", ()),
        ("sm", (0,)),
        ("100%", (3,)),
        ("%", (3,)),
        ("_", (3,)),
        ("e_", (3,)),
        ("0%", (3,)),
        ("\\", ()),
        ("c++", (3,)),
        ('"', (4,)),
        ("AND", (4,)),
        ('"AND"', (4,)),
        ("-x", (4,)),
        ("#tag", (4,)),
        ("tag OR coffee", ()),
        ("text:coffee", ()),
        ("coffee*", ()),
        ("^The", ()),
        ("", (5, 4, 3, 2, 1, 0)),
        ("  \n\t　", (5, 4, 3, 2, 1, 0)),
    ],
)
async def test_every_term_of_a_search_occurs_and_nothing_in_it_is_an_operator(searchable, search, expected):
    assert found(searchable, search) == [TEXTS[number] for number in expected]


@pytest.mark.parametrize(
    "search",
    [
        *("x" * 20_000, "咖" * 20_000, "%" * 20_000, " ".join(f"word{n}" for n in range(5000)), " ".join(f"{n}" for n in range(99))),
        *("NEAR(a b, 3)", '"""', "'", "(", "{text}:x", "*", "**", "+++", "\x00", "a\x00bc", "\ud800", "\ud800abc", HOSTILE),
    ],
)
async def test_no_search_raises(searchable, search):
    found(searchable, search)
    found(searchable, search, badges=("empty",), persona_ids=("anna",))


def test_terms_are_told_apart_by_their_length_each_once():
    assert terms(" coffee 咖啡 a coffee 咖啡磨 ") == (["coffee", "咖啡磨"], ["咖啡", "a"])
    assert len(terms(" ".join(f"word{n}" for n in range(500)))[0]) == MOST_TERMS


async def test_the_index_follows_edits_restores_and_deletions(store, anna):
    await people(store, "bert")
    ids = [await save(store, f"about lighthouses {n}", persona) for n in range(4) for persona in ("anna", "bert")]
    await edit(store, ids[0], "about trams")
    assert len(found(store, "lighthouse")) == 7
    assert found(store, "trams") == ["about trams"]
    await store.write(tweets.restore, ids[0], 1, 2, LATER)
    await set_status(store, ids, "approved")
    await store.write(lambda tx: tx.execute("DELETE FROM tweets WHERE id = ?", [ids[2]]).rowcount)
    assert (len(found(store, "lighthouse")), found(store, "trams")) == (7, [])
    assert index_is_right(store)


async def test_deleting_a_persona_takes_its_tweets_along_and_out_of_the_index(store, anna):
    await people(store, "bert")
    for persona in ("anna", "bert"):
        tweet_id = await save(store, "hello there", persona, badges=[{"kind": "empty", "detail": ""}])
        await edit(store, tweet_id, "hello again", badges=[{"kind": "empty", "detail": ""}])
    await store.write(lambda tx: tx.execute("DELETE FROM personas WHERE id = 'anna'").rowcount)
    assert found(store, "again") == found(store, badges=("empty",)) == found(store) == ["hello again"]
    left = store.read(lambda db: {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("tweet_versions", "tweet_badges")})
    assert left == {"tweet_versions": 2, "tweet_badges": 1}
    assert index_is_right(store)


async def test_a_backup_is_searched_like_the_original(store, anna, tmp_path):
    ids = [await save(store, f"word{n} hello") for n in range(5)]
    await store.write(lambda tx: tx.execute("DELETE FROM tweets WHERE id IN (?, ?)", [ids[0], ids[2]]).rowcount)
    with closing(connect(store.path)) as db:
        db.execute("VACUUM INTO ?", [str(tmp_path / "backup.db")])
    with closing(connect(tmp_path / "backup.db")) as backup:
        assert [tweet["id"] for tweet in tweets.page(backup, Filters(search="word3"))] == [ids[3]]
        backup.execute("INSERT INTO tweets_fts(tweets_fts, rank) VALUES ('integrity-check', 1)")
        tweets.edit(backup, ids[3], text="changed", parts=[], badges=[], length=7, revision=1, by="author", now=NOW)
        assert tweets.page(backup, Filters(search="word3")) == []


# How it is found


@pytest.mark.parametrize(
    ("filters", "plan"),
    [
        ({}, "t USING COVERING INDEX tweets_by_number (number<?)"),
        ({"persona_ids": ("a",)}, "t USING COVERING INDEX tweets_by_persona (persona_id=? AND number<?)"),
        ({"persona_ids": ("a", "b")}, "t USING COVERING INDEX tweets_by_number (number<?)"),
        ({"statuses": ("draft",)}, "t USING COVERING INDEX tweets_by_number (number<?)"),
        ({"topics": ("x", "y"), "first_day": "2026-01-01"}, "t USING COVERING INDEX tweets_by_number (number<?)"),
        ({"job_id": "j", "with_image": True}, "t USING COVERING INDEX tweets_by_number (number<?)"),
        ({"search": "咖啡", "statuses": ("draft",)}, "t USING COVERING INDEX tweets_by_number (number<?)"),
        ({"badges": ("x",)}, "tweet_badges USING COVERING INDEX tweet_badges_by_kind (kind=?)"),
        ({"search": "word"}, "found VIRTUAL TABLE"),
        ({"search": "word", "statuses": ("draft",)}, "t USING INTEGER PRIMARY KEY (rowid=?)"),
    ],
)
def test_a_page_is_read_from_an_index_in_order_and_nothing_is_sorted(store, filters, plan):
    wanted = query(Filters(**filters), before=1000)
    sql = f"EXPLAIN QUERY PLAN SELECT {wanted.number} {wanted.sql} ORDER BY {wanted.number} DESC LIMIT 48"
    steps = store.read(lambda db: [step["detail"] for step in rows(db, sql, *wanted.values)])
    assert any(plan in step for step in steps), steps
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN t") for step in steps), steps


def test_facets_and_the_tweets_of_a_job_are_grouped_without_sorting(store):
    seen = []

    def look(db):
        db.conn.set_trace_callback(seen.append)
        tweets.facets(db)
        tweets.of_job(db, "job")
        db.conn.set_trace_callback(None)
        return {sql: [step["detail"] for step in rows(db, f"EXPLAIN QUERY PLAN {sql}")] for sql in seen}

    plans = store.read(look)
    assert len(plans) == 4
    assert not any("GROUP BY" in step for steps in plans.values() for step in steps), json.dumps(plans, indent=1)


async def test_ids_of_tweets_are_in_the_order_in_which_they_were_saved(store, anna):
    ids = [await save(store, id=new_id()) for _ in range(20)]
    assert ids == sorted(ids) == [tweet["id"] for tweet in store.read(tweets.page, Filters())][::-1]


async def test_whose_tweets_are_meant_is_said_whatever_is_filtered(gallery):
    assert gallery.read(tweets.personas_of, Filters()) == ["cleo", "bert", "anna"]
    assert gallery.read(tweets.personas_of, Filters(topics=("craft",))) == ["bert", "anna"]
    assert gallery.read(tweets.personas_of, Filters(persona_ids=("anna", "cleo"), statuses=("approved",))) == ["anna"]
    assert gallery.read(tweets.personas_of, Filters(search="nothing has this")) == []


async def test_several_tweets_are_read_at_once_and_unknown_ones_left_out(gallery):
    one, two = gallery.read(tweets.page, Filters(), limit=2)
    assert gallery.read(tweets.several, [one["id"], "nobody", two["id"]]) == {one["id"]: one, two["id"]: two}
