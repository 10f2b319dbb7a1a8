"""Batch in a real browser: choosing, dropping files, the forecast, a batch that is watched, paused, killed and gone on with; and the strip
of tweets on Create.
"""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from datetime import UTC, datetime

import pytest

from pipeline import tweet_steps
from pipeline.formats import cards
from pipeline.tweet_steps import Order, Source
from storage import jobs as journal
from storage import tweets
from storage.clock import new_id
from storage.tweets import Filters
from tests.pipeline import seven_outputs as seven

from .conftest import NARROW, WIDE
from .shelf import Shelf

pytestmark = [pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> ${alert(3)} ${7*7} {{7*7}}"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PLAN = {"topic_type": "bread", "tweet_format": "standard", "theme": "rye"}


class BatchShelf(Shelf):
    """People for a batch, and what was written for them."""

    def __init__(self, site):
        super().__init__(site, "batch")

    def people(self, *names, complete=False):
        outputs = seven.outputs() if complete else {"core": seven.core()}
        return [self.person(name, outputs) for name in names]

    def tweets(self, **filters):
        return self.store.read(tweets.page, Filters(**filters), limit=1000)


@pytest.fixture
def open_shelf(start_site):
    """Starts a site and opens its database: ``open_shelf(OFFLINE_LATENCY="1")``."""
    shelves = []

    def open_(**environment):
        shelves.append(BatchShelf(start_site(**environment)))
        return shelves[-1]

    yield open_
    for shelf in shelves:
        shelf.store.close()


@pytest.fixture(scope="module")
def shared_shelf(shared_site):
    opened = BatchShelf(shared_site)
    yield opened
    opened.store.close()


def file(name, content):
    return {
        "name": name,
        "mimeType": "application/octet-stream",
        "buffer": content if isinstance(content, bytes) else json.dumps(content).encode(),
    }


def card(name):
    return cards.card_v2({**seven.outputs(), "core": seven.core(name=name)}, name=name, persona_id="", disclosure="", language="English")


def calendar(name="", *days):
    return {"persona_name": name, "calendar": dict.fromkeys(days or ("2026-12-01", "2026-12-02"), PLAN)}


def pick(page, *names):
    for name in names:
        page.locator(".people-list label").filter(has_text=name).locator("input").check()


def row(page, name):
    return page.locator(".files > li").filter(has_text=name)


def begin(page, count=None):
    """Start the batch and return its id."""
    if count:
        page.fill("#batch-each", str(count))
    page.click("#batch-start")
    page.wait_for_selector(".tracks li[data-persona]")
    return page.url.partition("?job=")[2]


def ended(page, status="done"):
    page.wait_for_selector(f".run .line .chip.{status}", timeout=60_000)


def test_without_personas_the_page_says_what_to_do(open_shelf, open_page):
    page = open_page(open_shelf().url)
    page.wait_for_selector(".nothing:has-text('No personas yet')")
    assert page.is_disabled("#batch-start")
    assert "drop files" in page.inner_text(".forecast")
    assert page.locator(".bar nav a[aria-current=page]").inner_text() == "Batch"


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_stored_personas_are_found_chosen_and_written_for(open_shelf, open_page, viewport):
    shelf = open_shelf(OFFLINE_LATENCY="0.05")
    ids = shelf.people("Mara of the Bakery", "Ola of the Ferry", "Ines of the Archive")
    page = open_page(shelf.url, viewport=viewport)
    page.fill("#batch-find", "ferry")
    page.wait_for_function("document.querySelectorAll('.people-list label').length === 1")
    pick(page, "Ola")
    page.fill("#batch-find", "")
    page.wait_for_function("document.querySelectorAll('.people-list label').length === 3")
    assert page.inner_text(".stored .sum") == "1 persona in this batch", "a choice outlives a search"
    page.wait_for_selector("[data-fact=calls] dd:text-is('6')")
    page.click("#batch-all")
    page.fill("#batch-each", "2")
    page.wait_for_selector("[data-fact=calls] dd:text-is('9')")
    assert page.inner_text("[data-fact=cost] dd") == "free (demo writer)"
    assert page.inner_text("#batch-start") == "Write 6 tweets"
    page.fill("#batch-from", "2026-12-24")
    job = begin(page)
    ended(page)
    assert page.inner_text("#run-done") == "6"
    assert page.locator(".tracks li.done").count() == 3
    assert page.get_attribute("#run-gallery", "href") == f"/gallery?job={job}"
    assert {tweet["date"] for tweet in shelf.tweets(job_id=job)} == {"2026-12-24", "2026-12-25"}
    assert {tweet["persona_id"] for tweet in shelf.tweets(job_id=job)} == set(ids)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "nothing sticks out at the side"
    with page.expect_download() as download:
        page.click("#run-zip")
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as batches:
        assert len(batches.namelist()) == 3
        assert json.loads(batches.read(batches.namelist()[0]))["version"] == "1.0"
    with page.expect_download() as download:
        page.click("#run-pictures")
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert {"tweets.csv", "tweets.jsonl"} <= set(archive.namelist())
    page.click(".run .top > a")
    page.wait_for_selector(".recents a:has-text('3 personas, 6 tweets')")


def test_dropped_files_are_told_apart_by_what_is_in_them_and_a_broken_one_stops_nobody(open_shelf, open_page):
    shelf = open_shelf(OFFLINE_LATENCY="0.05")
    shelf.people("Mara of the Bakery")
    page = open_page(shelf.url)
    pick(page, "Mara")
    page.set_input_files(
        "#batch-files",
        [
            file("ola.txt", card("Ola of the Ferry")),
            file("thin.json", {"name": "Thin", "description": "A draft."}),
            file("broken.json", b'{"data": '),
            file("list.csv", b"just,some\nwords,here\n"),
            file("mara.json", calendar("mara of the bakery", "2027-01-01", "2027-01-02", "2027-01-03")),
            file("plan.csv", b"date,topic,theme\n2027-02-01,bread,rye\n2027-02-02,tea,green\n"),
        ],
    )
    page.wait_for_selector(".dropping .sum:text-is('2 personas · 2 calendars · 2 refused')")
    assert "→ Ola of the Ferry · Character Card V2" in row(page, "ola.txt").inner_text()
    assert row(page, "ola.txt").locator(".remarks").count() == 0, "nothing had to be put right"
    assert "It is a Character Card V1; it was read as V2." in row(page, "thin.json").locator(".remarks").all_text_contents()[0]
    assert row(page, "broken.json").locator(".trouble").inner_text().startswith("broken.json is not JSON")
    assert row(page, "list.csv").locator(".trouble").inner_text().startswith("list.csv ")
    assert row(page, "mara.json").locator("select").evaluate("n => n.selectedOptions[0].text") == "Mara of the Bakery"
    whose = row(page, "plan.csv").locator("select")
    assert whose.evaluate("n => n.selectedOptions[0].text") == "Ola of the Ferry", "in order: she is the first without one"
    assert "It names nobody" in row(page, "plan.csv").inner_text()
    page.wait_for_selector("[data-fact=calls] dd:text-is('16')")  # three personas, five tweets; one calendar to be written

    whose.focus()
    whose.select_option(label="Thin")
    page.wait_for_function("![...document.querySelectorAll('.files .remarks li')].some((n) => n.textContent.startsWith('It names nobody'))")
    job = begin(page, 2)
    ended(page)
    found = {tweet["persona_name"]: set() for tweet in shelf.tweets(job_id=job)}
    for tweet in shelf.tweets(job_id=job):
        found[tweet["persona_name"]].add(tweet["date"])
    assert found["Mara of the Bakery"] == {"2027-01-01", "2027-01-02"}
    assert found["Thin"] == {"2027-02-01", "2027-02-02"}
    assert len(found["Ola of the Ferry"]) == 2


def test_a_calendar_can_be_given_to_whoever_is_chosen_now(open_shelf, open_page):
    shelf = open_shelf()
    shelf.people("Mara", "Ola", "Ines")
    page = open_page(shelf.url)
    pick(page, "Mara", "Ola")
    page.set_input_files("#batch-files", [file("c.json", calendar("Mara"))])
    page.wait_for_selector(".files .taken select")
    whose = row(page, "c.json").locator("select")

    def offered():
        whose.focus()
        return set(whose.locator("option").all_inner_texts())

    assert offered() == {"nobody", "Mara", "Ola"}
    pick(page, "Ines")
    assert offered() == {"nobody", "Mara", "Ola", "Ines"}
    page.locator(".people-list label").filter(has_text="Ola").locator("input").uncheck()
    assert offered() == {"nobody", "Mara", "Ines"}
    assert whose.evaluate("n => n.selectedOptions[0].text") == "Mara"


def test_a_file_that_was_dropped_before_is_the_persona_of_then(shared_shelf, open_page):
    page = open_page(shared_shelf.url)
    page.set_input_files("#batch-files", [file("a.json", card("Twice of the Dropped"))])
    page.wait_for_selector(".files .taken")
    page.reload()
    page.wait_for_selector(".people-list label")
    page.set_input_files("#batch-files", [file("b.json", card("Twice of the Dropped"))])
    page.wait_for_selector(".files .taken:has-text('was here before')")
    page.fill("#batch-find", "Twice of the Dropped")
    page.wait_for_function("document.querySelectorAll('.people-list label').length === 1")


def test_a_hundred_files_at_once_and_no_more(shared_shelf, open_page):
    page = open_page(shared_shelf.url)
    page.set_input_files("#batch-files", [file(f"c{number}.json", calendar()) for number in range(103)])
    page.wait_for_selector(".dropping .sum:text-is('100 calendars · 1 refused')")
    assert "3 more files" in row(page, "more files").inner_text()


def test_a_batch_is_paused_found_again_after_a_reload_and_resumed(open_shelf, open_page):
    shelf = open_shelf(OFFLINE_LATENCY="0.4", MAX_CONCURRENT="4")
    shelf.people("Mara", "Ola")
    page = open_page(shelf.url)
    page.wait_for_selector(".people-list label")
    page.click("#batch-all")
    job = begin(page, 15)
    page.wait_for_function("Number(document.querySelector('#run-done').textContent) >= 3")
    page.click("#run-pause")
    page.wait_for_selector("#run-resume")
    page.wait_for_timeout(1500)  # what was under way ends
    page.reload()
    page.wait_for_selector("#run-resume")
    done = page.inner_text("#run-done")
    page.wait_for_timeout(1500)
    assert page.inner_text("#run-done") == done, "nothing goes on while it is paused"
    assert 3 <= int(done) < 30
    other = open_page(page.url)
    page.click("#run-resume")
    ended(page)
    ended(other)
    assert other.inner_text("#run-done") == "30"
    assert len(shelf.tweets(job_id=job)) == 30


def test_after_kill_9_the_batch_goes_on_by_itself_and_ends_with_exactly_what_was_ordered(open_shelf, open_page):
    shelf = open_shelf(OFFLINE_LATENCY="0.4", MAX_CONCURRENT="4")
    ids = shelf.people("Mara", "Ola", "Ines")
    page = open_page(shelf.url)
    page.wait_for_selector(".people-list label")
    page.click("#batch-all")
    job = begin(page, 8)
    page.wait_for_function("Number(document.querySelector('#run-done').textContent) >= 4")
    address = page.url
    page.close()
    shelf.site.kill()
    before = {tweet["id"] for tweet in shelf.tweets(job_id=job)}
    shelf.site.start()
    page = open_page(address)
    ended(page)
    assert page.inner_text("#run-done") == page.inner_text("#run-total") == "24"
    found = shelf.tweets(job_id=job)
    assert before <= {tweet["id"] for tweet in found}, "what was done is still there"
    assert sorted((tweet["persona_id"], tweet["slot"]) for tweet in found) == sorted((one, slot) for one in ids for slot in range(1, 9))


def test_failures_are_told_with_their_reasons_and_retried(open_shelf, open_page, offline_server):
    writer = offline_server("--latency", "0.1")
    shelf = open_shelf(OPENAI_BASE_URL=writer.url)
    shelf.people("Mara")
    page = open_page(shelf.url)
    pick(page, "Mara")
    page.set_input_files("#batch-files", [file("c.json", calendar())])
    page.wait_for_selector(".files .taken")
    writer.behave(faults={"refusal": 1})
    begin(page, 3)
    ended(page, "failed")
    assert page.inner_text("#run-failed") == "3"
    assert "The model refused" in page.inner_text(".tracks .reasons")
    assert "× 3" in page.inner_text(".tracks .reasons"), "one reason, three times"
    writer.behave(faults={})
    page.click("#run-retry")
    ended(page)
    assert page.inner_text("#run-done") == "3"
    assert page.locator(".tracks .reasons li").count() == 0, "nor anything to try again"


def test_one_persona_alone_is_tried_again_and_its_button_keeps_the_focus_until_it_goes(open_shelf, open_page, offline_server):
    writer = offline_server("--latency", "0.1")
    shelf = open_shelf(OPENAI_BASE_URL=writer.url)
    shelf.people("Mara", "Otto")
    page = open_page(shelf.url)
    pick(page, "Mara")
    pick(page, "Otto")
    writer.behave(faults={"refusal": 1})
    begin(page, 2)
    ended(page, "failed")
    writer.behave(faults={})
    mara = page.locator(".tracks li[data-persona]").filter(has_text="Mara")
    mara.get_by_role("button", name="Try again what failed of Mara").press("Enter")
    page.wait_for_function("document.querySelectorAll('.tracks li.failed').length === 1")
    ended(page, "failed")
    assert mara.locator(".count").inner_text() == "2/2"
    assert page.inner_text("#run-blocked") == "2", "Otto's calendar is still not written"


@pytest.mark.parametrize("viewport", [WIDE, NARROW])
def test_a_job_of_the_command_line_names_its_files_until_they_are_personas(open_shelf, open_page, tmp_path, viewport):
    shelf = open_shelf()
    good, bad = tmp_path / "ada.json", tmp_path / "<img src=x onerror=alert(1)> ${7*7}.json"
    good.write_text(json.dumps(card("Ada")))
    bad.write_text("{nonsense")
    orders = [Order(new_id(), 2, source=Source(str(path))) for path in (good, bad)]
    steps, params = tweet_steps.graph(orders), tweet_steps.params(orders)
    create = (journal.create, "01JOB", tweet_steps.KIND, "2 personas, 4 tweets", steps)
    shelf.store.submit(*create, params=params, priority=10, now=NOW).result(30)

    page = open_page(f"{shelf.url}?job=01JOB", viewport=viewport)
    ended(page, "failed")
    failed = page.locator(".tracks li.failed")
    assert failed.locator("b").inner_text() == bad.name
    assert failed.locator(".note").inner_text() == "its file cannot be used"
    assert f"{bad.name} is not JSON that can be read (line 1)." in failed.locator(".reasons").inner_text()
    assert [page.inner_text(f"#run-{what}") for what in ("done", "failed", "blocked", "total")] == ["2", "0", "2", "4"]
    assert page.inner_text(".counts-big .blocked small") == "cannot be written"
    assert page.locator(".overview .progress .bad").evaluate("n => n.style.width") == "50%", "that part of the bar is red"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    bad.write_text(json.dumps(card("Bea")))
    page.click("#run-retry")
    ended(page)
    assert page.locator(".tracks b").all_inner_texts() == ["Ada", "Bea"], "without a reload"
    assert page.locator(".counts-big .blocked").is_hidden()
    assert page.inner_text("#run-done") == "4"


def test_what_was_cancelled_stays_and_can_be_completed(open_shelf, open_page):
    shelf = open_shelf(OFFLINE_LATENCY="0.4", MAX_CONCURRENT="2")
    shelf.people("Mara")
    page = open_page(shelf.url)
    pick(page, "Mara")
    job = begin(page, 10)
    page.wait_for_function("Number(document.querySelector('#run-done').textContent) >= 2")
    page.click("#run-cancel")
    ended(page, "cancelled")
    assert 2 <= len(shelf.tweets(job_id=job)) < 10
    page.click("#run-resume")
    ended(page)
    assert len(shelf.tweets(job_id=job)) == 10


def test_a_hundred_personas_stay_smooth(open_shelf, open_page):
    shelf = open_shelf(OFFLINE_LATENCY="0.2")
    shelf.people(*[f"Person {number:03}" for number in range(100)])
    page = open_page(shelf.url)
    page.wait_for_selector(".people-list label")
    page.click("#batch-all")  # more than the first page of the list
    page.wait_for_selector(".stored .sum:text-is('100 personas in this batch')")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "component_server" in request.url else None)
    begin(page, 10)
    assert page.inner_text("#run-total") == "1,000"
    page.wait_for_function("Number(document.querySelector('#run-done').textContent) >= 50")
    asked.clear()
    made = page.evaluate(
        """async () => {
            let made = 0;
            const count = (one) => (made += [...one.addedNodes].filter((n) => n.nodeType === 1).length);
            const watching = new MutationObserver((all) => all.forEach(count));
            watching.observe(document.querySelector('.run'), {subtree: true, childList: true});
            await new Promise((done) => setTimeout(done, 3000));
            return made;
        }"""
    )
    assert len(asked) <= 12, "four updates a second at most"
    assert made < 50, "rows are changed, not made anew"
    page.click("#run-cancel")
    ended(page, "cancelled")


def test_hostile_text_is_shown_as_text(open_shelf, open_page):
    shelf = open_shelf(OFFLINE_LATENCY="0.05")
    shelf.people(HOSTILE[:80])
    page = open_page(shelf.url)
    page.set_input_files(
        "#batch-files",
        [
            file(f"{HOSTILE}.json".replace("/", ""), {**card(HOSTILE), "extra": HOSTILE}),
            file("calendar.json", {"persona_name": HOSTILE, "calendar": {"2026-12-01": {**PLAN, "theme": HOSTILE}}}),
            file("${7*7}<b>.json", b"{"),
        ],
    )
    page.wait_for_selector(".dropping .sum:has-text('refused')")
    page.wait_for_function("!document.querySelector('.files .busy')")
    page.click("#batch-all")
    assert "<img src=x" in page.inner_text(".people-list")
    assert "${7*7}<b>.json" in page.inner_text(".files")
    begin(page, 1)
    ended(page)
    assert "<img src=x" in page.inner_text(".tracks")
    assert page.locator("img[src='x']").count() == 0


def test_an_unknown_job_is_a_sentence(shared_shelf, open_page):
    page = open_page(f"{shared_shelf.url}?job=nothing")
    page.wait_for_selector(".notice:has-text('There is no job nothing.')")


def test_the_page_speaks_chinese(shared_shelf, open_page):
    shared_shelf.people("Somebody")
    page = open_page(shared_shelf.url, locale="zh-CN")
    page.wait_for_selector("#batch-start:has-text('开始')")
    page.set_input_files("#batch-files", [file("broken.json", b"{")])
    page.wait_for_selector(".files .trouble:has-text('JSON')")
    assert "不是" in page.inner_text(".files .trouble")


def test_the_batch_is_ordered_by_keyboard(open_shelf, open_page):
    shelf = open_shelf(OFFLINE_LATENCY="0.05")
    shelf.people("Mara")
    page = open_page(shelf.url)
    page.wait_for_selector(".people-list label")
    page.focus(".people-list input")
    page.keyboard.press("Space")
    page.wait_for_selector("#batch-start:not([disabled])")
    assert page.evaluate("document.activeElement.matches('.people-list input')"), "the focus is not lost"
    page.focus("#batch-start")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tracks li[data-persona]")
    assert page.evaluate("document.activeElement.matches('.run h1')"), "one is where the batch is told of"


def test_hostile_calls_are_one_sentence(shared_shelf, open_page):
    page = open_page(shared_shelf.url)
    config = json.loads(urllib.request.urlopen(f"{shared_shelf.site.url}config").read())
    parts = {part["id"]: part for part in config["components"]}
    assert parts
    number = next(key for key, part in parts.items() if part["props"].get("elem_id") == "batch")
    for name, what in [
        ("look", {"job": 5}),
        ("look", {"job": "x" * 1000}),
        ("start", {"personas": [{"id": "nobody"}], "count": 5}),
        ("start", {"personas": [], "count": 5}),
        ("start", {"personas": [{"id": "a", "calendar": {"path": "/etc/passwd", "name": "a"}}], "count": 1}),
        ("start", {"personas": [{"id": "a"}], "count": 10**9}),
        ("start", {"personas": [{"id": "a"}], "count": 1, "start": "tomorrow"}),
        ("take_in", {"path": "/etc/passwd", "name": "a"}),
        ("take_in", ["a"]),
        ("forecast", {"personas": "all"}),
        ("pause", {"job": "nothing"}),
        ("find", None),
    ]:
        body = json.dumps({"data": what, "component_id": number, "session_hash": "test", "fn_name": name}).encode()
        request = urllib.request.Request(f"{shared_shelf.site.url}gradio_api/component_server", body, {"content-type": "application/json"})
        answer = json.loads(urllib.request.urlopen(request).read())
        assert list(answer) == ["error"], (name, what, answer)
        assert answer["error"].endswith(".")
        assert "Traceback" not in answer["error"]
    assert page


# The strip on Create


def test_tweets_of_a_persona_fill_a_strip_on_create_and_survive_a_reload(open_shelf, open_page):
    shelf = open_shelf(OFFLINE_LATENCY="0.5", MAX_CONCURRENT="2")
    (mara,) = shelf.people("Mara of the Bakery", complete=True)
    page = open_page(f"{shelf.site.url}?persona={mara}")
    page.wait_for_selector("#strip-write:visible")
    page.evaluate("document.querySelector('.panels').dataset.same = 'yes'")
    page.fill("#strip-count", "6")
    page.fill("#strip-from", "2026-12-24")
    page.click("#strip-write")
    page.wait_for_selector(".strip-cards li.pending")
    assert page.locator(".strip-cards li").count() == 6
    page.wait_for_selector(".strip-cards .text")
    assert page.get_attribute(".panels", "data-same") == "yes", "the persona's panels are left alone"
    page.reload()
    page.wait_for_function("document.querySelectorAll('.strip-cards .text').length === 6")
    assert page.inner_text(".strip-cards li:first-child time") == "Thu, Dec 24"
    assert page.get_attribute(".strip-of-tweets .all", "href") == f"/gallery?persona={mara}"
    assert len(shelf.tweets(persona_ids=(mara,))) == 6


def test_hostile_tweets_are_shown_as_text_in_the_strip(open_shelf, open_page):
    shelf = open_shelf()
    (mara,) = shelf.people(HOSTILE[:80], complete=True)
    job = new_id()

    def write(tx):
        steps = [journal.NewStep(f"{mara}:00001", "tweet")]
        journal.create(tx, job, "tweets", HOSTILE, steps, params={"personas": [mara]}, priority=0, now=NOW)
        tx.execute("UPDATE jobs SET status = 'failed'")
        tx.execute("UPDATE steps SET status = 'failed', error_kind = 'refused', error = ?", [HOSTILE])
        badges = [{"kind": HOSTILE, "detail": HOSTILE}]
        tweets.save(tx, tweets.NewTweet(persona_id=mara, text=HOSTILE, length=80, slot=1, job_id=job, date=HOSTILE, badges=badges), NOW)

    shelf.store.submit(write).result()
    page = open_page(f"{shelf.site.url}?persona={mara}")
    page.wait_for_selector(".strip-cards .text")
    for place in (".strip-cards .text", ".strip-cards .badge", ".strip-of-tweets .why"):
        assert "<img src=x" in page.inner_text(place), place
        assert "${7*7}" in page.inner_text(place), place
    page.goto(f"{shelf.url}?job={job}")
    page.wait_for_selector(".tracks .reasons li")
    assert "${7*7}" in page.inner_text(".tracks .reasons")
    assert page.locator("img[src='x']").count() == 0


def test_a_persona_that_is_not_complete_has_no_strip(open_shelf, open_page):
    shelf = open_shelf()
    (mara,) = shelf.people("Mara of the Bakery")
    page = open_page(f"{shelf.site.url}?persona={mara}")
    page.wait_for_selector("#stage-core.done")
    assert page.locator("#strip-write:visible").count() == 0
