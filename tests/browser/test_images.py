"""Images in a real browser: pictures that are asked for, watched, cancelled, drawn again and chosen."""

from __future__ import annotations

import json
from urllib.request import urlopen

import pytest
from PIL import Image

from storage import images, tweets

from .conftest import NARROW, WIDE, running
from .test_gallery import HOSTILE, NOW, Shelf

pytestmark = [pytest.mark.browser]

PICTURE = {"positive_prompt": "a bakery at night, rain", "generation_params": {"width": 128, "height": 128, "steps": 3}}
SLOW = {"positive_prompt": "a bakery at night, rain", "generation_params": {"width": 3072, "height": 3072, "steps": 9}}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running(tmp_path_factory.mktemp("images"), {"CPU_WORKERS": "1", "IMAGE_SIZE": "128x128", "IMAGE_ENGINE": "preview"}) as started:
        yield started


@pytest.fixture
def shelf(site):
    """A site whose database holds nothing yet."""
    opened = Shelf(site)

    def clear(tx):
        for table in ("images", "jobs", "personas"):
            tx.execute(f"DELETE FROM {table}")

    opened.store.submit(clear).result()
    yield opened
    opened.store.close()


def approved(shelf, count, image=PICTURE, name="Mara of the Night Bakery"):
    persona = shelf.person(name)
    ids = [shelf.tweet(persona, f"Loaf number {number}.", image=image) for number in range(count)]
    shelf.store.submit(lambda tx: tweets.set_status(tx, ids, "approved", by="mia", now=NOW)).result()
    return ids


def draw_all(page):
    """Have pictures of all tweets of the Gallery's page drawn, and go to where they are watched."""
    page.wait_for_selector("article.card")
    page.click("#select-all")
    page.click(".bulk [data-mark=pictures]")
    page.click("#watch-pictures")
    page.wait_for_selector(".job .tile[data-item]")


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_without_pictures_the_page_says_where_they_come_from(shelf, open_page, viewport):
    page = open_page(f"{shelf.site.url}images", viewport=viewport)
    page.wait_for_selector("#no-images:has-text('No pictures yet')")
    assert page.locator(".bar nav a[aria-current=page]").inner_text() == "Images"
    assert "Ready" in page.inner_text("#pool")
    last = page.locator(".bar nav a").last.bounding_box()
    assert last["x"] + last["width"] <= viewport["width"], "every page can be reached"
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_pictures_of_thirty_tweets_arrive_in_the_gallery_and_a_reload_finds_them(shelf, open_page):
    ids = approved(shelf, 30)
    page = open_page(shelf.url)
    page.wait_for_selector("article.card")
    page.click("#select-all")
    page.click(".bulk [data-mark=pictures]")
    page.wait_for_selector(".toast:has-text('30 pictures are being drawn')")
    page.wait_for_selector("article.card .shot img")
    page.reload()
    page.wait_for_function("document.querySelectorAll('article.card .shot img').length === 30", timeout=60_000)
    assert shelf.store.read(images.chosen, ids).keys() == set(ids)
    name = page.get_attribute("article.card .shot img", "src").rsplit("/", 1)[1].replace(".webp", ".png")
    with urlopen(f"{shelf.site.url}drawn/{name}", timeout=10) as answer, Image.open(answer) as picture:
        assert picture.info["parameters"].startswith("a bakery at night, rain")


def test_half_is_cancelled_and_drawn_after_all(shelf, open_page):
    approved(shelf, 10, SLOW)
    page = open_page(shelf.url)
    draw_all(page)
    page.wait_for_selector(".tile.running .progress")
    boxes = page.locator(".tile.waiting .pick input")
    for number in range(5):
        boxes.nth(boxes.count() - 1 - number).check()
    page.click("[data-mark=cancel_some]")
    page.wait_for_function("document.querySelectorAll('.tile.cancelled').length === 5")
    page.reload()
    page.wait_for_function("document.querySelectorAll('.job .tile.done img').length === 5", timeout=60_000)
    page.wait_for_selector(".job .line .chip.cancelled")
    assert "5 cancelled" in page.inner_text(".job .sum")
    page.click("[data-mark=retry_all]")
    page.wait_for_selector(".job .line .chip.done", timeout=60_000)
    assert page.locator(".job .tile.done img").count() == 10


def one_drawn(shelf, open_page):
    """A tweet whose picture was drawn from the Gallery, and the page that shows it large."""
    (tweet,) = approved(shelf, 1)
    page = open_page(shelf.url)
    page.wait_for_selector("article.card")
    page.keyboard.press("j")
    page.keyboard.press("p")
    page.click("article.card .shot")
    return tweet, page


def test_a_picture_is_drawn_again_with_a_seed_and_chosen(shelf, open_page):
    tweet, page = one_drawn(shelf, open_page)
    page.wait_for_selector(".picture-view .facts")
    page.fill(".picture-view [data-mark=seed]", "not a number")
    page.click(".picture-view [data-mark=again]")
    assert "whole number" in page.inner_text(".picture-view .trouble")
    page.fill(".picture-view [data-mark=seed]", "77")
    page.click(".picture-view [data-mark=again]")
    page.wait_for_selector("#watch-pictures")
    page.click("#watch-pictures")
    page.click(".job .tile.done .shot")
    page.wait_for_selector(".picture-view .other")
    assert "77" in page.inner_text(".picture-view .facts")
    assert page.locator(".picture-view .other").count() == 2
    page.locator(".picture-view .other:not([aria-current])").click()
    page.click(".picture-view [data-mark=choose]")
    page.wait_for_selector(".picture-view .acts .chip.done")
    assert shelf.store.read(images.chosen, [tweet])[tweet]["variant"] == 1


def test_variations_are_drawn_and_the_best_of_them_is_picked(shelf, open_page):
    tweet, page = one_drawn(shelf, open_page)
    page.click(".picture-view [data-mark=vary]:text-is('4 variations')")
    page.wait_for_selector(".toast:has-text('4 pictures are being drawn')")
    page.click("#watch-pictures")
    page.wait_for_function("document.querySelectorAll('.job .tile.done img').length === 4")
    page.locator(".job .tile.done .shot").nth(2).click()
    page.wait_for_selector(".picture-view .facts")
    assert page.locator(".picture-view .other").count() == 5
    assert len(shelf.store.read(images.of_tweet, tweet)) == 5
    page.click(".picture-view [data-mark=choose]")
    page.wait_for_selector(".picture-view .acts .chip.done")
    assert shelf.store.read(images.chosen, [tweet])[tweet]["variant"] == 4


def test_what_fails_says_why_in_the_readers_language(shelf, open_page):
    approved(shelf, 1)
    approved(shelf, 1, {}, name="Ola of the Ferry")
    page = open_page(shelf.url, locale="zh-CN")
    draw_all(page)
    page.wait_for_selector(".tile.failed .why:has-text('没有提示词')")
    page.wait_for_selector(".job .line .chip.failed")
    assert "部分失败" in page.inner_text(".job .line .chip")
    page.goto(shelf.url)
    page.wait_for_selector("article.card .trouble:has-text('图片绘制失败')")


def test_a_single_picture_is_drawn_from_words(shelf, open_page):
    page = open_page(f"{shelf.site.url}images")
    page.wait_for_selector("#no-images")
    page.click("#image-draw")
    page.wait_for_selector(".order .trouble:has-text('Say what the picture shows.')")
    page.fill("#image-prompt", HOSTILE)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".job .tile.done img")
    assert HOSTILE in page.inner_text(".job h1")
    page.click(".job .tile .shot")
    page.wait_for_selector(".picture-view .facts")
    assert HOSTILE in page.inner_text(".picture-view .facts")
    page.keyboard.press("Escape")
    page.click(".back")
    page.wait_for_selector("#drawn .tile")
    assert page.locator("img[src='x']").count() == 0


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_hostile_tweets_and_names_are_text_and_nothing_sticks_out(shelf, open_page, viewport):
    persona = shelf.person(HOSTILE[:80])
    shelf.tweet(persona, HOSTILE, image={"positive_prompt": HOSTILE * 3}, alt_text=HOSTILE)
    shelf.tweet(
        persona,
        "w" * 200,
        image={"positive_prompt": HOSTILE, "lora_params": {"model_path": HOSTILE}, "generation_params": {"width": HOSTILE}},
    )
    page = open_page(shelf.url, viewport=viewport)
    draw_all(page)
    page.wait_for_selector(".tile.done img")
    page.wait_for_selector(".tile.failed .why")
    assert "<img src=x" in page.inner_text(".tile.failed .why")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.click(".tile.done .shot")
    page.wait_for_selector(".picture-view .facts")
    assert "${7*7}" in page.inner_text(".picture-view .told")
    page.goto(f"{shelf.site.url}images")
    page.wait_for_selector("#drawn .tile")
    assert "${7*7}" in page.inner_text("#drawn")
    assert page.locator("img[src='x']").count() == 0


def test_an_unknown_job_and_calls_that_no_script_makes_are_a_sentence(shelf, open_page):
    page = open_page(f"{shelf.site.url}images?job=nothing")
    page.wait_for_selector(".job .notice:has-text('There is no job nothing.')")
    for name in ("0" * 64 + ".png", "..%2fstudio.db", "x"):
        answer = page.request.get(f"{shelf.site.url}drawn/{name}")
        assert answer.status == 404
        assert "studio.db" not in json.dumps(answer.headers)
