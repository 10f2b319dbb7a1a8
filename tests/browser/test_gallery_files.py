"""The Gallery's files in a real browser: exports, and edited ones that come back."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest

from .conftest import NARROW, WIDE
from .shelf import card
from .test_gallery import HOSTILE, exported

pytestmark = [pytest.mark.browser]


def sheet(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def file(rows, name="tweets.csv"):
    """As a spreadsheet saves it."""
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, list(rows[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    return {"name": name, "mimeType": "text/csv", "buffer": target.getvalue().encode("utf-8-sig")}


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_an_edited_sheet_comes_back_and_its_cards_show_it(shelf, gallery, viewport):
    mara = shelf.person()
    edited, reviewed, meanwhile, same = [shelf.tweet(mara, text) for text in ("Rye.", "Wheat.", "Oats.", HOSTILE)]
    page = gallery(viewport=viewport)
    page.click("#export")
    with page.expect_download() as download:
        page.click("[data-kind=csv]")
    rows = {row["id"]: row for row in sheet(download.value.path().read_bytes())}
    card(page, meanwhile).get_by_role("button", name="Edit", exact=True).click()
    page.fill(".edit textarea", "Oats, as edited here.")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".card:has-text('Oats, as edited here.') [data-mark=versions]")
    rows[edited]["text"] = "Rye, warm."
    rows[reviewed]["status"] = "approved"
    rows[meanwhile]["text"] = "Oats, as edited there."
    rows["nobody"] = {**rows[same], "id": "<b>nobody</b>"}
    page.set_input_files("#bring-back", [file(list(rows.values()))])
    page.wait_for_selector(".outcomes .taken")
    line = page.inner_text(".outcomes .taken p")
    assert line == "tweets.csv 1 changed · 1 with another status · 1 left out, changed here meanwhile · 1 not found here · 1 as before"
    assert page.locator(".outcomes .remarks li").all_inner_texts() == [
        "Row 3 was left out: its tweet was changed here since the file was exported.",
        'Row 6: there is no tweet "<b>nobody</b>" here.',
    ]
    assert "among each tweet's versions" in page.inner_text(".outcomes")
    page.wait_for_selector(f"article.card.approved[data-id='{reviewed}']")
    assert card(page, edited).locator(".text").text_content() == "Rye, warm."
    assert card(page, meanwhile).locator(".text").text_content() == "Oats, as edited here."
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "nothing sticks out at the side"
    page.click(".outcomes [aria-label=Close]")
    assert page.locator(".outcomes li").count() == 0


def test_a_dropped_file_that_is_none_of_ours_is_one_sentence_and_an_unedited_one_nothing(shelf, gallery):
    shelf.tweet(shelf.person(), "Rye.")
    page = gallery()
    _, content = exported(shelf.site, "jsonl")
    for name, text in (("notes.txt", "just words"), ("same.jsonl", content.decode())):
        data = page.evaluate_handle(
            """([name, text]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([text], name));
                return transfer;
            }""",
            [name, text],
        )
        page.dispatch_event("body", "drop", {"dataTransfer": data})
    page.wait_for_selector(".outcomes .taken")
    refused, taken = page.locator(".outcomes > li p").all_inner_texts()
    assert refused == 'notes.txt has neither a column "id" nor a column "text".'
    assert taken == "same.jsonl Nothing in it differs from what is here."


def test_bringing_back_speaks_chinese(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "今天很好。")
    page = gallery(locale="zh-CN")
    rows = sheet(exported(shelf.site, "csv")[1])
    page.set_input_files("#bring-back", [file([{**rows[0], "text": "今天更好。"}, {**rows[0], "id": "nobody"}])])
    page.wait_for_selector(".outcomes .taken")
    assert "已修改 1 条 · 1 条在这里找不到" in page.inner_text(".outcomes")
    assert "第 3 行：这里没有推文“nobody”。" in page.inner_text(".outcomes")
    assert shelf.get(tweet)["text"] == "今天更好。"


def test_the_tweets_with_their_pictures_are_a_zip(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "A loaf.", image={"positive_prompt": "a loaf", "generation_params": {"width": 64, "height": 64}})
    shelf.tweet(shelf.person("Otto"), "No picture.")
    page = gallery()
    card(page, tweet).get_by_role("button", name="Draw").click()
    page.wait_for_selector(f"article.card[data-id='{tweet}'] .shot")
    page.click("#export")
    with page.expect_download() as download:
        page.click("[data-kind=zip]")
    assert download.value.suggested_filename.endswith(".zip")
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    (picture,) = [name for name in archive.namelist() if name.startswith("images/")]
    assert archive.read(picture).startswith(b"\x89PNG")
    assert {row["text"]: row["image_file"] for row in sheet(archive.read("tweets.csv"))} == {
        "A loaf.": picture.removeprefix("images/"),
        "No picture.": "",
    }
