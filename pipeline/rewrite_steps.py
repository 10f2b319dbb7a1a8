"""Tweets that are written anew as steps of a job: their order, and the work of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from errors import ConflictError
from pipeline import tweet_steps, tweets
from pipeline.jobs import Result, Step
from pipeline.tweet_steps import TweetWork
from storage import jobs as journal
from storage import tweets as table
from storage.database import Store, Transaction
from storage.jobs import NewStep

KIND = "rewrite"
LONGEST_INSTRUCTION = 2000
"""Characters of what the author asks for; the rest is cut off."""


def graph(found: Sequence[Mapping[str, Any]]) -> list[NewStep]:
    """A step for each tweet (its row); none waits for another."""
    return [NewStep(tweet["id"], KIND) for tweet in found]


def params(found: Sequence[Mapping[str, Any]], instruction: str) -> dict[str, Any]:
    """What the job's params say: the *instruction*, and which text of each tweet (its row) is to be written anew."""
    return {
        "instruction": instruction.strip()[:LONGEST_INSTRUCTION],
        "revisions": {tweet["id"]: tweet["revision"] for tweet in found},
        "personas": list(dict.fromkeys(tweet["persona_id"] for tweet in found)),
    }


async def write(step: Step, store: Store, work: TweetWork) -> Result:
    """Write a tweet anew. What an author has changed since it was ordered stays: then it raises :class:`ConflictError`."""
    tweet = await store.fetch(table.get, step.item)
    revision = step.params.get("revisions", {}).get(step.item, tweet["revision"])
    if tweet["revision"] != revision:
        raise _edited()
    ready = await work.ready(tweet["persona_id"])
    context = (await store.fetch(journal.get, tweet["job_id"]))["params"].get("context") if tweet["job_id"] else None
    brief = tweets.Brief(tweet["plan"], context or {}, current=tweet["text"], instruction=step.params["instruction"])
    others = [text for text in ready.recent if text != tweet["text"]]
    caller = tweet_steps.caller_of(step)
    written = await tweets.write(ready.who, brief, others, writer=work.writer, caller=caller, model=work.model)
    made = work.new_tweet(ready, written, brief, tweet_id=tweet["id"], day=tweet["date"] or "", slot=tweet["slot"], job_id=tweet["job_id"])

    def save(tx: Transaction) -> None:
        if table.get(tx, step.item)["revision"] != revision:
            raise _edited()
        table.edit(
            tx,
            step.item,
            text=made.text,
            parts=made.parts,
            badges=made.badges,
            length=made.length,
            revision=revision,
            by="writer",
            instruction=step.params["instruction"],
            now=datetime.now(UTC),
            poll=made.poll,
            mood=made.mood,
            hashtags=made.hashtags,
            alt_text=made.alt_text,
            image=made.image,
        )
        ready.says(made.id, made.text)

    return Result(save, shown={"tweet": step.item, "persona": tweet["persona_id"]})


def _edited() -> ConflictError:
    return ConflictError("This tweet was changed while it was being rewritten. The change stays.")
