"""The Gradio API as a program uses it: gradio_client and a served app."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.browser.conftest import SAMPLES, Site

NAMES = {
    *("start_persona", "start_tweets", "start_images", "job", "personas", "persona"),
    *("tweets", "edit_tweet", "set_status", "export", "take_back"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    settings = {"OFFLINE_LATENCY": "0", "IMAGE_ENGINE": "preview", "IMAGE_SIZE": "64x64", "DISCLOSURE": "A fictional persona."}
    running = Site(tmp_path_factory.mktemp("api"), settings).start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def client(site, tmp_path_factory):
    return Client(site.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="module")
def ask(client):
    def ask(name, *args, **kwargs):
        return client.predict(*args, **kwargs, api_name=f"/{name}")

    return ask


def ended(ask, started):
    deadline = time.monotonic() + 60
    while (job := ask("job", started["job"]))["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


@pytest.fixture(scope="module")
def written(ask):
    """A persona and its six tweets."""
    started = ask("start_persona", handle_file(str(SAMPLES / "night-baker.jpg")), "English", "")
    assert ended(ask, started)["done"] == 7
    job = ended(ask, ask("start_tweets", [started["persona"]], 6, "2027-01-04"))
    assert (job["status"], job["failed"]) == ("done", 0)
    page = ask("tweets", {"persona": [started["persona"]]})
    assert len(page["tweets"]) == 6
    assert page["next"] is None
    return started["persona"], [tweet["id"] for tweet in page["tweets"]]


def test_these_functions_are_published_and_no_others(client):
    assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == {f"/{name}" for name in NAMES}
    assert not client.view_api(return_format="dict", print_info=False)["unnamed_endpoints"]


def test_from_a_picture_to_reviewed_tweets_with_pictures_in_a_file(ask, written):
    persona_id, ids = written
    assert ask("persona", persona_id)["status"] == "complete"
    assert persona_id in [persona["id"] for persona in ask("personas")]
    tweets = ask("tweets", {"persona": [persona_id]})["tweets"]
    assert {tweet["date"][:8] for tweet in tweets} == {"2027-01-"}
    assert sorted(ask("set_status", ids[:4], "approved")["changed"]) == sorted([tweet_id, "draft"] for tweet_id in ids[:4])
    assert ask("set_status", ids[:4], "approved")["changed"] == []
    job = ended(ask, ask("start_images", ids[:4]))
    assert (job["status"], job["done"], job["total"]) == ("done", 4, 4)
    lines = Path(ask("export", "jsonl", {"status": ["approved"]})).read_text("utf-8").splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(ids[:4])
    assert all(json.loads(line)["ai_generated"] for line in lines)


def test_pages_follow_one_another(ask, written):
    _, ids = written
    first = ask("tweets", {}, None, 4)
    second = ask("tweets", {}, first["next"], 4)
    assert [tweet["id"] for tweet in first["tweets"] + second["tweets"]] == ids
    assert second["next"] is None
    assert ask("tweets", {"q": "no tweet has these words"})["tweets"] == []


def test_an_edit_is_a_version_and_a_stale_one_is_refused(ask, written):
    _, ids = written
    text = "<img src=x onerror=alert(1)> ${7*7} {{7*7}}"
    before = ask("edit_tweet", ids[5], "First the rye.")
    after = ask("edit_tweet", ids[5], text, before["revision"])
    assert (after["text"], after["version"]) == (text, before["version"] + 1)
    with pytest.raises(AppError, match="meanwhile"):
        ask("edit_tweet", ids[5], "Too late.", before["revision"])
    assert ask("tweets", {"q": "onerror"})["tweets"][0]["text"] == text


@pytest.mark.parametrize("kind", ["csv", "zip", "buffer", "metricool", "batch"])
def test_every_format_arrives_as_a_file(ask, written, kind):
    content = Path(ask("export", kind, {"persona": [written[0]]})).read_bytes()
    assert len(content) > 200


def test_an_edited_export_comes_back(ask, written, tmp_path):
    line = json.loads(Path(ask("export", "jsonl", {"persona": [written[0]]})).read_text("utf-8").splitlines()[0])
    edited = tmp_path / "edited.jsonl"
    edited.write_text(json.dumps({**line, "text": "Edited elsewhere."}), "utf-8")
    came = ask("take_back", handle_file(str(edited)))
    assert came == {"changed": 1, "reviewed": 0, "same": 0, "conflicts": 0, "unknown": 0, "remarks": []}
    assert ask("tweets", {"q": "Edited elsewhere."})["tweets"][0]["id"] == line["id"]


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("job", ["nobody"], "There is no job nobody."),
        ("job", [{"a": 1}], "This call cannot be read (id)."),
        ("persona", ["nobody"], "There is no persona nobody."),
        ("start_persona", [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}], ""),
        ("take_back", [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}], ""),
        ("start_tweets", [["nobody"], 3], "There is no persona nobody."),
        ("start_tweets", [[], 3], "This call cannot be read (persona_ids)."),
        ("start_tweets", [["a"], 0], "This call cannot be read (count)."),
        ("start_tweets", [["a"], "many"], "This call cannot be read (count)."),
        ("start_tweets", [["a"], 1, "tomorrow"], "This call cannot be read (start)."),
        ("start_tweets", [[f"a{number}" for number in range(9)], 9999], "89991 tweets are too many for one job; the limit is"),
        ("start_images", [["nobody"]], "There is no tweet nobody."),
        ("start_images", ["all"], "This call cannot be read (tweet_ids)."),
        ("tweets", [{"color": "red"}], "This call cannot be read (filters.color)."),
        ("tweets", [{"since": "yesterday"}], "This call cannot be read (filters.since)."),
        ("tweets", [{}, None, 100000], "This call cannot be read (limit)."),
        ("edit_tweet", ["nobody", "x"], "There is no tweet nobody."),
        ("edit_tweet", ["nobody", "x" * 100_000], "This call cannot be read (text)."),
        ("set_status", [["a"], "posted"], "This call cannot be read (status)."),
        ("export", ["docx"], "Tweets are exported as"),
        ("export", ["../../etc"], "Tweets are exported as"),
    ],
)
def test_bad_input_gets_one_sentence(ask, written, name, given, sentence):
    with pytest.raises(AppError) as refused:
        ask(name, *given)
    assert sentence in str(refused.value)
    assert "Traceback" not in str(refused.value)
