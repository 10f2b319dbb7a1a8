"""The app as a real process, and Debian's Chromium to look at it."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from .shelf import Shelf

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLES = ROOT / "assets" / "samples"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}


@dataclass
class Site:
    """A running ``python app.py``. It can be killed and started again on the same data and port."""

    folder: Path
    environment: dict[str, str]
    port: int = 0
    process: subprocess.Popen | None = None
    log: Path = field(init=False)

    def __post_init__(self):
        self.folder.mkdir(exist_ok=True)
        self.log = self.folder / "app.log"
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    @property
    def data(self):
        return self.folder / "data"

    def start(self):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "API_"))},
            "DATA_DIR": str(self.data),
            "PORT": str(self.port),
            "OFFLINE_LATENCY": "0.3",
            **self.environment,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py")], cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while self.status() != 200:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        return self

    def status(self, path="/healthz"):
        """The HTTP status of *path*, 0 while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def kill(self):
        """As a power cut would."""
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        """An orderly end; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def start_site(tmp_path):
    """Starts the app as a process of its own: ``start_site(OPENAI_BASE_URL=...)``."""
    sites = []

    def start(**environment):
        sites.append(Site(tmp_path / f"site{len(sites)}", environment))
        return sites[-1].start()

    yield start
    for site in sites:
        if site.process.poll() is None:
            site.kill()


@contextmanager
def running(folder, environment=None):
    """An app that has to end well, and to say nothing odd until then."""
    site = Site(folder, environment or {}).start()
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log.read_text()


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory):
    """One app on the embedded writer for all tests that leave it as it is."""
    with running(tmp_path_factory.mktemp("shared")) as site:
        yield site


@pytest.fixture(scope="package")
def chromium():
    """Ended with the last browser test: Playwright keeps an event loop running, beside which no asynchronous test can run."""
    names = (os.environ.get("CHROMIUM", "chromium"), "chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens a page that may ask only its own site, and may have no script error, nor anything that its security policy forbids:
    ``open_page(url, viewport=NARROW, locale="zh-CN")``. *ready* is what says that it is there.
    """
    contexts, troubles = [], []

    def open_(url, *, viewport=WIDE, ready="body[data-ready]", **options) -> Page:
        context = chromium.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(45_000)
        page.on("pageerror", lambda error: troubles.append(f"script error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: troubles.extend(_foreign(request.url)))
        page.on("console", lambda message: troubles.extend([message.text] if "Security Policy" in message.text else []))
        page.goto(url)
        page.wait_for_selector(ready)  # the server has answered: from now on nothing that is done is lost
        return page

    yield open_
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture(scope="module")
def gallery_site(tmp_path_factory):
    """One app for the tests of a module that look at the Gallery."""
    with running(tmp_path_factory.mktemp("gallery")) as site:
        yield site


@pytest.fixture
def shelf(gallery_site):
    """Its database, which holds nothing yet."""
    opened = Shelf(gallery_site)
    opened.store.submit(lambda tx: tx.execute("DELETE FROM personas")).result()
    yield opened
    opened.store.close()


@pytest.fixture
def gallery(shelf, open_page):
    """Opens the page when its tweets are there: ``gallery("?status=draft")``."""

    def open_(query="", **options):
        page = open_page(shelf.url + query, **options)
        page.wait_for_selector(".feed[aria-busy=false]")
        return page

    return open_


def _foreign(url):
    return [] if url.startswith(("http://127.0.0.1:", "data:", "blob:")) else [f"a request to {url}"]


def choose(page, file):
    """Choose a picture as the file dialogue does."""
    page.set_input_files("#picture input[type=file]", str(file))
    page.wait_for_selector("#picture img")


def drop(page, file):
    """Drop a picture on the field."""
    data = page.evaluate_handle(
        """([bytes, name]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/jpeg'}));
            return transfer;
        }""",
        [list(file.read_bytes()), file.name],
    )
    page.dispatch_event("#picture button:has(input[type=file]), #picture .upload-container", "drop", {"dataTransfer": data})
    page.wait_for_selector("#picture img")


def states(page):
    """The state of each of the seven panels, by stage."""
    return page.eval_on_selector_all(".panel", "all => Object.fromEntries(all.map(n => [n.id.slice(6), n.className.slice(6)]))")


def wait_until_written(page):
    page.wait_for_selector(".summary .chip.complete")
