"""The main job in a real browser: drop a picture, watch seven stages, take the card away."""

from __future__ import annotations

import json
import re

import pytest
from gradio_client import Client

from pipeline.formats.png_chunks import read_texts

from .conftest import NARROW, SAMPLES, WIDE, choose, drop, states, wait_until_written

pytestmark = [pytest.mark.browser]

ORDER = ["core", "strategy", "examples", "network", "authenticity", "visual", "knowledge"]
V2_FIELDS = {
    "name",
    "description",
    "personality",
    "scenario",
    "first_mes",
    "mes_example",
    "creator_notes",
    "system_prompt",
    "post_history_instructions",
    "alternate_greetings",
    "tags",
    "creator",
    "character_version",
    "extensions",
}
RECORD = """
window.seen = [];
new MutationObserver(() => {
    const now = Object.fromEntries([...document.querySelectorAll('.panel')].map(n => [n.id.slice(6), n.className.slice(6)]));
    if (Object.keys(now).length && JSON.stringify(now) !== JSON.stringify(window.seen.at(-1))) window.seen.push(now);
}).observe(document.body, {subtree: true, childList: true, attributes: true, attributeFilter: ['class']});
"""


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_a_dropped_picture_becomes_a_persona_whose_stages_arrive_in_the_order_of_their_needs(shared_site, open_page, viewport):
    page = open_page(shared_site.url, viewport=viewport)
    page.evaluate(RECORD)
    drop(page, SAMPLES / "seed-library.jpg")
    page.click("#generate")
    wait_until_written(page)

    seen = page.evaluate("window.seen")
    before_core_was_done = [now for now in seen if now["core"] != "done"]
    assert before_core_was_done
    assert all(now[stage] == "waiting" for now in before_core_was_done for stage in ORDER[1:])
    together = {"strategy", "network", "authenticity", "visual", "knowledge"}
    assert any(together == {stage for stage in ORDER if now[stage] == "running"} for now in seen), "five start together"
    assert all(now["examples"] == "waiting" for now in seen if now["strategy"] != "done")
    assert set(seen[-1].values()) == {"done"}
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "nothing sticks out at the side"


def test_the_downloaded_card_is_a_complete_character_card_v2(shared_site, open_page):
    page = open_page(shared_site.url)
    page.click("#samples [data-sample='rooftop-bees']")
    page.wait_for_selector("#picture img")
    page.click("#generate")
    wait_until_written(page)

    with page.expect_download() as download:
        page.click("#card-json")
    card = json.loads(download.value.path().read_text("utf-8"))
    data, ours = card["data"], card["data"]["extensions"]["persona_studio"]
    assert (card["spec"], card["spec_version"]) == ("chara_card_v2", "2.0")
    assert set(data) >= V2_FIELDS
    assert len(ours["tweet_examples"]) == 8
    assert len(data["character_book"]["entries"]) >= 6
    weights = [kind["weight"] for kind in ours["tweet_strategy"]["content_type_distribution"].values()]
    assert sum(weights) == pytest.approx(1, abs=1e-9)
    assert ours["ai_generated"] is True
    assert download.value.suggested_filename.endswith(".json")

    with page.expect_download() as download:
        page.click("#card-png")
    assert {"chara", "ccv3"} <= set(read_texts(download.value.path().read_bytes()))


def test_what_is_read_is_prose_and_the_json_is_one_tab_away(shared_site, open_page):
    page = open_page(shared_site.url)
    choose(page, SAMPLES / "tide-keeper.jpg")
    page.click("#generate")
    wait_until_written(page)
    name = page.input_value(".rename input")
    assert name in page.inner_text("#stage-core .read")
    assert "{" not in page.inner_text("#stage-strategy .read").replace("{{user}}", "")
    page.click("#stage-core [role=tab]:nth-child(2)")
    assert json.loads(page.inner_text("#stage-core pre"))["name"] == name


def test_the_same_persona_is_there_after_closing_the_tab_in_the_middle(shared_site, open_page):
    page = open_page(shared_site.url)
    choose(page, SAMPLES / "night-baker.jpg")
    page.click("#generate")
    page.wait_for_selector("#stage-core.done")
    address = page.url
    assert re.search(r"\?persona=\w{26}$", address)
    page.close()

    again = open_page(address)
    wait_until_written(again)
    assert set(states(again).values()) == {"done"}
    assert again.locator("#recent a").first.get_attribute("href").endswith(address.split("?")[1])


def test_an_author_may_rename_the_persona(shared_site, open_page):
    page = open_page(shared_site.url)
    choose(page, SAMPLES / "tram-in-rain.jpg")
    page.click("#generate")
    wait_until_written(page)
    page.fill(".rename input", "Ada of the Last Tram")
    page.click(".rename button")
    page.wait_for_selector("#recent a:first-child b:has-text('Ada of the Last Tram')")
    page.reload()
    page.wait_for_selector(".rename input")
    assert page.input_value(".rename input") == "Ada of the Last Tram"


def test_without_a_picture_the_page_says_what_to_do(shared_site, open_page):
    page = open_page(shared_site.url)
    page.click("#generate")
    assert page.inner_text("#notice .notice").startswith("Choose a picture first")


def test_a_bad_file_is_one_sentence_and_the_next_picture_works(shared_site, open_page, tmp_path):
    bad = tmp_path / "holiday.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    page = open_page(shared_site.url)
    choose(page, bad)
    page.click("#generate")
    page.wait_for_selector("#notice .notice")
    assert page.inner_text("#notice .notice").startswith("holiday.png ")
    assert page.is_enabled("#generate")
    page.click("#samples [data-sample='night-baker']")
    page.wait_for_selector("#picture img[src*='night-baker']")
    page.click("#generate")
    wait_until_written(page)
    assert page.locator("#notice .notice").count() == 0


def test_a_file_over_the_limit_is_refused_by_name(start_site, open_page, tmp_path):
    site = start_site(MAX_UPLOAD_MB="0.1")
    page = open_page(site.url)
    page.set_input_files("#picture input[type=file]", str(SAMPLES / "night-baker.jpg"))
    page.wait_for_selector(".toast-body, .toast-wrap")
    shown = page.inner_text(".toast-wrap")
    assert "night-baker.jpg" in shown
    assert "maximum" in shown or "limit" in shown


def test_the_page_speaks_chinese_when_asked_and_remembers(shared_site, open_page):
    page = open_page(shared_site.url)
    assert page.inner_text("#generate") == "Generate persona"
    page.click(".languages button[lang=zh]")
    page.wait_for_selector("#generate:has-text('生成人设')")
    page.reload()
    page.wait_for_selector("#generate:has-text('生成人设')")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert "离线演示写手" in page.inner_text("#header")


def test_a_chinese_browser_gets_a_chinese_page_and_a_chinese_persona(shared_site, open_page):
    page = open_page(shared_site.url, locale="zh-CN")
    page.wait_for_function("document.querySelector('#language input')?.value === '中文'")
    choose(page, SAMPLES / "rooftop-bees.jpg")
    page.click("#generate")
    wait_until_written(page)
    assert "核心人设" in page.inner_text("#stage-core")
    assert re.search(r"[\u4e00-\u9fff]{10}", page.inner_text("#stage-core .read"))


def test_the_page_can_be_worked_by_keyboard(shared_site, open_page):
    page = open_page(shared_site.url)
    page.focus("#samples [data-sample='arcade-mechanic']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#picture img")
    page.focus("#generate")
    page.keyboard.press("Enter")
    wait_until_written(page)
    page.focus("#stage-core [role=tab]:nth-child(2)")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage-core pre")
    assert page.evaluate("document.activeElement.matches('#stage-core [role=tab][aria-selected=true]')"), "the focus is not lost"
    page.focus("#stage-core .fold")
    page.keyboard.press("Enter")
    assert page.get_attribute("#stage-core .fold", "aria-expanded") == "false"
    page.keyboard.press("Enter")
    assert page.get_attribute("#stage-core .fold", "aria-expanded") == "true", "nor here"


def test_a_double_click_is_one_persona(shared_site, open_page):
    page = open_page(shared_site.url)
    page.click("#samples [data-sample='tide-keeper']")
    page.wait_for_selector("#picture img")
    before = _newest(shared_site)
    page.dblclick("#generate")
    wait_until_written(page)
    assert len(_newest(shared_site) - before) == 1


def _newest(site):
    client = Client(site.url, verbose=False)
    known = {persona["id"] for persona in client.predict(api_name="/personas")}
    client.close()
    return known


def test_a_text_can_be_copied_where_a_page_over_plain_http_has_no_clipboard(shared_site, open_page):
    page = open_page(shared_site.url)
    choose(page, SAMPLES / "tide-keeper.jpg")
    page.click("#generate")
    wait_until_written(page)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("document.addEventListener('copy', () => (window.copied = document.activeElement.value))")
    page.click("#stage-visual .prompt button")
    assert page.evaluate("window.copied") == page.inner_text("#stage-visual .prompt code")
    page.click("#stage-visual .prompt button")
    page.wait_for_selector("#stage-visual .prompt button:text-is('Copied')")
    page.wait_for_selector("#stage-visual .prompt button:text-is('Copy')")
