"""LangChain: structured output of ChatOpenAI, ``with_retry``, and ``abatch`` with ``max_concurrency``."""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import heats
from langchain_openai import ChatOpenAI


async def main() -> None:
    task = heats.given()
    chat = ChatOpenAI(model=task.model, base_url=task.url, api_key="bench", timeout=heats.TIMEOUT)  # type: ignore[arg-type]
    chain = chat.with_structured_output(task.answer, method="json_schema", strict=True).with_retry()

    async def ask_all(questions: Sequence[heats.Messages]) -> Sequence[object]:
        return await chain.abatch(list(questions), {"max_concurrency": task.slots}, return_exceptions=True)

    await heats.compete("langchain-openai", task, ask_all)


if __name__ == "__main__":
    asyncio.run(main())
