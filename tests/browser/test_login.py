"""The login as people meet it, and the pages behind it under a security policy and behind a reverse proxy."""

from __future__ import annotations

import re

import pytest

from tests.proxy import Proxy

from .conftest import NARROW, SAMPLES, choose, wait_until_written

pytestmark = [pytest.mark.browser]

FORM = "form.card"


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A site with a login, and a proxy in front of it that serves it under a path."""
    from .conftest import Site  # noqa: PLC0415

    site = Site(tmp_path_factory.mktemp("closed"), {"AUTH": "ann:correct horse,bob:battery", "ROOT_PATH": "/studio"}).start()
    proxy = Proxy(site.port, keeps_host=False).start()
    yield proxy
    proxy.stop()
    assert site.stop() == 0
    assert "Traceback" not in site.log.read_text()
    assert "correct horse" not in site.log.read_text()


def enter(page, secret="correct horse"):  # noqa: S107
    page.fill("[name=username]", "ann")
    page.fill("[name=password]", secret)
    page.press("[name=password]", "Enter")


def fits(page):
    """Nothing sticks out on the right."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_visitor_logs_in_works_and_leaves(closed, open_page):
    page = open_page(closed.url, ready=FORM)
    assert page.evaluate("document.activeElement.name") == "username", "one may type at once"
    enter(page, "wrong")
    page.wait_for_selector("[role=alert]")
    assert page.input_value("[name=username]") == "ann", "what was right need not be typed again"
    assert page.evaluate("document.activeElement.name") == "password"
    enter(page)
    page.wait_for_selector("body[data-ready]")
    assert page.url == closed.url

    choose(page, SAMPLES / "night-baker.jpg")
    page.click("#generate")
    wait_until_written(page)
    assert page.get_attribute(".way-out button", "title") == "Logged in as ann"
    page.click(".way-out button")
    page.wait_for_selector(".said.good")
    assert page.inner_text(".said") == "You are logged out."
    page.go_back()
    page.wait_for_selector(FORM)


@pytest.mark.parametrize("path", ["", "personas", "gallery?status=draft", "batch"])
def test_every_page_works_behind_the_login_and_the_proxy(closed, open_page, path):
    page = open_page(closed.url + path, ready=FORM)
    enter(page)
    page.wait_for_selector("body[data-ready]")
    assert page.url == closed.url + path, "the login leads back"
    page.wait_for_selector("#header .way-out")
    page.wait_for_load_state("networkidle")
    pictures = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth && i.loading !== 'lazy').map(i => i.src)")
    assert pictures == []


def test_a_login_that_ends_while_a_page_is_open_costs_nothing_that_was_typed(closed, open_page):
    page = open_page(closed.url, ready=FORM)
    enter(page)
    page.wait_for_selector("body[data-ready]")
    page.click("#options button")
    page.fill("#options textarea", "she collects bad puns")
    page.context.clear_cookies()
    choose_without_waiting(page)
    page.wait_for_selector(".login-ended")
    with page.context.expect_page() as opened:
        page.click(".login-ended a")
    enter(opened.value)
    opened.value.wait_for_selector("body[data-ready]")
    assert page.locator(".login-ended").count() == 0
    assert page.input_value("#options textarea") == "she collects bad puns"
    choose(page, SAMPLES / "tide-keeper.jpg")
    page.click("#generate")
    wait_until_written(page)


def choose_without_waiting(page):
    page.set_input_files("#picture input[type=file]", str(SAMPLES / "night-baker.jpg"))


def test_the_login_page_speaks_both_languages_in_light_and_dark_and_on_a_phone(closed, open_page):
    for options in ({}, {"color_scheme": "dark"}, {"viewport": NARROW}, {"viewport": NARROW, "color_scheme": "dark", "locale": "zh-CN"}):
        page = open_page(closed.url, ready=FORM, **options)
        assert fits(page)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) is ("color_scheme" in options)
        assert page.inner_text("button") == ("登录" if "locale" in options else "Log in")
    page.click("nav a[lang=en]")
    page.wait_for_selector("html[lang=en]")
    enter(page)
    page.wait_for_selector("body[data-ready]")
    assert page.get_attribute("html", "lang") == "en", "the choice goes on behind the login"
    assert fits(page)


def test_markup_that_finds_its_way_into_a_page_runs_nothing_and_asks_no_other_site(shared_site, chromium):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(shared_site.url)
    page.wait_for_selector("body[data-ready]")
    with page.expect_console_message(lambda message: "inline event handler" in message.text):
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.ran = 1\">')")
    assert page.evaluate("window.ran") is None
    with page.expect_console_message(lambda message: "img-src" in message.text):
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=http://127.0.0.1:9/seen.png>')")
    context.close()
