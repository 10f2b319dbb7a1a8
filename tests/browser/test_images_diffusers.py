"""The real engine seen in a real browser: a tiny Z-Image on three workers, its steps, its seeds, and its end in the middle."""

from __future__ import annotations

from itertools import pairwise

import pytest

from storage import images

from .conftest import running
from .test_gallery import Shelf
from .test_images import draw_all

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORKERS = 3
STEPS = 60
SAME = {"positive_prompt": "a lighthouse at dusk", "generation_params": {"width": 512, "height": 512, "steps": STEPS, "seed": 7}}
ENDLESS = {"positive_prompt": "the sea", "generation_params": {"width": 1024, "height": 1024, "steps": 500}}
FEW = 6
"""Steps of :data:`ENDLESS`; of its 500 a page that looks twice a second sees every one, and a cancelled picture should take one more."""
STEPS_OF = """() => [...document.querySelectorAll('.tile.running')].map((tile) =>
    [tile.dataset.item, Number(tile.querySelector('.shot small').textContent.match(/^step (\\d+) of \\d+$/)[1])])"""
"""The step that the page shows of each picture that is being drawn, with its item."""
CANCEL_ONE = f"""async () => {{
    const tile = (item) => document.querySelector(`.tile[data-item='${{item}}']`);
    const before = Object.fromEntries(({STEPS_OF})()), waiting = document.querySelector(".tile.waiting").dataset.item;
    const [givenUp, ...others] = Object.keys(before);
    document.querySelector(`[data-mark='cancel${{givenUp}}']`).click();
    while (!tile(waiting).classList.contains("running")) await new Promise((go) => setTimeout(go, 10));
    const after = others.map((item) => [item, Number(tile(item).querySelector(".shot small").textContent.match(/\\d+/)[0])]);
    return [givenUp, before, Object.fromEntries(after)];
}}"""
"""Gives up one picture and waits until another is drawn in its place: its item, and the steps of the others before and after."""
TOLD = f"""() => {{
    window.told = {{}};
    new MutationObserver(() => {{
        for (const [item, step] of ({STEPS_OF})()) {{
            const before = window.told[item] || (window.told[item] = []);
            if (before.at(-1) !== step) before.push(step);
        }}
    }}).observe(document.querySelector('.tiles'), {{ subtree: true, childList: true, characterData: true }});
}}"""
"""Keeps in ``window.told`` every step that the page has shown, by item."""


@pytest.fixture(scope="module")
def site(tmp_path_factory, tiny):
    environment = {"IMAGE_ENGINE": "diffusers", "IMAGE_MODEL": str(tiny / "z-image"), "CPU_WORKERS": str(WORKERS)}
    with running(tmp_path_factory.mktemp("diffusers"), environment) as started:
        yield started


@pytest.fixture
def shelf(site):
    opened = Shelf(site)
    yield opened
    opened.store.close()


@pytest.fixture
def watched(shelf, open_page):
    """Opens the Images page on a job that draws these pictures, each of a tweet of its own: ``watched(SAME, SAME)``."""

    def watch(*pictures):
        shelf.store.submit(lambda tx: [tx.execute(f"DELETE FROM {table}") for table in ("images", "jobs", "personas")]).result()
        persona = shelf.person()
        for number, picture in enumerate(pictures):
            shelf.tweet(persona, f"Wave number {number}.", image=picture, alt_text="A lighthouse.")
        page = open_page(shelf.url)
        ready(page)
        draw_all(page)
        return page

    return watch


def ready(page):
    """Wait until every worker has loaded its model."""
    page.wait_for_function(f"async () => (await (await fetch('/healthz')).json()).pool.ready === {WORKERS}", timeout=120_000, polling=500)


def test_steps_move_on_three_workers_and_the_same_seed_gives_the_same_file(shelf, watched):
    page = watched(*[SAME] * 2 * WORKERS)
    page.evaluate(TOLD)
    page.wait_for_function(f"document.querySelectorAll('.job .tile.done img').length === {2 * WORKERS}", timeout=120_000)
    shown = [steps for steps in page.evaluate("window.told").values() if len(steps) > 2]
    assert len(shown) >= WORKERS
    assert all(earlier < later <= STEPS for steps in shown for earlier, later in pairwise(steps))
    drawn = shelf.store.read(images.page, limit=50)
    assert {image["worker"] for image in drawn} == set(range(WORKERS))
    assert {image["engine"] for image in drawn} == {"diffusers"}
    assert len({image["file"] for image in drawn}) == 1


def test_cancelled_in_the_middle_a_picture_frees_its_worker_while_its_neighbours_have_hardly_gone_on(watched):
    page = watched(*[ENDLESS] * (WORKERS + 1))
    page.wait_for_function(f"({STEPS_OF})().filter(([, step]) => step > 2).length === {WORKERS}", timeout=120_000)
    # Click and look within the page: while this process and the browser talk, a busy machine draws many steps.
    given_up, before, after = page.evaluate(CANCEL_ONE)
    assert len(after) == WORKERS - 1
    assert all(after[item] - before[item] <= FEW for item in after), (before, after)
    page.wait_for_selector(f".tile.cancelled[data-item='{given_up}']")
    page.click("[data-mark=stop]")
    page.wait_for_selector(".job .line .chip.cancelled")


def test_a_person_describes_a_picture_watches_its_steps_and_gives_it_up(site, open_page):
    page = open_page(f"{site.url}images")
    ready(page)
    page.fill("#image-prompt", "the sea at night")
    page.click(".order summary")
    page.fill("#image-steps", "500")
    page.click("#image-draw")
    page.wait_for_function(f"({STEPS_OF})().some(([, step]) => step > 2)", timeout=120_000)
    page.wait_for_selector("#pool:has-text('1 of 3 drawing')")
    page.click(".tile [data-mark^=cancel]")
    page.wait_for_selector("#pool:has-text('3 of 3 ready')")
    page.wait_for_selector(".job .line .chip.cancelled")
