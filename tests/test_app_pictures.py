"""The web process and its image workers: one hangs, the site is told to stop or is killed while they draw."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from tests.browser.conftest import Site
from tests.shell import until

WORKERS = 3
HUNG = 3
"""Seconds after which a worker counts as hung here."""
PROMPT = {"prompt": "a tram in the rain"}
SLOW = {**PROMPT, "width": 4096, "height": 4096}
PATIENCE = 60
SOON = 5
"""Seconds in which a process that has nothing left to do has ended: multiprocessing's resource tracker ends after the one it works for."""
GRACE = 25
"""Seconds that docs/hosting.md tells Docker and systemd to wait."""


@pytest.fixture
def site(tmp_path):
    environment = {"CPU_WORKERS": str(WORKERS), "IMAGE_ENGINE": "preview", "IMAGE_SIZE": "64x64"}
    started = Site(tmp_path / "site", environment)
    yield started
    if started.process.poll() is None:
        started.kill()


def ready(site, **environment):
    """The site, once all of its workers can draw."""
    site.environment.update(environment)
    site.start()
    until(lambda: len(workers(site)) == health(site)["ready"] == WORKERS, PATIENCE)
    return site


def health(site):
    with urllib.request.urlopen(f"{site.url}healthz") as answer:
        return json.load(answer)["pool"]


def ask(site, name, what):
    """What the script of the Images page is answered."""
    with urllib.request.urlopen(f"{site.url}config") as answer:
        page = next(part for part in json.load(answer)["components"] if part["props"].get("elem_id") == "images")
    body = json.dumps({"session_hash": "test", "component_id": page["id"], "fn_name": name, "data": what}).encode()
    request = urllib.request.Request(f"{site.url}gradio_api/component_server", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def draw(site, what, count):
    """Jobs that draw one picture each."""
    return [ask(site, "draw", {**what, "seed": seed})["job"] for seed in range(count)]


def statuses(site, jobs):
    return [ask(site, "job", {"job": job})["status"] for job in jobs]


def processes(site):
    """All that run for the site, whoever is their parent: command lines by process id."""
    mark = f"\0DATA_DIR={site.data}\0".encode()
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                if mark in b"\0" + (place / "environ").read_bytes():
                    found[int(place.name)] = (place / "cmdline").read_text()
            except OSError:  # it has ended, or is another user's
                continue
    return found


def workers(site):
    return [pid for pid, command in processes(site).items() if "spawn_main" in command]


def begun(site, jobs):
    """True once every worker draws."""
    return sum(ask(site, "job", {"job": job})["pictures"][0]["status"] == "running" for job in jobs) >= WORKERS


def test_a_worker_that_hangs_is_replaced_after_its_time_limit_and_every_picture_is_drawn(site):
    ready(site, IMAGE_TIMEOUT=str(HUNG))
    hung = workers(site)[0]
    os.kill(hung, signal.SIGSTOP)
    jobs = draw(site, PROMPT, 2 * WORKERS)
    until(lambda: statuses(site, jobs) == ["done"] * len(jobs), PATIENCE)
    until(lambda: health(site)["ready"] == WORKERS, PATIENCE)
    assert hung not in processes(site)
    assert len(workers(site)) == WORKERS
    assert f"did not finish its picture within {HUNG} seconds and is being restarted" in site.log.read_text()
    assert site.stop() == 0
    until(lambda: processes(site) == {}, SOON)


@pytest.mark.slow
def test_told_to_stop_while_all_workers_draw_and_one_hangs_the_site_ends_in_time_and_leaves_no_process(site):
    ready(site)
    jobs = draw(site, SLOW, 4 * WORKERS)
    until(lambda: begun(site, jobs), PATIENCE)
    os.kill(workers(site)[0], signal.SIGSTOP)
    told = time.monotonic()
    assert site.stop() == 0
    assert time.monotonic() - told < GRACE
    until(lambda: processes(site) == {}, SOON)
    assert "Traceback" not in site.log.read_text()
    ready(site)
    assert set(statuses(site, jobs)) <= {"queued", "running", "done"}, "the next start goes on with what is left"
    assert site.stop() == 0


@pytest.mark.parametrize("trouble", [None, signal.SIGSTOP], ids=["all drawing", "one hanging"])
def test_no_worker_outlives_a_site_that_is_killed(site, trouble):
    ready(site)
    jobs = draw(site, SLOW, 2 * WORKERS)
    until(lambda: begun(site, jobs), PATIENCE)
    if trouble:
        os.kill(workers(site)[0], trouble)
    site.kill()
    until(lambda: processes(site) == {}, SOON)
