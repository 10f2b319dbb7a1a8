"""From a question and a Pydantic model to a valid value: ask, read leniently, repair with the errors quoted back.

Servers differ in what they can promise. The ladder is ``json_schema``, ``json_object``, schema in the prompt; it goes down when the
server refuses the format, and also when it accepts the format and twice ignores it. What was learned is kept per model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import json_repair
import orjson
from pydantic import BaseModel, ValidationError

from errors import WriterError
from pipeline import prompts
from pipeline.llm.client import Caller, FormatRefused, Message, Request, Writer
from pipeline.llm.profile import Format, below, lower
from pipeline.llm.schema import wire_schema
from pipeline.llm.trouble import Answer

T = TypeVar("T", bound=BaseModel)

MOST_ANSWERS = 6
"""Answers a value may take: the first and two repairs, then once more from the beginning. One is the rule, three are rare."""
REPAIRS = 2
ROOMY = 8192
"""Tokens asked for at least after an answer that was cut off at the server's own limit; twice of what came, where that is more."""
PROBLEMS_SHOWN = 12
LONGEST = 200_000
"""Characters of an answer that are read."""
MENDED = 50_000
"""Characters of an answer that may be mended: it takes a hundred times as long as reading."""
DEEPEST = 40
"""Levels an object may have: far more than any answer needs, far less than breaks whoever walks through it."""
TRIES = 40
"""Braces in chatter at which an object may begin."""


@dataclass(frozen=True)
class Question(Generic[T]):
    """What is asked: the conversation so far, the model the answer must fit, and the sampling wishes.

    *said* stands for *messages* when a stored answer is looked for after a crash: without what may have changed meanwhile and does not
    make it another question.
    """

    messages: list[Message]
    answer: type[T]
    model: str
    temperature: float | None = None
    seed: int | None = None
    said: list[Message] | None = None


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
        self.found: dict[str, object] | None = None
        self.cut = False
        self.problems: list[str] = []

    async def run(self) -> T:
        for nth in range(1, MOST_ANSWERS + 1):
            answer = await self._answer(nth)
            value = self._read(answer)
            if value is not None:
                # Learned only from success (a level that was ignored and a lower one that works), and never back up: what others
                # have learned meanwhile holds.
                self.profile.format = lower(self.profile.format, self.level)
                return value
            self.caller.report({"phase": "repairing", "nth": nth, "problems": self.problems})
            self._next_turn(answer)
        shown = "; ".join(self.problems[:3])
        sentence = "The model's answers were invalid {count} times, last: {problems}."
        raise WriterError("invalid", sentence, count=MOST_ANSWERS, problems=shown)

    async def _answer(self, nth: int) -> Answer:
        """One answer, going down the ladder as the server refuses formats; up again if it rejects the question in any format."""
        known = self.profile.format
        while True:
            try:
                return await self.writer.complete(self._request(nth), self.caller)
            except FormatRefused:
                self.level = lower(self.profile.format, below(self.level))
            except WriterError as error:
                if error.kind == "rejected":
                    self.profile.format = known
                raise

    def _request(self, nth: int) -> Request:
        question, schema = self.question, wire_schema(self.question.answer)
        messages = question.messages
        if self.level != "json_schema":
            messages = _with_text(messages, prompts.render("schema", schema=json.dumps(schema, ensure_ascii=False)))
        return Request(
            messages=messages + self.turns,
            said=(question.said or question.messages) + self.turns,
            schema_name=question.answer.__name__,
            schema=schema,
            model=question.model,
            format=self.level,
            nth=nth,
            temperature=question.temperature,
            # The same seed again would have a deterministic server make the same mistake again.
            seed=None if question.seed is None else question.seed + nth - 1,
            max_tokens=self.max_tokens,
        )

    def _read(self, answer: Answer) -> T | None:
        """The value, or ``None`` with :attr:`problems` saying what is wrong and :attr:`found` what can be built upon."""
        required = wire_schema(self.question.answer).get("required", [])
        self.cut = answer.finish_reason == "length" or was_cut_off(answer.text)
        self.found = find_object(answer.text, required, mend=not self.cut)
        if self.found is None:
            self.problems = ["the answer was cut off" if self.cut else "the answer is not a JSON object"]
        else:
            try:
                return self.question.answer.model_validate(self.found)
            except ValidationError as error:
                self.problems = _problems(error)
            if any(key in self.found for key in required):
                self.cut = answer.finish_reason == "length"
            else:
                self.found = None  # an object, but of something else
        self.ignored += self.found is None and not self.cut
        return None

    def _next_turn(self, answer: Answer) -> None:
        """Decide what to say next: from the beginning one level down, from the beginning with more room, or a repair."""
        if self.ignored >= 2 and self.level != below(self.level):
            self.level, self.ignored = below(self.level), 0
            self._begin_again()
        elif self.cut:
            self.max_tokens = max(ROOMY, 2 * answer.completion_tokens)
            self._begin_again()
        elif self.found is None or self.repairs >= REPAIRS:
            self._begin_again()
        else:
            self.repairs += 1
            self.turns = [
                {"role": "assistant", "content": json.dumps(self.found, ensure_ascii=False)},
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


_THOUGHT_ENDS = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?", re.IGNORECASE)


def find_object(text: str, keys: Collection[str] = (), *, mend: bool = True) -> dict[str, object] | None:
    """The JSON object in an answer: bare, in a code fence, after a thought, or among chatter; the one with most of *keys* if there are
    several.

    With *mend*, small slips (a trailing comma, a missing quote) are put right; never do that to an answer that was cut off, since
    mending turns it into plausible data. Non-finite numbers and text that is too deeply nested count as no object.
    """
    text = _after_thought(text[:LONGEST])
    if (found := _loads(text)) is not None:
        return found
    candidates = [found for block in _fenced(text) if (found := _loads(block)) is not None] or list(_among(text))
    best = max(candidates, key=lambda found: sum(key in found for key in keys), default=None)
    # What can be read may be no more than a part of what has to be mended.
    if mend and (best is None or not any(key in best for key in keys)) and (mended := _mended(text)):
        return mended
    return best


def was_cut_off(text: str) -> bool:
    """True when *text* breaks off inside an object. Some servers say ``stop`` then, as if the model had ended by itself."""
    text = _after_thought(text[:LONGEST]).rstrip("` \n")
    start, end = text.find("{"), text.rfind("}")
    return start != -1 and (end < start or any(sign in text[end:] for sign in '"[:'))


def _after_thought(text: str) -> str:
    """*text* without the ``<think>`` block before the answer, whose opening tag some servers strip."""
    ends = [match.end() for match in _THOUGHT_ENDS.finditer(text)]
    return text[ends[-1] :] if ends else text


def _fenced(text: str) -> list[str]:
    """What stands between code fences."""
    return _FENCE.split(text)[1::2]


def _among(text: str) -> Iterator[dict[str, object]]:
    """The objects in a text, those inside others left out."""
    start = text.find("{")
    for _ in range(TRIES):
        if start == -1:
            return
        end = _end_of_object(text, start)
        if end and (found := _loads(text[start:end])) is not None:
            yield found
        start = text.find("{", end or start + 1)


def _mended(text: str) -> dict[str, object] | None:
    start, end = text.find("{"), text.rfind("}") + 1
    text = text[start:end]
    if start == -1 or not text or len(text) > MENDED or _depth(text) > DEEPEST:
        return None
    try:
        mended = json_repair.loads(text)
        return _loads(json.dumps(mended)) if isinstance(mended, dict) else None
    except (ValueError, RecursionError):
        return None


def _depth(text: str) -> int:
    """How deeply the brackets of *text* nest, those in strings counted as well."""
    depth = deepest = 0
    for sign in text:
        if sign in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "}]":
            depth -= 1
    return deepest


_decoder = json.JSONDecoder()


def _loads(text: str) -> dict[str, object] | None:
    """Read with orjson: it refuses what breaks later, in the database or on the wire (NaN, infinity, lone surrogates)."""
    try:
        found = orjson.loads(text.strip())
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and found and _shallow(found) else None


def _shallow(root: dict[str, object]) -> bool:
    level: list[object] = [root]
    for _ in range(DEEPEST):
        children = [list(node.values()) if isinstance(node, dict) else node for node in level if isinstance(node, dict | list)]
        level = [child for some in children for child in some]
        if not level:
            return True
    return False


def _end_of_object(text: str, start: int) -> int | None:
    try:
        _, end = _decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return end


def _problems(error: ValidationError) -> list[str]:
    """Pydantic's findings as lines an LLM can act on: the place, what is wrong, and what stood there."""
    lines = []
    for finding in error.errors()[:PROBLEMS_SHOWN]:
        place = ".".join(str(part) for part in finding["loc"]) or "the object"
        shown = "" if finding["type"] == "missing" else f" (it is {json.dumps(finding['input'], ensure_ascii=False, default=str)[:80]})"
        lines.append(f"`{place}`: {finding['msg'].removeprefix('Value error, ')}{shown}")
    return lines
