"""All tweets that the filters mean are reviewed at once, loaded or not."""

from __future__ import annotations

import pytest

from storage import tweets
from storage.tweets import NewTweet

from .shelf import NOW, undo_offered

pytestmark = [pytest.mark.browser]


def shelve(shelf, count, **values):
    mara = shelf.person()
    write = [NewTweet(persona_id=mara, text=f"Loaf number {number}.", length=20, **values) for number in range(count)]
    shelf.store.submit(lambda tx: [tweets.save(tx, new, NOW) for new in write]).result()
    return mara


def select_matching(page, count):
    page.wait_for_selector("article.card")
    page.click("#select-all")
    page.click(f"#select-matching:text-is('Select all {count} that match')")
    assert page.inner_text(".bulk b") == f"All {count} that match"


def approved(shelf):
    return shelf.store.read(tweets.count, tweets.Filters(statuses=("approved",)))


def test_all_that_match_are_approved_after_a_question_and_it_is_undone(shelf, gallery):
    mara = shelve(shelf, 300)
    shelve(shelf, 10)
    page = gallery(f"?persona={mara}&status=draft")
    select_matching(page, 300)
    late = shelf.tweet(mara, "Nobody has seen this one.")
    page.click(".bulk .approved")
    assert page.inner_text("#sure-title") == "Approve all 300 tweets that match?"
    page.keyboard.press("Escape")
    assert approved(shelf) == 0, "Escape means no"
    page.keyboard.press("a")
    page.click("#sure-yes")
    undo_offered(page, "300 approved.")
    assert approved(shelf) == 300
    assert shelf.get(late)["status"] == "draft"
    page.wait_for_function("document.querySelectorAll('article.card').length === 1")
    page.click("#undo")
    page.wait_for_selector(".toast:has-text('300 are as they were.')")
    page.wait_for_function("document.querySelectorAll('article.card').length >= 48")
    assert approved(shelf) == 0


def test_more_than_can_be_undone_are_changed_only_after_it_is_said(shelf, gallery):
    shelve(shelf, 5200)
    page = gallery()
    select_matching(page, "5,200")
    page.click(".bulk .approved")
    assert "That many cannot be undone: the limit is 5,000." in page.inner_text("dialog[open]")
    page.click("#sure-yes")
    page.wait_for_selector(".toast:has-text('5,200 approved.')", timeout=60_000)
    assert approved(shelf) == 5200
    assert page.locator("#undo").count() == 0


def test_few_are_changed_without_a_question_and_another_choice_ends_it(shelf, gallery):
    shelve(shelf, 60)
    page = gallery()
    select_matching(page, 60)
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.inner_text(".bulk b") == "47 selected"
    page.keyboard.press("Escape")
    select_matching(page, 60)
    page.keyboard.press("r")
    undo_offered(page, "60 rejected.")
    assert set(shelf.statuses()) == {"rejected"}
