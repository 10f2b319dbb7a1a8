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
from dataclasses import asdict, dataclass
from typing import Any

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
        temperature: float | None = None,
        seed: int | None = None,
    ) -> Wishes:
        """Wishes from what a person typed: trimmed, cut at :data:`LONGEST_WISH` characters (names at :data:`LONGEST_NAME`), empty for
        ``None``.
        """
        language = _trimmed(language, LONGEST_NAME) or cls.language
        places = _trimmed(location, LONGEST_NAME)
        return cls(language, places, _trimmed(goal, LONGEST_WISH), _trimmed(instructions, LONGEST_WISH), temperature, seed)


LONGEST_WISH = 2000
LONGEST_NAME = 120


def _trimmed(text: str | None, limit: int) -> str:
    return (text or "").encode("utf-8", "replace").decode().strip()[:limit].strip()


@dataclass(frozen=True)
class Material:
    """What one stage is written from: the author's wishes, the outputs of the stages it needs, the picture as a data URI where it sees
    one, and an instruction when it is written again.
    """

    wishes: Wishes
    outputs: dict[str, dict[str, Any]]
    picture: str | None = None
    instruction: str = ""

    def digest(self, stage: Stage, model: str) -> str:
        """Changes when anything does that the stage is written from: inputs, prompts, schema, model."""
        parts = [
            stage.key,
            asdict(self.wishes),
            {key: self.outputs[key] for key in stage.needs},
            self.picture if stage.sees_image else None,
            self.instruction,
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
        # JSON may write / as \/, so a text cannot close the block of material that it stands in.
        shown = {key: json.dumps(material.outputs[key], ensure_ascii=False).replace("</", "<\\/") for key in stage.needs}
        text = prompts.render("persona", core=shown["core"], strategy=shown.get("strategy"), instructions=wishes.instructions) + "\n"
    text += prompts.render(stage.key, location=wishes.location, goal=wishes.goal, instructions=wishes.instructions)
    if material.instruction:
        text += prompts.render("instruction", instruction=material.instruction)
    content: str | list[dict[str, Any]] = text
    if stage.sees_image and material.picture:
        content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": material.picture}}]
    return [{"role": "system", "content": prompts.render("system", language=wishes.language)}, {"role": "user", "content": content}]


async def write(stage: Stage, material: Material, writer: Writer, caller: Caller, model: str) -> dict[str, Any]:
    """Have *stage* written: its output as a dictionary that fits ``stage.writes``. Raises :class:`errors.WriterError`."""
    question = Question(messages(stage, material), stage.writes, model, temperature=material.wishes.temperature, seed=material.wishes.seed)
    output = await ask(question, writer, caller)
    return output.model_dump(mode="json")
