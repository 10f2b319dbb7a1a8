"""Take the screenshots of the documentation anew: ``.venv/bin/python docs/screenshots/take.py``.

Starts the app on an empty data folder, with an offline writer slow enough to be watched, and drives Chromium through the states.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from bench.gallery import fill  # noqa: E402
from storage.database import Store  # noqa: E402
from tests.browser.conftest import FLAGS, NARROW, SAMPLES, WIDE, Site, choose, wait_until_written  # noqa: E402
from tests.browser.shelf import Shelf  # noqa: E402
from tests.browser.test_batch import BatchShelf, calendar, card, file  # noqa: E402
from tests.conftest import end_offline, start_offline  # noqa: E402


def shoot(page: Page, name: str) -> None:
    """Write ``<name>.webp`` beside this file."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(HERE / f"{name}.webp", quality=82, method=6)


def write(page: Page, sample: str) -> None:
    """Choose a sample picture and start."""
    choose(page, SAMPLES / f"{sample}.jpg")
    page.click("#generate")
    page.wait_for_selector("#stage-core.running")


def behave(url: str, **changes: object) -> None:
    """Change how the offline writer behaves."""
    request = urllib.request.Request(url.removesuffix("/v1") + "/behaviour", json.dumps(changes).encode(), method="POST")  # noqa: S310
    urllib.request.urlopen(request).close()  # noqa: S310


def gallery(browser: Browser, place: Path) -> None:
    """The Gallery: without tweets, full, while one is edited and others are selected, dark, narrow, in Chinese."""
    site = Site(place / "gallery", {}).start()

    def page(query: str = "", **options: object) -> Page:
        opened = browser.new_context(**{"viewport": WIDE, **options}).new_page()  # type: ignore[arg-type]
        opened.goto(f"{site.url}gallery{query}")
        opened.wait_for_selector(".feed[aria-busy=false]")
        opened.wait_for_selector(".filters fieldset", state="attached")
        return opened

    try:
        shoot(page(), "gallery-empty")
        store = Store(site.data)
        fill(store, 1000, seed=3)
        store.close()
        full = page("?q=the")
        shoot(full, "gallery-full")
        for key in ("j", "a", "j", "x", "j", "x", "j", "e"):
            full.keyboard.press(key)
        full.keyboard.type(" And then it rained, as it does here every single day of the year, so we all went inside.")
        full.evaluate("window.scrollTo(0, 0)")
        shoot(full, "gallery-editing")
        shoot(page("?badge=near_duplicate&badge=too_long", color_scheme="dark"), "gallery-dark")
        shoot(page("?q=the", viewport=NARROW, device_scale_factor=2), "gallery-narrow")
        shoot(page("?q=咖啡", locale="zh-CN"), "gallery-chinese")
    finally:
        site.stop()


def batch(browser: Browser, place: Path) -> None:
    """Batch: what files were taken for, and a batch under way; and the strip of tweets on Create."""
    site = Site(place / "batch", {"OFFLINE_LATENCY": "0.6"}).start()
    try:
        shelf = BatchShelf(site)
        shelf.people(*[f"{name} of the {where}" for where in ("Bakery", "Ferry", "Archive") for name in ("Mara", "Ola", "Ines", "Tove")])
        (complete,) = shelf.people("Runa of the Lighthouse", complete=True)
        shelf.store.close()
        page = browser.new_context(viewport=WIDE).new_page()
        page.goto(shelf.url)
        plan = b"date,topic,theme\n2027-02-01,bread,rye\n2027-02-02,tea,green\n"
        dropped = {"mara.json": calendar("Mara of the Bakery"), "plan.csv": plan, "broken.json": b"{", "bo.json": card("Bo of the Tram")}
        page.set_input_files("#batch-files", [file(name, content) for name, content in dropped.items()])  # type: ignore[arg-type]
        page.wait_for_selector(".files .taken:has-text('Bo of the Tram')")
        page.click("#batch-all")
        page.wait_for_selector(".forecast dl")
        shoot(page, "batch-order")
        page.fill("#batch-each", "10")
        page.click("#batch-start")
        page.wait_for_selector(".tracks li[data-persona]")
        page.wait_for_function("Number(document.querySelector('#run-done').textContent) >= 60")
        shoot(page, "batch-running")
        page.click("#run-cancel")
        page.goto(f"{site.url}?persona={complete}")
        page.click("#strip-write")
        page.wait_for_function("document.querySelectorAll('.strip-cards .text').length >= 2")
        shoot(page, "create-tweets")
    finally:
        site.stop()


def persona_page(browser: Browser, url: str, persona: str) -> None:
    """The Personas page: one whose core was edited, and its calendars."""
    page = browser.new_context(viewport=WIDE).new_page()
    page.goto(f"{url}personas")
    page.wait_for_selector(".person-card[data-id]")
    page.goto(f"{url}personas?persona={persona}")
    page.click("#stage-core [data-mark=edit]")
    page.fill(".editor [aria-label=Personality]", "Cheerful, exact, afraid of geese.")
    page.click(".editor [type=submit]")
    page.wait_for_selector(".panel .chip.stale")
    page.evaluate("window.scrollTo(0, 0)")
    shoot(page, "personas-stale")
    page.click("#plan-go")
    page.click("#calendars .shelf > li[data-calendar] .open")
    page.click("#calendars .fold-day")
    page.evaluate("document.querySelector('#calendars').scrollIntoView()")
    shoot(page, "personas-calendars")


SCENES = (
    "a bakery at night",
    "rain over the city, tram",
    "mountain path at dawn",
    "a boat in the harbour at dusk",
    "a café table by the window",
)
TEXTS = (
    "The ovens are older than my worries. They are also warmer.",
    "Rye at four, sleep at noon. The moon does my accounting.",
    "Somebody asked whether bread has feelings. It rises, doesn't it.",
    "Day 12 of the rain. The flour has started to ask questions.",
)


def pictures(browser: Browser, place: Path) -> None:
    """Images: empty, a job under way and one with failures, a picture large, in Chinese; Monitor meanwhile; the Gallery with pictures."""
    site = Site(place / "images", {"CPU_WORKERS": "2", "IMAGE_ENGINE": "preview", "OFFLINE_LATENCY": "1.2", "MAX_CONCURRENT": "6"}).start()

    def page(path: str, ready: str, **options: object) -> Page:
        opened = browser.new_context(**{"viewport": WIDE, **options}).new_page()  # type: ignore[arg-type]
        opened.goto(site.url + path)
        opened.wait_for_selector(ready)
        return opened

    try:
        shoot(page("images", "#no-images"), "images-empty")
        shelf = Shelf(site)
        people = [shelf.person("Mara of the Night Bakery"), shelf.person("Ola of the Ferry")]
        for number in range(18):
            wanted = {"positive_prompt": SCENES[number % 5], "generation_params": {"width": 2048, "height": 2048, "steps": 9}}
            shelf.tweet(people[number % 2], TEXTS[number % 4], image={} if number == 5 else wanted)
        shelf.store.close()
        chosen = page("gallery", "article.card")
        chosen.click("#select-all")
        chosen.click(".bulk [data-mark=pictures]")
        chosen.click("#watch-pictures")
        write(page("", "#view .persona"), "tram-in-rain")
        chosen.wait_for_function("document.querySelectorAll('.job .tile.done').length >= 3")
        shoot(chosen, "images-running")
        shoot(page("monitor", "td[data-cell=task] a:not([hidden])"), "monitor")
        chosen.wait_for_selector(".job .line .chip.failed", timeout=120_000)
        shoot(chosen, "images-failed")
        large = page("images", "#drawn .tile img", color_scheme="dark")
        large.click("#drawn .tile .shot")
        large.wait_for_selector(".picture-view .facts")
        shoot(large, "images-large")
        shoot(page("images", "#drawn .tile img", viewport=NARROW, device_scale_factor=2, locale="zh-CN"), "images-narrow")
        shoot(page("monitor", ".monitor tbody tr", viewport=NARROW, device_scale_factor=2, locale="zh-CN"), "monitor-narrow")
        shoot(page("gallery", "article.card .shot img"), "gallery-pictures")
    finally:
        site.stop()


def login(browser: Browser, place: Path) -> None:
    """The login: a wrong password, and on a phone, in the dark, in Chinese, one too many."""
    site = Site(place / "login", {"AUTH": "ann:correct horse"}).start()

    def guess(times: int, **options: object) -> Page:
        page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
        page.goto(site.url)
        for _ in range(times):
            page.fill("[name=username]", "ann")
            page.fill("[name=password]", "guess")
            with page.expect_navigation():
                page.press("[name=password]", "Enter")
        return page

    try:
        shoot(guess(1, viewport=WIDE), "login")
        shoot(guess(5, viewport=NARROW, device_scale_factor=2, color_scheme="dark", locale="zh-CN"), "login-narrow")
    finally:
        site.stop()


def main() -> None:  # noqa: PLR0915  one state after another
    """All states of the Create page."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        place = Path(folder)
        writer = start_offline(place, "--latency", "1.2", "--ttl", "300")
        demo = Site(place / "demo", {"OFFLINE_LATENCY": "1.2"}).start()
        real = Site(place / "real", {"OPENAI_BASE_URL": writer.url}).start()
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        try:
            gallery(browser, place)
            pictures(browser, place)

            def page(site: Site = demo, **options: object) -> Page:
                opened = browser.new_context(**{"viewport": WIDE, **options}).new_page()  # type: ignore[arg-type]
                opened.goto(site.url)
                opened.wait_for_selector("#view .persona")
                return opened

            english = page()
            shoot(english, "create-empty")
            write(english, "rooftop-bees")
            english.wait_for_selector("#stage-strategy.running")
            shoot(english, "create-writing")
            wait_until_written(english)
            shoot(english, "create-done")
            english.locator("#stage-examples").scroll_into_view_if_needed()
            english.evaluate("document.querySelector('#stage-strategy').scrollIntoView()")
            shoot(english, "create-panels")
            address = english.url

            dark = page(color_scheme="dark")
            dark.goto(address)
            wait_until_written(dark)
            shoot(dark, "create-dark")

            narrow = page(viewport=NARROW, device_scale_factor=2)
            narrow.goto(address)
            wait_until_written(narrow)
            narrow.evaluate("document.querySelector('.summary').scrollIntoView()")
            shoot(narrow, "create-narrow")

            chinese = page(locale="zh-CN")
            write(chinese, "tram-in-rain")
            wait_until_written(chinese)
            shoot(chinese, "create-chinese")

            login(browser, place)
            batch(browser, place)
            persona_page(browser, demo.url, address.split("persona=")[1])

            failing = page(real)
            write(failing, "night-baker")
            failing.wait_for_selector("#stage-core.done")
            behave(writer.url, faults={"refusal": 1})
            failing.wait_for_selector(".summary .chip.partial")
            failing.evaluate("document.querySelector('#stage-examples').scrollIntoView({block: 'center'})")
            shoot(failing, "create-failed")
        finally:
            browser.close()
            demo.stop()
            real.stop()
            end_offline(writer.process)


if __name__ == "__main__":
    main()
