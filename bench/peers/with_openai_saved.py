"""As ``with_openai_aiohttp.py``, and each answer is saved with sqlite-utils before its slot is free: the program one would write by hand.

A row for every tweet, synced and in the full-text index when the next call begins, as Persona Studio has it. Nothing else: no check, no
version, nobody watches, and nothing goes on after a crash.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import heats
import openai
import with_openai
from sqlite_utils.db import Database, Table


def table(path: Path) -> Table:
    """An empty one, at the same level of safety as Persona Studio's."""
    db = Database(path)
    db.enable_wal()
    db.execute("PRAGMA synchronous = FULL")
    tweets = db.table("tweets", pk="id").create({"id": int, "question": str, "text": str, "answer": str})
    return tweets.enable_fts(["text"], tokenize="trigram", create_triggers=True)


async def main(path: Path) -> None:
    tweets = table(path)

    def save(messages: heats.Messages, answer: str, text: str) -> None:
        tweets.insert({"question": json.dumps(messages), "text": text, "answer": answer})

    await with_openai.main(openai.DefaultAioHttpClient(), save)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder) / "tweets.db"))
