"""The Personas page in a real browser: reading, editing, refreshing and bringing back stages; cards come in and go out."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest

from storage import personas, tweets
from storage.personas import StageVersion
from storage.tweets import NewTweet
from tests.pipeline import seven_outputs

from .conftest import NARROW, running, states
from .shelf import Shelf, persona_page

pytestmark = [pytest.mark.browser]

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> ${alert(3)} ${7*7} {{7*7}}"
OTHERS = ["strategy", "examples", "network", "authenticity", "visual", "knowledge"]


class Personas(Shelf):
    """Those of the site's database, and whoever else is at them."""

    def edit(self, persona_id, stage, **changes):
        """Somebody else is faster."""
        output = {**self.output(persona_id, stage), **changes}
        made = StageVersion(persona_id, stage, output, {}, made_by="author")
        self.store.submit(personas.save_stage, made, NOW).result()

    def output(self, persona_id, stage):
        return self.store.read(personas.current_stages, persona_id)[stage]["output"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running(tmp_path_factory.mktemp("personas"), {"OFFLINE_LATENCY": "0.1"}) as started:
        yield started


@pytest.fixture
def shelf(site):
    """A site whose database holds nobody yet."""
    opened = Personas(site, "personas")
    opened.store.submit(lambda tx: tx.execute("DELETE FROM personas")).result()
    yield opened
    opened.store.close()


@pytest.fixture
def opened(shelf, open_page):
    return persona_page(shelf, open_page, ".summary")


def stale(page):
    return page.eval_on_selector_all(".panel:has(.chip.stale)", "all => all.map(node => node.id.slice(6))")


def open_editor(page, stage="core"):
    page.click(f"#stage-{stage} [data-mark=edit]")
    page.wait_for_selector(f"#stage-{stage} .editor")


def test_an_edited_core_makes_six_stages_stale_and_a_refresh_writes_them_anew(shelf, opened):
    persona_id = shelf.whole()
    page = opened(persona_id)
    open_editor(page)
    page.fill(".editor [aria-label=Personality]", "Loud, generous, afraid of geese.")
    page.fill(".editor [aria-label=Tags]", "geese\n\nharbour ")
    page.click(".editor [type=submit]")
    page.wait_for_selector(".panel .chip.stale")
    assert stale(page) == OTHERS
    assert "Core persona" in page.inner_text("#stage-network .stale-why")
    assert "afraid of geese" in page.inner_text("#stage-core .read")
    assert shelf.output(persona_id, "core")["tags"] == ["geese", "harbour"]
    assert page.inner_text("[data-mark=refresh]") == "Refresh 6 stale stages"

    page.click("[data-mark=refresh]")
    page.wait_for_function("!document.querySelector('.panel .chip.stale') && document.querySelector('.summary .chip.complete')")
    assert set(states(page).values()) == {"done"}
    assert page.locator("[data-mark=refresh]").count() == 0
    assert "by the writer" in page.inner_text("#stage-network .tools")


def test_a_version_is_looked_at_and_brought_back(shelf, opened):
    persona_id = shelf.whole()
    shelf.edit(persona_id, "visual", appearance_prompt="a goose")
    page = opened(persona_id)
    page.click("#stage-visual [data-mark=versions]")
    page.wait_for_selector(".versions li[data-version='1']")
    assert "by hand" in page.inner_text(".versions li:first-child")
    page.click(".versions li[data-version='1'] >> text=View")
    before = seven_outputs.outputs()["visual"]["appearance_prompt"]
    assert before in page.inner_text(".versions li[data-version='1'] .old")
    page.click(".versions li[data-version='1'] >> text=Bring back")
    page.wait_for_selector("#stage-visual .tools small:has-text('version 3, brought back')")
    assert page.inner_text("#stage-visual .prompt code") == before


def test_what_is_wrong_is_said_at_its_place_and_nothing_typed_is_lost(shelf, opened):
    persona_id = shelf.whole()
    page = opened(persona_id)
    open_editor(page)
    page.fill(".editor [aria-label=Age]", "12")
    page.fill(".editor [aria-label=Scenario]", " ")
    page.click(".editor [type=submit]")
    page.wait_for_selector(".value:has([aria-label=Age]) .trouble:visible")
    assert page.inner_text(".value:has([aria-label=Age]) .trouble") == "core_info.age must be 18 or more."
    assert page.inner_text(".value:has([aria-label=Scenario]) .trouble") == "scenario must not be empty."
    page.click(".editor [data-tab=json]")
    page.fill(".editor .code", "{")
    page.click(".editor [type=submit]")
    assert page.inner_text(".editor .wrongs").startswith("This is not valid JSON")
    page.keyboard.press("Escape")
    page.click(".editor .ask button:text-is('Throw away')")
    page.wait_for_selector("#stage-core .read")
    assert shelf.output(persona_id, "core")["core_info"]["age"] == 34


def composing(page, key, **held):
    """A key that belongs to an input method, pressed where the focus is."""
    page.evaluate(
        """([key, held]) => document.activeElement.dispatchEvent(
            new KeyboardEvent('keydown', {key, ...held, isComposing: true, bubbles: true, cancelable: true}))""",
        [key, held],
    )


def test_a_wish_that_was_typed_is_not_thrown_away_unasked(shelf, opened):
    page = opened(shelf.whole())
    again, wish = page.locator("#stage-network [data-mark=again]"), page.locator("form.again textarea")
    again.click()
    page.keyboard.press("Escape")
    assert wish.count() == 0, "nothing was typed: nothing is asked"
    assert again.evaluate("node => node === document.activeElement")
    again.click()
    page.keyboard.type("give her a sister")
    composing(page, "Escape")
    composing(page, "Enter", ctrlKey=True)
    assert page.locator("form.again .ask").count() == 0, "these keys are the input method's"
    page.keyboard.press("Escape")
    assert page.inner_text("form.again .ask span") == "Throw away what you typed?"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('form.again textarea')"), "and one goes on typing"
    for mark in ("again", "edit", "versions"):
        page.click(f"#stage-network [data-mark={mark}]")
        page.click("form.again .ask button:text-is('Go on typing')")
        assert wish.input_value() == "give her a sister"
    page.click("#stage-network [data-mark=edit]")
    page.click("form.again .ask button:text-is('Throw away')")
    page.wait_for_selector("#stage-network .editor")
    assert wish.count() == 0


def test_keys_of_an_input_method_neither_save_nor_leave_an_editor(shelf, opened):
    persona_id = shelf.whole()
    page = opened(persona_id)
    open_editor(page)
    page.locator(".editor [aria-label=Personality]").press_sequentially("Ni ")
    composing(page, "Escape")
    composing(page, "Enter", ctrlKey=True)
    page.wait_for_timeout(500)
    assert page.locator(".editor").count() == 1
    assert page.locator(".editor .ask").count() == 0
    assert shelf.store.read(personas.current_stages, persona_id)["core"]["version"] == 1


def test_an_edit_that_somebody_else_overtook_is_kept_and_can_be_saved_over_it(shelf, opened):
    persona_id = shelf.whole()
    page = opened(persona_id)
    open_editor(page)
    page.fill(".editor [aria-label=Personality]", "Mine.")
    shelf.edit(persona_id, "core", personality="Theirs.")
    page.click(".editor [type=submit]")
    page.wait_for_selector(".wrongs .trouble:has-text('changed elsewhere')")
    assert page.input_value(".editor [aria-label=Personality]") == "Mine."
    page.click(".wrongs button")
    page.wait_for_selector("#stage-core .read")
    assert shelf.output(persona_id, "core")["personality"] == "Mine."


def test_a_stage_is_written_anew_with_an_instruction_and_a_reload_finds_it_at_work(start_site, open_page, offline_server):
    site = start_site(OPENAI_BASE_URL=offline_server("--latency", "1.5").url)
    other = Personas(site, "personas")
    persona_id = other.whole()
    other.store.close()
    page = open_page(f"{other.url}?persona={persona_id}")
    page.click("#stage-network [data-mark=again]")
    page.fill("form.again textarea", "give her a sister")
    page.click("form.again [type=submit]")
    page.wait_for_selector("#stage-network.running")
    assert page.locator("#stage-network .read").count() == 1, "the text that stands can still be read"
    page.reload()
    page.wait_for_selector("#stage-network.running")
    page.wait_for_selector("#stage-network .tools small:has-text('version 2')")
    assert "give her a sister" in page.inner_text("#stage-network .tools")


def test_a_card_may_be_dropped_anywhere_on_the_page(shelf, open_page):
    page = open_page(shelf.url)
    page.wait_for_selector(".personas .blank")
    page.evaluate(
        """text => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], 'kim.json', {type: 'application/json'}));
            const dropped = new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true});
            document.querySelector('.personas').dispatchEvent(dropped);
        }""",
        json.dumps(dict.fromkeys(("description", "personality", "scenario", "first_mes", "mes_example"), "Kites.") | {"name": "Kim"}),
    )
    page.wait_for_selector(".results .taken")
    assert "card V1" in page.inner_text(".results .taken")
    page.wait_for_selector(".person-card:has-text('Kim')")


def test_what_is_missing_is_written(shelf, opened):
    persona_id = shelf.person(outputs={"core": seven_outputs.core()})
    page = opened(persona_id)
    assert page.locator("[data-mark=complete]").is_visible()
    page.click("[data-mark=complete]")
    page.wait_for_selector(".summary .chip.complete")
    assert set(states(page).values()) == {"done"}


def test_cards_come_in_with_a_line_for_each_and_go_out(shelf, open_page, tmp_path):
    good = tmp_path / "ada.json"
    data = {"name": "Ada", "description": "Keeps a lighthouse.", "first_mes": "Mind the step.", "tags": "sea, lamp"}
    good.write_text(json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": data}))
    bad = tmp_path / "holiday.json"
    bad.write_text("[1, 2")
    page = open_page(shelf.url)
    page.wait_for_selector(".personas .blank")
    page.set_input_files("#import-files", [str(good), str(bad)])
    page.wait_for_selector(".results .refused")
    assert page.inner_text(".results .refused").startswith("holiday.json")
    assert "Ada" in page.inner_text(".results .taken")
    assert page.locator(".results .taken .bullets li").count() > 0
    page.wait_for_selector(".person-card:has-text('Ada') .chip.partial")

    page.click(".results .taken a")
    page.wait_for_selector("#stage-core .read")
    assert "Keeps a lighthouse." in page.inner_text("#stage-core")
    for kind, suffix in (("json", ".json"), ("v3png", ".png"), ("eliza", ".eliza.json")):
        page.click("[data-mark=export]")
        with page.expect_download() as download:
            page.click(f".menu [data-kind={kind}]")
        assert download.value.suggested_filename == f"Ada{suffix}"


def test_deleting_names_who_goes_and_what_goes_with_it(shelf, opened):
    shelf.whole("Somebody else")
    persona_id = shelf.whole("Mara Lindqvist")
    for number in range(3):
        tweet = NewTweet(persona_id=persona_id, text=f"Tweet {number}", length=8, date="2026-12-01", time="08:15", topic_type="x", mood="y")
        shelf.store.submit(tweets.save, tweet, NOW).result()
    page = opened(persona_id)
    assert page.get_attribute("[data-mark=gallery]", "href").endswith(f"/gallery?persona={persona_id}")
    page.click("[data-mark=delete]")
    page.wait_for_selector("dialog[open]")
    assert "Mara Lindqvist" in page.inner_text("dialog h2")
    assert "3 tweets" in page.inner_text("dialog")
    page.click("dialog >> text=Keep")
    page.click("[data-mark=delete]")
    page.click("#delete-yes")
    page.wait_for_selector(".person-card[data-id]")
    assert page.eval_on_selector_all(".person-card .name", "all => all.map(node => node.textContent)") == ["Somebody else"]
    page.goto(f"{shelf.url}?persona={persona_id}")
    page.wait_for_selector(".persona .blank")
    assert "no persona" in page.inner_text(".persona .blank")


def test_personas_are_renamed_found_by_name_and_paged(shelf, open_page):
    ids = [shelf.whole(f"Person {number:02}", {}) for number in range(30)]
    persona_id = shelf.whole("100 % Ada_x")
    page = open_page(shelf.url)
    page.wait_for_selector(".person-card[data-id]")
    assert page.locator(".person-card").count() == 24
    page.click(".ending button")
    page.wait_for_function("document.querySelectorAll('.person-card').length === 31")
    assert page.locator(".person-card").last.get_attribute("data-id") == ids[0]
    page.fill("#personas-search", "% ada_")
    page.wait_for_function("document.querySelectorAll('.person-card').length === 1")
    page.click(".person-card")
    page.fill(".rename input", "Ada of the Night Ferry")
    page.click(".rename button")
    page.wait_for_function("!document.querySelector('.rename button:not([hidden])')")
    page.go_back()
    page.wait_for_selector(".personas .blank, .person-card")
    page.fill("#personas-search", "night ferry")
    page.wait_for_selector(f".person-card[data-id='{persona_id}']:has-text('Ada of the Night Ferry')")


def test_hostile_text_is_shown_as_text(shelf, opened, open_page):
    outputs = {stage: _hostile(output) for stage, output in seven_outputs.outputs().items()}
    persona_id = shelf.whole(HOSTILE[:80], outputs)
    shelf.edit(persona_id, "core", **outputs["core"], more={HOSTILE: HOSTILE})
    page = opened(persona_id)
    assert HOSTILE in page.inner_text("#stage-core")
    for stage in ("core", "knowledge"):
        open_editor(page, stage)
    page.click("#stage-network [data-mark=versions]")
    page.click(".versions li button")
    page.click("[data-mark=delete]")
    page.wait_for_selector("dialog[open]")
    assert HOSTILE[:80] in page.inner_text("dialog")
    page.click("dialog >> text=Keep")
    page.click(".back")
    page.wait_for_selector(".person-card[data-id]")
    assert HOSTILE[:80] in page.inner_text(".person-card")
    assert page.locator(".personas script, .personas img[src='x']").count() == 0


def _hostile(value):
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, list):
        return [_hostile(item) for item in value]
    return {key: _hostile(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_on_a_phone_nothing_sticks_out(shelf, opened, language):
    outputs = copy.deepcopy(seven_outputs.outputs())
    outputs["core"]["tags"] = ["x" * 200]
    persona_id = shelf.whole("Maximiliane-Theodora von und zu Oberunterwaldhausen", outputs)
    shelf.edit(persona_id, "core", personality="y" * 300)
    page = opened(persona_id, viewport=NARROW, locale=language)
    open_editor(page)
    page.click("#stage-visual [data-mark=again]")
    page.click("#stage-network [data-mark=versions]")
    page.wait_for_selector(".versions li")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.click(".back")
    page.wait_for_selector(".person-card[data-id]")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_calls_that_no_script_makes_are_refused_in_a_sentence(shelf, open_page):
    persona_id = shelf.whole()
    page = open_page(f"{shelf.url}?persona={persona_id}")
    page.wait_for_selector(".summary")
    answers = page.evaluate(
        """async ([id, calls]) => {
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
            persona_id,
            [
                ["find", {"before": 5}],
                ["find", None],
                ["look", {"id": "nobody"}],
                ["edit", {"id": persona_id, "stage": "core", "output": [], "version": 1}],
                ["edit", {"id": persona_id, "stage": "nothing", "output": {}, "version": 1}],
                ["regenerate", {"id": persona_id, "stage": "core", "instruction": "x" * 5000}],
                ["versions", {"id": persona_id, "stage": "../x"}],
                ["restore", {"id": persona_id, "stage": "core", "version": 99}],
                ["stop", {"id": persona_id, "job": "nothing"}],
                ["rename", {"id": persona_id, "name": "", "revision": 1}],
                ["remove", {"id": "nobody"}],
                ["take_in", {"path": "/etc/passwd", "name": "x.json"}],
            ],
        ],
    )
    assert [status for status, _ in answers] == [200] * len(answers)
    assert all(set(answer) == {"error"} and answer["error"].endswith(".") for _, answer in answers), answers


def test_the_strip_on_create_leads_here(shelf, open_page):
    shelf.whole()
    page = open_page(shelf.site.url)
    page.click("#recent a.all")
    page.wait_for_selector(".person-card[data-id]")
    assert page.get_attribute(".bar nav a[aria-current]", "href").endswith("/personas")
