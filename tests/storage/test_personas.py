"""Personas and their stages: every version stays, the highest counts, an old revision changes nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlite_utils.utils import sqlite3

from errors import ConflictError, NotFoundError
from storage import personas
from storage.clock import new_id, timestamp
from storage.personas import StageVersion, output_hash

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


async def make(store, persona_id="anna", **changes):
    values = {
        "name": "untitled",
        "language": "English",
        "picture": "p.jpg",
        "options": {"goal": "テスト"},
        "job_id": "job",
        "now": NOW,
    } | changes
    await store.write(personas.create, persona_id, **values)
    return persona_id


async def save(store, stage="core", output=None, persona_id="anna", **changes):
    output = {"name": "Anna"} if output is None else output
    return await store.write(personas.save_stage, StageVersion(persona_id, stage, output, **({"made_from": {}} | changes)), LATER)


async def test_a_new_persona_has_what_it_was_made_with_and_no_stages(store):
    await make(store)
    found = store.read(personas.get, "anna")
    assert found == {
        "id": "anna",
        "name": "untitled",
        "renamed": 0,
        "language": "English",
        "picture": "p.jpg",
        "options": {"goal": "テスト"},
        "job_id": "job",
        "revision": 1,
        "created_at": timestamp(NOW),
        "updated_at": timestamp(NOW),
    }
    assert store.read(personas.current_stages, "anna") == {}


async def test_one_that_does_not_exist_is_said_so(store):
    with pytest.raises(NotFoundError, match="no persona nobody"):
        store.read(personas.get, "nobody")
    with pytest.raises(NotFoundError):
        await store.write(personas.rename, "nobody", "x", 1, NOW)


async def test_the_same_id_twice_is_refused(store):
    await make(store)
    with pytest.raises(sqlite3.IntegrityError):
        await make(store)


async def test_every_version_is_kept_and_the_highest_counts(store):
    await make(store)
    assert [await save(store, output={"name": f"Anna {n}"}) for n in (1, 2, 3)] == [1, 2, 3]
    assert store.read(personas.current_stages, "anna")["core"]["output"] == {"name": "Anna 3"}
    kept = store.read(lambda db: db.execute("SELECT version, output FROM stages ORDER BY version").fetchall())
    assert kept == [(n, f'{{"name": "Anna {n}"}}') for n in (1, 2, 3)]


async def test_versions_that_are_saved_at_once_get_numbers_of_their_own(store):
    await make(store)
    assert sorted(await asyncio.gather(*(save(store, output={"n": n}) for n in range(20)))) == list(range(1, 21))


async def test_stages_and_personas_have_versions_of_their_own(store):
    await make(store)
    await make(store, "bert")
    await save(store)
    await save(store)
    assert await save(store, "strategy", {"archetype": "x"}) == 1
    assert await save(store, persona_id="bert", output={"name": "Bert"}) == 1
    current = store.read(personas.current_stages, "anna")
    assert {key: stage["version"] for key, stage in current.items()} == {"core": 2, "strategy": 1}


async def test_a_stage_remembers_how_it_was_made(store):
    await make(store)
    await save(
        store, "examples", {"a": 1}, made_from={"core": "h1", "strategy": "h2"}, instruction="softer", model="m", input_hash="i", job_id="j"
    )
    stage = store.read(personas.current_stages, "anna")["examples"]
    assert stage["made_from"] == {"core": "h1", "strategy": "h2"}
    assert (stage["made_by"], stage["instruction"], stage["model"], stage["input_hash"], stage["job_id"]) == (
        "writer",
        "softer",
        "m",
        "i",
        "j",
    )
    assert stage["output_hash"] == output_hash({"a": 1})
    assert stage["created_at"] == timestamp(LATER)


async def test_a_stage_of_no_persona_is_refused(store):
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await save(store, persona_id="nobody")


async def test_only_known_makers_are_written(store):
    await make(store)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        await save(store, made_by="somebody")


async def test_the_core_stage_gives_the_persona_its_name(store):
    await make(store)
    await save(store, "network", {"name": "not this"})
    assert store.read(personas.get, "anna")["name"] == "untitled"
    await save(store, output={"name": "Anna Berg"})
    found = store.read(personas.get, "anna")
    assert found["name"] == "Anna Berg"
    assert found["updated_at"] == timestamp(LATER)
    assert found["revision"] == 1, "what the writer does is no edit"


async def test_a_name_that_the_author_chose_stays_when_the_core_is_written_anew(store):
    await make(store)
    assert await store.write(personas.rename, "anna", "My Anna", 1, LATER) == 2
    await save(store, output={"name": "Somebody Else"})
    found = store.read(personas.get, "anna")
    assert (found["name"], found["renamed"], found["revision"]) == ("My Anna", 1, 2)


async def test_a_rename_from_an_old_revision_changes_nothing_and_says_so(store):
    await make(store)
    await store.write(personas.rename, "anna", "First", 1, NOW)
    with pytest.raises(ConflictError, match="changed elsewhere"):
        await store.write(personas.rename, "anna", "Second", 1, NOW)
    assert store.read(personas.get, "anna")["name"] == "First"


async def test_of_two_renames_at_once_exactly_one_wins(store):
    await make(store)
    outcomes = await asyncio.gather(*(store.write(personas.rename, "anna", f"{n}", 1, NOW) for n in range(5)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConflictError"] * 4 + ["int"]


def test_the_hash_of_an_output_does_not_depend_on_the_order_of_its_keys():
    assert output_hash({"a": 1, "b": {"c": [1, 2], "d": "é"}}) == output_hash({"b": {"d": "é", "c": [1, 2]}, "a": 1})
    assert output_hash({"a": [1, 2]}) != output_hash({"a": [2, 1]})


async def test_hostile_text_is_kept_as_text(store):
    hostile = "'); DROP TABLE personas; -- <img src=x onerror=alert(1)> ${7*7} {{x}} \x00 \u202e"
    await make(store, name=hostile, options={"instructions": hostile})
    await save(store, output={"name": hostile})
    found = store.read(personas.get, "anna")
    assert found["name"] == found["options"]["instructions"] == hostile
    assert store.read(personas.current_stages, "anna")["core"]["output"] == {"name": hostile}


async def test_pages_go_from_the_newest_down_by_key_and_miss_none(store):
    ids = [await make(store, new_id(), name=f"{n}") for n in range(10)]
    await save(store, "strategy", {"archetype": "old"}, persona_id=ids[9])
    await save(store, "strategy", {"archetype": "the baker"}, persona_id=ids[9])
    await save(store, persona_id=ids[9])
    seen, before = [], "~"
    while page := store.read(personas.page, 4, before):
        seen += [persona["id"] for persona in page]
        before = seen[-1]
    assert seen == ids[::-1]
    newest = store.read(personas.page, 1)[0]
    assert (newest["stages"], newest["archetype"]) == (2, "the baker")
    oldest = store.read(personas.page, 1, ids[1])[0]
    assert (oldest["stages"], oldest["archetype"]) == (0, None)


async def test_a_page_may_be_of_those_whose_name_contains_something(store):
    ids = [await make(store, new_id(), name=name) for name in ("Ada 100%", "ada_x", "Bela", "夜班面包师")]

    def named(text):
        return [ids.index(persona["id"]) for persona in store.read(personas.page, 10, "~", text)]

    assert [named(text) for text in ("ADA", "%", "_", "夜班", "\\", "")] == [[1, 0], [0], [1], [3], [], [3, 2, 1, 0]]


async def test_names_come_in_the_order_asked_for_and_only_of_those_that_exist(store):
    ids = [await make(store, new_id(), name=f"name {number}") for number in range(3)]
    assert store.read(personas.names, [ids[2], "nobody", ids[0]]) == {ids[2]: "name 2", ids[0]: "name 0"}


async def test_the_card_of_an_import_is_kept_as_it_was(store):
    await make(store)
    assert store.read(personas.card, "anna") is None
    card = {"data": {"name": "夜", "big": 2**80, "text": "\x00\n"}}
    await store.write(personas.keep_card, "anna", "v2", card, NOW)
    assert store.read(personas.card, "anna") == card


async def test_versions_come_newest_first_with_what_they_were_made_from(store):
    await make(store)
    for number in (1, 2):
        await save(store, output={"n": number}, made_from={"core": "x"}, instruction=f"i{number}")
    assert [
        (made["version"], made["output"], made["made_from"], made["instruction"]) for made in store.read(personas.versions, "anna", "core")
    ] == [
        (2, {"n": 2}, {"core": "x"}, "i2"),
        (1, {"n": 1}, {"core": "x"}, "i1"),
    ]
    (core,) = store.read(personas.hashes, ["anna"])["anna"].values()
    assert (core["version"], core["output_hash"]) == (2, output_hash({"n": 2}))
    assert store.read(personas.versions, "anna", "visual") == []
    with pytest.raises(NotFoundError):
        store.read(personas.versions, "nobody", "core")


async def test_a_deleted_persona_is_gone_with_all_it_had(store):
    await make(store)
    await make(store, "bert")
    await save(store)
    await store.write(personas.keep_card, "anna", "v2", {}, NOW)
    await store.write(personas.delete, "anna")
    assert store.read(personas.hashes, ["anna"]) == {"anna": {}}
    assert store.read(personas.card, "anna") is None
    assert list(store.read(personas.names, ["anna", "bert"])) == ["bert"]
    with pytest.raises(NotFoundError):
        await store.write(personas.delete, "anna")


async def test_deleting_a_persona_takes_its_stages_along(store):
    await make(store)
    await save(store)
    await store.write(lambda tx: tx.execute("DELETE FROM personas").rowcount)
    assert store.read(personas.current_stages, "anna") == {}


def test_whose_file_it_was_is_asked_of_an_index(store):
    (plan,) = store.read(lambda db: db.execute(f"EXPLAIN QUERY PLAN {personas.OF_FILE}", ["x"]).fetchall()[:1])
    assert "personas_by_file" in plan[-1]
