"""The site as it is hosted: behind a login and a reverse proxy, told to stop, built as an image."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from gradio_client import Client, handle_file
from gradio_client.exceptions import AuthenticationError

from config import Settings
from tests.browser.conftest import SAMPLES, Site
from tests.proxy import Proxy

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("closed"), {"OFFLINE_LATENCY": "0", "AUTH": "ann:correct horse,bob:battery"}).start()
    yield site
    assert site.stop() == 0, site.log.read_text()
    assert "correct horse" not in site.log.read_text()
    assert "Traceback" not in site.log.read_text()


def test_with_logins_no_address_of_the_program_or_of_gradio_is_answered_without_one(tmp_path):
    """All routes there are, also those that a newer Gradio adds."""
    command = [sys.executable, "-m", "tests.every_route", str(tmp_path)]
    answers = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    assert {
        "/",
        "/gallery",
        "/pictures/x",
        "/brand",
        "/gradio_api/upload",
        "/gradio_api/queue/data",
        "/gradio_api/file=x",
    } <= answers.keys()
    assert len(answers) > 80
    assert {method for method, status in answers.pop("/healthz").items() if status != 401} == {"GET", "HEAD"}
    assert set(answers.pop("/login").values()) == {200, 401, 405}
    assert set(answers.pop("/logout").values()) == {200, 405}
    assert {path: statuses for path, statuses in answers.items() if set(statuses.values()) != {401}} == {}


def test_a_program_logs_in_and_does_the_main_job(closed):
    with pytest.raises(AuthenticationError):
        Client(closed.url, verbose=False)
    with pytest.raises(AuthenticationError):
        Client(closed.url, verbose=False, auth=("ann", "battery"))
    client = Client(closed.url, verbose=False, auth=("ann", "correct horse"))
    started = client.predict(handle_file(str(SAMPLES / "night-baker.jpg")), "English", "", api_name="/start_persona")
    deadline = time.monotonic() + 30
    while client.predict(started["job"], api_name="/job")["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert client.predict(started["persona"], api_name="/persona")["status"] == "complete"
    client.close()


def test_a_login_survives_a_restart_and_its_log_tells_who_came(tmp_path):
    site = Site(tmp_path, {"AUTH": "ann:correct horse"}).start()
    cookie = log_in(site, "ann", "correct horse")
    assert site.stop() == 0
    site.start()
    assert fetch(site, "config", {"cookie": cookie}) == 200
    assert fetch(site, "logout", {"cookie": cookie}, method="POST") == 200
    assert fetch(site, "config", {"cookie": cookie}) == 401
    assert site.stop() == 0
    assert "ann logged in from 127.0.0.1" in site.log.read_text()
    assert "correct horse" not in site.log.read_text()


def test_a_password_in_what_somebody_sends_does_not_get_into_the_log(closed):
    assert fetch(closed, "x/correct%20horse", {"origin": "http://other.example"}, b"") == 403
    assert "refused: POST /x/[redacted] from http://other.example" in closed.log.read_text()


def test_guesses_count_for_the_visitor_that_a_proxy_of_ours_names(tmp_path):
    site = Site(tmp_path, {"AUTH": "ann:correct horse"}).start()
    for _ in range(5):
        assert fetch(site, "login", {"x-forwarded-for": "192.0.2.1"}, b"username=ann&password=guess") == 401
    assert fetch(site, "login", {"x-forwarded-for": "192.0.2.1"}, b"username=ann&password=correct+horse") == 429
    assert fetch(site, "login", {"x-forwarded-for": "192.0.2.2"}, b"username=ann&password=correct+horse") == 200
    assert site.stop() == 0

    site = Site(tmp_path / "b", {"AUTH": "ann:correct horse", "FORWARDED_ALLOW_IPS": "192.0.2.9"}).start()
    for number in range(5):
        assert fetch(site, "login", {"x-forwarded-for": f"192.0.2.{number}"}, b"username=ann&password=guess") == 401
    assert fetch(site, "login", {"x-forwarded-for": "192.0.2.8"}, b"username=ann&password=guess") == 429, "nobody may choose an address"
    assert site.stop() == 0


def fetch(site, path, headers, body=None, method=None):
    """The status of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{site.url}{path}", body, headers, method=method)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def log_in(site, user, password):
    """The cookie."""
    form = urllib.parse.urlencode({"username": user, "password": password}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{site.url}login", form)) as answer:
        return answer.headers["set-cookie"].split(";")[0]


@pytest.mark.parametrize("takes_off", [True, False], ids=["the proxy takes the prefix off", "the proxy passes it on"])
@pytest.mark.parametrize("keeps_host", [True, False], ids=["and keeps the host", "and names it"])
def test_behind_a_real_proxy_a_program_works_and_a_stream_comes_as_it_is_written(tmp_path, takes_off, keeps_host):
    environment = {"ROOT_PATH": "/studio", "AUTH": "ann:correct horse", "OFFLINE_LATENCY": "0"}
    site = Site(tmp_path, environment).start()
    proxy = Proxy(site.port, takes_off=takes_off, keeps_host=keeps_host, scheme="https").start()
    assert fetch(proxy, "healthz", {}) == 200
    assert fetch(proxy, "config", {}) == 401
    form = b"username=ann&password=correct+horse"
    with urllib.request.urlopen(
        urllib.request.Request(f"{proxy.url}login", form, {"origin": proxy.url.rpartition("/studio")[0]})
    ) as answer:
        cookie = answer.headers["set-cookie"]
    assert "Secure" in cookie, "the browser came by https"
    assert "Path=/studio/" in cookie
    cookie = cookie.split(";")[0]
    picture = upload(proxy, SAMPLES / "night-baker.jpg", cookie)
    answer = call(proxy, "start_persona", [picture, "English", ""], cookie)
    assert answer.startswith("event: complete"), answer
    proxy.stop()
    assert site.stop() == 0


def upload(site, file, cookie):
    body = b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n' + file.read_bytes() + b"\r\n--x--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=x", "cookie": cookie}
    with urllib.request.urlopen(urllib.request.Request(f"{site.url}gradio_api/upload", body, headers)) as answer:
        return {"path": json.load(answer)[0], "meta": {"_type": "gradio.FileData"}}


def call(site, name, data, cookie=""):
    """The Gradio API without its client: what the stream of the call says."""
    body, headers = json.dumps({"data": data}).encode(), {"cookie": cookie}
    request = urllib.request.Request(f"{site.url}gradio_api/call/{name}", body, {"content-type": "application/json", **headers})
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(urllib.request.Request(f"{site.url}gradio_api/call/{name}/{event}", headers=headers), timeout=20) as answer:
        return answer.read().decode()


# Told to stop


@pytest.mark.slow
def test_a_writer_that_hangs_does_not_keep_the_server_from_ending_in_time(tmp_path, offline_server):
    """25 s is what docs/hosting.md tells Docker and systemd to wait."""
    site = Site(tmp_path, {"OPENAI_BASE_URL": offline_server("--latency", "120").url}).start()
    client = Client(site.url, verbose=False)
    client.predict(handle_file(str(SAMPLES / "night-baker.jpg")), "English", "", api_name="/start_persona")
    with urllib.request.urlopen(f"{site.url}gradio_api/heartbeat/abc"):  # as an open tab has one, for ever
        time.sleep(0.5)
        told = time.monotonic()
        assert site.stop() == 0
        assert time.monotonic() - told < 25
    client.close()
    assert "Traceback" not in site.log.read_text()


# As an image


def test_the_dockerfile_has_nothing_that_its_linter_minds():
    if not (linter := shutil.which("hadolint", path=str(Path(sys.executable).parent))):
        pytest.skip("hadolint is not there for this kind of machine")
    ended = subprocess.run([linter, "--no-color", str(ROOT / "Dockerfile")], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


def test_the_image_is_made_of_what_the_program_needs_and_nothing_else():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*", "what is not named stays out"
    rooms = {"assets", "cli", "gpu_pool", "pages", "pipeline", "storage"}
    assert allowed == {*rooms, "requirements.txt", "requirements-web.txt", "LICENSE", *(file.name for file in ROOT.glob("*.py"))}
    assert not any(fnmatch(".env", pattern) for pattern in allowed)


def test_the_image_takes_the_same_pillow_as_the_makefile():
    makefile = re.search(r"^PILLOW := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert f"--no-deps '{makefile}'" in (ROOT / "Dockerfile").read_text()


def test_compose_waits_longer_for_the_end_than_the_server_takes_and_sets_only_what_exists():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert set(compose["services"]) == {"gpu", "cpu"}
    for device, service in compose["services"].items():
        assert (service["profiles"], service["build"]["args"]) == ([device], {"DEVICE": device})
        assert int(service["stop_grace_period"].removesuffix("s")) > 25
        assert service["ports"] == ["127.0.0.1:7860:7860"], "the login comes with the proxy's TLS"
        assert {name.lower() for name in service["environment"]} <= set(Settings.model_fields)
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert "devices" in compose["services"]["gpu"]["deploy"]["resources"]["reservations"]
    assert "deploy" not in compose["services"]["cpu"]
