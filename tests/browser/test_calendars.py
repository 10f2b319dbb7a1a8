"""The calendars of a persona in a real browser: written, added, read, taken away, deleted; and chosen for tweets on Create."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from storage import calendars
from storage import tweets as table
from storage.calendars import NewCalendar
from storage.clock import new_id
from storage.tweets import Filters

from .conftest import NARROW, WIDE, running
from .shelf import Shelf, persona_page

pytestmark = [pytest.mark.browser]

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
IMAGE = "<img src=x onerror=alert(1)>"
HOSTILE = IMAGE + " ${7*7} {{7*7}}"
PLAN = {
    "weekday": "Tuesday",
    "topic_type": "bread",
    "tweet_format": "question",
    "recommended_time": "08:15",
    "theme": "rye",
    "mood": "calm",
    "keywords": ["crust", "crumb"],
    "suggested_scene": "A window with steam on it.",
}


class Calendars(Shelf):
    """Those of the personas of the site's database."""

    def calendar(self, persona_id, title="december.json", days=("2026-12-01", "2026-12-02"), plan=PLAN, source="upload"):
        new = NewCalendar(persona_id, title, source, {"persona_name": "Mara", "calendar": dict.fromkeys(days, plan)})
        return self.store.submit(calendars.save, new_id(), new, NOW).result()

    def of(self, persona_id):
        return self.store.read(calendars.of_persona, persona_id)

    def tweets(self, persona_id):
        return self.store.read(table.page, Filters(persona_ids=(persona_id,)), limit=100)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running(tmp_path_factory.mktemp("calendars"), {"OFFLINE_LATENCY": "0.2"}) as started:
        yield started


@pytest.fixture
def shelf(site):
    opened = Calendars(site, "personas")
    yield opened
    opened.store.close()


@pytest.fixture
def opened(shelf, open_page):
    return persona_page(shelf, open_page, "#calendars .shelf > li:not(.waiting)")


def rows(page):
    return page.locator("#calendars .shelf > li[data-calendar]")


def file(name, content):
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def test_a_calendar_is_written_opened_and_taken_away(shelf, opened):
    page = opened(persona_id := shelf.whole())
    assert page.inner_text("#calendars .none").startswith("No calendar yet")
    assert page.input_value("#plan-days") == "15"
    page.fill("#plan-days", "3")
    page.fill("#plan-from", "2026-12-30")
    page.click("#plan-go")
    page.wait_for_selector("#calendars .state .chip.running")
    assert page.is_disabled("#plan-go")
    page.wait_for_selector("#calendars .shelf > li[data-calendar]")
    page.wait_for_selector("#calendars .state", state="hidden")
    assert page.is_enabled("#plan-go")
    head = " ".join(rows(page).first.inner_text().split())
    for words in ("December 2026 – January 2027", "Dec 30, 2026 – Jan 1, 2027", "3 days", "written", "0 tweets"):
        assert words in head

    page.focus("#calendars .open")
    page.keyboard.press("Enter")
    page.wait_for_selector("#calendars tr.day")
    assert page.locator("#calendars tr.day").count() == 3
    assert page.inner_text("#calendars tr.day:first-child th") == "Dec 30, 2026"
    assert page.inner_text("#calendars tr.day:first-child td") == "Wed"
    page.focus("#calendars .fold-day")
    page.keyboard.press("Enter")
    assert page.inner_text("#calendars tr.rest:visible").startswith("Mood")

    (made,) = shelf.of(persona_id)
    for kind in ("json", "csv", "ics"):
        with page.expect_download() as download:
            page.click(f"#calendars [data-mark={kind}]")
        assert download.value.suggested_filename == f"Mara_Lindqvist_calendar_2026-12-30.{kind}"
    assert page.get_attribute("#calendars [data-mark=use]", "href") == f"/?persona={persona_id}&calendar={made['id']}#strip"


def test_files_are_added_by_choice_and_by_drop_with_every_deviation_and_refusals_in_a_sentence(shelf, opened):
    page = opened(persona_id := shelf.whole())
    sheet = b"date,topic,theme\n2027-02-01,bread,rye\n2027-02-02,tea,green\n"
    page.set_input_files("#calendar-files", [file("plan.csv", sheet), file("broken.json", b"{")])
    page.wait_for_selector("#calendars .results .refused")
    assert page.inner_text("#calendars .results .refused").startswith("broken.json ")
    assert page.locator("#calendars .results .taken .bullets li").count() == 1
    page.evaluate(
        """text => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], 'dropped.json', {type: 'application/json'}));
            const dropped = new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true});
            document.querySelector('#calendars').dispatchEvent(dropped);
        }""",
        json.dumps({"calendar": {"2027-03-01": PLAN}}),
    )
    page.wait_for_selector("#calendars .shelf > li:has-text('dropped.json')")
    assert [calendar["title"] for calendar in shelf.of(persona_id)] == ["dropped.json", "plan.csv"]
    assert "added from a file" in rows(page).first.inner_text()
    assert page.locator(".personas .person-card").count() == 0, "it was not taken for a character card"


def test_one_that_fails_says_why_and_is_written_again(start_site, offline_server, open_page):
    server = offline_server("--latency", "0.2", "--faults", "refusal=1")
    shelf = Calendars(start_site(OPENAI_BASE_URL=server.url), "personas")
    persona_id = shelf.whole()
    page = open_page(f"{shelf.url}?persona={persona_id}", locale="zh-CN")
    page.wait_for_selector("#calendars .none")
    page.fill("#plan-days", "2")
    page.click("#plan-go")
    page.wait_for_selector("#calendars .state .chip.failed")
    assert "模型" in page.inner_text("#calendars .why")
    page.reload()
    page.wait_for_selector("#calendars .state .chip.failed")
    server.behave(faults={})
    page.click("#calendars [data-mark=again]")
    page.wait_for_selector("#calendars .shelf > li[data-calendar]")
    page.wait_for_selector("#calendars .state", state="hidden")
    shelf.store.close()


def test_one_is_deleted_after_a_question_and_others_are_seen_without_reloading(shelf, opened):
    persona_id = shelf.whole()
    first, second = shelf.calendar(persona_id, "first.json"), shelf.calendar(persona_id, "second.json")
    tweet = table.NewTweet(persona_id=persona_id, text="Rye.", length=4, calendar_id=first)
    shelf.store.submit(table.save, tweet, NOW).result()
    page = opened(persona_id)
    assert "1 tweet" in rows(page).nth(1).inner_text()
    page.click(f"[data-calendar='{first}'] [data-mark=delete]")
    page.wait_for_selector("dialog[open]")
    assert "first.json" in page.inner_text("dialog h2")
    assert "stays" in page.inner_text("dialog p")
    page.click("dialog >> text=Keep")
    assert len(shelf.of(persona_id)) == 2
    page.click(f"[data-calendar='{first}'] [data-mark=delete]")
    page.click("#delete-yes")
    page.wait_for_selector(f"[data-calendar='{first}']", state="detached")
    assert [calendar["id"] for calendar in shelf.of(persona_id)] == [second]
    assert len(shelf.tweets(persona_id)) == 1
    shelf.calendar(persona_id, "from elsewhere.json")
    page.wait_for_selector("#calendars .shelf > li:first-child:has-text('from elsewhere.json')")


def test_of_a_long_one_the_first_days_are_shown_and_then_the_others(shelf, opened):
    persona_id = shelf.whole()
    shelf.calendar(persona_id, days=[f"2027-{month:02}-{day:02}" for month in range(1, 5) for day in range(1, 29)])
    page = opened(persona_id)
    page.click("#calendars .open")
    page.wait_for_selector("#calendars tr.day")
    assert page.locator("#calendars tr.day").count() == 62
    page.click("#calendars .days > .quiet")
    assert page.locator("#calendars tr.day").count() == 112
    assert page.locator("#calendars .days > .quiet").is_hidden()
    assert page.evaluate("document.activeElement.closest('tr').rowIndex > 62"), "the keyboard goes on where the new days begin"


def test_hostile_plans_are_shown_as_text(shelf, opened):
    persona_id = shelf.whole()
    plan = {**dict.fromkeys(PLAN, HOSTILE), "keywords": [HOSTILE], HOSTILE: {HOSTILE: [HOSTILE]}, "topic_type": {"no": HOSTILE}}
    shelf.calendar(persona_id, HOSTILE, plan=plan)
    page = opened(persona_id)
    page.click("#calendars .open")
    page.wait_for_selector("#calendars tr.day")
    page.click("#calendars .fold-day")
    for place in (
        "#calendars .open",
        "#calendars tr.day",
        "#calendars tr.rest:visible dt >> nth=-1",
        "#calendars tr.rest:visible dd >> nth=0",
    ):
        assert IMAGE in page.inner_text(place), place
        assert "${7*7}" in page.inner_text(place) or "no" in page.inner_text(place), place
    page.click("#calendars [data-mark=delete]")
    assert IMAGE in page.inner_text("dialog")
    assert page.locator("img[src='x']").count() == 0


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_on_a_phone_nothing_sticks_out(shelf, opened, language):
    persona_id = shelf.whole()
    shelf.calendar(persona_id, "x" * 120, plan={**PLAN, "theme": "y" * 300, "topic_type": "z" * 80, "k" * 60: "v" * 200})
    page = opened(persona_id, viewport=NARROW, locale=language)
    page.set_input_files("#calendar-files", [file("w" * 150 + ".json", b"{")])
    page.wait_for_selector("#calendars .results .refused")
    page.click("#calendars .open")
    page.wait_for_selector("#calendars tr.day")
    page.click("#calendars .fold-day")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_calls_that_no_script_makes_are_refused_in_a_sentence(shelf, opened):
    page = opened(persona_id := shelf.whole())
    answers = page.evaluate(
        """async calls => {
            const component = window.gradio_config.components.find(one => one.props.elem_id === 'personas').id;
            const answers = [];
            for (const [fn_name, data] of calls) {
                const sent = {session_hash: 'hostile', component_id: component, fn_name, data};
                const answer = await fetch('/gradio_api/component_server/',
                    {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(sent)});
                answers.push([answer.status, await answer.json()]);
            }
            return answers;
        }""",
        [
            ["days", {"calendar": "../x"}],
            ["days", {"calendar": 5}],
            ["plan", {"persona": persona_id, "days": 0, "start": ""}],
            ["plan", {"persona": persona_id, "days": 3, "start": "soon"}],
            ["plan", {"persona": "nobody", "days": 3, "start": ""}],
            ["plan_again", {"persona": persona_id, "job": "nothing"}],
            ["add_calendar", {"persona": persona_id, "path": "/etc/passwd", "name": "x.json"}],
            ["remove_calendar", {"calendar": "nothing"}],
        ],
    )
    assert [status for status, _ in answers] == [200] * len(answers)
    assert all(set(answer) == {"error"} and answer["error"].endswith(".") for _, answer in answers), answers


# The choice on Create


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_tweets_are_written_from_a_calendar_that_is_chosen(shelf, open_page, viewport):
    persona_id = shelf.whole()
    kept = shelf.calendar(persona_id, "a calendar with quite a long name, as people give them.json")
    other = shelf.calendar(persona_id, "other.json", days=["2027-05-05"])
    page = open_page(f"{shelf.site.url}?persona={persona_id}&calendar={kept}#strip", viewport=viewport)
    page.wait_for_selector("#strip-calendar:visible")
    assert page.input_value("#strip-calendar") == kept, "the link has chosen it"
    assert page.is_hidden("#strip-from"), "its days are known"
    assert page.locator("#strip-calendar option").all_inner_texts()[:2] == ["a new one", "other.json: May 5, 2027, 1 day"]
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.select_option("#strip-calendar", "")
    assert page.is_visible("#strip-from")
    page.select_option("#strip-calendar", other)
    page.fill("#strip-count", "2")
    page.click("#strip-write")
    page.wait_for_function("document.querySelectorAll('.strip-cards .text').length === 2")
    assert {(tweet["date"], tweet["calendar_id"]) for tweet in shelf.tweets(persona_id)} == {("2027-05-05", other)}
    assert page.input_value("#strip-calendar") == other, "the choice stays"


def test_a_persona_without_calendars_is_not_asked_for_one_until_one_is_written(shelf, open_page):
    persona_id = shelf.whole()
    page = open_page(f"{shelf.site.url}?persona={persona_id}")
    page.wait_for_selector("#strip-write:visible")
    assert page.is_hidden("#strip-calendar")
    page.fill("#strip-count", "1")
    page.click("#strip-write")
    page.wait_for_selector(".strip-cards .text")
    page.wait_for_selector("#strip-calendar:visible")
    assert page.locator("#strip-calendar option").count() == 2


def test_a_calendar_that_is_gone_or_another_personas_is_refused_in_a_sentence(shelf, open_page):
    persona_id = shelf.whole()
    kept, foreign = shelf.calendar(persona_id), shelf.calendar(shelf.whole("Bert"))
    page = open_page(f"{shelf.site.url}?persona={persona_id}")
    page.wait_for_selector("#strip-calendar:visible")
    page.evaluate("id => (document.querySelector('#strip-calendar').options[1].value = id)", foreign)
    page.select_option("#strip-calendar", foreign)
    page.click("#strip-write")
    page.wait_for_selector(".strip-of-tweets [role=alert]:has-text('This calendar belongs to another persona.')")
    shelf.store.submit(calendars.delete, kept, "calendar").result()
    page.reload()
    page.wait_for_selector("#strip-write:visible")
    assert page.is_hidden("#strip-calendar")
    assert shelf.tweets(persona_id) == []
