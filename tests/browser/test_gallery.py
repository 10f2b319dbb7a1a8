"""The Gallery in a real browser: looking through tweets, editing them, reviewing them by hand and by keyboard."""

from __future__ import annotations

import csv
import http.client
import io
import json
import re
import zipfile

import pytest

from pipeline.length import weighted_length
from storage import tweets
from storage.tweets import NewTweet

from .conftest import NARROW, WIDE
from .shelf import NOW, Shelf, card, undo_offered

pytestmark = [pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> ${alert(3)} ${7*7} {{7*7}}"


def test_without_tweets_the_page_says_where_they_are_written_and_shows_the_first_by_itself(shelf, gallery):
    page = gallery()
    assert "No tweets yet" in page.inner_text("#no-tweets")
    assert page.get_attribute("#no-tweets a.primary", "href") == "/"
    assert page.locator(".bar nav a[aria-current=page]").inner_text() == "Gallery"
    shelf.tweet(shelf.person(), "The first of all.")
    page.wait_for_selector("article.card:has-text('The first of all.')")


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_a_card_shows_everything_that_a_reviewer_needs(shelf, gallery, viewport):
    mara = shelf.person()
    thread = shelf.tweet(mara, "One.\n\nTwo, which is longer.", parts=["One.", "Two, which is longer."])
    poll = shelf.tweet(mara, "Rye or wheat?", poll=["Rye", "Wheat"], hashtags=["bread"])
    long = shelf.tweet(mara, "长" * 150, badges=[{"kind": "too_long", "detail": "300/280"}])
    page = gallery(viewport=viewport)
    assert [card(page, thread).locator(".thread li").nth(number).inner_text() for number in (0, 1)] == ["One.", "Two, which is longer."]
    assert card(page, poll).locator(".poll li").all_inner_texts() == ["Rye", "Wheat"]
    shown = card(page, poll).inner_text()
    for expected in ("Mara of the Night Bakery", "Dec 1", "08:15", "draft", "13/280", "craft tip", "wry", "#bread"):
        assert expected in shown
    assert card(page, long).locator(".length.over").inner_text() == "300/280"
    assert card(page, long).locator(".badge").get_attribute("title") == "Over the limit: 300/280"
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "nothing sticks out at the side"


def test_hostile_text_is_shown_as_text(shelf, gallery):
    persona = shelf.person(HOSTILE)
    other = shelf.tweet(persona, HOSTILE + " once")
    tweet = shelf.tweet(
        persona,
        HOSTILE,
        topic_type=HOSTILE,
        mood=HOSTILE,
        poll=[HOSTILE],
        hashtags=[HOSTILE],
        alt_text=HOSTILE,
        plan={"theme": HOSTILE, HOSTILE: [HOSTILE]},
        badges=[{"kind": "near_duplicate", "detail": other}, {"kind": "contradicts", "detail": HOSTILE}],
        image={"scene_hint": HOSTILE},
    )
    page = gallery()
    card(page, tweet).get_by_role("button", name="More").click()
    page.wait_for_selector(".told dd")
    page.keyboard.press("Escape")
    card(page, tweet).locator("button.badge").click()
    page.wait_for_selector(".theirs:has-text('once')")
    for place in (".card .who b", ".card .text", ".card .poll", ".told", ".filters"):
        shown = page.locator(place).first.inner_text()
        assert "<img src=x" in shown, place
        assert "${7*7}" in shown, place
        assert "{{7*7}}" in shown, place
    card(page, tweet).get_by_role("button", name="Edit", exact=True).click()
    assert page.input_value(".edit textarea") == HOSTILE
    page.keyboard.press("Escape")
    assert page.locator("img[src='x']").count() == 0


def test_editing_in_place_counts_as_one_types_saves_a_version_and_brings_the_focus_back(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "Rye again.")
    page = gallery()
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.keyboard.type(" 咖啡 https://example.com/a 👨‍👩‍👧")
    text = "Rye again. 咖啡 https://example.com/a 👨‍👩‍👧"
    assert page.inner_text(".counting") == f"{weighted_length(text)}/280"
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".card:not(.open)")
    assert shelf.get(tweet)["text"] == text
    assert page.evaluate("document.activeElement.dataset.id") == tweet

    card(page, tweet).get_by_role("button", name="Versions (2)").click()
    page.locator(".versions li").filter(has_text="Version 1").get_by_role("button", name="Restore").click()
    page.wait_for_selector(".card:not(.open) .text:text-is('Rye again.')")
    assert shelf.get(tweet)["text"] == "Rye again."


def test_escape_gives_an_edit_up_and_asks_where_something_was_typed(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "As it was.")
    page = gallery()
    edit = card(page, tweet).get_by_role("button", name="Edit", exact=True)
    edit.click()
    page.keyboard.press("Escape")
    assert page.locator(".edit").count() == 0, "nothing was typed: nothing is asked"
    assert edit.evaluate("node => node === document.activeElement")
    edit.click()
    page.keyboard.type("!")
    page.keyboard.press("Escape")
    assert page.inner_text(".ask span") == "Throw away what you typed?"
    page.keyboard.press("Escape")
    assert page.input_value(".edit textarea") == "As it was.!", "and one goes on typing"
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    assert page.locator(".edit").count() == 0
    assert shelf.get(tweet)["version"] == 1


def test_somebody_elses_change_is_told_and_what_was_typed_is_kept(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "Ours.")
    page = gallery()
    card(page, tweet).get_by_role("button", name="Edit", exact=True).click()
    page.fill(".edit textarea", "Mine.")
    values = {"parts": [], "badges": [], "length": 7, "by": "author", "now": NOW}
    shelf.store.submit(tweets.edit, tweet, text="Theirs.", revision=1, **values).result()
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".trouble:has-text('Somebody else changed this tweet')")
    assert page.input_value(".edit textarea") == "Mine."
    assert page.inner_text(".theirs .text") == "Theirs."
    page.click(".edit [data-mark=save]")
    page.wait_for_selector(".card:not(.open)")
    assert [version["text"] for version in shelf.store.read(tweets.versions, tweet)] == ["Mine.", "Theirs.", "Ours."]


def test_what_is_being_typed_survives_another_search(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "A rye loaf.")
    page = gallery()
    card(page, tweet).get_by_role("button", name="Edit", exact=True).click()
    page.keyboard.type(" Half of it")
    page.fill("#gallery-search", "nothing like it")
    page.wait_for_selector("#nothing-matches")
    page.click("#nothing-matches button")
    page.wait_for_selector(".edit")
    assert page.input_value(".edit textarea") == "A rye loaf. Half of it"


def test_keys_review_fifty_and_undo_takes_back_one_step_at_a_time(shelf, gallery):
    mara = shelf.person()
    ids = [shelf.tweet(mara, f"Loaf number {number}.") for number in range(60)]
    page = gallery()
    page.wait_for_selector("article.card")
    page.keyboard.press("j")
    for _ in range(50):
        page.keyboard.press("a")
    page.wait_for_function("document.querySelectorAll('.card.approved').length === 50")
    undo_offered(page, "Approved.")
    page.wait_for_selector("[data-choice=approved] small:text-is('50')")
    assert shelf.statuses().count("approved") == 50
    assert shelf.get(ids[-1])["status"] == "approved", "from the newest on"

    page.keyboard.press("k")
    page.keyboard.press("r")
    undo_offered(page, "Rejected.")
    page.keyboard.press("u")
    page.wait_for_selector(".toast:has-text('It is as it was.')")
    page.keyboard.press("Control+z")
    page.wait_for_function("document.querySelectorAll('.card.approved').length === 49")
    page.keyboard.press("?")
    assert page.locator("dialog.help[open] dt").count() == 13
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "gallery-search"


def test_many_are_selected_with_shift_and_reviewed_at_once(shelf, gallery):
    mara = shelf.person()
    ids = [shelf.tweet(mara, f"Loaf number {number}.") for number in range(12)][::-1]
    page = gallery()
    card(page, ids[1]).locator(".pick input").click()
    card(page, ids[6]).locator(".text").click(modifiers=["Shift"])
    assert page.inner_text(".bulk b") == "6 selected"
    page.click(".bulk .rejected")
    undo_offered(page, "6 rejected.")
    assert [tweet for tweet in ids if shelf.get(tweet)["status"] == "rejected"] == ids[1:7]
    assert page.locator(".bulk").is_hidden()
    page.click("#undo")
    page.wait_for_selector(".toast:has-text('6 are as they were.')")
    assert set(shelf.statuses()) == {"draft"}

    page.click("#select-all")
    page.keyboard.press("a")
    undo_offered(page, "12 approved.")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    assert page.locator(".card.selected").count() == 0


def test_filters_and_search_stand_in_the_address(shelf, gallery, open_page):
    mara, otto = shelf.person(), shelf.person("Otto")
    shelf.tweet(mara, "Kaffee, Kuchen, Regen.", date="2026-12-05")
    shelf.tweet(mara, "今天的咖啡很苦。", badges=[{"kind": "hashtag_spam", "detail": "4"}])
    shelf.tweet(otto, "A cup of coffee.", topic_type="memory")
    page = gallery()
    assert page.inner_text(".top h1") == "3 tweets"
    page.fill("#gallery-search", "咖啡")
    page.wait_for_selector(".top h1:text-is('1 tweet')")
    page.wait_for_selector(".card .text:text-is('今天的咖啡很苦。')")
    assert page.locator(".card .text").count() == 1
    page.reload()
    page.wait_for_selector(".top h1:text-is('1 tweet')")
    assert page.input_value("#gallery-search") == "咖啡"
    page.click("#clear-filters")
    page.wait_for_selector(".top h1:text-is('3 tweets')")
    for choice in ("badge=hashtag_spam", "topic=memory", f"persona={otto}", "since=2026-12-02"):
        shared = gallery(f"?{choice}")
        shared.wait_for_selector(".top h1:text-is('1 tweet')")
    page.get_by_role("checkbox", name="Otto").check()
    page.wait_for_selector(".top h1:text-is('1 tweet')")
    assert page.url.endswith(f"?persona={otto}")


def test_far_pages_come_by_themselves_and_go_again(shelf, gallery):
    mara = shelf.person()
    write = [NewTweet(persona_id=mara, text=f"Loaf number {number}.", length=20) for number in range(1500)]
    shelf.store.submit(lambda tx: [tweets.save(tx, new, NOW) for new in write]).result()
    page = gallery()
    page.wait_for_selector(".top h1:text-is('1,500 tweets')")
    most = 0
    while page.locator("text='Loaf number 0.'").count() == 0:
        page.mouse.wheel(0, 6000)
        page.wait_for_timeout(60)
        most = max(most, page.locator("article.card").count())
    assert most < 600, "what is far away is not kept"
    page.keyboard.press("Home")
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_selector("text='Loaf number 1499.'")
    assert page.locator(".page").first.locator("article.card").count() == 48


def test_tweets_that_are_written_meanwhile_are_offered(shelf, gallery):
    mara = shelf.person()
    shelf.tweet(mara, "Before.")
    page = gallery()
    page.wait_for_selector("article.card")
    shelf.tweet(mara, "Meanwhile.")
    shelf.tweet(mara, "And again.")
    page.click(".pill:text-is('2 new tweets')")
    page.wait_for_selector(".card:has-text('And again.')")
    assert page.locator("article.card").count() == 3
    assert page.locator(".pill").is_hidden()


def test_a_rewrite_shows_on_its_card_until_it_is_done(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "Rye again.", plan={"theme": "rye bread", "tweet_format": "standard"})
    page = gallery()
    card(page, tweet).get_by_role("button", name="Approve").click()
    undo_offered(page, "Approved.")
    card(page, tweet).get_by_role("button", name="Rewrite").click()
    page.keyboard.type("mention the rain")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card.busy .chip:has-text('being rewritten')")
    page.wait_for_selector(".card:not(.busy) [data-mark=versions]")
    now = shelf.get(tweet)
    assert card(page, tweet).locator(".text").inner_text().strip() != "Rye again."
    assert (now["version"], now["status"]) == (2, "draft"), "nothing stays approved that no person has seen"


def test_when_the_studio_is_gone_the_page_says_so_and_goes_on_afterwards(start_site, open_page):
    site = start_site()
    shelf = Shelf(site)
    shelf.tweet(shelf.person(), "Still here.")
    shelf.store.close()
    page = open_page(f"{site.url}gallery")
    page.wait_for_selector("article.card")
    site.kill()
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_selector(".toast:has-text('does not answer')")
    assert page.locator(".card.approved").count() == 0, "it is not shown as done"


def exported(site, kind, query=""):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.request("GET", f"/tweets/{kind}{query}")
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_what_is_filtered_is_what_is_exported(shelf, gallery):
    mara, otto = shelf.person(), shelf.person("Otto / the <Second>")
    for number in range(3):
        shelf.tweet(mara, f"Loaf {number}, with a\nline break")
    shelf.tweet(otto, "=cmd()", date="2027-01-01")
    page = gallery(f"?persona={otto}")
    page.click("#export")
    with page.expect_download() as download:
        page.click("[data-kind=jsonl]")
    assert json.loads(download.value.path().read_text("utf-8"))["text"] == "=cmd()"
    assert re.fullmatch(r"tweets-\d{8}-\d{4}\.jsonl", download.value.suggested_filename)

    _, sheet = exported(shelf.site, "csv", f"?persona={mara}")
    rows = list(csv.DictReader(io.StringIO(sheet.decode("utf-8-sig"))))
    assert [row["text"] for row in rows] == [f"Loaf {number}, with a\nline break" for number in (2, 1, 0)]
    for kind, rows in (("buffer", 1), ("metricool", 5)):
        assert len(list(csv.reader(io.StringIO(exported(shelf.site, kind)[1].decode("utf-8-sig"))))) == rows, "drafts are not for Buffer"
    one = json.loads(exported(shelf.site, "batch", f"?persona={mara}")[1])
    assert [tweet["tweet_text"][:6] for tweet in one["tweets"]] == ["Loaf 0", "Loaf 1", "Loaf 2"]
    archive = zipfile.ZipFile(io.BytesIO(exported(shelf.site, "batch")[1]))
    assert sorted(len(json.loads(archive.read(name))["tweets"]) for name in archive.namelist()) == [1, 3]
    assert not any("/" in name or "<" in name for name in archive.namelist())


def test_a_hostile_call_or_address_is_one_sentence(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "Calm.")
    page = gallery()
    config = page.evaluate("window.gradio_config.components.filter(c => c.props.elem_id === 'gallery').map(c => c.id)")[0]

    def call(function, data):
        connection = http.client.HTTPConnection("127.0.0.1", shelf.site.port, timeout=20)
        body = json.dumps({"component_id": config, "fn_name": function, "session_hash": "s", "data": data})
        connection.request("POST", "/gradio_api/component_server", body, {"content-type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    filters = {"q": ""}
    for function, data in (
        ("find", None),
        ("find", [1, 2]),
        ("find", {"filters": {"q": 7}}),
        ("find", {"filters": {"persona": [{}]}}),
        ("find", {"filters": {"since": "yesterday"}}),
        ("find", {"filters": filters, "before": 10**30}),
        ("find", {"filters": filters, "before": True}),
        ("find", {"filters": {"q": "\ud800"}}),
        ("news", {"filters": filters, "after": -1}),
        ("edit", {"id": "nobody", "text": "x", "revision": 1}),
        ("edit", {"id": tweet, "text": "x" * 10_001, "revision": 1}),
        ("edit", {"id": tweet, "text": ["x"], "revision": 1}),
        ("review", {"ids": [tweet], "status": "published"}),
        ("undo", {"changes": [[tweet, "draft", "published", 1]]}),
        ("restore", {"id": tweet, "version": 99, "revision": 1}),
        ("versions", {"id": "../../etc/passwd"}),
        ("rewrite", {"ids": ["nobody"]}),
        ("rewrite", {"ids": []}),
        ("rewrite", {"ids": [tweet] * 201}),
        ("take_back", {"path": "/etc/passwd", "name": "tweets.csv"}),
        ("take_back", {"path": "tweets.csv"}),
    ):
        answer = call(function, data)
        assert list(answer) == ["error"], (function, data)
        assert answer["error"].endswith(".")
    for search in ("咖", '" OR 1', "c++ AND NOT", "%_\\", "\x00x"):
        assert call("find", {"filters": {"q": search}})["tweets"] == []
    for address, status in (("csv?since=never", 400), ("csv?status=draft&status=x&q=%00&utm=1", 200), ("exe", 404)):
        answer, content = exported(shelf.site, address)
        assert answer.status == status
        assert status == 200 or json.loads(content)["error"].endswith((".", ")"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain words, nothing else",
        "咖啡 and 한국어 ｆｕｌｌ",
        "👍🏽 👨‍👩‍👧‍👦 🇩🇪 1️⃣ ❤️ ❤ © 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "see https://example.com/a?b=c, and example.org/x. also www.example.co.uk!",
        "mail me@example.com or #tag.com, version 1.2.3, e.g. this",
        "看https://example.com看这里 http://例子.测试/路径",
        "e\u0301 café “quotes” … — ‰ €",
    ],
)
def test_the_count_while_typing_is_the_servers_count(shelf, gallery, text):
    shelf.tweet(shelf.person(), text or "x")
    page = gallery()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.fill(".edit textarea", text)
    assert page.inner_text(".counting") == f"{weighted_length(text.strip())}/280"


def test_the_gallery_speaks_chinese(shelf, gallery):
    shelf.tweet(shelf.person(), "今天很好。")
    page = gallery(locale="zh-CN")
    page.wait_for_selector(".top h1:text-is('1 条推文')")
    assert page.get_by_role("button", name="通过", exact=True).count() == 1
    assert page.get_attribute("#gallery-search", "placeholder") == "搜索，任何语言"
