"""Persona files of any kind are read by what is in them, and go out again with everything that was there."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pictures
import pytest
import seven_outputs
from hypothesis import given
from hypothesis import strategies as st

from errors import UploadError
from pipeline.formats import cards, cards_in, eliza, stages_in
from pipeline.formats.cards_again import card_again
from pipeline.formats.json_in import DEEPEST
from pipeline.formats.json_out import as_json
from pipeline.stages import BY_KEY

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "cards"
CREATED = datetime(2026, 11, 24, 12, tzinfo=UTC)
ABOUT = {"persona_id": "01NEW", "disclosure": "Fictional. Made with AI.", "language": "English"}
LABELS = {"ai_generated", "disclosure", "persona_id", "language"}

V1 = {field: f"her {field}" for field in cards.V1_FIELDS}
V2 = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        **V1,
        "creator_notes": "n",
        "system_prompt": "s",
        "post_history_instructions": "p",
        "alternate_greetings": ["hi"],
        "tags": ["bees"],
        "creator": "c",
        "character_version": "1",
        "extensions": {"other_tool": {"deep": [1, 2.5, None]}},
        "character_book": {
            "extensions": {},
            "scan_depth": 4,
            "entries": [
                {"keys": ["oven"], "content": "1931", "extensions": {"x": 1}, "enabled": False, "insertion_order": 7, "position": "after"},
            ],
        },
    },
}


def packed(card):
    return base64.b64encode(json.dumps(card).encode())


def read(value, name="mara_lind.json"):
    return cards_in.read(json.dumps(value).encode(), name)


def again(found):
    """The card as it goes out when nothing was changed."""
    outputs = stages_in.read(found.card).outputs
    return card_again(found.card, outputs, name=stages_in.shown_name(found.card["data"]["name"]), **ABOUT)


def without_labels(card):
    card = copy.deepcopy(card)
    ours = card["data"]["extensions"]["persona_studio"]
    for label in LABELS:
        ours.pop(label, None)
    if not ours:
        del card["data"]["extensions"]["persona_studio"]
    return card


def holds(whole, part):
    """True when everything in *part* is in *whole* too; lists are the same."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(holds, whole, part))
    return whole == part and type(whole) is type(part)


# By content


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (V1, "v1"),
        (V2, "v2"),
        ({**V2, "spec": "chara_card_v3", "spec_version": "3.0"}, "v3"),
        (V2["data"], "data"),
        ({"name": "Mara", "bio": ["a baker"], "style": {"all": []}}, "eliza"),
        ({"data": {"name": "Mara", "group_only_greetings": []}}, "v3"),
    ],
)
def test_a_file_is_taken_for_what_is_in_it(value, kind):
    found = read(value, "whatever.txt")
    assert found.kind == kind
    assert found.card["spec"] == ("chara_card_v3" if kind == "v3" else "chara_card_v2")
    assert stages_in.read(found.card).outputs["core"]["name"] == found.card["data"]["name"]


def test_a_strict_card_needs_nothing_to_be_put_right():
    found = read(V2)
    assert (found.card, found.remarks) == (V2, [])


def test_every_default_is_said():
    found = read({"spec": "chara_card_v2", "data": {"description": "d", "tags": "bees, night", "creator": 7, "creator_notes": None}})
    data = found.card["data"]
    assert (data["name"], data["tags"], data["creator"], data["extensions"]) == ("mara lind", ["bees", "night"], "7", {})
    said = " ".join(found.remarks)
    assert "It has no name; the file's was taken: mara lind." in found.remarks
    for field in ("personality", "scenario", "first_mes", "creator_notes", "alternate_greetings", "extensions"):
        assert field in said.split("Missing and taken as empty:")[1].split(".")[0]
    assert "turned into it: creator, tags." in said


def test_entries_of_a_book_get_what_they_lack_and_keep_what_they_have():
    book = {
        "entries": [{"keys": "oven, heat", "content": "1931", "uid": 3}, {"key": ["x"], "content": "y", "disable": True, "order": 5}, "z"]
    }
    found = read({**V2, "data": {**V2["data"], "character_book": book}})
    one, two, three = found.card["data"]["character_book"]["entries"]
    assert (one["keys"], one["enabled"], one["insertion_order"], one["uid"]) == (["oven", "heat"], True, 10, 3)
    assert (two["keys"], two["enabled"], two["insertion_order"]) == (["x"], False, 5)
    assert (three["content"], three["keys"]) == ("z", [])
    assert found.remarks == ["Entries of its character book that got defaults: 3 (enabled, extensions, insertion_order, keys)."]


# PNG


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "chunk",
    [
        pictures.chunk(b"tEXt", b"chara\0" + packed(V2)),
        pictures.chunk(b"tEXt", b"Chara\0" + packed(V2).rstrip(b"=")),
        pictures.chunk(b"tEXt", b"chara\0" + json.dumps(V2).encode()),
        pictures.chunk(b"zTXt", b"chara\0\0" + zlib.compress(packed(V2))),
        pictures.chunk(b"iTXt", b"ccv3\0\0\0\0\0" + packed(V2)),
        pictures.chunk(b"iTXt", b"ccv3\0\1\0en\0card\0" + zlib.compress(packed(V2))),
    ],
)
def test_a_card_is_found_wherever_it_is_in_a_png(chunk, after):
    png = pictures.saved(pictures.scene(), "PNG")
    at = png.rindex(b"IEND") - 4 if after else png.index(b"IDAT") - 4
    found = cards_in.read(png[:at] + chunk + png[at:], "x.jpg")
    assert (found.card, found.is_picture) == (V2, True)


def test_of_two_cards_the_newer_kind_counts_and_the_older_one_when_it_is_broken():
    png = pictures.saved(pictures.scene(), "PNG")
    v3 = cards.card_v3(V2, CREATED)
    assert cards_in.read(cards.as_png(V2, CREATED, png), "x").card == v3
    broken = png.replace(b"IDAT", b"IDAT")[: png.index(b"IDAT") - 4] + pictures.chunk(b"tEXt", b"ccv3\0" + b"bm8=")
    found = cards_in.read(broken + pictures.chunk(b"tEXt", b"chara\0" + packed(V2)) + png[png.index(b"IDAT") - 4 :], "x")
    assert found.card == V2
    assert found.remarks == ["Its newer card (ccv3) cannot be read; the older one was taken."]


# Hostile files


BOMB = pictures.chunk(b"zTXt", b"chara\0\0" + zlib.compress(bytes(64 << 20), 9))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested more than"),
        (b'{"name": "x", "description": ' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}", "nested more than"),
        (b'{"name": "x", "description": NaN}', "not JSON"),
        (b'{"name": "x", "description": 1e999}', "a number without bounds"),
        (rb'{"name": "x\ud800", "description": "d"}', "half of a character"),
        (rb'{"name": "x", "\udfff": "d"}', "half of a character"),
        (b'{"name": "x", "description": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"\xff\xfe\x00\xd8", "not a text"),
        (b"\x80{}", "not a text"),
        (b" " * (9 << 20), "more than 8 MB"),
        (b"[" + b"[]," * 600_000 + b"[]]", "more than 500000 parts"),
        (b"[1, 2]", "no persona"),
        (b'"Mara"', "no persona"),
        (b"{}", "no persona"),
        (b'{"calendar": {"2026-01-01": {}}}', "no persona"),
        (b'{"name": 5}', "no persona"),
        (b"PK\x03\x04rest", "archive"),
        (pictures.saved(pictures.scene(), "JPEG"), "picture without a card"),
        (pictures.saved(pictures.scene(), "PNG"), "picture without a card"),
        (pictures.saved(pictures.scene(), "PNG")[:200], "damaged or cut off"),
        (pictures.png(1, 1, BOMB, pictures.pixels(1, 1)), "damaged or cut off"),
        (pictures.png(1, 1, pictures.chunk(b"zTXt", b"chara\0\0nonsense")), "damaged or cut off"),
        (pictures.png(1, 1, pictures.chunk(b"tEXt", b"chara\0%%%")), "not JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_card_is_refused_in_one_sentence(content, said):
    with pytest.raises(UploadError, match=said) as caught:
        cards_in.read(content, "evil.json")
    assert str(caught.value).startswith("evil.json ")
    assert len(str(caught.value)) < 160


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KNOWN = st.sampled_from(
    [*cards_in.TEXTS, *cards_in.LISTS, "extensions", "character_book", "lora", "twitter_persona", "social_circle", "core_info"]
)
OURS_KEYS = st.sampled_from(
    [
        "core_info",
        "appearance",
        "verbal_style",
        "tweet_strategy",
        "tweet_examples",
        "social_circle",
        "quirks",
        "visual_profile",
        "missing",
        "lora",
    ]
)
DATA = st.dictionaries(KNOWN | st.text(max_size=6), JSON, max_size=8)


def with_ours(card, ours):
    extensions = card["data"].get("extensions")
    card["data"]["extensions"] = {**(extensions if isinstance(extensions, dict) else {}), "persona_studio": ours}
    return card


WRAPPED = st.builds(
    lambda around, data, spec: {**around, "spec": spec, "data": data},
    st.dictionaries(st.text(max_size=6), JSON, max_size=3),
    DATA,
    st.sampled_from(["chara_card_v2", "chara_card_v3", "?"]),
)
WITH_OURS = st.builds(with_ours, WRAPPED, st.dictionaries(OURS_KEYS | st.text(max_size=6), JSON, max_size=5))
ELIZA = st.builds(
    lambda fields, name: {**fields, "name": name, "bio": fields.get("bio", "b")},
    st.dictionaries(
        st.sampled_from(["bio", "lore", "knowledge", "messageExamples", "style", "system", "topics", "settings"]), JSON, max_size=6
    ),
    st.text(min_size=1),
)


@given(WRAPPED | WITH_OURS | ELIZA | DATA)
def test_whatever_is_read_goes_out_and_comes_in_again_as_it_was(value):
    try:
        found = read(value)
    except UploadError:
        return
    out = again(found)
    assert without_labels(out) == without_labels(with_our_extension(found.card))
    once_more = cards_in.read(as_json(out), "other name.json")
    assert (once_more.card, once_more.remarks) == (out, [])
    assert stages_in.read(once_more.card).outputs == stages_in.read(found.card).outputs
    assert strictly_typed(out)


def with_our_extension(card):
    """As it goes out the card has our extension, as an object."""
    card = copy.deepcopy(card)
    theirs = card["data"]["extensions"].get("persona_studio")
    card["data"]["extensions"]["persona_studio"] = theirs if isinstance(theirs, dict) else {}
    if "missing" in card["data"]["extensions"]["persona_studio"]:
        have = stages_in.read(card).outputs
        missing = [key for key in (*cards.OURS, "strategy", "examples", "knowledge") if key not in have]
        card["data"]["extensions"]["persona_studio"].pop("missing")
        card["data"]["extensions"]["persona_studio"] |= {"missing": missing} if missing else {}
    return card


def strictly_typed(card):
    data = card["data"]
    texts = all(type(data[field]) is str for field in cards_in.TEXTS)
    lists = all(type(item) is str for field in cards_in.LISTS for item in data[field])
    entries = data.get("character_book", {"entries": []})["entries"]
    kinds = {"keys": list, "content": str, "extensions": dict, "enabled": bool}
    return texts and lists and all(type(entry[field]) is kind for entry in entries for field, kind in kinds.items())


@given(JSON, JSON, JSON, JSON)
def test_unknown_keys_survive_at_every_level(top, inner, booked, entered):
    card = copy.deepcopy(V2)
    card["@"], card["data"]["@"], card["data"]["character_book"]["@"] = top, inner, booked
    card["data"]["character_book"]["entries"][0]["@"] = entered
    card["data"]["extensions"]["@"] = top
    out = again(read(card))
    assert holds(out, card)
    assert holds(cards.card_v3(out, CREATED)["data"], card["data"])
    assert again(read(cards.card_v3(out, CREATED)))["data"] == cards.card_v3(out, CREATED)["data"]


# Stages


@pytest.fixture
def outputs():
    return {key: BY_KEY[key].writes.model_validate(output).model_dump(mode="json") for key, output in seven_outputs.outputs().items()}


def test_our_own_export_gives_all_seven_stages_back(outputs):
    card = cards.card_v2(outputs, name="Mara Lindqvist", persona_id="01ABC", disclosure="d", language="English")
    found = read(card)
    assert found.remarks == []
    back = stages_in.read(found.card)
    assert back.remarks == []
    assert {key: back.outputs[key] for key in outputs if key != "knowledge"} == {key: outputs[key] for key in outputs if key != "knowledge"}
    assert holds(back.outputs["knowledge"]["character_book"]["entries"], outputs["knowledge"]["character_book"]["entries"])


def test_a_card_of_another_tool_gives_a_core_and_its_book():
    back = stages_in.read(read(V2).card)
    assert set(back.outputs) == {"core", "knowledge"}
    assert back.outputs["core"] == {**V1, "tags": ["bees"]}
    assert back.outputs["knowledge"]["character_book"]["entries"][0]["name"] == "oven"
    assert any(remark.startswith("core lacks: core_info, appearance") for remark in back.remarks)


@pytest.mark.parametrize("place", ["data", "extensions", "twitter_persona", "extensions.twitter_persona"])
def test_older_places_of_the_same_facts_are_looked_into_and_named(place):
    facts = {"tweet_examples": [{"text": "gym mirror", "mood": "sure"}], "social_circle": seven_outputs.network()["social_circle"]}
    data = copy.deepcopy(V2["data"])
    node = data
    for part in [] if place == "data" else place.split("."):
        node = node.setdefault(part, {})
    node |= facts
    back = stages_in.read(read({**V2, "data": data}).card)
    assert back.outputs["examples"]["tweet_examples"] == facts["tweet_examples"]
    assert back.outputs["network"] == BY_KEY["network"].writes.model_validate(facts).model_dump(mode="json", include={"social_circle"})
    assert f"Taken from {'data' if place == 'data' else f'data.{place}'}: tweet_examples, social_circle." in back.remarks


@pytest.mark.parametrize(
    ("change", "lora"),
    [
        ({"lora": {"model_path": "a.safetensors", "strength": 0.7}}, {"model_path": "a.safetensors", "strength": 0.7}),
        ({"extensions": {"lora": {"model_name": "b", "recommended_weight": 0.5}}}, {"model_path": "b", "strength": 0.5}),
        ({"extensions": {"lora_config": {"path": "c"}}}, {"model_path": "c", "strength": 1.0}),
        ({"lora": "d.safetensors"}, {"model_path": "d.safetensors", "strength": 1.0}),
        ({"lora": {"strength": 1}}, None),
    ],
)
def test_a_lora_is_found_in_its_older_places(change, lora):
    back = stages_in.read(read({**V2, "data": {**V2["data"], **change}}).card)
    assert lora is None if back.lora is None else holds(back.lora, lora)


def test_what_does_not_fit_is_left_out_and_stays_in_the_card():
    ours = {"core_info": {"age": "unknown", "zodiac": "Leo"}, "tweet_strategy": {"archetype": "a", "posting_times": ["late"], "do": "x, y"}}
    card = with_ours(copy.deepcopy(V2), ours)
    found = read(card)
    back = stages_in.read(found.card)
    assert back.outputs["core"]["core_info"] == {"zodiac": "Leo"}
    assert back.outputs["strategy"] == {"archetype": "a", "posting_times": [], "do": ["x", "y"]}
    assert "Does not fit and was left out of core: core_info.age." in back.remarks
    assert holds(again(found), card)


def test_only_what_was_changed_is_written_over_an_imported_card(outputs):
    found = read({**V2, "name": "her name", "data": {**V2["data"], "nickname": "M"}})
    before = stages_in.read(found.card).outputs
    now = {**before, "core": {**before["core"], "personality": "new"}, "strategy": outputs["strategy"]}
    out = card_again(found.card, now, name="Ada", **ABOUT)
    assert (out["data"]["personality"], out["data"]["name"], out["name"]) == ("new", "Ada", "Ada")
    assert out["data"]["extensions"]["persona_studio"]["tweet_strategy"] == outputs["strategy"]
    rest = {key: value for key, value in found.card["data"].items() if key not in ("personality", "name", "extensions")}
    assert holds(out["data"], rest)


def test_an_import_cannot_take_the_label_off():
    card = with_ours(copy.deepcopy(V2), {"ai_generated": False, "disclosure": " "})
    ours = again(read(card))["data"]["extensions"]["persona_studio"]
    assert (ours["ai_generated"], ours["disclosure"]) == (True, ABOUT["disclosure"])


@pytest.mark.parametrize(
    ("text", "language"),
    [("A baker.", "English"), ("她是面包师，住在上海。", "中文"), ("夜のパン屋です", "日本語"), ("제빵사입니다", "한국어")],
)
def test_the_language_is_told_by_the_script(text, language):
    assert stages_in.read(read({"name": "x", **dict.fromkeys(cards.V1_FIELDS[1:], text)}).card).language == language


# elizaOS


CHARACTER = {
    "name": "Mara",
    "username": "mara_bakes",
    "bio": ["A night baker.", "Up at one."],
    "lore": ["She took over the oven in 1931."],
    "knowledge": ["Rye needs time.", {"path": "rye.md"}],
    "messageExamples": [
        [{"name": "{{user1}}", "content": {"text": "Fresh?"}}, {"name": "Mara", "content": {"text": "Always.", "action": "NONE"}}]
    ],
    "postExamples": ["Batch 4 is out."],
    "topics": ["bread", "night"],
    "adjectives": ["dry", "warm"],
    "style": {"all": ["short"], "chat": ["calm"], "post": ["no sales"]},
    "system": "Be Mara.",
    "plugins": ["@elizaos/plugin-x"],
    "settings": {"voice": {"model": "x"}},
    "unknown": {"a": [1]},
}


def test_an_eliza_character_becomes_a_card_and_goes_out_as_it_came():
    found = read(CHARACTER)
    data = found.card["data"]
    assert (data["description"], data["personality"], data["tags"]) == ("A night baker.\nUp at one.", "dry, warm", ["bread", "night"])
    assert data["mes_example"] == "<START>\n{{user}}: Fresh?\n{{char}}: Always."
    assert [entry["content"] for entry in data["character_book"]["entries"]] == ["She took over the oven in 1931.", "Rye needs time."]
    assert eliza.from_card(again(found)) == CHARACTER


@given(ELIZA)
def test_any_eliza_character_goes_out_as_it_came(character):
    if character["name"].strip():
        assert eliza.from_card(again(read(character))) == character


def test_only_what_was_changed_is_written_over_an_eliza_character():
    found = read(CHARACTER)
    before = stages_in.read(found.card).outputs
    now = {**before, "core": {**before["core"], "description": "A day baker."}}
    out = eliza.from_card(card_again(found.card, now, name="Mara", **ABOUT))
    assert out == {**CHARACTER, "bio": ["A day baker."]}


def test_a_persona_of_ours_is_a_whole_eliza_character(outputs):
    made = eliza.from_card(cards.card_v2(outputs, name="Mara Lindqvist", persona_id="1", disclosure="d"))
    assert set(made) >= set(CHARACTER) - {"unknown"}
    assert (made["username"], made["bio"]) == ("mara_lindqvist", ["A night baker in a harbour town."])
    assert made["messageExamples"][0][1] == {"name": "Mara Lindqvist", "content": {"text": "Everything. That's the point."}}
    assert len(made["postExamples"]) == 8
    assert all(made["style"].values())
    assert eliza.is_one(made)


# Of others


@pytest.mark.skipif(not SHARED.exists(), reason="the data of others is not here")
@pytest.mark.parametrize("name", [path.name for path in sorted(SHARED.glob("*"))] if SHARED.exists() else [])
def test_cards_that_others_made_are_read_and_go_out_with_everything(name):
    content = (SHARED / name).read_bytes()
    if name.endswith(".charx"):
        with pytest.raises(UploadError, match="archive"):
            cards_in.read(content, name)
        return
    found = cards_in.read(content, name)
    out = again(found)
    if name.endswith(".json"):
        there = json.loads(content)
        if there["data"].get("character_book", 0) is None:
            del there["data"]["character_book"]
        there["data"].setdefault("name", "invalid missing name")
        assert holds(out, there)
    assert cards_in.read(as_json(out), "x").card == out
    assert stages_in.read(found.card).outputs["core"]["name"]
