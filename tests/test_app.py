"""The web process: how it starts, what it answers, how it stops."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gradio_client import Client, handle_file

from storage import calendars, personas
from storage.clock import new_id
from storage.database import Store
from tests.browser.conftest import SAMPLES, Site

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    running = Site(tmp_path_factory.mktemp("app"), {"OFFLINE_LATENCY": "0"}).start()
    yield running
    assert running.stop() == 0, running.log.read_text()


def run(tmp_path, **environment):
    command = [sys.executable, str(ROOT / "app.py")]
    return subprocess.run(
        command, check=False, env={"PATH": "/usr/bin", **environment}, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )


def test_the_web_process_has_not_imported_torch(site):
    assert "libtorch" not in Path(f"/proc/{site.process.pid}/maps").read_text()


def test_health_names_writer_pool_and_jobs(site):
    with urllib.request.urlopen(f"{site.url}healthz") as answer:
        health = json.load(answer)
    assert health["status"] == "ok"
    assert health["writer"] == {"kind": "offline", "slots": 20, "in_use": 0, "waiting": 0}
    assert {"pool", "jobs"} <= set(health)


def test_only_stored_pictures_and_known_personas_are_answered(site):
    for path in (
        "/pictures/..%2fstudio.db",
        "/pictures/nothing.jpg",
        "/cards/nobody.json",
        "/cards/nobody.exe",
        "/calendars/nothing.json",
        "/calendars/nothing.exe",
        "/calendars/..%2f..%2fstudio.db",
        "/calendars/%3Cscript%3E.ics",
        "/calendars/'%20OR%201=1.csv",
        "/brand/../app.py",
        "/gradio_api/file=app.py",
    ):
        assert site.status(path) in (403, 404), path


@pytest.mark.parametrize(
    ("kind", "media_type"), [("json", "application/json"), ("csv", "text/csv; charset=utf-8"), ("ics", "text/calendar; charset=utf-8")]
)
def test_a_calendar_is_a_file_to_take_away_whatever_its_persona_is_called(site, kind, media_type):
    store, persona_id, now = Store(site.data), new_id(), datetime.now(UTC)

    def save(tx):
        personas.create(tx, persona_id, name='安娜"\r\nx: y', language="English", picture=None, options={}, job_id=None, now=now)
        body = {"calendar": {"2026-12-01": {"theme": "=1+1"}}}
        return calendars.save(tx, new_id(), calendars.NewCalendar(persona_id, "<b>.json", "upload", body), now)

    calendar_id = store.submit(save).result()
    store.close()
    with urllib.request.urlopen(f"{site.url}calendars/{calendar_id}.{kind}") as answer:
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-disposition"] == (
            f"attachment; filename=\"x_y_calendar_2026-12-01.{kind}\"; filename*=UTF-8''%E5%AE%89%E5%A8%9C_x_y_calendar_2026-12-01.{kind}"
        )
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert answer.read()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{site.url}calendars/{calendar_id}.{kind}x")
    assert refused.value.code == 404
    assert json.load(refused.value) == {"error": "A calendar is exported as json, csv, ics."}


def test_a_program_can_do_the_main_job_through_the_gradio_api(site):
    client = Client(site.url, verbose=False)
    started = client.predict(handle_file(str(SAMPLES / "night-baker.jpg")), "English", "", api_name="/start_persona")
    deadline = time.monotonic() + 30
    while (job := client.predict(started["job"], api_name="/job"))["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (job["status"], job["done"], job["failed"], job["total"]) == ("done", 7, 0, 7)
    assert len(job["steps"]) == 7
    persona = client.predict(started["persona"], api_name="/persona")
    assert persona["status"] == "complete"
    assert started["persona"] in [known["id"] for known in client.predict(api_name="/personas")]
    client.close()


def test_a_bad_picture_through_the_api_is_the_same_sentence(site, tmp_path):
    bad = tmp_path / "notes.png"
    bad.write_text("not a picture")
    client = Client(site.url, verbose=False)
    with pytest.raises(Exception, match=r"notes\.png is not a picture that can be used here"):
        client.predict(handle_file(str(bad)), "English", "", api_name="/start_persona")
    client.close()


def test_a_page_of_another_site_cannot_fill_the_disk(site):
    body = b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\nmuch\r\n--x--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"{site.url}gradio_api/upload", body, {**headers, "origin": "http://other.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)
    request = urllib.request.Request(f"{site.url}gradio_api/upload", body, headers)
    with urllib.request.urlopen(request) as answer:
        (path,) = json.load(answer)
    assert Path(path).is_relative_to(site.data / "incoming"), "uploads stay in the data folder"


@pytest.mark.parametrize("path", ["", "healthz"])
def test_a_question_without_a_body_is_answered_like_the_one_with_it(site, path):
    with urllib.request.urlopen(f"{site.url}{path}") as whole:
        expected = lasting(whole.headers)
    with urllib.request.urlopen(urllib.request.Request(f"{site.url}{path}", method="HEAD")) as head:
        assert lasting(head.headers) == expected
        assert head.read() == b""


def lasting(headers):
    """All that is the same the next time."""
    return {name: re.sub(r"'nonce-[\w-]+'", "'nonce'", value) for name, value in headers.items() if name != "date"}


def test_behind_a_reverse_proxy_everything_is_where_the_page_says(tmp_path):
    site = Site(tmp_path, {"ROOT_PATH": "/studio"}).start()
    for path in ("/healthz", "/brand/logo.svg", "/gradio_api/info", "/"):
        assert site.status(path) == 200, f"{path}, from a proxy that takes the prefix off"
        assert site.status("/studio" + path) == 200, f"{path}, from a proxy that passes it on"
    with urllib.request.urlopen(f"{site.url}studio") as answer:
        assert answer.url == f"{site.url}studio/", "else the page would look for its scripts beside the folder"
        assert b"window.studio" in answer.read()
    assert site.stop() == 0


def test_what_a_killed_server_left_of_uploads_is_deleted_after_a_day(tmp_path):
    old, new = tmp_path / "data" / "incoming" / "a" / "old.png", tmp_path / "data" / "incoming" / "b" / "new.png"
    for file in (old, new):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"picture")
    os.utime(old, (time.time() - 90_000,) * 2)
    site = Site(tmp_path, {}).start()
    assert not old.parent.exists()
    assert new.exists()
    assert site.stop() == 0


def test_a_path_that_was_not_uploaded_is_not_read(site):
    for image in (
        {"path": str(SAMPLES / "night-baker.jpg")},
        {"path": str(SAMPLES / "night-baker.jpg"), "meta": {"_type": "gradio.FileData"}},
        {"url": "http://127.0.0.1:9/x.png"},
        "night-baker.jpg",
        None,
    ):
        answer = call(site, "start_persona", [image, "English", ""])
        assert answer.startswith("event: error")
        assert "persona" not in answer


def call(site, name, data):
    """The Gradio API without its client: what the stream of the call says."""
    body = json.dumps({"data": data}).encode()
    request = urllib.request.Request(f"{site.url}gradio_api/call/{name}", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{site.url}gradio_api/call/{name}/{event}", timeout=20) as answer:
        return answer.read().decode()


def test_sigterm_while_a_persona_is_being_written_exits_0_and_the_next_start_finishes_it(tmp_path, offline_server):
    writer = offline_server("--latency", "1")
    site = Site(tmp_path, {"OPENAI_BASE_URL": writer.url}).start()
    client = Client(site.url, verbose=False)
    started = client.predict(handle_file(str(SAMPLES / "night-baker.jpg")), "English", "", api_name="/start_persona")
    time.sleep(0.5)
    assert site.stop() == 0
    assert "Traceback" not in site.log.read_text()
    client.close()

    site.start()
    client = Client(site.url, verbose=False)
    deadline = time.monotonic() + 30
    while client.predict(started["job"], api_name="/job")["status"] != "done":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    client.close()
    assert site.stop() == 0
    assert len(writer.log("begin")) == 7, "nothing was asked for twice"


def test_a_wrong_setting_stops_the_start_with_one_sentence_that_names_it(tmp_path):
    ended = run(tmp_path, MAX_CONCURRENT="many")
    assert ended.returncode == 2
    assert ended.stderr.startswith("MAX_CONCURRENT")
    assert ended.stderr.count("\n") == 1


def test_a_port_in_use_is_one_sentence(site, tmp_path):
    ended = run(tmp_path, PORT=str(site.port))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{site.port}" in ended.stderr


def test_every_answer_has_a_security_policy_and_every_script_of_a_page_a_new_nonce(site):
    seen = set()
    for path in ("", "gallery", "gallery/", "healthz", "brand/logo.svg", "gradio_api/info", "nothing", "gradio_api/file=x"):
        request = urllib.request.Request(f"{site.url}{path}", headers={"origin": "http://other.example"})
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert "access-control-allow-origin" not in answer.headers, path
            policy = answer.headers["content-security-policy"]
            nonces = set(re.findall(r"'nonce-([\w-]+)'", policy))
            if answer.headers["content-type"].startswith("text/html"):
                scripts = re.findall(rb"<script([^>]*)>", answer.read())
                assert len(scripts) > 4
                assert all(f'nonce="{next(iter(nonces))}"'.encode() in script for script in scripts)
                assert not nonces & seen
                seen |= nonces
            else:
                assert "default-src 'none'" in policy, path
    assert len(seen) == 3


def test_a_name_that_somebody_else_gave_this_machine_is_not_answered(site):
    request = urllib.request.Request(f"{site.url}healthz", headers={"host": f"evil.example:{site.port}"})
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(request)


def test_a_data_folder_that_cannot_be_used_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    ended = run(tmp_path, DATA_DIR=str(tmp_path / "file"), PORT="0")
    assert ended.returncode == 2
    assert str(tmp_path / "file") in ended.stderr
    assert "Traceback" not in ended.stderr
