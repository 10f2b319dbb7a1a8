"""Everything servers really do, over real HTTP, and what is made of it."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from scripted import KEY, failed, said

from pipeline.llm.client import RESPONSE_LIMIT, Request
from pipeline.llm.trouble import WORDS_LIMIT, Answer, Trouble, from_exception, read_answer, tidy

REQUEST = Request([{"role": "user", "content": "?"}], [], "Cat", {"type": "object"}, "model", "prompt")
PAGE = "<!doctype html><style>b{}</style><h1>502 Bad Gateway</h1><hr>nginx"


def body(data, status=200, **headers):
    """A reply with this very body: bytes and text as they are, anything else as JSON."""
    content = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else json.dumps(data).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(body=content, status=status, headers={"Content-Type": "application/json", **named})


def choice(**parts):
    return body({"choices": [{"finish_reason": "stop", **parts}]})


def hang_up(request):
    request.transport.close()
    return web.Response()


async def hang_up_midway(request):
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    request.transport.close()
    return response


DEEP = b'{"choices":' + b"[" * 100_000
LATER, PAST = timedelta(seconds=90), timedelta(seconds=-90)
SLOW_CLOCK = {"Date": "Tue, 03 Feb 2026 10:00:00 GMT", "Retry-After": "Tue, 03 Feb 2026 10:00:07 GMT"}

# what the server does: (kind, what its words contain)
STATUSES = {
    "401": (failed(401, "bad key"), "unauthorised", "bad key"),
    "401 that echoes the key": (failed(401, f"Incorrect API key provided: {KEY}."), "unauthorised", "provided: ***."),
    "403": (failed(403, "not in your country"), "unauthorised", "not in your country"),
    "429 without credit": (failed(429, "pay first", code="insufficient_quota"), "unauthorised", "pay first"),
    "429": (failed(429, "slow down"), "overloaded", "slow down"),
    "408": (failed(408, "late"), "server_error", "late"),
    "409": (failed(409, "locked"), "server_error", "locked"),
    "500": (failed(500, "oops"), "server_error", "oops"),
    "503 with HTML": (body(PAGE, 503), "server_error", "502 Bad Gateway nginx"),
    "529": (failed(529, "overloaded_error"), "server_error", "overloaded_error"),
    "500 with nothing": (body(b"", 500), "server_error", "500"),
    "400": (failed(400, "context too long"), "rejected", "context too long"),
    "400 as FastAPI says it": (body({"detail": "no such field"}, 400), "rejected", "no such field"),
    "404 as Ollama says it": (body({"error": "model 'x' not found"}, 404), "rejected", "model 'x' not found"),
    "404 with HTML": (body("<h1>404 Not Found</h1>", 404), "rejected", "404 Not Found"),
    "413": (failed(413, "too large"), "rejected", "too large"),
    "400 content filter": (failed(400, "filtered", code="content_filter"), "refused", "filtered"),
    "400 with a list": (body([1, 2], 400), "rejected", "[1, 2]"),
    "400 with a lone surrogate": (body(b'{"error": {"message": "\\ud83d oops"}}', 400), "rejected", "? oops"),
    "302": (body(b"", 302, Location="http://127.0.0.1:9/elsewhere"), "rejected", "OPENAI_BASE_URL"),
    "307": (body(b"", 307, Location="http://127.0.0.1:9/elsewhere"), "rejected", "redirects"),
}
ANSWERS = {
    "nothing": (body(b""), "garbled", "an empty body"),
    "204": (body(b"", 204), "garbled", "an empty body"),
    "HTML": (body(PAGE), "garbled", "not JSON: 502 Bad Gateway nginx"),
    "JSON that breaks off": (body(b'{"choices": [{"mess'), "garbled", "not JSON"),
    "bytes that are no text": (body(b"\xff\xfe\x00"), "garbled", "not JSON"),
    "deep nesting": (body(DEEP), "garbled", "not JSON"),
    "a list": (body([1]), "garbled", "not an answer: [1]"),
    "a number": (body(b"NaN"), "garbled", "not an answer: NaN"),
    "null": (body(b"null"), "garbled", "not an answer"),
    "no choices": (body({"status": "loading"}), "garbled", 'an answer without choices: {"status": "loading"}'),
    "choices null": (body({"choices": None}), "garbled", "without choices"),
    "choices empty": (body({"choices": []}), "garbled", "without choices"),
    "choices a mapping": (body({"choices": {"0": {}}}), "garbled", "without choices"),
    "message null": (choice(message=None), "garbled", "without choices"),
    "content null": (choice(message={"content": None}), "garbled", "a blank answer"),
    "content blank": (choice(message={"content": " \n"}), "garbled", "a blank answer"),
    "content a list of nothing": (choice(message={"content": [None, {"type": "image"}]}), "garbled", "a blank answer"),
    "a refusal": (choice(message={"content": None, "refusal": "I can't."}), "refused", "I can't."),
    "a refusal that is an object": (choice(message={"refusal": {"why": "no"}}), "refused", "no"),
    "a content filter": (choice(message={"content": ""}, finish_reason="content_filter"), "refused", "content filter"),
    "an error inside": (body({"error": {"message": "no GPU"}}), "server_error", "no GPU"),
    "an error inside as text": (body({"error": "no GPU"}), "server_error", "no GPU"),
    "an error inside with a code": (body({"error": {"message": "busy", "code": 429}}), "overloaded", "busy"),
    "an error inside with a code as text": (body({"error": {"message": "bad", "code": "400"}}), "rejected", "bad"),
    "an error inside about the key": (body({"error": {"message": f"{KEY}?", "code": 401}}), "unauthorised", "***?"),
    "an error inside of odd shape": (body({"error": [{"a": 1}]}), "server_error", '[{"a": 1}]'),
    "an answer without end": (body(b" " * (RESPONSE_LIMIT + 1)), "rejected", "more than 8 MB"),
    "a compressed bomb": (body(gzip.compress(b" " * 10**7), Content_Encoding="gzip"), "rejected", "compressed"),
    "a connection that is cut": (hang_up, "dropped", "disconnected"),
    "a connection that is cut midway": (hang_up_midway, "dropped", "not completed"),
}


async def trouble_with(writer) -> Trouble:
    try:
        answer = read_answer(await writer._post(REQUEST, {}))
    except Exception as error:  # noqa: BLE001  that is the point
        return from_exception(error, KEY)
    pytest.fail(f"no trouble with {answer}")


@pytest.mark.parametrize("case", [*STATUSES, *ANSWERS])
async def test_whatever_a_server_does_has_a_kind_and_its_own_words(case, start_server, connect):
    reply, kind, words = {**STATUSES, **ANSWERS}[case]
    server = await start_server(reply)
    trouble = await trouble_with(connect(server.url))
    assert (trouble.kind, words in trouble.words) == (kind, True), trouble
    assert KEY not in f"{trouble}{trouble.words}{trouble.args}"
    assert len(trouble.words) <= WORDS_LIMIT
    assert "\n" not in trouble.words
    trouble.words.encode()
    assert len(server.asked) == 1, "no redirect is followed, nothing is asked twice"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 2.5 "}, 2.5),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"Retry-After": LATER}, 90),
        ({"Retry-After": PAST}, 0),
        (SLOW_CLOCK, 7),
        ({"Retry-After": "99999999"}, 99999999),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"retry-after-ms": "1e999"}, None),
        ({"Retry-After": "Tue, 99 Feb 99999 10:00:00 GMT"}, None),
    ],
)
async def test_a_wait_is_read_in_every_form_it_comes_in(headers, seconds, start_server, connect):
    now = datetime.now(UTC)
    sent = {name: format_datetime(now + value, usegmt=True) if isinstance(value, timedelta) else value for name, value in headers.items()}
    server = await start_server(failed(429, headers=sent))
    wait = (await trouble_with(connect(server.url))).retry_after
    assert wait == (None if seconds is None else pytest.approx(seconds, abs=3))


async def test_a_server_that_is_not_there_is_told_from_one_that_hangs_up(connect):
    for url in ("http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1"):
        trouble = await trouble_with(connect(url))
        assert (trouble.kind, trouble.passing) == ("unreachable", True)
        assert "Cannot connect to host" in trouble.words


async def test_a_server_that_speaks_no_tls_cannot_be_reached_over_https(start_server, connect):
    server = await start_server(said("{}"))
    trouble = await trouble_with(connect(server.url.replace("http:", "https:")))
    assert trouble.kind == "unreachable"


def answer(**parts) -> Answer:
    return read_answer(json.dumps({"choices": [{"finish_reason": "stop", **parts}], "usage": {"prompt_tokens": 5}}).encode())


def test_usable_answers_are_read_as_they_came():
    assert answer(message={"content": " {} "}).text == " {} "
    assert answer(message={"content": [{"type": "text", "text": "{"}, {"type": "text", "text": "}"}]}).text == "{}"
    assert answer(message={"content": "x"}, finish_reason=None).finish_reason == "stop"
    assert answer(message={"content": ""}, finish_reason="length").text == "", "cut off before the first word is cut off, not blank"
    assert answer(message={"content": "x"}).prompt_tokens == 5


def test_what_could_not_be_stored_is_replaced():
    odd = read_answer(b'{"choices": [{"message": {"content": "\\ud83d"}, "finish_reason": "\\ud83d"}]}')
    assert (odd.text, odd.finish_reason) == ("?", "?")


@pytest.mark.parametrize("usage", [None, [], "x", {"prompt_tokens": float("nan")}, {"prompt_tokens": -1, "prompt_tokens_details": []}])
def test_odd_counts_of_tokens_count_as_none(usage):
    found = read_answer(json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode())
    assert (found.prompt_tokens, found.cached_tokens, found.completion_tokens) == (0, 0, 0)


def test_bugs_are_not_taken_for_trouble():
    with pytest.raises(KeyError):
        from_exception(KeyError("x"))


def test_words_are_one_short_line_without_tags_or_keys():
    assert tidy("<b>no</b>\n <script>alert(1)</script>go") == "no go"
    assert tidy("Incorrect API key provided: sk-proj-abc***xyz") == "Incorrect API key provided: ***"
    assert tidy("Authorization: Bearer abcdef123") == "Authorization: ***"
    assert tidy("offline", "offline") == "offline", "a placeholder is no secret"
    assert len(tidy("a" * 10_000)) == WORDS_LIMIT


def test_a_key_is_not_shown_in_part_where_the_words_are_cut():
    words = "<i></i>" * 570 + KEY
    assert not any(KEY[:size] in tidy(words[: 3990 + size], KEY) for size in range(4, len(KEY)))


@pytest.mark.timeout(5)
def test_hostile_words_take_no_time():
    for piece in ("<script", "<", "sk-", "</style>"):
        tidy(piece * 10**6)
