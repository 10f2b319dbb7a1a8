"""The openai client with ``asyncio.gather`` behind a semaphore. Its ``create`` with our own validation: ``parse`` costs more."""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import heats
import openai

Save = Callable[[heats.Messages, str, str], None]
"""Saves the answer to a question: the question, the answer as it came, and the tweet in it."""


async def main(http_client: Any = None, save: Save | None = None) -> None:  # noqa: ANN401  whatever openai takes
    task = heats.given()
    schema = {"name": task.answer.__name__, "strict": True, "schema": task.schema}
    async with openai.AsyncOpenAI(base_url=task.url, api_key="bench", timeout=heats.TIMEOUT, http_client=http_client) as client:

        async def ask(messages: heats.Messages) -> object:
            answer = await client.chat.completions.create(
                model=task.model,
                messages=messages,  # type: ignore[arg-type]
                response_format={"type": "json_schema", "json_schema": schema},  # type: ignore[arg-type]
            )
            raw = answer.choices[0].message.content or ""
            tweet = task.answer.model_validate_json(raw)
            if save:
                save(messages, raw, getattr(tweet, "text"))  # noqa: B009  the model is made of a schema
            return tweet

        await heats.compete("openai", task, heats.gathered(ask, task.slots))


if __name__ == "__main__":
    asyncio.run(main())
