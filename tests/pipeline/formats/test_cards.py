"""Character cards as the specifications want them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from io import BytesIO

import pytest
import seven_outputs
from PIL import Image

from pipeline.formats import cards
from pipeline.formats.json_out import as_json
from pipeline.formats.png_chunks import SIGNATURE, read_texts
from pipeline.stages import BY_KEY

CREATED = datetime(2026, 11, 24, 12, tzinfo=UTC)
DISCLOSURE = "Fictional. Made with AI."

# https://github.com/malfoyslastname/character-card-spec-v2/blob/main/spec_v2.md
V2_FIELDS = {
    "name": str,
    "description": str,
    "personality": str,
    "scenario": str,
    "first_mes": str,
    "mes_example": str,
    "creator_notes": str,
    "system_prompt": str,
    "post_history_instructions": str,
    "alternate_greetings": list,
    "tags": list,
    "creator": str,
    "character_version": str,
    "extensions": dict,
}
V2_ENTRY = {"keys": list, "content": str, "extensions": dict, "enabled": bool, "insertion_order": int}


@pytest.fixture
def outputs():
    """What the seven stages wrote, as the database holds it."""
    return {key: BY_KEY[key].writes.model_validate(output).model_dump(mode="json") for key, output in seven_outputs.outputs().items()}


def card(outputs):
    return cards.card_v2(outputs, name="Mara", persona_id="01ABC", disclosure=DISCLOSURE)


def ours(made):
    return made["data"]["extensions"]["persona_studio"]


def picture(mode="RGB"):
    target = BytesIO()
    Image.new(mode, (40, 30), 7).save(target, "PNG")
    return target.getvalue()


def unpacked(text):
    return json.loads(base64.b64decode(text, validate=True))


# V2


def test_v2_has_exactly_the_fields_of_the_specification(outputs):
    made = card(outputs)
    assert (made["spec"], made["spec_version"]) == ("chara_card_v2", "2.0")
    assert set(made) == {"spec", "spec_version", "data"}
    assert set(made["data"]) == {*V2_FIELDS, "character_book"}
    for field, kind in V2_FIELDS.items():
        assert type(made["data"][field]) is kind, field


def test_the_core_fills_the_fields_that_it_is_named_after(outputs):
    data = card(outputs)["data"]
    for field in ("description", "personality", "scenario", "first_mes", "mes_example", "tags"):
        assert data[field] == outputs["core"][field]
    assert data["name"] == "Mara", "the name the author sees, also when it is not the core's"
    assert data["creator_notes"] == DISCLOSURE


def test_it_is_marked_as_made_by_ai(outputs):
    assert ours(card(outputs))["ai_generated"] is True
    assert ours(card(outputs))["disclosure"] == DISCLOSURE
    assert ours(card({}))["ai_generated"] is True


def test_an_answer_cannot_take_the_mark_away(outputs):
    for output in outputs.values():
        output |= {"ai_generated": False, "disclosure": "", "persona_id": "x"}
    made = ours(card(outputs))
    assert (made["ai_generated"], made["disclosure"], made["persona_id"]) == (True, DISCLOSURE, "01ABC")


def test_our_parts_stand_in_the_extension(outputs):
    made = ours(card(outputs))
    for key in ("core_info", "appearance", "background_info", "lifestyle_details", "verbal_style"):
        assert made[key] == outputs["core"][key]
    assert made["tweet_strategy"] == outputs["strategy"]
    assert made["tweet_examples"] == outputs["examples"]["tweet_examples"]
    assert made["social_circle"] == outputs["network"]["social_circle"]
    for key in ("language_authenticity", "quirks", "strategic_flaws"):
        assert made[key] == outputs["authenticity"][key]
    assert made["visual_profile"] == outputs["visual"]["visual_profile"]
    assert made["appearance_prompt"] == outputs["visual"]["appearance_prompt"]
    assert "missing" not in made


def test_nothing_that_a_stage_must_write_is_lost(outputs):
    text = json.dumps(card(outputs))
    for key, stage in BY_KEY.items():
        for field in stage.writes.model_fields:
            if (key, field) != ("core", "name"):
                assert json.dumps(outputs[key][field])[1:-1] in text or field == "character_book", f"{key}.{field}"


@pytest.mark.parametrize("missing", BY_KEY)
def test_a_stage_that_is_missing_is_named_and_the_card_still_has_every_field(outputs, missing):
    del outputs[missing]
    made = card(outputs)
    assert ours(made)["missing"] == [missing]
    assert set(V2_FIELDS) <= set(made["data"])
    assert ("character_book" in made["data"]) == (missing != "knowledge")


def test_a_persona_without_any_stage_is_a_card_too():
    made = card({})
    assert {field: type(made["data"][field]) for field in V2_FIELDS} == V2_FIELDS
    assert set(ours(made)["missing"]) == set(BY_KEY)


def test_entries_of_the_book_have_what_the_specification_asks_for(outputs):
    book = card(outputs)["data"]["character_book"]
    assert book["extensions"] == {}
    assert len(book["entries"]) == 6
    for number, entry in enumerate(book["entries"], 1):
        assert {field: type(entry[field]) for field in V2_ENTRY} == V2_ENTRY
        assert entry["id"] == number
        assert entry["name"].startswith("Fact")
    assert [entry["insertion_order"] for entry in book["entries"]] == sorted(entry["insertion_order"] for entry in book["entries"])


def test_what_a_model_says_of_an_entry_is_kept_where_it_has_the_right_type(outputs):
    outputs["knowledge"]["character_book"]["entries"][0] |= {
        "enabled": False,
        "insertion_order": 3,
        "position": "after_char",
        "constant": True,
        "extensions": {"depth": 4},
        "comment": "kept",
    }
    outputs["knowledge"]["character_book"]["entries"][1] |= {
        "enabled": "yes",
        "insertion_order": True,
        "position": "somewhere",
        "constant": None,
        "extensions": [],
        "id": "x",
    }
    first, second = card(outputs)["data"]["character_book"]["entries"][:2]
    assert (first["enabled"], first["insertion_order"], first["position"], first["constant"]) == (False, 3, "after_char", True)
    assert (first["extensions"], first["comment"]) == ({"depth": 4}, "kept")
    assert {field: type(second[field]) for field in V2_ENTRY} == V2_ENTRY
    assert (second["id"], second["position"]) == (2, "before_char")


def test_making_a_card_leaves_the_outputs_as_they_were(outputs):
    before = json.dumps(outputs)
    made = card(outputs)
    made["data"]["tags"].append("changed")
    cards.card_v3(made, CREATED)["data"]["extensions"].clear()
    assert json.dumps(outputs) == before
    assert ours(made)["ai_generated"]


# V3


def test_v3_is_the_same_card_with_what_v3_asks_for(outputs):
    v2 = card(outputs)
    made = cards.card_v3(v2, CREATED)
    assert (made["spec"], made["spec_version"]) == ("chara_card_v3", "3.0")
    assert {field: made["data"][field] for field in V2_FIELDS} == {field: v2["data"][field] for field in V2_FIELDS}
    assert made["data"]["group_only_greetings"] == []
    assert made["data"]["creation_date"] == made["data"]["modification_date"] == int(CREATED.timestamp())
    assert made["data"]["assets"] == [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}]
    assert all(entry["use_regex"] is False for entry in made["data"]["character_book"]["entries"])
    assert made["data"].get("nickname", "Mara"), "an empty nickname would stand for the name in {{char}}"


def test_making_v3_leaves_v2_as_it_was(outputs):
    v2 = card(outputs)
    before = json.dumps(v2)
    cards.card_v3(v2, CREATED)
    assert json.dumps(v2) == before


def test_v3_of_a_persona_without_a_book(outputs):
    del outputs["knowledge"]
    assert "character_book" not in cards.card_v3(card(outputs), CREATED)["data"]


# Files


def test_json_is_utf8_that_a_person_can_read(outputs):
    outputs["core"]["description"] = "夜のパン屋 🥖 <img src=x onerror=alert(1)> {{char}}"
    content = as_json(card(outputs))
    assert "夜のパン屋 🥖 <img" in content.decode()
    assert content.endswith(b"}\n")
    assert json.loads(content) == card(outputs)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1", "I;16"])
def test_a_png_holds_both_cards_and_its_pixels(outputs, mode):
    outputs["core"]["description"] = "夜のパン屋 🥖"
    made = cards.as_png(card(outputs), CREATED, picture(mode))
    texts = read_texts(made)
    assert unpacked(texts["chara"]) == card(outputs)
    assert unpacked(texts["ccv3"]) == cards.card_v3(card(outputs), CREATED)
    with Image.open(BytesIO(made)) as image, Image.open(BytesIO(picture(mode))) as plain:
        assert image.info["chara"] == texts["chara"], "Pillow sees it without decoding: it stands before the pixels"
        assert image.tobytes() == plain.tobytes()


def test_a_card_written_over_a_card_replaces_it(outputs):
    once = cards.as_png(card(outputs), CREATED, picture())
    twice = cards.as_png(card({}), CREATED, once)
    assert unpacked(read_texts(twice)["chara"]) == card({})
    assert twice.count(b"chara\0") == twice.count(b"ccv3\0") == 1
    assert twice.startswith(SIGNATURE)
