"""What a dropped file is taken for: by what is in it, never by what it is called."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from errors import UploadError
from pipeline.formats.cards import as_png, card_v2
from pipeline.formats.kinds import kind_of
from storage.clock import parse
from tests.pipeline import seven_outputs as seven

PLAN = {"topic_type": "bread", "theme": "rye"}
CARD = card_v2({"core": seven.core()}, name="Mara", persona_id="", disclosure="", language="English")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (CARD, "persona"),
        ({**CARD, "calendar": {"2026-12-01": PLAN}}, "persona"),
        ({"name": "Mara", "description": "A baker."}, "persona"),
        ({"name": "Mara", "bio": ["A baker."], "style": {}, "topics": []}, "persona"),
        ({"persona_name": "Mara", "calendar": {"2026-12-01": PLAN}}, "calendar"),
        ({"name": "December", "description": "Our plan.", "calendar": {"2026-12-01": PLAN}}, "calendar"),
        ({"2026-12-01": PLAN}, "calendar"),
        ([{"date": "2026-12-01", **PLAN}], "calendar"),
    ],
)
def test_json_is_a_persona_or_a_calendar(content, kind):
    assert kind_of(json.dumps(content).encode(), "a.csv") == kind


def test_a_picture_with_a_card_in_it_is_a_persona():
    assert kind_of(as_png(CARD, parse("2026-11-25T12:00:00+00:00"), _blank()), "calendar.csv") == "persona"


def test_a_table_with_dates_is_a_calendar():
    assert kind_of(b"date,topic\n2026-12-01,bread\n", "card.json") == "calendar"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "x.json is empty."),
        (b" \n", "x.json is empty."),
        (b"{nope", "x.json is not JSON"),
        (b"[" * 100_000, "x.json "),
        (b'{"a": 1}', "neither a persona nor a calendar"),
        (b'{"version": "1.0", "tweets": [{"tweet_text": "a"}]}', "written already"),
        (b"just,words\n1,2\n", "no column called"),
        (b"PK\x03\x04....", "archive"),
        (b"\x89PNG\r\n\x1a\n....", "damaged or cut off"),
        (b"\xff\xd8\xff\xe0....", "picture without a card"),
        (b'{"calendar": {"someday": {"theme": "a"}}}', "no day with a date"),
        (bytes(range(256)) * 4, "x.json "),
    ],
)
def test_anything_else_is_refused_with_one_sentence(content, words):
    with pytest.raises(UploadError) as refused:
        kind_of(content, "x.json")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def _blank():
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "PNG")
    return target.getvalue()
