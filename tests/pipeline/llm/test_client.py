from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import time

import pytest
from aiohttp import web
from scripted import KEY, failed, said, until

from errors import WriterError
from pipeline.llm import client
from pipeline.llm.client import Caller, Request, Writer
from pipeline.llm.gate import Gate
from storage.database import rows

QUESTION = [{"role": "user", "content": "A cat?"}]
REQUEST = Request(QUESTION, QUESTION, "Cat", {"type": "object"}, "model", "json_schema")
BUSY = failed(429, "slow down", headers={"Retry-After": "0.1"})


def answers(store) -> list[str]:
    return [row["answer"] for row in store.read(rows, "SELECT answer FROM calls WHERE answer IS NOT NULL")]


async def saved(store) -> list[dict]:
    """All calls, those nobody waited for included."""
    await store.write(lambda _: None)
    return store.read(rows, "SELECT * FROM calls ORDER BY id")


def slow(reply, seconds: float):
    async def wait(request):
        await asyncio.sleep(seconds)
        return reply(request)

    return wait


# Trying again


@pytest.mark.parametrize(
    "reply", [BUSY, failed(500), failed(503), lambda _: web.Response(text="<html>"), said(""), lambda _: web.json_response({"choices": []})]
)
async def test_what_passes_is_tried_again(reply, start_server, connect, caller, store):
    server = await start_server(reply, reply, said("{}"))
    writer = connect(server.url)
    assert (await writer.complete(REQUEST, caller)).text == "{}"
    assert len(server.asked) == 3
    assert (writer.traffic.calls, writer.traffic.retries, writer.traffic.failures) == (3, 2, 0)
    assert [call["answer"] for call in await saved(store)] == [None, None, "{}"]


@pytest.mark.parametrize("reply", [failed(401), failed(404), lambda _: web.json_response({}, status=302, headers={"Location": "/x"})])
async def test_what_does_not_pass_is_asked_once(reply, start_server, connect, caller, store):
    server = await start_server(reply)
    with pytest.raises(WriterError):
        await connect(server.url).complete(REQUEST, caller)
    assert len(server.asked) == 1
    assert len(await saved(store)) == 1


async def test_the_server_is_not_asked_again_before_the_time_it_gave(start_server, connect, caller):
    server = await start_server(failed(429, headers={"Retry-After": "0.4"}), said("{}"))
    began = time.monotonic()
    await connect(server.url).complete(REQUEST, caller)
    assert 0.4 <= time.monotonic() - began < 1


async def test_a_server_that_asks_for_no_wait_is_still_not_hammered(start_server, connect, caller):
    server = await start_server(failed(429, headers={"Retry-After": "0"}))
    with pytest.raises(WriterError, match="overloaded: no"):
        await connect(server.url, retry_budget=2).complete(REQUEST, caller)
    assert 4 <= len(server.asked) <= 9


async def test_the_budget_is_not_overrun(start_server, connect, caller):
    server = await start_server(failed(429, "slow down", headers={"Retry-After": "0.3"}))
    began = time.monotonic()
    with pytest.raises(WriterError, match="overloaded: slow down") as caught:
        await connect(server.url, retry_budget=1).complete(REQUEST, caller)
    assert time.monotonic() - began < 1.2
    assert (caught.value.kind, len(server.asked) >= 3) == ("overloaded", True)


async def test_a_wait_longer_than_the_budget_ends_it_at_once(start_server, connect, caller):
    server = await start_server(failed(429, headers={"Retry-After": "99999999"}))
    began = time.monotonic()
    with pytest.raises(WriterError, match="overloaded"):
        await connect(server.url).complete(REQUEST, caller)
    assert time.monotonic() - began < 1


async def test_a_person_does_not_wait_long_for_a_server_that_is_not_there_but_a_batch_does(connect, caller, monkeypatch):
    monkeypatch.setattr(client, "IMPATIENCE", 0.4)
    monkeypatch.setattr(client, "_backoff", lambda _: 0.1)
    writer = connect("http://127.0.0.1:1/v1", retry_budget=2)
    took = []
    for priority in (0, 5):
        began = time.monotonic()
        with pytest.raises(WriterError, match=r"cannot be reached.*Check OPENAI_BASE_URL") as caught:
            await writer.complete(REQUEST, dataclasses.replace(caller, priority=priority))
        assert caught.value.kind == "unreachable"
        took.append(time.monotonic() - began)
    assert took[0] < 1.2
    assert took[1] > 1.7


async def test_an_address_that_never_gives_an_answer_is_given_up(start_server, connect, caller, monkeypatch):
    monkeypatch.setattr(client, "_backoff", lambda _: 0)
    server = await start_server(lambda _: web.Response(text="<h1>Welcome to nginx</h1>"))
    with pytest.raises(WriterError, match=r"no answer: not JSON: Welcome to nginx. Check OPENAI_BASE_URL"):
        await connect(server.url).complete(REQUEST, caller)
    assert len(server.asked) == client.GARBLED_TRIES


async def test_whoever_waits_hears_of_every_delay(start_server, connect):
    server = await start_server(BUSY, said("{}"))
    heard = []
    await connect(server.url).complete(REQUEST, Caller("job", "anna", "core", report=heard.append))
    assert [told["phase"] for told in heard] == ["writing", "retrying"]
    assert (heard[1]["kind"], heard[1]["words"], heard[1]["attempt"]) == ("overloaded", "slow down", 1)
    assert heard[1]["wait"] >= 0.1


# The slot


async def test_no_more_calls_are_in_flight_than_there_are_slots(start_server, connect, caller):
    server = await start_server(slow(said("{}"), 0.02))
    writer = connect(server.url, width=7)
    await asyncio.gather(*(writer.complete(REQUEST, caller) for _ in range(60)))
    assert (server.peak, writer.gate.peak, writer.gate.in_use) == (7, 7, 0)


async def test_more_than_a_hundred_slots_are_really_used(start_server, connect, caller):
    async def together(request):
        await until(lambda: server.peak == 150)
        return said("{}")(request)

    server = await start_server(together)
    writer = connect(server.url, width=150)
    await asyncio.gather(*(writer.complete(REQUEST, caller) for _ in range(150)))
    assert (server.peak, len(server.asked)) == (150, 150)


async def test_a_slot_is_held_while_its_call_backs_off(start_server, connect, caller):
    server = await start_server(failed(429, headers={"Retry-After": "0.3"}), said("{}"))
    writer = connect(server.url, width=1)
    first = asyncio.create_task(writer.complete(REQUEST, caller))
    await until(lambda: server.asked and not server.in_flight)
    second = asyncio.create_task(writer.complete(REQUEST, caller))
    await asyncio.sleep(0.15)
    assert (len(server.asked), server.in_flight, writer.gate.in_use, writer.gate.waiting) == (1, 0, 1, 1)
    await asyncio.gather(first, second)
    assert len(server.asked) == 3


async def test_the_answer_is_in_the_database_before_its_slot_is_free(start_server, store, caller):
    found = []

    class Watched(Gate):
        def _leave(self):
            found.append(answers(store))
            super()._leave()

    server = await start_server(said("{}"))
    writer = Writer(server.url, KEY, Watched(1), store)
    await writer.complete(REQUEST, caller)
    await writer.close()
    assert found == [["{}"]]


async def test_a_call_cancelled_while_it_backs_off_ends_and_frees_its_slot(start_server, connect, caller):
    server = await start_server(failed(429, headers={"Retry-After": "4"}))
    writer = connect(server.url, width=1)
    call = asyncio.create_task(writer.complete(REQUEST, caller))
    await until(lambda: writer.traffic.retries)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (writer.gate.in_use, len(server.asked)) == (0, 1)


async def test_a_call_cancelled_in_flight_ends_and_frees_its_slot(start_server, connect, caller):
    server = await start_server(slow(said("{}"), 5))
    writer = connect(server.url, width=1)
    call = asyncio.create_task(writer.complete(REQUEST, caller))
    await until(lambda: server.in_flight)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert writer.gate.in_use == 0
    await until(lambda: not server.in_flight)


async def test_an_answer_that_came_is_saved_even_when_its_call_is_cancelled_then(start_server, connect, caller, store):
    server = await start_server(said("{}"))
    writer = connect(server.url)
    blocked = store.submit(lambda _: time.sleep(0.5))  # the writer thread is busy when the answer comes
    call = asyncio.create_task(writer.complete(REQUEST, caller))
    await until(lambda: writer.traffic.calls)
    assert not blocked.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (answers(store), writer.gate.in_use) == (["{}"], 0)


# The journal


async def test_a_redo_asks_nothing_that_was_answered(start_server, connect, caller):
    usage = {"prompt_tokens": 11, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}
    server = await start_server(said("{}", finish="length", usage=usage))
    first = await connect(server.url).complete(REQUEST, caller)
    redone = await connect(server.url).complete(REQUEST, dataclasses.replace(caller, redo=True))
    assert redone == first
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"request": dataclasses.replace(REQUEST, nth=2)},
        {"request": dataclasses.replace(REQUEST, model="other")},
        {"request": dataclasses.replace(REQUEST, seed=1)},
        {"request": dataclasses.replace(REQUEST, said=[{"role": "user", "content": "A dog?"}])},
        {"caller": Caller("job", "anna", "strategy", redo=True)},
        {"caller": Caller("job", "bela", "core", redo=True)},
        {"caller": Caller("job", "anna", "core", redo=True, retries=1)},
    ],
)
async def test_another_question_is_another_call(other, start_server, connect, caller):
    server = await start_server(said("{}"))
    writer = connect(server.url)
    await writer.complete(REQUEST, caller)
    await writer.complete(other.get("request", REQUEST), other.get("caller", dataclasses.replace(caller, redo=True)))
    assert len(server.asked) == 2


async def test_each_call_is_recorded_with_what_it_cost(start_server, connect, caller, store):
    usage = {"prompt_tokens": 11, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}
    server = await start_server(BUSY, said("{}", usage=usage))
    await connect(server.url).complete(REQUEST, caller)
    refused, answered = await saved(store)
    assert (refused["http_status"], refused["error_kind"], refused["error"], refused["prompt_tokens"]) == (
        429,
        "overloaded",
        "slow down",
        0,
    )
    assert (answered["http_status"], answered["error_kind"], answered["answer"]) == (200, None, "{}")
    assert (answered["prompt_tokens"], answered["cached_tokens"], answered["completion_tokens"]) == (11, 3, 5)


# Secrets, and strangers


async def test_the_key_is_in_no_row_no_log_and_no_error(start_server, connect, caller, store, caplog):
    caplog.set_level(logging.DEBUG, "pipeline")
    caplog.set_level(logging.INFO)
    echo = failed(429, f"key {KEY} is over its limit", headers={"Retry-After": "0.1"})
    server = await start_server(echo, failed(401, f"Incorrect API key provided: {KEY}."))
    heard = []
    with pytest.raises(WriterError) as caught:
        await connect(server.url).complete(REQUEST, dataclasses.replace(caller, report=heard.append))
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert len(await saved(store)) == 2
    told = json.dumps([await saved(store), heard], default=str) + caplog.text + repr(caught.value) + str(caught.value.facts)
    assert "over its limit" in told
    assert KEY not in told
    assert KEY[:12] not in told


async def test_nothing_goes_to_a_proxy_or_to_where_a_redirect_points(start_server, connect, caller, monkeypatch):
    elsewhere = await start_server(said("{}"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    monkeypatch.setenv("OPENAI_BASE_URL", elsewhere.url)
    server = await start_server(said("{}"), lambda _: web.Response(status=307, headers={"Location": f"{elsewhere.url}/chat/completions"}))
    writer = connect(server.url)
    await writer.complete(REQUEST, caller)
    with pytest.raises(WriterError, match="redirects"):
        await writer.complete(REQUEST, caller)
    assert (len(server.asked), elsewhere.asked) == (2, [])


async def test_no_compressed_answer_is_asked_for(start_server, connect, caller):
    server = await start_server(said("{}"))
    await connect(server.url).complete(REQUEST, caller)
    assert server.headers[0]["Accept-Encoding"] == "identity"


# Deadlines


async def drip(request):
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(200):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response


@pytest.mark.parametrize("reply", [drip, slow(said("{}"), 9)])
async def test_a_body_that_drips_or_never_comes_ends_at_the_time_out(reply, start_server, connect, caller):
    server = await start_server(reply)
    began = time.monotonic()
    with pytest.raises(WriterError, match="no complete answer within REQUEST_TIMEOUT") as caught:
        await connect(server.url, request_timeout=0.5, retry_budget=0).complete(REQUEST, caller)
    assert (caught.value.kind, time.monotonic() - began < 1.5) == ("timeout", True)


async def test_an_answer_larger_than_any_answer_ends_the_call_at_once(start_server, connect, caller):
    server = await start_server(lambda _: web.Response(body=b" " * 2 * client.RESPONSE_LIMIT, content_type="application/json"))
    with pytest.raises(WriterError, match="more than 8 MB"):
        await connect(server.url).complete(REQUEST, caller)
    assert len(server.asked) == 1
