"""What all contestants of ``bench.tweets`` have in common: being told to go, the clock, and the account of a heat.

A heat is one run of the thousand questions. A contestant says ``ready``, runs a heat for every line that comes in on stdin, answers it
with one line of JSON, and ends with stdin. Needs nothing but Pydantic, so that it runs in every peer's environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, create_model

Messages = list[dict[str, Any]]
"""A conversation as the wire has it."""
AskAll = Callable[[Sequence[Messages]], Awaitable[Sequence[object]]]
"""Asks many questions, as many at once as there are slots. What cannot be had is an exception among the answers."""
TIMEOUT = 60
"""Seconds a call may take."""


@dataclass(frozen=True)
class Account:
    """How a heat ended: how many answers are *complete*, and why others are not, with counts."""

    complete: int
    failed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Task:
    """What a peer is given: the writer's address *url*, how many calls it may have under way at once, and the questions with the model
    that every answer has to fit (*schema* says the same as the wire has it).
    """

    url: str
    slots: int
    model: str
    schema: dict[str, Any]
    questions: list[Messages]
    answer: type[BaseModel]


def given() -> Task:
    """The task that the command line names: a file of questions, an address, a number of slots."""
    path, url, slots = sys.argv[1:]
    data = json.loads(Path(path).read_text("utf-8"))
    return Task(url, int(slots), data["model"], data["schema"], data["questions"], _as_model(data["name"], data["schema"]))


def _as_model(name: str, schema: dict[str, Any]) -> type[BaseModel]:
    """The Pydantic model of a flat schema of texts and lists of texts."""
    fields: dict[str, Any] = {
        key: (list[str] if one["type"] == "array" else str, Field(description=one["description"]))
        for key, one in schema["properties"].items()
    }
    return create_model(name, **fields)


def gathered(ask: Callable[[Messages], Awaitable[object]], slots: int) -> AskAll:
    """*ask* for many: ``asyncio.gather`` and a semaphore, as the documentation of libraries without a limit of their own has it."""
    semaphore = asyncio.Semaphore(slots)

    async def one(messages: Messages) -> object:
        async with semaphore:
            return await ask(messages)

    async def ask_all(questions: Sequence[Messages]) -> Sequence[object]:
        return await asyncio.gather(*map(one, questions), return_exceptions=True)

    return ask_all


async def compete(distribution: str, task: Task, ask_all: AskAll) -> None:
    """Be a contestant that asks with the library *distribution*. Its warm-up is one question a slot."""

    async def heat() -> Account:
        return _account(task.answer, await ask_all(task.questions))

    with contextlib.redirect_stdout(sys.stderr):  # some libraries print
        await ask_all(task.questions[: task.slots])
        await serve(version(distribution), heat)


def _account(answer: type[BaseModel], results: Iterable[object]) -> Account:
    failed: Counter[str] = Counter()
    complete = 0
    for result in results:
        if isinstance(result, answer) and getattr(result, "text").strip():  # noqa: B009  the model is made of a schema
            complete += 1
        else:
            failed[type(result).__name__] += 1
    return Account(complete, failed)


async def serve(release: str, heat: Callable[[], Awaitable[Account]], before: Callable[[], Awaitable[None]] | None = None) -> None:
    """Say ``ready`` with the *release* that was started, then run heats. *before* makes one ready while the clock stands."""
    # As Persona Studio's own entries do; so nobody's CPU goes into collecting garbage among imports and questions.
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
    _say({"ready": release})
    while await asyncio.to_thread(sys.stdin.readline):
        if before:
            await before()
        began, cpu = time.perf_counter(), time.process_time()
        account = await heat()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        _say({"seconds": seconds, "cpu_seconds": cpu_seconds, "complete": account.complete, "failed": account.failed})


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), file=sys.__stdout__, flush=True)
