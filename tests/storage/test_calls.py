"""LLM calls that ended: found again by the same request of the same step, and summed up by step."""

from __future__ import annotations

import pytest
from sqlite_utils.utils import sqlite3

from storage import calls
from storage.clock import timestamp


def call(**changes):
    return {
        "job_id": "job",
        "item": "anna",
        "stage": "core",
        "request_hash": "r1",
        "model": "m",
        "answer": '{"name": "Anna"}',
        "finish_reason": "stop",
        "prompt_tokens": 100,
        "cached_tokens": 80,
        "completion_tokens": 10,
        "http_status": 200,
        "error_kind": None,
        "error": None,
        "seconds": 1.5,
        "ended_at": timestamp(),
        **changes,
    }


async def test_a_call_keeps_its_raw_answer_to_the_letter(store):
    answer = '```json\n{"name": "安娜 \\u0000 😀"}\n``` \x00 end'
    number = await store.write(calls.record, call(answer=answer))
    found = store.read(calls.find_answer, "job", "anna", "core", "r1")
    assert found["answer"] == answer
    assert found["id"] == number


async def test_an_answer_is_found_only_by_the_very_same_request_of_the_same_step(store):
    await store.write(calls.record, call())
    wanted = ["job", "anna", "core", "r1"]
    assert store.read(calls.find_answer, *wanted)
    for place in range(4):
        other = [*wanted[:place], "other", *wanted[place + 1 :]]
        assert store.read(calls.find_answer, *other) is None


async def test_of_several_answers_the_newest_is_found_and_failures_are_none(store):
    for answer in ("first", "second", None):
        await store.write(calls.record, call(answer=answer, error_kind=None if answer else "overloaded"))
    assert store.read(calls.find_answer, "job", "anna", "core", "r1")["answer"] == "second"


async def test_a_call_that_failed_has_no_answer_to_find(store):
    await store.write(calls.record, call(answer=None, http_status=429, error_kind="overloaded", error="slow down"))
    assert store.read(calls.find_answer, "job", "anna", "core", "r1") is None


async def test_an_empty_answer_was_paid_for_and_is_found(store):
    await store.write(calls.record, call(answer=""))
    assert store.read(calls.find_answer, "job", "anna", "core", "r1")["answer"] == ""


async def test_totals_are_by_step_and_count_failures(store):
    await store.write(calls.record, call())
    await store.write(calls.record, call(answer=None, error_kind="overloaded", prompt_tokens=0, cached_tokens=0, completion_tokens=0))
    await store.write(calls.record, call(stage="strategy", prompt_tokens=7))
    await store.write(calls.record, call(job_id="another"))
    totals = store.read(calls.totals, "job")
    assert totals == {
        ("anna", "core"): {"calls": 2, "failed_calls": 1, "prompt_tokens": 100, "cached_tokens": 80, "completion_tokens": 10},
        ("anna", "strategy"): {"calls": 1, "failed_calls": 0, "prompt_tokens": 7, "cached_tokens": 80, "completion_tokens": 10},
    }
    assert store.read(calls.totals, "nobody") == {}


async def test_calls_outlive_the_job_that_made_them(store):
    await store.write(calls.record, call(job_id="deleted"))
    assert store.read(calls.find_answer, "deleted", "anna", "core", "r1")


async def test_a_call_without_what_it_must_have_is_refused(store):
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(calls.record, call(seconds=None))
