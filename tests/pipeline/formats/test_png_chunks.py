"""Text chunks of a PNG: whatever is written is read back, and the pixels are not touched."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.formats.png_chunks import SIGNATURE, chunks, read_texts, with_texts

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "cards" / "test_character.png"

KEYWORDS = st.text(st.characters(min_codepoint=1, max_codepoint=255), min_size=1, max_size=79)
TEXTS = st.dictionaries(KEYWORDS, st.text(st.characters(max_codepoint=255), max_size=300), max_size=5)


def picture(**options):
    target = BytesIO()
    Image.effect_noise((30, 20), 80).save(target, "PNG", **options)
    return target.getvalue()


PICTURE = picture()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def put_before_the_end(png, *more):
    end = png.rindex(b"IEND") - 4
    return png[:end] + b"".join(more) + png[end:]


def pixels(png):
    with Image.open(BytesIO(png)) as image:
        return image.tobytes()


@given(TEXTS)
def test_what_was_written_is_read_back_and_the_picture_is_the_same(texts):
    made = with_texts(PICTURE, texts)
    assert read_texts(made) == texts
    assert pixels(made) == pixels(PICTURE)


@given(TEXTS, TEXTS)
def test_written_over_only_the_same_keywords_are_replaced(first, second):
    assert read_texts(with_texts(with_texts(PICTURE, first), second)) == first | second


@given(TEXTS)
def test_every_checksum_is_right(texts):
    made = with_texts(PICTURE, texts)
    rebuilt = SIGNATURE + b"".join(chunk(kind, data) for kind, data in chunks(made))
    assert rebuilt == made


@given(TEXTS)
def test_nothing_else_in_the_file_is_changed(texts):
    before = list(chunks(PICTURE))
    assert [found for found in chunks(with_texts(PICTURE, texts)) if found[0] != b"tEXt"] == before


def test_texts_after_the_pixels_are_read_where_pillow_needs_to_decode_first():
    made = put_before_the_end(PICTURE, chunk(b"tEXt", b"chara\0Y2FyZA=="), chunk(b"tEXt", b"ccv3\0djM="))
    with Image.open(BytesIO(made)) as image:
        assert "chara" not in image.info
    assert read_texts(made) == {"chara": "Y2FyZA==", "ccv3": "djM="}
    assert read_texts(with_texts(made, {"chara": "new"})) == {"chara": "new", "ccv3": "djM="}


def test_of_several_with_one_keyword_the_last_counts():
    made = put_before_the_end(with_texts(PICTURE, {"chara": "first"}), chunk(b"tEXt", b"chara\0last"))
    assert read_texts(made) == {"chara": "last"}


def test_a_compressed_or_international_text_of_the_same_keyword_does_not_survive_beside_the_new_one():
    old = put_before_the_end(PICTURE, chunk(b"zTXt", b"chara\0\0" + zlib.compress(b"old")), chunk(b"iTXt", b"chara\0\0\0\0\0old"))
    kinds = [kind for kind, _ in chunks(with_texts(old, {"chara": "new"}))]
    assert (kinds.count(b"tEXt"), kinds.count(b"zTXt"), kinds.count(b"iTXt")) == (1, 0, 0)


def test_a_text_chunk_without_a_separator_is_an_empty_text():
    assert read_texts(put_before_the_end(PICTURE, chunk(b"tEXt", b"lonely"))) == {"lonely": ""}


def test_what_follows_the_end_is_not_looked_at():
    assert read_texts(PICTURE + b"trailing rubbish") == {}
    assert with_texts(PICTURE + b"trailing rubbish", {}) == PICTURE


@pytest.mark.parametrize("bad", [b"", b"\x89PNG", b"GIF89a", b"\xff\xd8\xff\xe0", SIGNATURE[1:] + PICTURE])
def test_what_is_no_png_is_refused(bad):
    with pytest.raises(ValueError, match="not a PNG"):
        read_texts(bad)


@given(st.integers(min_value=len(SIGNATURE), max_value=len(PICTURE) - 1))
def test_a_file_cut_off_anywhere_is_refused(length):
    for use in (read_texts, lambda png: with_texts(png, {"chara": "x"})):
        with pytest.raises(ValueError, match="cut off"):
            use(PICTURE[:length])


@given(st.binary(max_size=200))
def test_rubbish_behind_the_signature_is_refused_or_read_and_never_anything_else(rubbish):
    with suppress(ValueError):
        read_texts(SIGNATURE + rubbish)


def test_a_chunk_that_claims_more_than_there_is_is_refused():
    with pytest.raises(ValueError, match="cut off"):
        read_texts(SIGNATURE + struct.pack(">I", 2**31 - 1) + b"tEXt" + b"chara\0x")


@pytest.mark.parametrize("texts", [{"": "x"}, {"a" * 80: "x"}, {"a\0b": "x"}, {"夜": "x"}, {"chara": "夜"}])
def test_what_cannot_be_written_is_refused(texts):
    with pytest.raises(ValueError):  # noqa: PT011  a UnicodeEncodeError is one too
        with_texts(PICTURE, texts)


@pytest.mark.skipif(not SHARED.exists(), reason="the data of others is not here")
def test_the_card_of_another_tool_is_read():
    assert "chara" in read_texts(SHARED.read_bytes())
