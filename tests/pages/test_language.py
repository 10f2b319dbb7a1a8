"""The pages say the same in both languages, and nothing is left in English."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from string import Formatter

import pytest

from errors import ConflictError, UploadError
from gpu_pool import problems as pool_problems
from pages import language
from pages.shell import complete
from pipeline import problems, uploads
from storage import database

PIXELS = "{name} has {width} x {height} pixels; the limit is 40 megapixels."
ROOT = Path(__file__).resolve().parent.parent.parent


def fields(text):
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


def test_both_languages_have_the_same_texts_with_the_same_fields():
    english, chinese = language.texts("en"), language.texts("zh")
    assert english.keys() == chinese.keys()
    for key in english:
        assert fields(english[key]) == fields(chinese[key]), key


def test_every_text_that_scripts_and_pages_use_exists():
    used = set()
    for file in [*(ROOT / "assets" / "templates").glob("*.js"), *(ROOT / "pages").rglob("*.py")]:
        used |= set(re.findall(r'(?:\bsay|\bt|metric)\((?:[\w()., ]*, )?"([a-z]+(?:\.[a-z_]+)+)"[,)]', file.read_text("utf-8")))
    assert len(used) > 30
    assert used <= language.texts("en").keys()


def _sentences():
    """Every sentence of an error that a page may show: literal templates of what is raised below the pages, and those in tables."""
    tables = [
        uploads._PROBLEMS.values(),
        database._PASSING.values(),
        database._LASTING.values(),
        [database._CLOSED],
        problems.SENTENCES.values(),
        pool_problems.SENTENCES.values(),
    ]
    yield from (sentence for table in tables for sentence in table)
    for room in ("pipeline", "storage", "pages"):
        for file in (ROOT / room).rglob("*.py"):
            if "offline" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                called = getattr(getattr(node, "func", None), "id", "")
                if called in ("StudioError", "UploadError", "NotFoundError", "ConflictError", "PictureError", "Remark") and isinstance(
                    node.args[0], ast.Constant
                ):
                    yield node.args[0].value


def test_every_sentence_of_an_error_has_a_chinese_one_with_the_same_fields():
    known = json.loads((language.FOLDER / "zh" / "errors.json").read_text("utf-8"))
    for sentence in _sentences():
        assert sentence in known, sentence
        assert fields(sentence) == fields(known[sentence])


def test_an_error_is_said_in_the_readers_language_and_else_in_english():
    error = ConflictError("A name has 1 to {limit} printable characters.", limit=80)
    assert language.sentence(error, "zh") == "名字需要 1 到 80 个可显示的字符。"
    assert language.sentence(error, "en") == "A name has 1 to 80 printable characters."
    assert language.sentence(ConflictError("Nobody knows {what}.", what="this"), "zh") == "Nobody knows this."


def test_a_sentence_that_was_stored_in_english_is_said_in_the_readers_language():
    english = str(UploadError(PIXELS, name="a x b.png", width=9000, height=8000))
    assert language.stored(english, "zh") == language.sentence(UploadError(PIXELS, name="a x b.png", width=9000, height=8000), "zh")
    assert "9000" in language.stored(english, "zh")
    assert "megapixels" not in language.stored(english, "zh")
    assert language.stored(english, "en") == english


@pytest.mark.parametrize("strange", ["", "Nobody ever wrote this.", "{name}", "40 megapixels. " * 500, "x" * 10_000, "\x00\n{0}"])
def test_what_no_sentence_of_ours_made_is_left_as_it_is(strange):
    assert language.stored(strange, "zh") == strange


@pytest.mark.parametrize(
    ("cookies", "asked", "fixed", "chosen"),
    [
        ({}, "", "auto", "en"),
        ({}, "zh-CN,zh;q=0.9,en;q=0.8", "auto", "zh"),
        ({}, "ja,en-US;q=0.7,zh;q=0.5", "auto", "en"),
        ({}, "fr", "auto", "en"),
        ({"studio_language": "zh"}, "en", "auto", "zh"),
        ({"studio_language": "<script>"}, "en", "auto", "en"),
        ({"studio_language": "zh"}, "zh", "en", "en"),
    ],
)
def test_the_setting_wins_then_the_visitors_choice_then_the_browser(cookies, asked, fixed, chosen):
    assert language.choose(cookies, asked, fixed) == chosen


def test_the_page_is_told_its_language_before_any_other_script_and_names_no_other_host():
    page = complete(
        b'<html lang="en"><head><meta property="og:image" content="https://other.example/x.png" /><script>one</script>', "zh"
    ).decode()
    assert page.startswith('<html lang="zh-CN"><head><script>')
    assert "other.example" not in page
    assert page.index("navigator") < page.index("<script>one")
    assert "</script>" not in page[page.index("texts:") : page.index("};</script>")]
