"""The offline server as clients meet it: the real openai client, a real process, real HTTP."""

import asyncio
import http.client
import json
import math
import threading
import time
import warnings
from urllib.parse import urlsplit

import openai
import pytest
from asking import AS_NOTE, HELLO, NOTE, SAMPLES, WITH_SCHEMA_IN_PROMPT, data_uri, response_format
from jsonschema import validate

from pipeline.offline.embedded import EmbeddedWriter

MODEL = "offline-demo"


async def ask(client, messages=HELLO, response_format=AS_NOTE, **more):
    given = {"response_format": response_format} if response_format else {}
    return await client.chat.completions.create(model=MODEL, messages=messages, **given, **more)


def text_of(completion) -> str:
    return completion.choices[0].message.content


def raw(url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def post(url: str, **request) -> tuple[int, dict]:
    return raw(url, "POST", "/v1/chat/completions", json.dumps({"model": MODEL, "messages": HELLO, **request}).encode())


# Answers


async def test_an_answer_follows_the_json_schema(client):
    completion = await ask(client())
    validate(json.loads(text_of(completion)), NOTE)
    assert completion.choices[0].finish_reason == "stop"


async def test_an_answer_follows_a_schema_that_stands_in_the_prompt(client):
    validate(json.loads(text_of(await ask(client(), WITH_SCHEMA_IN_PROMPT, {"type": "json_object"}))), NOTE)
    validate(json.loads(text_of(await ask(client(), WITH_SCHEMA_IN_PROMPT, None))), NOTE)


async def test_json_object_without_a_schema_is_still_an_object(client):
    assert isinstance(json.loads(text_of(await ask(client(), HELLO, {"type": "json_object"}))), dict)


async def test_without_a_format_the_answer_is_prose(client):
    text = text_of(await ask(client(), HELLO, None))
    assert " " in text
    assert not text.startswith("{")


async def test_the_same_seed_gives_the_same_answer(client):
    first, second = [text_of(await ask(client(), seed=5)) for _ in range(2)]
    assert first == second
    assert text_of(await ask(client(), seed=6)) != first


async def test_without_a_seed_a_repeated_question_gets_other_answers(client):
    messages = [{"role": "user", "content": "Tell me about a morning nobody else has asked about."}]
    answers = {text_of(await ask(client(), messages, response_format("day", NOTE))) for _ in range(6)}
    assert len(answers) > 3


async def test_a_picture_decides_the_answer(client):
    def seeing(path):
        parts = [{"type": "text", "text": "Whose world is this?"}, {"type": "image_url", "image_url": {"url": data_uri(path)}}]
        return [HELLO[0], {"role": "user", "content": parts}]

    answers = [await ask(client(), seeing(path), None, seed=1) for path in SAMPLES[:3]]
    assert len({text_of(answer) for answer in answers}) == 3
    assert all(answer.usage.prompt_tokens > 765 for answer in answers)


async def test_a_stream_carries_the_same_text_and_the_usage(client):
    whole = await ask(client(), seed=3)
    pieces, usage, reasons = [], None, []
    async for chunk in await ask(client(), seed=3, stream=True, stream_options={"include_usage": True}):
        if chunk.choices:
            pieces.append(chunk.choices[0].delta.content or "")
            reasons.append(chunk.choices[0].finish_reason)
        usage = chunk.usage or usage
    assert "".join(pieces) == text_of(whole)
    assert len(pieces) > 3
    assert reasons[-1] == "stop"
    assert usage.completion_tokens == whole.usage.completion_tokens


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_token_limit_cuts_the_answer(client, name):
    completion = await ask(client(), seed=3, **{name: 7})
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens == 7
    assert text_of(await ask(client(), seed=3)).startswith(text_of(completion))


async def test_tokens_are_counted(client):
    usage = (await ask(client(), HELLO, AS_NOTE)).usage
    assert 12 < usage.prompt_tokens < 40
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    chinese = await ask(client(), [HELLO[0], {"role": "user", "content": "你好" * 500}], AS_NOTE)
    assert 1000 <= chinese.usage.prompt_tokens < 1025


async def test_a_beginning_that_came_before_counts_as_cached(client):
    long = "This persona keeps bees on a roof. " * 200
    first, second = [await ask(client(), [HELLO[0], {"role": "user", "content": f"{long}Day {day}."}]) for day in (1, 2)]
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert 1024 <= cached < second.usage.prompt_tokens
    assert cached % 128 == 0


async def test_a_short_beginning_is_not_cached(client):
    for _ in range(2):
        completion = await ask(client())
    assert completion.usage.prompt_tokens_details.cached_tokens == 0


async def test_there_is_one_model(client):
    assert [model.id for model in (await client().models.list()).data] == [MODEL]


def test_it_says_that_it_is_healthy(writer_url):
    assert raw(writer_url, "GET", "/healthz") == (200, {"status": "ok", "model": MODEL})


# Errors


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "pirate", "content": "arr"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}]},
            "messages",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]},
            "messages",
        ),
        ({"model": None}, "model"),
        ({"n": 2}, "n"),
        ({"seed": "seven"}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": response_format("bad", {"type": "objekt"})}, "response_format"),
        ({"response_format": response_format("bad", {"properties": {"a": {"enum": []}}})}, "response_format"),
        ({"response_format": response_format("bad", {"$ref": "#/$defs/missing"})}, "response_format"),
        ({"response_format": response_format("bad", {"type": "string", "pattern": "(("})}, "response_format"),
    ],
)
def test_a_wrong_request_is_refused_in_openais_shape(writer_url, wrong, param):
    status, body = post(writer_url, **wrong)
    assert status == 400
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["param"] == param


def test_broken_json_is_a_400(writer_url):
    assert raw(writer_url, "POST", "/v1/chat/completions", b"{not json")[0] == 400
    assert raw(writer_url, "POST", "/v1/chat/completions", b"[" * 100_000)[0] == 400


def test_an_unknown_path_is_a_404_and_a_wrong_method_a_405(writer_url):
    status, body = raw(writer_url, "GET", "/v1/nothing")
    assert status == 404
    assert body["error"]["message"] == "Invalid URL (GET /v1/nothing)"
    assert raw(writer_url, "GET", "/v1/chat/completions")[0] == 405


def test_a_body_of_more_than_32_mb_is_a_413(writer_url):
    status, body = raw(writer_url, "POST", "/v1/chat/completions", b" " * (32 * 2**20 + 1))
    assert status == 413
    assert "32 MB" in body["error"]["message"]


def test_only_a_server_with_control_lets_its_behaviour_be_changed(offline_server):
    server = offline_server("--retry-after", "3")
    assert server.behave(latency=0.01)["retry_after"] == 3
    with pytest.raises(ValueError, match="share"):
        server.behave(faults={"429": 7})
    with pytest.raises(ValueError, match="'mood'"):
        server.behave(mood="cross")


# Faults


async def test_429_says_when_to_come_back(client, offline_server):
    server = offline_server("--faults", "429=1", "--retry-after", "0.5")
    with pytest.raises(openai.RateLimitError) as error:
        await ask(client(server.url))
    assert error.value.response.headers["retry-after"] == "1"
    assert error.value.response.headers["retry-after-ms"] == "500"


async def test_500_is_a_server_error(client, offline_server):
    with pytest.raises(openai.InternalServerError):
        await ask(client(offline_server("--faults", "500").url))


async def test_a_dropped_connection_ends_with_or_without_a_beginning(client, offline_server):
    server = offline_server("--faults", "drop=1")
    for _ in range(6):
        with pytest.raises(openai.APIConnectionError):
            await ask(client(server.url))
    assert server.stats()["outcomes"] == {"drop": 6}
    beginnings = {_received(server.url) for _ in range(8)}
    assert len(beginnings) == 2


def _received(url: str) -> str:
    """Which exception reading a dropped answer ends with."""
    with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)) as error:
        post(url)
    return error.type.__name__


async def test_a_truncated_answer_says_length_or_only_stops(client, offline_server):
    server = offline_server("--faults", "truncated=1")
    answers = [await ask(client(server.url)) for _ in range(12)]
    assert {answer.choices[0].finish_reason for answer in answers} == {"length", "stop"}
    for answer in answers:
        with pytest.raises(ValueError, match=r"."):
            json.loads(text_of(answer))


async def test_wrong_schema_is_json_that_does_not_fit(client, offline_server):
    server = offline_server("--faults", "wrong_schema=1")
    for _ in range(8):
        value = json.loads(text_of(await ask(client(server.url))))
        with pytest.raises(Exception, match="Failed validating"):
            validate(value, NOTE)


async def test_html_comes_with_a_200(client, offline_server):
    assert "<html>" in await ask(client(offline_server("--faults", "html=1").url))


async def test_empty_has_no_choices_and_blank_no_text(client, offline_server):
    server = offline_server("--faults", "empty=1")
    assert (await ask(client(server.url))).choices == []
    server.behave(faults="blank=1")
    assert text_of(await ask(client(server.url))) == ""


async def test_a_refusal_has_no_content(client, offline_server):
    message = (await ask(client(offline_server("--faults", "refusal=1").url))).choices[0].message
    assert message.content is None
    assert message.refusal


async def test_slow_answers_come_whole_but_late(client, offline_server):
    server = offline_server("--faults", "slow=1", "--slow-seconds", "0.6")
    begun = time.monotonic()
    validate(json.loads(text_of(await ask(client(server.url)))), NOTE)
    assert 0.5 < time.monotonic() - begun < 3


async def test_fences_and_thoughts_stand_around_the_json(client, offline_server):
    server = offline_server("--faults", "fence=1")
    fenced = text_of(await ask(client(server.url)))
    validate(json.loads(fenced.split("```json\n")[1].split("\n```")[0]), NOTE)
    server.behave(faults="think=1")
    thought = text_of(await ask(client(server.url)))
    assert thought.startswith("<think>")
    validate(json.loads(thought.split("</think>")[1]), NOTE)


async def test_surrogates_and_nan_pass_pythons_json_and_nothing_else(client, offline_server):
    server = offline_server("--faults", "surrogate=1")
    assert any("\ud83d" in str(value) for value in json.loads(text_of(await ask(client(server.url)))).values())
    server.behave(faults={"nan": 1})
    assert math.isnan(json.loads(text_of(await ask(client(server.url))))["hours"])


async def test_faults_hit_streams_too(client, offline_server):
    server = offline_server("--faults", "drop=1")
    with pytest.raises(openai.APIError):
        async for _ in await ask(client(server.url), stream=True):
            pass
    server.behave(faults="blank=1")
    chunks = [chunk async for chunk in await ask(client(server.url), stream=True)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ""


async def test_faults_come_as_often_as_asked_and_the_same_again(client, offline_server):
    async def outcomes(server):
        connected = client(server.url)
        for number in range(60):
            try:
                await ask(connected, [{"role": "user", "content": f"note {number}"}])
            except openai.APIStatusError:
                continue
        return [line["outcome"] for line in server.log("end")]

    first, second, other = [await outcomes(offline_server("--faults", "429=0.3,500=0.2", "--seed", seed)) for seed in ("7", "7", "8")]
    assert first == second != other
    assert 8 < first.count("429") < 30
    assert 4 < first.count("500") < 24


# Latency, capacity, formats


async def test_latency_runs_from_the_arrival_and_calls_wait_side_by_side(client, offline_server):
    server = offline_server("--latency", "0.5", "--jitter", "0.1")
    begun = time.monotonic()
    await asyncio.gather(*(ask(client(server.url)) for _ in range(20)))
    assert 0.5 < time.monotonic() - begun < 2.5
    seconds = [line["seconds"] for line in server.log("end")]
    assert len(set(seconds)) > 10
    assert min(seconds) >= 0.44
    assert server.stats()["peak"] == 20


async def test_calls_beyond_the_capacity_are_turned_away(client, offline_server):
    server = offline_server("--latency", "0.4", "--capacity", "3")
    answers = await asyncio.gather(*(ask(client(server.url)) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, openai.RateLimitError) for answer in answers) == 5
    stats = server.stats()
    assert stats["outcomes"] == {"capacity": 5, "ok": 3}
    assert stats["peak"] == 3
    assert stats["in_flight"] == 0


async def test_a_server_may_know_json_object_only(client, offline_server):
    connected = client(offline_server("--formats", "json_object").url)
    with pytest.raises(openai.BadRequestError, match="type is unavailable"):
        await ask(connected)
    validate(json.loads(text_of(await ask(connected, WITH_SCHEMA_IN_PROMPT, {"type": "json_object"}))), NOTE)


async def test_a_server_may_know_no_format(client, offline_server):
    connected = client(offline_server("--formats", "none").url)
    for refused in (AS_NOTE, {"type": "json_object"}):
        with pytest.raises(openai.BadRequestError) as error:
            await ask(connected, HELLO, refused)
        assert error.value.param == "response_format"
    validate(json.loads(text_of(await ask(connected, WITH_SCHEMA_IN_PROMPT, None))), NOTE)


async def test_a_server_may_ignore_the_format(client, offline_server):
    connected = client(offline_server("--formats", "ignored").url)
    assert "{" not in text_of(await ask(connected))
    chatty = text_of(await ask(connected, WITH_SCHEMA_IN_PROMPT))
    assert not chatty.startswith("{")
    validate(json.loads(chatty[chatty.index("{") : chatty.rindex("}") + 1]), NOTE)


# The log, the process, the embedded server


async def test_every_request_stands_in_the_log_twice(client, offline_server):
    server = offline_server()
    data = [
        HELLO[0],
        {"role": "user", "content": '<data>\n{"name": "Mara Lind", "occupation": "beekeeper", "city": "Gent"}\n</data>\nWrite a note.'},
    ]
    await ask(client(server.url), data)
    begin, end = server.log()
    assert (begin["event"], begin["in_flight"], begin["schema"], begin["persona"]) == ("begin", 1, "note", "Mara Lind")
    assert (end["event"], end["in_flight"], end["outcome"], end["prompt_sha"]) == ("end", 0, "ok", begin["prompt_sha"])
    assert end["seconds"] < 5


async def test_a_client_that_leaves_frees_its_place(client, offline_server):
    server = offline_server("--latency", "30")
    with pytest.raises(openai.APITimeoutError):
        await ask(client(server.url, timeout=0.3))
    for _ in range(100):
        if not server.stats()["in_flight"]:
            break
        await asyncio.sleep(0.05)
    assert server.stats()["outcomes"] == {"gone": 1}


def test_it_ends_on_sigterm_and_after_its_time(offline_server):
    asked = offline_server("--latency", "30")
    asked.process.terminate()
    assert asked.process.wait(5) == 0
    assert offline_server("--ttl", "0.2").process.wait(5) == 0


async def test_the_embedded_writer_serves_from_a_thread_and_leaves_nothing_behind(client):
    writer = EmbeddedWriter(latency=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        url = await writer.start()
        connected = client(url)
        answers = await asyncio.gather(*(ask(connected) for _ in range(5)))
        await connected.close()
        await writer.stop()
    assert urlsplit(url).hostname == "127.0.0.1"
    assert all(json.loads(text_of(answer)) for answer in answers)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("offline-writer")]


async def test_the_embedded_writer_stops_while_calls_wait_and_may_start_again(client):
    writer = EmbeddedWriter(latency=60)
    waiting = asyncio.create_task(ask(client(await writer.start())))
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    await writer.stop()
    assert time.monotonic() - begun < 3
    with pytest.raises(openai.APIConnectionError):
        await waiting
    assert await writer.start()
    await writer.stop()
    await writer.stop()
