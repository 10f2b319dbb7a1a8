"""Tweets that are written anew from the Gallery: one, many, twice, and ones that are deleted meanwhile."""

from __future__ import annotations

import pytest

from storage import tweets
from storage.tweets import NewTweet

from .shelf import NOW, Shelf, card

pytestmark = [pytest.mark.browser]

PLAN = {"theme": "rye bread", "tweet_format": "standard"}


def rewrite(page, words):
    """Have the only tweet written anew."""
    page.locator("article.card").get_by_role("button", name="Rewrite").click()
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    page.wait_for_selector(".card.busy")


def slowed(page, function, seconds):
    """From now on what the page asks for with *function* takes longer to be sent."""
    page.evaluate(
        """([name, wait]) => {
            const send = window.fetch;
            window.fetch = async (...sent) => {
                const meant = sent[1] && String(sent[1].body).includes('"fn_name":"' + name + '"');
                if (meant) await new Promise((done) => setTimeout(done, wait));
                return send(...sent);
            };
        }""",
        [function, 1000 * seconds],
    )


def test_a_second_rewrite_is_not_over_before_it_begins(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "Rye again.", plan=PLAN)
    page = gallery()
    rewrite(page, "mention the rain")
    page.wait_for_selector(".card:not(.busy) [data-mark=versions]")
    slowed(page, "rewrite", 6)
    rewrite(page, "mention the snow")
    page.wait_for_timeout(5000)  # longer than between two looks for news
    assert page.locator(".card.busy").count() == 1, "the first one says nothing of the second"
    page.wait_for_selector(".card:not(.busy) [data-mark=versions]:text-is('Versions (3)')")
    instructions = [version["instruction"] for version in shelf.store.read(tweets.versions, tweet)]
    assert instructions == ["mention the snow", "mention the rain", None]


def test_a_tweet_that_is_deleted_meanwhile_is_not_waited_for(start_site, open_page):
    shelf = Shelf(start_site(OFFLINE_LATENCY="5"))  # so that it is deleted before its new text is there
    tweet = shelf.tweet(shelf.person(), "Rye again.", plan=PLAN)
    page = open_page(shelf.url)
    rewrite(page, "mention the rain")
    shelf.store.submit(lambda tx: tx.execute("DELETE FROM tweets WHERE id = ?", [tweet])).result()
    page.wait_for_selector(".card:not(.busy) .trouble:has-text('The tweet was deleted meanwhile.')")
    shelf.store.close()


def test_w_asks_what_should_be_different_in_the_current_one(shelf, gallery):
    tweet = shelf.tweet(shelf.person(), "Rye again.")
    page = gallery()
    page.keyboard.press("j")
    page.keyboard.press("w")
    assert page.evaluate("document.activeElement.matches('.card .rewrite input')")
    assert page.input_value(".card .rewrite input") == "", "the key itself is no word"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.id") == tweet


def test_those_that_are_selected_are_written_anew_with_one_instruction(shelf, gallery):
    mara, otto = shelf.person(), shelf.person("Otto")
    ids = [shelf.tweet(one, f"Loaf number {number}.", plan=PLAN) for number, one in enumerate((mara, mara, otto, otto))][::-1]
    page = gallery()
    for tweet in ids[:3]:
        card(page, tweet).locator(".pick input").click()
    page.keyboard.press("w")
    page.keyboard.type("mention the rain")
    page.keyboard.press("Escape")
    assert page.locator(".bulk form").is_hidden()
    assert page.inner_text(".bulk b") == "3 selected", "Escape gives up the question alone"
    page.get_by_role("region", name="What is selected").get_by_role("button", name="Rewrite").click()
    assert page.input_value(".bulk form input") == "mention the rain"
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast:has-text('3 tweets are being rewritten.')")
    assert page.locator(".bulk").is_hidden()
    page.wait_for_function("document.querySelectorAll('.card:not(.busy) [data-mark=versions]').length === 3")
    assert [shelf.get(tweet)["version"] for tweet in ids] == [2, 2, 2, 1]
    assert shelf.store.read(tweets.versions, ids[2])[0]["instruction"] == "mention the rain"
    jobs = shelf.store.read(lambda db: list(db.query("SELECT params ->> 'personas' AS personas FROM jobs WHERE kind = 'rewrite'")))
    assert jobs[-1]["personas"].count(otto) == jobs[-1]["personas"].count(mara) == 1, "one job, for two personas"


def test_where_the_studio_refuses_nothing_that_was_typed_is_lost(shelf, gallery):
    mara = shelf.person()
    ids = [shelf.tweet(mara, f"Loaf number {number}.", plan=PLAN) for number in range(2)]
    page = gallery()
    page.click("#select-all")
    shelf.store.submit(lambda tx: tx.execute("DELETE FROM tweets")).result()
    page.keyboard.press("w")
    page.keyboard.type("mention the rain")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast:has-text('There is no tweet ')")
    assert page.locator(".card.busy").count() == 0
    card(page, ids[1]).locator(".pick input").click()
    page.keyboard.press("w")
    assert page.input_value(".bulk form input") == "mention the rain"


def test_more_than_one_job_takes_are_not_rewritten_at_once(shelf, gallery):
    mara = shelf.person()
    write = [NewTweet(persona_id=mara, text=f"Loaf number {number}.", length=20) for number in range(240)]
    shelf.store.submit(lambda tx: [tweets.save(tx, new, NOW) for new in write]).result()
    page = gallery()
    page.wait_for_selector("article.card")
    while page.inner_text("#select-all") != "Select these 240":
        page.mouse.wheel(0, 6000)
        page.wait_for_timeout(60)
    page.click("#select-all")
    page.keyboard.press("w")
    page.wait_for_selector(".toast:has-text('200 tweets at most are rewritten at once.')")
    assert page.locator(".bulk form").is_hidden()
