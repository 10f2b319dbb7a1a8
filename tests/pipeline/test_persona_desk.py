"""Personas after they were begun: edited, written anew, refreshed, brought back, imported, exported, deleted. A real Studio and server."""

from __future__ import annotations

import asyncio
import copy
import json
from datetime import UTC, datetime
from io import BytesIO

import pictures
import pytest
import seven_outputs
from PIL import Image
from scripted import failed, said, until

from errors import ConflictError, EditError, NotFoundError, UploadError
from pipeline.formats import cards, cards_in
from pipeline.formats.png_chunks import read_texts
from pipeline.stages import STAGES, Wishes
from pipeline.studio import Upload
from storage import images, personas
from storage.database import rows

KEYS = [stage.key for stage in STAGES]
SCHEMAS = {stage.writes.__name__: stage.key for stage in STAGES}


async def end_of(studio, job_id) -> None:
    async with asyncio.timeout(60):
        async for _ in studio.watch(job_id):
            pass


@pytest.fixture
def whole(tmp_path):
    """A whole persona: ``persona_id = await whole(studio)``."""

    async def whole(studio, **wishes) -> str:
        picture = tmp_path / "reference.png"
        pictures.scene().save(picture)
        job_id, persona_id = await studio.create_persona(Upload(picture, "reference.png"), Wishes(**wishes))
        await end_of(studio, job_id)
        assert (await studio.persona(persona_id))["status"] == "complete"
        return persona_id

    return whole


async def stages_of(studio, persona_id) -> dict[str, dict]:
    return {stage["key"]: stage for stage in (await studio.persona(persona_id))["stages"]}


def stored(folder) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def stale_in(studio, persona_id) -> list[str]:
    return [key for key, stage in (await stages_of(studio, persona_id)).items() if stage["stale"]]


async def edit(studio, persona_id, stage, **changes) -> int:
    shown = (await stages_of(studio, persona_id))[stage]
    return await studio.people.edit_stage(persona_id, stage, {**copy.deepcopy(shown["output"]), **changes}, shown["version"])


def asked_for(server, since: int = 0) -> list[str]:
    """Which stages the server was asked for, in order, after the first *since* requests."""
    return [SCHEMAS[line["schema"]] for line in server.log("begin")[since:]]


def card(**data):
    made = cards.card_v2({}, name="Mara", persona_id="x", disclosure="d")
    made["data"] |= {"description": "A night baker in a harbour town.", "first_mes": "You're early.", **data}
    made["data"]["extensions"] = data.get("extensions", {})
    return made


# By hand


async def test_editing_the_core_makes_six_stages_stale_and_refreshing_asks_for_exactly_those(open_studio, whole, offline_server):
    server = offline_server()
    async with open_studio(server.url) as studio:
        persona_id = await whole(studio)
        assert await stale_in(studio, persona_id) == []
        await edit(studio, persona_id, "core", personality="Loud and late.")
        assert await stale_in(studio, persona_id) == KEYS[1:]
        assert (await studio.persona(persona_id))["status"] == "complete"

        await end_of(studio, await studio.people.refresh(persona_id))
        after = await stages_of(studio, persona_id)
        assert sorted(asked_for(server, 7)) == sorted(KEYS[1:])
        assert asked_for(server, 7).index("strategy") < asked_for(server, 7).index("examples")
        assert await stale_in(studio, persona_id) == []
        assert [stage["version"] for stage in after.values()] == [2] * 7
        assert after["core"]["output"]["personality"] == "Loud and late."
        with pytest.raises(ConflictError, match="Nothing is stale"):
            await studio.people.refresh(persona_id)


async def test_what_is_made_from_something_stale_is_stale_too_and_nothing_else_is(open_studio, whole, offline_server):
    server = offline_server()
    async with open_studio(server.url) as studio:
        persona_id = await whole(studio)
        await edit(studio, persona_id, "strategy", archetype="the loud one")
        assert await stale_in(studio, persona_id) == ["examples"]
        await end_of(studio, await studio.people.refresh(persona_id))
        assert asked_for(server, 7) == ["examples"]

        await edit(studio, persona_id, "core", personality="Other.")
        await edit(studio, persona_id, "strategy", archetype="the quiet one")
        stale = await stale_in(studio, persona_id)
        assert "strategy" not in stale, "the author saw the new core"
        assert "examples" in stale
        (row,) = await studio.people.page()
        assert (row["stale"], row["done"], row["status"]) == (5, 7, "complete")


async def test_a_version_comes_back_to_the_letter(open_studio, whole, writer_url):
    async with open_studio(writer_url) as studio:
        persona_id = await whole(studio)
        await edit(studio, persona_id, "core", description="Another.", quirk="夜 </data> ${7*7}")
        assert await studio.people.restore(persona_id, "core", 1) == 3
        three, two, one = await studio.people.versions(persona_id, "core")
        assert [made["made_by"] for made in (one, two, three)] == ["writer", "author", "restore"]
        kept = studio._store.read(rows, "SELECT output FROM stages WHERE persona_id = ? AND stage = 'core' ORDER BY version", persona_id)
        assert kept[2] == kept[0] != kept[1]
        assert two["output"]["quirk"] == "夜 </data> ${7*7}"
        assert one["model"]
        assert await stale_in(studio, persona_id) == [], "what was made from it was made from this text"
        with pytest.raises(NotFoundError, match="no version 9"):
            await studio.people.restore(persona_id, "core", 9)


async def test_what_does_not_fit_is_said_in_a_sentence_each_and_changes_nothing(open_studio, whole, writer_url):
    async with open_studio(writer_url) as studio:
        persona_id = await whole(studio)
        core = (await stages_of(studio, persona_id))["core"]["output"]
        info = {
            **core["core_info"],
            "age": 12,
            "birthday": "31-31",
            "location": {**core["core_info"]["location"], "timezone": "Mars/North"},
        }
        with pytest.raises(EditError) as caught:
            await edit(studio, persona_id, "core", core_info=info, personality=" ", verbal_style=5)
        assert [str(problem) for problem in caught.value.problems] == [
            "personality must not be empty.",
            "core_info.age must be 18 or more.",
            "core_info.birthday must look like 02-29.",
            "core_info.location.timezone is not an IANA time zone such as Europe/Lisbon.",
            "verbal_style must be an object with its own fields.",
        ]
        for bad in ({"x": float("nan")}, {"x": "\ud800"}, {"x": "y" * 300_000}):
            with pytest.raises(ConflictError, match="be kept"):
                await studio.people.edit_stage(persona_id, "network", bad, 1)
        with pytest.raises(NotFoundError, match="no stage nothing"):
            await studio.people.edit_stage(persona_id, "nothing", {}, 1)
        assert all(stage["version"] == 1 for stage in (await stages_of(studio, persona_id)).values())


async def test_an_edit_of_an_old_version_is_refused(open_studio, whole, writer_url):
    async with open_studio(writer_url) as studio:
        persona_id = await whole(studio)
        output = (await stages_of(studio, persona_id))["visual"]["output"]
        tries = (studio.people.edit_stage(persona_id, "visual", {**output, "appearance_prompt": f"{n}"}, 1) for n in range(4))
        done = await asyncio.gather(*tries, return_exceptions=True)
        assert [one for one in done if isinstance(one, int)] == [2]
        assert sum(isinstance(one, ConflictError) and "changed elsewhere" in str(one) for one in done) == 3


# By the writer


async def test_an_instruction_and_what_stood_there_are_in_the_request(open_studio, whole, offline_server, start_server):
    async with open_studio(offline_server().url) as studio:
        persona_id = await whole(studio)
        before = await stages_of(studio, persona_id)
    scripted = await start_server(said(before["network"]["output"]))
    async with open_studio(scripted.url) as studio:
        job_id = await studio.people.regenerate(persona_id, "network", "  give her a sister ")
        await end_of(studio, job_id)
        after = await stages_of(studio, persona_id)
        newest, _ = await studio.people.versions(persona_id, "network")
    (request,) = scripted.asked
    text = request["messages"][-1]["content"]
    assert text.rstrip().endswith("The author asks for this change: give her a sister")
    shown = [json.loads(block.split("\n</data>")[0]) for block in text.split("<data>\n")[1:]]
    assert shown == [before["core"]["output"], before["network"]["output"]]
    assert (newest["instruction"], newest["made_by"], newest["version"]) == ("give her a sister", "writer", 2)
    assert [key for key in KEYS if after[key]["version"] != before[key]["version"]] == ["network"], "the others stay"


async def test_a_stage_written_anew_is_another_one_also_with_a_seed(open_studio, whole, writer_url):
    async with open_studio(writer_url) as studio:
        persona_id = await whole(studio, seed=7)
        first = (await stages_of(studio, persona_id))["examples"]["output"]
        await end_of(studio, await studio.people.regenerate(persona_id, "examples"))
        assert (await stages_of(studio, persona_id))["examples"]["output"] != first


async def test_a_core_with_an_instruction_becomes_what_the_author_asks_for(open_studio, whole, writer_url):
    async with open_studio(writer_url) as studio:
        persona_id = await whole(studio)
        await end_of(studio, await studio.people.regenerate(persona_id, "core", "make her a night-shift nurse"))
        core = (await stages_of(studio, persona_id))["core"]["output"]
        assert "nurse" in json.dumps(core)
        assert await stale_in(studio, persona_id) == KEYS[1:]


async def test_while_a_stage_is_written_anew_the_text_stands_and_nobody_else_writes_it(open_studio, whole, offline_server):
    server = offline_server()
    async with open_studio(server.url) as studio:
        persona_id = await whole(studio)
        server.behave(latency=1.5)
        job_id = await studio.people.regenerate(persona_id, "network", "more cousins")
        await until(lambda: server.stats()["in_flight"] == 1)
        view = await studio.persona(persona_id)
        network = next(stage for stage in view["stages"] if stage["key"] == "network")
        assert (view["status"], view["job"]["id"], network["status"]) == ("writing", job_id, "running")
        assert network["output"] is not None
        for again in (
            studio.people.regenerate(persona_id, "network"),
            edit(studio, persona_id, "network", more="x"),
            studio.people.restore(persona_id, "network", 1),
        ):
            with pytest.raises(ConflictError, match="being written just now"):
                await again
        await edit(studio, persona_id, "core", personality="Changed meanwhile.")
        await end_of(studio, job_id)
        assert "network" in await stale_in(studio, persona_id), "it was made from the core before"


async def test_the_page_follows_whichever_job_works_on_the_persona(open_studio, whole, offline_server):
    server = offline_server()
    async with open_studio(server.url) as studio:
        persona_id = await whole(studio)
        still = [view async for view in studio.follow(persona_id)]
        assert [view["status"] for view in still] == ["complete"]
        server.behave(latency=0.3)
        job_id = await studio.people.regenerate(persona_id, "visual", "more rain")
        async with asyncio.timeout(20):
            seen = [view async for view in studio.follow(persona_id)]
        assert {view["job"]["id"] for view in seen} == {job_id}
        assert (seen[0]["status"], seen[-1]["status"]) == ("writing", "complete")
        assert seen[-1]["progress"]["since"] is None
        assert seen[-1]["stages"][5]["version"] == 2


async def test_what_failed_anew_keeps_its_text_says_why_and_can_be_retried(open_studio, whole, offline_server):
    server = offline_server()
    async with open_studio(server.url) as studio:
        persona_id = await whole(studio)
        server.behave(faults={"refusal": 1.0})
        job_id = await studio.people.regenerate(persona_id, "network", "a sister")
        await end_of(studio, job_id)
        view = await studio.persona(persona_id)
        network = view["stages"][3]
        assert (view["status"], network["status"], network["error_kind"], network["version"]) == ("complete", "done", "refused", 1)
        server.behave(faults={})
        await studio.retry_stage(persona_id, "network")
        await end_of(studio, job_id)
        network = (await stages_of(studio, persona_id))["network"]
        assert (network["version"], network["error"], network["instruction"]) == (2, None, "a sister")
        with pytest.raises(ConflictError, match="not failed"):
            await studio.retry_stage(persona_id, "network")


async def test_a_text_by_hand_ends_a_failure_and_the_rest_is_written_from_it(open_studio, offline_server, tmp_path):
    server = offline_server("--faults", "refusal=1")
    async with open_studio(server.url) as studio:
        picture = tmp_path / "p.png"
        pictures.scene().save(picture)
        job_id, persona_id = await studio.create_persona(Upload(picture, "p.png"), Wishes())
        await end_of(studio, job_id)
        await studio.people.edit_stage(persona_id, "core", seven_outputs.core(), 0)
        view = await studio.persona(persona_id)
        assert (view["status"], view["stages"][0]["status"], view["stages"][0]["error"]) == ("partial", "done", None)
        with pytest.raises(ConflictError):
            await studio.retry_stage(persona_id, "core")
        server.behave(faults={})
        count = len(server.log("begin"))
        await studio.complete(persona_id)
        assert [view async for view in studio.follow(persona_id)][-1]["status"] == "complete"
        assert sorted(asked_for(server, count)) == sorted(KEYS[1:]), "the author's core is not written over"
        with pytest.raises(ConflictError, match="Nothing is missing"):
            await studio.complete(persona_id)


# Deleting


async def test_a_deleted_persona_leaves_nothing_and_its_job_ends(open_studio, whole, offline_server):
    server = offline_server()
    async with open_studio(server.url) as studio:
        other, persona_id = await whole(studio), await whole(studio, seed=2)
        server.behave(latency=5)
        await edit(studio, persona_id, "core", personality="x")
        job_id = await studio.people.refresh(persona_id)
        await until(lambda: server.stats()["in_flight"] > 0)
        await studio.people.delete(persona_id)
        async with asyncio.timeout(4):
            await end_of(studio, job_id)
        assert (await studio.job(job_id))["status"] == "cancelled"
        with pytest.raises(NotFoundError):
            await studio.persona(persona_id)
        with pytest.raises(NotFoundError):
            await studio.people.delete(persona_id)
        assert not studio._store.read(rows, "SELECT 1 FROM stages WHERE persona_id = ?", persona_id)
        assert not await studio.resume(job_id)
        assert [row["id"] for row in await studio.people.page()] == [other]


async def test_the_picture_goes_with_the_last_persona_that_was_made_of_it(open_studio, writer_url, tmp_path):
    async with open_studio(writer_url) as studio:
        picture = tmp_path / "p.png"
        pictures.scene().resize((2000, 1500)).save(picture)
        upload = Upload(picture, "p.png")
        found = await studio.add_picture(upload)
        _, (one, two) = await studio.create_personas([(upload, found)] * 2, Wishes())
        kept = stored(studio.uploads.folder)
        assert len(kept) == 3
        await studio.people.delete(one)
        assert stored(studio.uploads.folder) == kept
        await studio.people.delete(two)
        assert stored(studio.uploads.folder) == []
        assert await studio.add_picture(upload) == found  # the same again, which need not be decoded where it is still there
        assert stored(studio.uploads.folder) == kept


async def test_drawn_pictures_go_with_the_persona_and_those_of_others_stay(open_studio, writer_url):
    async with open_studio(writer_url) as studio:
        people = [(await studio.people.import_file(json.dumps(card()).encode(), "x.json")).persona_id for _ in range(2)]
        studio.images.mkdir()
        for number, (whose, name) in enumerate([(0, "mine"), (0, "alike"), (1, "alike"), (1, "theirs"), (None, "free")]):
            persona_id = None if whose is None else people[whose]
            row = images.NewImage(None, f"{number}", f"{name}.png", f"{name}.webp", 64, 64, 1, "preview", 0.1, 0, {}, persona_id=persona_id)
            await studio._store.write(images.save, row, datetime.now(UTC))
            for file in (row.file, row.thumbnail):
                (studio.images / file).write_bytes(b"x")
        (studio.images / "mine.webp").unlink()  # somebody has tidied up by hand
        await studio.people.delete(people[0])
        assert stored(studio.images) == ["alike.png", "alike.webp", "free.png", "free.webp", "theirs.png", "theirs.webp"]
        await studio.people.delete(people[1])
        assert stored(studio.images) == ["free.png", "free.webp"]


async def test_a_file_that_cannot_be_removed_does_not_keep_the_persona(open_studio, whole, writer_url, caplog):
    async with open_studio(writer_url) as studio:
        persona_id = await whole(studio)
        place = studio.uploads.path(stored(studio.uploads.folder)[0])
        place.unlink()
        place.mkdir()
        (place / "in the way").touch()
        await studio.people.delete(persona_id)
        with pytest.raises(NotFoundError):
            await studio.persona(persona_id)
        assert len(stored(studio.uploads.folder)) == 1  # the one in the way; the others are gone
    assert "a file of a deleted persona is left" in caplog.text


async def test_a_picture_that_went_with_another_persona_meanwhile_is_taken_in_again(open_studio, writer_url, tmp_path):
    async with open_studio(writer_url) as studio:
        picture = tmp_path / "p.png"
        pictures.scene().save(picture)
        upload = Upload(picture, "p.png")
        found = await studio.add_picture(upload)
        _, (one,) = await studio.create_personas([(upload, found)], Wishes())
        await studio.people.delete(one)
        job_id, (two,) = await studio.create_personas([(upload, found)], Wishes())  # as a command does that decodes many first
        await end_of(studio, job_id)
        assert (await studio.persona(two))["status"] == "complete"


async def test_a_batch_goes_on_without_the_one_that_was_deleted(open_studio, offline_server, tmp_path):
    server = offline_server("--latency", "0.3")
    async with open_studio(server.url, max_concurrent=4) as studio:
        picture = tmp_path / "p.png"
        pictures.scene().save(picture)
        upload = Upload(picture, "p.png")
        found = await studio.add_picture(upload)
        job_id, (one, two, three) = await studio.create_personas([(upload, found)] * 3, Wishes())
        await until(lambda: server.stats()["requests"] >= 4)
        await studio.people.delete(two)
        await end_of(studio, job_id)
        assert (await studio.job(job_id))["status"] == "done"
        for persona_id in (one, three):
            assert (await studio.persona(persona_id))["status"] == "complete"


# In and out


async def test_our_own_card_comes_back_whole_with_its_picture(open_studio, whole, writer_url):
    async with open_studio(writer_url) as studio:
        persona_id = await whole(studio, language="中文")
        name, png = await studio.people.export(persona_id, "png")
        imported = await studio.people.import_file(png, name)
        assert (imported.kind, imported.deviations) == ("v3", [])
        view, before = await studio.persona(imported.persona_id), await studio.persona(persona_id)
        assert (view["status"], view["name"], view["language"], view["job"]) == ("complete", before["name"], "中文", None)
        assert view["picture"]
        for stage, old in zip(view["stages"], before["stages"], strict=True):
            assert (stage["made_by"], stage["stale"]) == ("import", False)
            assert stage["key"] == "knowledge" or stage["output"] == old["output"]
        assert [seen["status"] async for seen in studio.follow(imported.persona_id)] == ["complete"]


@pytest.mark.parametrize("kind", ["json", "png", "v3", "v3png", "eliza"])
async def test_a_card_without_a_picture_is_completed_and_exported_as_everything(kind, open_studio, offline_server):
    server = offline_server()
    async with open_studio(server.url) as studio:
        imported = await studio.people.import_file(json.dumps(card(odd={"kept": [1]})).encode(), "a card.bin")
        view = await studio.persona(imported.persona_id)
        assert (view["status"], view["picture"], view["stages"][0]["status"], imported.name) == ("partial", None, "done", "Mara")
        await studio.complete(imported.persona_id)
        assert [seen async for seen in studio.follow(imported.persona_id)][-1]["status"] == "complete"
        assert sorted(asked_for(server)) == sorted(KEYS[1:])
        assert all(line["pictures"] == 0 for line in server.log("begin"))
        name, content = await studio.people.export(imported.persona_id, kind)
    if kind.endswith("png"):
        assert set(read_texts(content)) == ({"ccv3"} if kind == "v3png" else {"chara", "ccv3"})
        Image.open(BytesIO(content)).load()
    found = cards_in.read(content, name)
    assert kind == "eliza" or found.card["data"]["odd"] == {"kept": [1]}


async def test_a_file_that_is_dropped_twice_is_one_persona(open_studio):
    same, other = json.dumps(card()).encode(), json.dumps(card(odd=1)).encode()
    async with open_studio() as studio:
        first, again, third = [await studio.files.persona(content, "x.json") for content in (same, same, other)]
        assert (first.known, again.known, third.known) == (False, True, False)
        assert again.persona_id == first.persona_id != third.persona_id
        assert again.name == "Mara"


async def test_an_imported_core_that_lacks_much_can_be_edited_as_it_is_and_written_anew(open_studio, writer_url):
    async with open_studio(writer_url) as studio:
        persona_id = (await studio.people.import_file(json.dumps(card()).encode(), "x")).persona_id
        await edit(studio, persona_id, "core", personality="Dry.")
        with pytest.raises(EditError, match=r"^personality must be a text\.$"):
            await edit(studio, persona_id, "core", personality=5)
        assert (await stages_of(studio, persona_id))["core"]["output"]["personality"] == "Dry."
        await end_of(studio, await studio.people.regenerate(persona_id, "core", "she is called Mara"))
        assert (await stages_of(studio, persona_id))["core"]["output"]["core_info"]["age"] >= 18
        exported = json.loads((await studio.people.export(persona_id, "json"))[1])
        assert exported["data"]["extensions"]["persona_studio"]["core_info"]["age"] >= 18


async def test_a_card_whose_pixels_are_broken_comes_in_without_a_picture(open_studio, writer_url):
    packed = cards.as_png(card(), datetime(2026, 11, 24, tzinfo=UTC), pictures.png(4, 4, pictures.chunk(b"IDAT", b"nonsense")))
    async with open_studio(writer_url) as studio:
        imported = await studio.people.import_file(packed, "folder/../x.png")
        assert (await studio.persona(imported.persona_id))["picture"] is None
        assert any(remark.startswith("It has no picture: x.png cannot be decoded") for remark in imported.deviations)
        with pytest.raises(UploadError, match=r"^evil\.png "):
            await studio.people.import_file(b"{", "../../evil.png")
        with pytest.raises(UploadError, match=r"^big\.json has 20\.1 MB; the limit is 20 MB"):
            await studio.people.import_file(bytes((20 << 20) + 1), "big.json")
        with pytest.raises(NotFoundError, match="exported as json, png"):
            await studio.people.export(imported.persona_id, "exe")


async def test_stages_are_written_one_at_a_time_where_a_server_takes_one(open_studio, whole, offline_server):
    server = offline_server()
    async with open_studio(server.url, stage_order="sequential") as studio:
        persona_id = await whole(studio)
        server.behave(latency=0.05)
        await edit(studio, persona_id, "core", personality="x")
        await end_of(studio, await studio.people.refresh(persona_id))
        assert asked_for(server, 7) == KEYS[1:]
        assert server.stats()["peak"] == 1


async def test_a_server_that_fails_for_good_leaves_the_stale_marks(open_studio, whole, writer_url, start_server):
    async with open_studio(writer_url) as studio:
        persona_id = await whole(studio)
        await edit(studio, persona_id, "core", personality="x")
    down = await start_server(failed(400))
    async with open_studio(down.url) as studio:
        await end_of(studio, await studio.people.refresh(persona_id))
        assert await stale_in(studio, persona_id) == KEYS[1:]
        assert studio._store.read(personas.card, persona_id) is None
