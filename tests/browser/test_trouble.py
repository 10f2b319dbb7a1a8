"""What the page shows when something goes wrong, and how it goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from storage import personas
from storage.database import Store
from tests.shell import until

from .conftest import SAMPLES, choose, states, wait_until_written

pytestmark = [pytest.mark.browser]


def test_a_refused_stage_is_shown_with_the_servers_words_and_can_be_tried_again(start_site, open_page, offline_server):
    writer = offline_server("--latency", "1")
    site = start_site(OPENAI_BASE_URL=writer.url)
    page = open_page(site.url)
    assert page.locator("#offline-badge").count() == 0, "a remote writer is no demo"
    choose(page, SAMPLES / "night-baker.jpg")
    page.click("#generate")
    page.wait_for_selector("#stage-core.done")
    until(lambda: writer.stats()["requests"] == 6)  # all but the last stage are being written
    writer.behave(faults={"refusal": 1})
    page.wait_for_selector(".summary .chip.partial")
    assert {stage for stage, state in states(page).items() if state != "done"} == {"examples"}
    assert "refused" in page.inner_text("#stage-examples .failure")
    assert page.locator("#card-json").count() == 1, "what there is can be taken away"

    writer.behave(faults={})
    page.click("#stage-examples .failure button")
    wait_until_written(page)
    assert len(writer.log("begin")) == 8, "seven, and the one that was refused again"


def test_stopping_leaves_what_is_done_and_the_rest_can_be_written_later(start_site, open_page, offline_server):
    site = start_site(OPENAI_BASE_URL=offline_server("--latency", "1").url)
    page = open_page(site.url)
    choose(page, SAMPLES / "seed-library.jpg")
    page.click("#generate")
    page.wait_for_selector("#stage-core.done")
    page.click(".actions button")
    page.wait_for_selector(".summary .chip.cancelled")
    assert states(page)["core"] == "done"
    page.click(".actions .primary")
    wait_until_written(page)


def test_a_job_goes_on_by_itself_after_kill_9_and_the_reloaded_page_finds_it(start_site, open_page, offline_server):
    writer = offline_server("--latency", "1")
    site = start_site(OPENAI_BASE_URL=writer.url)
    page = open_page(site.url)
    choose(page, SAMPLES / "tram-in-rain.jpg")
    page.click("#generate")
    page.wait_for_selector("#stage-core.done")
    address = page.url
    page.close()
    site.kill()
    site.start()
    wait_until_written(open_page(address))
    asked = [line["schema"] for line in writer.log("begin")]
    assert asked.count("CorePersona") == 1, "the stage that was done was not asked for twice"


def test_while_the_server_asks_for_patience_the_panel_says_so(start_site, open_page, offline_server):
    writer = offline_server("--latency", "0.2", "--retry-after", "2", "--faults", "429=1")
    site = start_site(OPENAI_BASE_URL=writer.url)
    page = open_page(site.url)
    choose(page, SAMPLES / "night-baker.jpg")
    page.click("#generate")
    page.wait_for_selector("#stage-core .phase")
    assert "Trying again" in page.inner_text("#stage-core .phase")
    writer.behave(faults={})
    wait_until_written(page)


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> ${alert(3)} ${7*7} {{7*7}} {{user}}"


def test_hostile_text_is_shown_as_text_everywhere(start_site, open_page):
    site = start_site()
    persona_id = _hostile_persona(site.data)
    page = open_page(f"{site.url}?persona={persona_id}")
    page.wait_for_selector("#stage-core.done")
    page.wait_for_timeout(500)
    for stage in states(page):
        shown = page.text_content(f"#stage-{stage} .read")
        assert "${7*7}" in shown, stage
        assert "{{7*7}}" in shown, stage
        assert "<img src=x" in shown, stage
    assert page.input_value(".rename input").startswith("<img src=x")
    assert "<img src=x" in page.inner_text("#recent")
    assert page.locator(".persona img[src='x'], #recent img[src='x']").count() == 0
    assert page.locator("#notice .notice").count() == 0, "a persona that no job writes is no trouble"


def _hostile_persona(data):
    """Written past all models, as if a writer had sent it."""
    person = {
        "name": HOSTILE,
        "age": 30,
        "relation": HOSTILE,
        "personality": HOSTILE,
        "memorable_moments": [HOSTILE],
        "more": {HOSTILE: HOSTILE},
    }
    outputs = {
        "core": {
            "name": HOSTILE,
            "description": HOSTILE,
            "first_mes": HOSTILE,
            "mes_example": HOSTILE,
            "tags": [HOSTILE],
            HOSTILE: [HOSTILE],
        },
        "strategy": {"archetype": HOSTILE, "content_type_distribution": {HOSTILE: {"weight": 1, "desc": HOSTILE}}, "goals": [HOSTILE]},
        "examples": {"tweet_examples": [{"type": HOSTILE, "text": HOSTILE, "mood": HOSTILE, "context": HOSTILE}]},
        "network": {"social_circle": {"close_friends": [person], HOSTILE: [person]}},
        "authenticity": {"language_authenticity": {"slang": [HOSTILE]}, "quirks": [HOSTILE]},
        "visual": {"visual_profile": {"common_props": [HOSTILE]}, "appearance_prompt": HOSTILE},
        "knowledge": {"character_book": {"entries": [{"name": HOSTILE, "keys": [HOSTILE], "content": HOSTILE}]}},
    }
    store = Store(data)
    now = datetime.now(UTC)

    def write(tx):
        tx.execute(
            "INSERT INTO personas (id, name, language, options, created_at, updated_at) VALUES ('hostile', ?, 'English', ?, ?, ?)",
            [HOSTILE[:80], json.dumps({"source": HOSTILE}), now.isoformat(), now.isoformat()],
        )
        for stage, output in outputs.items():
            personas.save_stage(tx, personas.StageVersion("hostile", stage, output, {}), now)

    store.submit(write).result(10)
    store.close()
    return "hostile"


def test_an_unknown_persona_in_the_address_is_a_sentence(shared_site, open_page):
    page = open_page(f"{shared_site.url}?persona=nobody")
    page.wait_for_selector("#notice .notice")
    assert page.inner_text("#notice .notice") == "There is no persona nobody."
