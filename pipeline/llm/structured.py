"""From a question and a Pydantic model to a valid value: ask, read leniently, repair with the errors quoted back.

Servers differ in what they can promise. The ladder is ``json_schema``, ``json_object``, schema in the prompt; it goes down when the
server refuses the format, and also when it accepts the format and twice ignores it. What was learned is kept per model.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Generic, TypeVar

import json_repair
import orjson
from pydantic import BaseModel, ValidationError

from errors import WriterError
from pipeline import prompts
from pipeline.llm.client import Caller, FormatRefused, Message, Request, Writer
from pipeline.llm.profile import Format, below
from pipeline.llm.schema import wire_schema
from pipeline.llm.trouble import Answer

T = TypeVar("T", bound=BaseModel)

MOST_ANSWERS = 6
"""Answers a value may take: the first and two repairs, then once more from the beginning. One is the rule, three are rare."""
REPAIRS = 2
ROOMY = 8192
"""Tokens asked for after an answer that was cut off at the server's own, smaller limit."""
PROBLEMS_SHOWN = 12
LONGEST = 200_000
"""Characters of an answer that are read."""


@dataclass(frozen=True)
class Question(Generic[T]):
    """What is asked: the conversation so far, the model the answer must fit, and the sampling wishes."""

    messages: list[Message]
    answer: type[T]
    model: str
    temperature: float | None = None
    seed: int | None = None


async def ask(question: Question[T], writer: Writer, caller: Caller) -> T:
    """A valid answer. Raises :class:`WriterError` when the server cannot be used or :data:`MOST_ANSWERS` answers were all invalid."""
    return await _Conversation(question, writer, caller).run()


class _Conversation(Generic[T]):
    def __init__(self, question: Question[T], writer: Writer, caller: Caller) -> None:
        self.question = question
        self.writer = writer
        self.caller = caller
        self.profile = writer.profile(question.model)
        self.level: Format = self.profile.format
        self.turns: list[Message] = []
        self.max_tokens: int | None = None
        self.repairs = 0
        self.ignored = 0
        self.problems: list[str] = []

    async def run(self) -> T:
        for nth in range(1, MOST_ANSWERS + 1):
            answer = await self._answer(nth)
            value = self._read(answer)
            if value is not None:
                # Learned only from success: a level that was ignored and a lower one that works.
                self.profile.format = self.level
                return value
            self.caller.report({"phase": "repairing", "nth": nth, "problems": self.problems})
            self._next_turn(answer)
        shown = "; ".join(self.problems[:3])
        sentence = "The model's answers were invalid {count} times, last: {problems}."
        raise WriterError("invalid", sentence, count=MOST_ANSWERS, problems=shown)

    async def _answer(self, nth: int) -> Answer:
        """One answer, going down the ladder as the server refuses formats; up again if it rejects the question in any format."""
        begun_at = self.level
        while True:
            try:
                return await self.writer.complete(self._request(nth), self.caller)
            except FormatRefused:
                self.level = self.profile.format
            except WriterError as error:
                if error.kind == "rejected":
                    self.profile.format = begun_at
                raise

    def _request(self, nth: int) -> Request:
        schema = wire_schema(self.question.answer)
        messages = self.question.messages
        if self.level != "json_schema":
            messages = _with_text(messages, prompts.render("schema", schema=json.dumps(schema, ensure_ascii=False)))
        return Request(
            messages=messages + self.turns,
            schema_name=self.question.answer.__name__,
            schema=schema,
            model=self.question.model,
            format=self.level,
            nth=nth,
            temperature=self.question.temperature,
            seed=self.question.seed,
            max_tokens=self.max_tokens,
        )

    def _read(self, answer: Answer) -> T | None:
        """The value, or ``None`` with :attr:`problems` saying what is wrong."""
        cut = answer.finish_reason == "length"
        found = find_object(answer.text, mend=not cut)
        if found is None:
            self.problems = ["the answer was cut off" if cut else "the answer is not a JSON object"]
            self.ignored += not cut
            return None
        try:
            return self.question.answer.model_validate(found)
        except ValidationError as error:
            self.problems = _problems(error)
            required = wire_schema(self.question.answer).get("required", [])
            self.ignored += not cut and not any(key in found for key in required)
            return None

    def _next_turn(self, answer: Answer) -> None:
        """Decide what to say next: from the beginning one level down, from the beginning with more room, or a repair."""
        if self.ignored >= 2 and self.level != below(self.level):
            self.level, self.ignored = below(self.level), 0
            self._begin_again()
        elif answer.finish_reason == "length":
            self.max_tokens = ROOMY
            self._begin_again()
        elif self.repairs >= REPAIRS or self.ignored:
            self._begin_again()
        else:
            self.repairs += 1
            self.turns = [
                {"role": "assistant", "content": answer.text},
                {"role": "user", "content": prompts.render("repair", problems=self.problems)},
            ]

    def _begin_again(self) -> None:
        self.turns, self.repairs = [], 0


def _with_text(messages: list[Message], text: str) -> list[Message]:
    """*messages* with *text* added to the last one, which may have parts."""
    last = messages[-1]
    content = last["content"]
    longer = [*content, {"type": "text", "text": text}] if isinstance(content, list) else content + text
    return [*messages[:-1], {**last, "content": longer}]


_THINKING = re.compile(r"<think(ing)?>.*?</think(ing)?>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)


def find_object(text: str, *, mend: bool = True) -> dict[str, object] | None:
    """The JSON object in an answer: bare, in a code fence, after a thought, or among chatter.

    With *mend*, small slips (a trailing comma, a missing quote) are put right; never do that to an answer that was cut off, since
    mending turns it into plausible data. Non-finite numbers and text that is too deeply nested count as no object.
    """
    text = _THINKING.sub(" ", text[:LONGEST])
    if "</think>" in text:  # some servers strip the opening tag
        text = text.rsplit("</think>", 1)[1]
    for candidate in [text, *_FENCE.findall(text)]:
        if (found := _loads(candidate)) is not None:
            return found
    start = text.find("{")
    while start != -1:
        if (found := _decode_at(text, start)) is not None:
            return found
        start = text.find("{", start + 1) if start < 4000 else -1
    if mend and "{" in text and len(text) < LONGEST // 4:
        mended = json_repair.loads(text[text.find("{") :])
        if isinstance(mended, dict) and mended:
            return _loads(json.dumps(mended))
    return None


_decoder = json.JSONDecoder()


def _loads(text: str) -> dict[str, object] | None:
    """Read with orjson: it refuses what breaks later, in the database or on the wire (NaN, infinity, lone surrogates, absurd nesting)."""
    try:
        found = orjson.loads(text.strip())
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and found else None


def _decode_at(text: str, start: int) -> dict[str, object] | None:
    try:
        _, end = _decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return _loads(text[start:end])


def _problems(error: ValidationError) -> list[str]:
    """Pydantic's findings as lines an LLM can act on: the place, what is wrong, and what stood there."""
    lines = []
    for finding in error.errors()[:PROBLEMS_SHOWN]:
        place = ".".join(str(part) for part in finding["loc"]) or "the object"
        shown = "" if finding["type"] == "missing" else f" (it is {json.dumps(finding['input'], ensure_ascii=False, default=str)[:80]})"
        lines.append(f"`{place}`: {finding['msg'].removeprefix('Value error, ')}{shown}")
    return lines
