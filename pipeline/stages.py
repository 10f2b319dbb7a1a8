"""The seven stages as data (key, titles, what each needs, what it writes) and how one is written.

The arrows are the only order there is:

.. code-block:: text

    core ─┬─ strategy ── examples
          ├─ network
          ├─ authenticity
          ├─ visual
          └─ knowledge
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from errors import ConflictError
from pipeline import persona, prompts
from pipeline.llm.client import Caller, Message, Writer
from pipeline.llm.schema import wire_schema
from pipeline.llm.structured import Question, ask


@dataclass(frozen=True)
class Stage:
    """One of the seven steps that write a persona. Its prompt is ``assets/prompts/<key>.md``."""

    key: str
    title: str
    title_zh: str
    needs: tuple[str, ...]
    writes: type[persona.Part]
    sees_image: bool = False


STAGES: tuple[Stage, ...] = (
    Stage("core", "Core persona", "核心人设", needs=(), writes=persona.CorePersona, sees_image=True),
    Stage("strategy", "Tweet strategy", "推文策略", needs=("core",), writes=persona.TweetStrategy),
    Stage("examples", "Example tweets", "示例推文", needs=("core", "strategy"), writes=persona.ExampleTweets),
    Stage("network", "Social network", "社交网络", needs=("core",), writes=persona.SocialNetwork),
    Stage("authenticity", "Authenticity", "真实感", needs=("core",), writes=persona.Authenticity),
    Stage("visual", "Visual profile", "视觉档案", needs=("core",), writes=persona.VisualProfile, sees_image=True),
    Stage("knowledge", "Knowledge base", "知识库", needs=("core",), writes=persona.KnowledgeBase),
)

BY_KEY: dict[str, Stage] = {stage.key: stage for stage in STAGES}


def stale(current: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which of the *current* stages (versions by key, with ``output_hash`` and ``made_from``) were made from something that is no longer
    there, or from a stage that is stale itself; in the order of the stages, so each after what it needs.
    """
    return list(changed(current))


def changed(current: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The :func:`stale` stages, each with those of its needs that are others by now, or stale themselves."""
    found: dict[str, list[str]] = {}
    for stage in STAGES:
        if stage.key not in current:
            continue
        made_from = current[stage.key]["made_from"]
        now = {need: current[need]["output_hash"] if need in current else None for need in stage.needs}
        if others := [need for need in stage.needs if need in found or made_from.get(need) != now[need]]:
            found[stage.key] = others
    return found


@dataclass(frozen=True)
class Wishes:
    """What the author asked for beside the picture. They hold for all seven stages."""

    language: str = "English"
    location: str = ""
    goal: str = ""
    instructions: str = ""
    temperature: float | None = None
    seed: int | None = None

    @classmethod
    def said(  # noqa: PLR0917  the fields of a form, in its order
        cls,
        language: str | None = "",
        location: str | None = "",
        goal: str | None = "",
        instructions: str | None = "",
        temperature: float | str | None = None,
        seed: int | str | None = None,
    ) -> Wishes:
        """Wishes from what a person typed: trimmed, cut at :data:`LONGEST_WISH` characters (names at :data:`LONGEST_NAME`), empty for
        ``None``. Raises :class:`ConflictError` for a temperature or a seed that is none.
        """
        language = _trimmed(language, LONGEST_NAME) or cls.language
        places = _trimmed(location, LONGEST_NAME)
        return cls(
            language, places, _trimmed(goal, LONGEST_WISH), _trimmed(instructions, LONGEST_WISH), _temperature(temperature), _seed(seed)
        )


LONGEST_WISH = 2000
LONGEST_NAME = 120


HOTTEST = 2
LARGEST_SEED = 2**53 - 1
"""What every JSON reader keeps exactly."""


def _temperature(typed: float | str | None) -> float | None:
    try:
        value = None if typed in (None, "") else float(str(typed).strip().replace(",", ".") or "nan")
    except ValueError:
        value = math.nan
    if value is not None and not 0 <= value <= HOTTEST:
        raise ConflictError("The temperature is a number from 0 to {limit}.", limit=HOTTEST)
    return value


def _seed(typed: float | str | None) -> int | None:
    text = str(typed if typed is not None else "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) > LARGEST_SEED:
        raise ConflictError("The seed is a whole number from 0 to {limit}.", limit=LARGEST_SEED)
    return int(text)


def _trimmed(text: str | None, limit: int) -> str:
    return (text or "").encode("utf-8", "replace").decode().strip()[:limit].strip()


@dataclass(frozen=True)
class Material:
    """What one stage is written from: the author's wishes, the outputs of the stages it needs, the picture as a data URI where it sees
    one; when it is written again also an instruction, and what stood there *before* where that is to be changed, not replaced.
    """

    wishes: Wishes
    outputs: dict[str, dict[str, Any]]
    picture: str | None = None
    instruction: str = ""
    before: dict[str, Any] | None = None

    def digest(self, stage: Stage, model: str) -> str:
        """Changes when anything does that the stage is written from: inputs, prompts, schema, model."""
        parts = [
            stage.key,
            asdict(self.wishes),
            {key: self.outputs[key] for key in stage.needs},
            self.picture if stage.sees_image else None,
            self.instruction,
            self.before,
            prompts.version("system", "persona", "instruction", stage.key),
            wire_schema(stage.writes),
            model,
        ]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:32]


def messages(stage: Stage, material: Material) -> list[Message]:
    """The conversation that asks for *stage*. What all stages of a persona share comes first, so that servers' prompt caches hit."""
    wishes = material.wishes
    text = ""
    if stage.needs:
        shown = {key: _shown(material.outputs[key]) for key in stage.needs}
        text = prompts.render("persona", core=shown["core"], strategy=shown.get("strategy"), instructions=wishes.instructions) + "\n"
    sees = stage.sees_image and bool(material.picture)
    text += prompts.render(stage.key, location=wishes.location, goal=wishes.goal, instructions=wishes.instructions, picture=sees)
    if material.instruction or material.before:
        before = _shown(material.before) if material.before else None
        text += prompts.render("instruction", instruction=material.instruction, before=before)
    content: str | list[dict[str, Any]] = text
    if sees:
        content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": material.picture}}]
    return [{"role": "system", "content": prompts.render("system", language=wishes.language)}, {"role": "user", "content": content}]


def _shown(output: dict[str, Any]) -> str:
    # JSON may write / as \/, so a text cannot close the block of material that it stands in.
    return json.dumps(output, ensure_ascii=False).replace("</", "<\\/")


async def write(stage: Stage, material: Material, writer: Writer, caller: Caller, model: str) -> dict[str, Any]:
    """Have *stage* written: its output as a dictionary that fits ``stage.writes``. Raises :class:`errors.WriterError`."""
    question = Question(messages(stage, material), stage.writes, model, temperature=material.wishes.temperature, seed=material.wishes.seed)
    output = await ask(question, writer, caller)
    return output.model_dump(mode="json")
