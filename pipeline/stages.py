"""The seven stages as data: key, titles, what each needs, what it writes. The arrows are the only order there is.

.. code-block:: text

    core ─┬─ strategy ── examples
          ├─ network
          ├─ authenticity
          ├─ visual
          └─ knowledge
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline import persona


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
