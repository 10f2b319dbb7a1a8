"""Monitor in a real browser: calls, workers and the log while something goes on."""

from __future__ import annotations

import os
import signal

import pytest

from .conftest import NARROW, SAMPLES, choose, running
from .shelf import Shelf
from .test_gallery import HOSTILE

pytestmark = [pytest.mark.browser]

SLOW = {"positive_prompt": "a bakery at night, rain", "generation_params": {"width": 2048, "height": 2048, "steps": 9}}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    settings = {"CPU_WORKERS": "2", "IMAGE_ENGINE": "preview", "OFFLINE_LATENCY": "0.8", "MAX_CONCURRENT": "3"}
    with running(tmp_path_factory.mktemp("monitor"), settings) as started:
        yield started


def look(open_page, site, **options):
    return open_page(site.url + "monitor", ready=".monitor[aria-busy=false]", **options)


def fact(page, tile, name):
    return page.locator(f"[data-tile={tile}] [data-fact={name}]").inner_text()


def test_before_anything_was_done_it_says_so(site, open_page):
    page = look(open_page, site)
    page.wait_for_function("document.querySelectorAll('.monitor tbody .chip.done').length === 2")
    assert page.locator("[data-tile=slots] .figure").inner_text().split() == ["0", "of", "3"]
    assert fact(page, "calls", "p95") == "–"
    assert page.locator(".work .sum").inner_text() == "Nothing was started yet."
    assert "preview loaded" in page.locator(".log ol").inner_text()


def test_a_persona_being_written_moves_the_figures(site, open_page):
    monitor = look(open_page, site)
    page = open_page(site.url)
    choose(page, SAMPLES / "night-baker.jpg")
    page.click("#generate")
    monitor.wait_for_function("Number(document.querySelector('[data-tile=slots] .figure b').textContent) > 0")
    monitor.wait_for_selector(".jobs .chip.running")
    monitor.wait_for_selector(".jobs .chip.done")
    monitor.wait_for_function("document.querySelector('[data-tile=slots] .figure b').textContent === '0'")
    assert monitor.locator("[data-tile=calls] .figure span").inner_text() == "7 in all"
    assert fact(monitor, "calls", "p50").endswith(" s")
    assert int(fact(monitor, "spent", "in").replace(",", "")) > 1000
    assert any(
        float(height[:-1]) > 0
        for height in monitor.eval_on_selector_all("[data-tile=calls] .chart i", "all => all.map(n => n.style.height)")
    )
    monitor.click(".jobs a")
    monitor.wait_for_url("**/personas?persona=*")


def test_a_worker_that_dies_is_seen_to_come_back(site, open_page):
    shelf = Shelf(site)
    persona = shelf.person(HOSTILE)
    for number in range(8):
        shelf.tweet(persona, f"Loaf {number}", image=SLOW)
    shelf.tweet(persona, "Without a scene", image={"positive_prompt": ""})
    shelf.store.close()
    gallery = open_page(site.url + "gallery", ready="article.card")
    gallery.click("#select-all")
    gallery.click(".bulk [data-mark=pictures]")
    gallery.wait_for_selector("#watch-pictures")
    page = look(open_page, site)
    page.wait_for_function("document.querySelectorAll('td[data-cell=task] a:not([hidden])').length === 2")
    assert page.locator("td[data-cell=task] a").first.inner_text() == HOSTILE
    pid = int(page.locator("td[data-cell=device] small").first.inner_text().rpartition(" ")[2])
    os.kill(pid, signal.SIGKILL)
    page.wait_for_selector("td[data-cell=restarts].bad")
    page.wait_for_selector(".log li[data-level='2'] >> text=died of signal 9")
    page.select_option(".log select", "2")
    assert page.locator(".log li[data-level='1']").first.is_hidden()
    assert page.locator(".log li[data-level='2']").first.is_visible()
    page.wait_for_function("document.querySelectorAll('.monitor tbody .chip.done').length === 2")
    page.wait_for_selector(".jobs .chip.partial")
    assert page.locator(".jobs .sum").first.inner_text().startswith("8 of 9 steps · 1 failed")


def test_on_a_phone_in_chinese_nothing_is_cut_off(site, open_page):
    page = look(open_page, site, viewport=NARROW, locale="zh-CN")
    page.wait_for_selector(".monitor tbody tr")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator(".monitor h1").inner_text() == "监控"
    assert page.locator("td[data-cell=state] .chip").first.inner_text() == "就绪"
    tops = page.eval_on_selector_all(".bar nav a", "all => all.map(n => n.getBoundingClientRect().top)")
    assert len(tops) == 6
    assert len(set(tops)) == 1


def test_six_pages_stand_in_one_row_on_a_phone(site, open_page):
    page = look(open_page, site, viewport=NARROW)
    assert len(set(page.eval_on_selector_all(".bar nav a", "all => all.map(n => n.getBoundingClientRect().top)"))) == 1


def test_a_server_that_stopped_is_told_from_one_that_is_idle(start_site, open_page):
    site = start_site(OFFLINE_LATENCY="0.1")
    page = look(open_page, site)
    site.kill()
    page.wait_for_selector(".monitor > .notice:not([hidden])")
    site.start()
    page.wait_for_selector(".monitor > .notice", state="hidden")
