"""As ``with_openai.py``, over aiohttp, which openai's documentation advises for many calls at once."""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio

import openai
import with_openai


async def main() -> None:
    await with_openai.main(openai.DefaultAioHttpClient())


if __name__ == "__main__":
    asyncio.run(main())
