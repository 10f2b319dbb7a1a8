"""litellm's ``acompletion`` with ``asyncio.gather`` behind a semaphore: its Router's own limit turns calls away."""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import os

import heats

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches a list of prices while it is imported

import litellm


async def main() -> None:
    task = heats.given()

    async def ask(messages: heats.Messages) -> object:
        answer = await litellm.acompletion(
            model=f"openai/{task.model}",
            api_base=task.url,
            api_key="bench",
            timeout=heats.TIMEOUT,
            messages=messages,
            response_format=task.answer,
        )
        return task.answer.model_validate_json(answer.choices[0].message.content or "")

    await heats.compete("litellm", task, heats.gathered(ask, task.slots))


if __name__ == "__main__":
    asyncio.run(main())
