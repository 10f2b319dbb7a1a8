"""The Gallery's keyboard: what is typed stays typed, and no key is lost or means another tweet."""

from __future__ import annotations

import pytest

from storage import tweets
from storage.tweets import NewTweet

from .shelf import NOW, card, undo_offered

pytestmark = [pytest.mark.browser]


def focused(page):
    """The id of the tweet whose card has the focus."""
    return page.evaluate("document.activeElement.dataset.id")


def crowd(shelf):
    """More personas than are shown at once, two of them with Chinese names."""
    for name in (*(f"Somebody {number}" for number in range(12)), "你好世界", "你们"):
        shelf.tweet(shelf.person(name), f"By {name}.")


def test_a_name_is_found_with_an_input_method(shelf, gallery):
    crowd(shelf)
    page = gallery()
    page.click(".narrowing")
    keyboard = page.context.new_cdp_session(page)
    for letters in ("n", "ni", "niha", "nihao"):
        keyboard.send("Input.imeSetComposition", {"text": letters, "selectionStart": len(letters), "selectionEnd": len(letters)})
        assert page.input_value(".narrowing") == letters
        assert page.locator("[data-filter=persona] .choice").count() == 8, "letters that are no word yet look for nothing"
    keyboard.send("Input.insertText", {"text": "你好"})
    assert page.input_value(".narrowing") == "你好"
    page.wait_for_function("document.querySelectorAll('[data-filter=persona] .choice').length === 1")
    assert "你好世界" in page.inner_text("[data-filter=persona] .choice")


def test_new_counts_leave_the_name_that_is_being_typed_and_the_caret_alone(shelf, gallery):
    crowd(shelf)
    page = gallery()
    page.locator("article.card").first.get_by_role("button", name="Approve").click()
    page.click(".narrowing")
    page.keyboard.type("Some 1")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("[data-choice=approved] small:text-is('1')")
    page.keyboard.type("body")
    page.keyboard.press("Backspace")
    assert page.input_value(".narrowing") == "Some bod1"
    page.fill(".narrowing", "body 1")
    assert page.locator("[data-filter=persona] .choice").count() == 3


def test_a_day_is_typed_key_by_key(shelf, gallery):
    mara = shelf.person()
    shelf.tweet(mara, "Before.", date="2026-11-30")
    shelf.tweet(mara, "After.", date="2026-12-05")
    page = gallery()
    page.focus("[aria-label=from]")
    for digit in "12022026":
        page.keyboard.type(digit)
        page.wait_for_timeout(50)
    assert page.input_value("[aria-label=from]") == "2026-12-02"
    page.wait_for_selector(".top h1:text-is('1 tweet')")
    assert page.url.endswith("?since=2026-12-02")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "from"
    page.focus("[aria-label=to]")
    page.keyboard.type("1204202")  # the year 202
    page.keyboard.press("Enter")
    page.wait_for_timeout(900)
    assert page.url.endswith("?since=2026-12-02"), "no day yet"
    page.keyboard.type("6")
    page.keyboard.press("Enter")
    page.wait_for_selector("#nothing-matches")
    page.click("#clear-filters")
    page.wait_for_selector(".top h1:text-is('2 tweets')")
    assert page.input_value("[aria-label=from]") == page.input_value("[aria-label=to]") == ""


def test_a_and_r_go_on_to_the_next_tweet_and_u_comes_back(shelf, gallery):
    mara = shelf.person()
    ids = [shelf.tweet(mara, f"Loaf number {number}.") for number in range(4)][::-1]
    page = gallery("?status=draft")
    for key in ("j", "a", "r", "a"):
        page.keyboard.press(key)
    assert focused(page) == ids[3]
    page.keyboard.press("d")
    assert focused(page) == ids[3], "that decides nothing"
    page.wait_for_function("document.querySelectorAll('.card.approved, .card.rejected').length === 3")
    page.keyboard.press("u")
    page.wait_for_selector(".toast:has-text('It is as it was.')")
    page.keyboard.press("r")  # it waits until one is back there
    undo_offered(page, "Rejected.")
    assert [shelf.get(tweet)["status"] for tweet in ids] == ["approved", "rejected", "rejected", "draft"]
    page.keyboard.press("Control+z")
    page.wait_for_function(f"document.activeElement.dataset.id === '{ids[2]}'")


def test_a_key_that_is_held_down_changes_one_tweet(shelf, gallery):
    mara = shelf.person()
    for number in range(6):
        shelf.tweet(mara, f"Loaf number {number}.")
    page = gallery()
    page.keyboard.press("j")
    for _ in range(4):
        page.keyboard.down("a")
    page.keyboard.up("a")
    undo_offered(page, "Approved.")
    assert shelf.statuses().count("approved") == 1
    for _ in range(3):
        page.keyboard.down("j")
    assert page.evaluate("[...document.querySelectorAll('article.card')].indexOf(document.activeElement)") == 4, "J goes on"


def test_j_and_k_go_through_pages_that_were_emptied_meanwhile(shelf, gallery):
    mara = shelf.person()
    write = [NewTweet(persona_id=mara, text=f"Loaf number {number}.", length=20) for number in range(400)]
    ids = shelf.store.submit(lambda tx: [tweets.save(tx, new, NOW) for new in write]).result()[::-1]
    page = gallery()
    page.wait_for_selector("article.card")
    page.evaluate("document.querySelectorAll('article.card')[47].focus()")
    while page.locator(".page").count() < 9 or page.locator(".page").nth(1).locator("article.card").count():
        page.mouse.wheel(0, 6000)
        page.wait_for_timeout(60)
    page.keyboard.press("j")
    page.wait_for_function(f"document.activeElement.dataset.id === '{ids[48]}'")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.wait_for_function(f"document.activeElement.dataset.id === '{ids[47]}'")


def test_where_saving_fails_the_keyboard_is_still_in_the_text(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "Short.")
    page = gallery()
    card(page, tweet).get_by_role("button", name="Edit").click()
    page.fill(".edit textarea", "x" * 10_001)
    page.focus(".edit [data-mark=save]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".edit .trouble:has-text('10000 characters at most')")
    assert page.evaluate("document.activeElement.matches('.edit textarea')")
    page.keyboard.press("a")
    assert shelf.get(tweet)["status"] == "draft", "a letter is a letter"


def test_after_a_click_on_new_tweets_the_keyboard_is_on_the_newest(shelf, gallery):
    mara = shelf.person()
    shelf.tweet(mara, "Before.")
    page = gallery()
    page.keyboard.press("j")
    newest = shelf.tweet(mara, "Meanwhile.")
    page.click(".pill")
    page.wait_for_function(f"document.activeElement.dataset.id === '{newest}'")
