"""No secret reaches a log, whoever logs it and however it got there."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest

import logs

KEY = "sk-proj-0123456789abcdef"
PASSWORD = "correct horse"  # noqa: S105
SECRETS = [KEY, PASSWORD, "päss/wörd&x", "abc"]


@pytest.fixture
def written():
    """What a handler has written that was there before anybody knew of secrets."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(logs.FORMAT))
    logging.getLogger().addHandler(handler)
    before = logging.getLogRecordFactory()
    logs.keep_out(SECRETS)
    yield stream
    logging.setLogRecordFactory(before)
    logging.getLogger().removeHandler(handler)


log = logging.getLogger("another.package")


@pytest.mark.parametrize("secret", SECRETS[:3])
def test_a_known_secret_is_not_written_wherever_it_stands(written, secret):
    log.warning("with %s inside", secret)
    log.warning("in a dict %s, %s", {"x": secret}, 1)
    log.warning(f"in the text itself {secret}")  # noqa: G004
    log.warning("in an address %s", f"http://host/?q={logs.quote(secret, safe='')}")
    assert secret not in written.getvalue()
    assert logs.quote(secret, safe="") not in written.getvalue()
    assert written.getvalue().count(logs.HIDDEN) == 4


def fail():
    raise ValueError(f"the server said: wrong key {KEY}")


def test_a_traceback_is_written_without_it(written):
    try:
        fail()
    except ValueError:
        log.exception("failed with %s", PASSWORD, stack_info=True)
    assert "Traceback" in written.getvalue()
    assert "ValueError: the server said: wrong key [redacted]" in written.getvalue()
    assert KEY not in written.getvalue()
    assert PASSWORD not in written.getvalue()


def test_a_handler_that_is_added_later_is_given_none_either(written):
    later = io.StringIO()
    handler = logging.StreamHandler(later)
    log.addHandler(handler)
    log.error("key %s", KEY)
    log.removeHandler(handler)
    assert later.getvalue() == "key [redacted]\n"


def test_arguments_that_do_not_fit_are_not_printed_by_logging_itself(written, capsys):
    log.warning("one %s two %s", KEY)  # noqa: PLE1206
    assert "one %s two %s" in written.getvalue()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("{'authorization': 'Bearer abcdef0123456789'}", "abcdef0123456789"),
        ("authorization: Basic YW5uOnB3MTIz", "YW5uOnB3MTIz"),
        ("Incorrect API key provided: sk-abcdefghijkl. Find it", "sk-abcdefghijkl"),
        ("token hf_AbCdEfGhIjKlMnOp", "hf_AbCdEfGhIjKlMnOp"),
        ("GET https://ann:pw@host/v1 failed", "ann:pw"),
        ("GET https://justakey@host/v1 failed", "justakey"),
        ("GET http://host/v1?api_key=abc123&x=1", "abc123"),
        ("GET http://host/v1?x=1&access_token=abc123", "abc123"),
        ('{"api_key": "abc123", "model": "m"}', "abc123"),
        ("OPENAI_API_KEY=abc123", "abc123"),
        ("x-api-key: abc123", "abc123"),
        ("AUTH=ann:pw", "ann:pw"),
        ("password='pw1234'", "pw1234"),
        ("cookie: a=b; studio_session_0a1b2c3d=WyJhbm4i.abc.def; c=d", "WyJhbm4i.abc.def"),
    ],
)
def test_what_looks_like_a_secret_is_not_written_though_nobody_named_it(written, text, secret):
    log.warning(text)
    assert secret not in written.getvalue()
    assert logs.HIDDEN in written.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "Persona Studio is at http://127.0.0.1:7860/studio",
        "too many wrong passwords from 192.0.2.1",
        "refused: POST /gradio_api/upload from http://other.example:8080",
        "job 01K9ZQ3V5YQ8N0V4B1R7: 3 of 7 done, abc",
        "the tokens: 1234 sent, 56 answered; max_tokens=500",
        "basic authentication and bearer of news",
        "mail ann@example.com about the sketch-book-of-tides",
    ],
)
def test_what_is_none_stays_as_it_is(written, text):
    log.warning(text)
    assert text in written.getvalue()


def test_a_short_secret_does_not_show_itself_by_the_words_it_is_missing_from(written):
    log.warning("the abc of tides")
    assert "the abc of tides" in written.getvalue()


def test_the_command_line_keeps_its_key_out_of_what_is_written_without_any_handler(tmp_path):
    code = f"import logging, main; main.main(['--jobs', '--json', '--api-key', {KEY!r}, '--data-dir', {str(tmp_path)!r}])"
    code += f"; logging.getLogger('x').warning('it is %s', {KEY!r})"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=logs.__file__.rpartition("/")[0])
    assert ended.stderr.endswith("it is [redacted]\n")
    assert KEY not in ended.stderr


def test_the_record_is_what_it_was_but_for_the_secret(written):
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    log.addHandler(handler)
    log.error("failed", exc_info=(error := ValueError(KEY)))
    log.removeHandler(handler)
    (record,) = records
    assert (record.name, record.levelname, record.getMessage()) == ("another.package", "ERROR", "failed")
    assert record.funcName == "test_the_record_is_what_it_was_but_for_the_secret"
    assert record.exc_info[1] is error


def test_the_last_lines_are_remembered_by_number(written):
    recent = logs.Recent(most=3)
    log.addHandler(recent)
    try:
        for number in range(5):
            log.warning("line %d with %s", number, PASSWORD)
        log_failure()
    finally:
        log.removeHandler(recent)
    lines = recent.since(0)
    assert [line.number for line in lines] == [4, 5, 6], "no more than wanted, and never renumbered"
    assert [line.text for line in lines] == ["line 3 with [redacted]", "line 4 with [redacted]", "failed"]
    assert recent.since(5) == lines[2:]
    assert "ValueError: the server said: wrong key [redacted]" in lines[2].details
    assert KEY not in lines[2].details
    assert not lines[0].details


def log_failure():
    try:
        fail()
    except ValueError:
        log.exception("failed")
