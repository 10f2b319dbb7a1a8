"""Answers in prose, where nobody asks for JSON."""

from __future__ import annotations

from pipeline.offline.tell_persona import bound_people
from pipeline.offline.tellers import Job


def reply(job: Job) -> str:
    """A short answer in the persona's voice to the last thing that was said."""
    bound = bound_people(job)
    opening = job.telling.say("chat_opening", **bound)
    body = job.telling.say("anecdote", **bound)
    closing = job.telling.say("chat_closing", **bound)
    return f"{opening}{body}{closing}" if job.language == "zh" else f"{opening} {body} {closing}"


def around(job_language: str, json_text: str) -> str:
    """JSON as chatty models send it: with a word before and after."""
    if job_language == "zh":
        return f"好的，我想了想，大概是这样的：\n\n{json_text}\n\n如果有哪里需要改，告诉我就行。"
    before, after = "I thought about it for a while and this is what I came up with:", "Let me know if you would like anything changed."
    return f"Of course! {before}\n\n{json_text}\n\n{after}"
