"""instructor on one openai client, with ``asyncio.gather`` behind a semaphore: it has no limit of its own."""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio

import heats
import instructor
import openai


async def main() -> None:
    task = heats.given()
    async with openai.AsyncOpenAI(base_url=task.url, api_key="bench", timeout=heats.TIMEOUT) as plain:
        client = instructor.from_openai(plain, mode=instructor.Mode.JSON_SCHEMA)

        async def ask(messages: heats.Messages) -> object:
            return await client.create(model=task.model, messages=messages, response_model=task.answer)  # type: ignore[arg-type]

        await heats.compete("instructor", task, heats.gathered(ask, task.slots))


if __name__ == "__main__":
    asyncio.run(main())
