"""Pydantic AI: one agent with native structured output and ``max_concurrency``."""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import heats
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


async def main() -> None:
    task = heats.given()
    model = OpenAIChatModel(task.model, provider=OpenAIProvider(base_url=task.url, api_key="bench"), settings={"timeout": heats.TIMEOUT})
    agent = Agent(model, output_type=NativeOutput(task.answer, strict=True), max_concurrency=task.slots)

    async def ask(messages: heats.Messages) -> object:
        system, user = (message["content"] for message in messages)
        return (await agent.run(user, instructions=system)).output

    async def ask_all(questions: Sequence[heats.Messages]) -> Sequence[object]:
        return await asyncio.gather(*map(ask, questions), return_exceptions=True)

    await heats.compete("pydantic-ai-slim", task, ask_all)


if __name__ == "__main__":
    asyncio.run(main())
