"""Tweets: what the LLM is asked for, and how one is written from a persona and a day plan."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from pipeline import checks, prompts
from pipeline.llm.client import Caller, Message, Writer
from pipeline.llm.schema import wire_schema
from pipeline.llm.structured import Question, ask
from pipeline.persona import Part
from pipeline.stages import Wishes

AGAIN = 2
"""How often a tweet that breaks a hard rule is sent back with the reason."""
MOST_KNOWLEDGE = 4
RECENT = 12
"""Earlier tweets of the persona that the writer is told not to repeat."""
NEGATIVE_PROMPT = "text, watermark, signature, logo, extra fingers, deformed hands, blurry, low quality"
_EMPTY_LINES = re.compile(r"\n\s*\n")
LOOSE = Annotated[str, StringConstraints(strip_whitespace=True)]


def _list(value: object) -> object:
    """Some models write null or one string where a list was asked for."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else value


LooseList = Annotated[list[LOOSE], BeforeValidator(_list)]


class TweetAnswer(Part):
    """What the LLM writes. Nothing here refuses an empty or a long text: those are the hard rules, which have words of their own."""

    text: LOOSE = Field(description="The tweet; of a thread its first part")
    parts: LooseList = Field(description="The further parts of a thread; empty for every other format")
    poll_options: LooseList = Field(description="2 to 4 options of a poll; empty for every other format")
    topic_type: LOOSE = Field(description="The kind of tweet, as in the plan")
    mood: LOOSE = Field(description="One to three words")
    time_segment: LOOSE = Field(description="morning, noon, afternoon, evening or night")
    hashtags: LooseList = Field(description="0 to 2, without #")
    alt_text: LOOSE = Field(description="One sentence: what the photo beside the tweet shows")
    scene_hint: LOOSE = Field(description="What the photo shows, in the language of the tweet")
    image_prompt: LOOSE = Field(description="The same in English for an image model: action, objects, place, light")


@dataclass(frozen=True)
class ImageDefaults:
    """How pictures are asked for unless somebody says otherwise: pixels, denoising steps, guidance scale."""

    width: int = 1024
    height: int = 1024
    steps: int = 9
    guidance: float = 0


@dataclass(frozen=True)
class Teller:
    """A persona ready to tweet: what is the same in all of their tweets, prepared once. *networks* are those (beside X) whose limits their
    tweets are held to; see :data:`pipeline.checks.NETWORKS`.
    """

    persona_id: str
    name: str
    wishes: Wishes
    prefix: str
    outputs: Mapping[str, dict[str, Any]]
    facts: checks.PersonaFacts
    lora: dict[str, Any] | None = None
    networks: Sequence[str] = ()

    @cached_property
    def system(self) -> str:
        return prompts.render("system", language=self.wishes.language)

    @cached_property
    def knowledge(self) -> Knowledge:
        return Knowledge(self.outputs)


def teller(
    persona_id: str,
    name: str,
    wishes: Wishes,
    outputs: Mapping[str, dict[str, Any]],
    *,
    lora: dict[str, Any] | None = None,
    networks: Sequence[str] = (),
) -> Teller:
    """Prepare a persona. The prefix is byte-identical over all of its tweets, so that servers' prompt caches hit."""
    core = {**outputs.get("core", {}), "name": name}
    for long in ("first_mes", "mes_example", "scenario"):
        core.pop(long, None)
    shown = {key: _json(outputs[key]) if key in outputs else None for key in ("authenticity", "strategy", "network", "examples")}
    prefix = prompts.render("tweet_persona", persona=_json(core), **shown) + "\n"
    return Teller(persona_id, name, wishes, prefix, outputs, checks.PersonaFacts.from_outputs(outputs), lora, networks)


def _json(value: object) -> str:
    """JSON in which a text cannot close the block of material that it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")


@dataclass(frozen=True)
class Brief:
    """What one tweet is written from beside the persona: the day's *plan*, what is going on (*context*: date, season, weather ...), and,
    when a tweet is written again, the *current* text and the author's *instruction*. *variant* counts tweets on the same plan.
    """

    plan: Mapping[str, Any]
    context: Mapping[str, Any] = field(default_factory=dict)
    variant: int = 1
    current: str = ""
    instruction: str = ""


@dataclass(frozen=True)
class Written:
    """A tweet as it was written, with what the checks found in it."""

    answer: TweetAnswer
    findings: tuple[checks.Finding, ...]
    length: int


def messages(who: Teller, brief: Brief, recent: Sequence[str] = ()) -> list[Message]:
    """The conversation that asks for one tweet; what changes from tweet to tweet comes last."""
    return _conversation(who, _material(who, brief), recent)


def _conversation(who: Teller, material: Mapping[str, Any], recent: Sequence[str] = ()) -> list[Message]:
    task = prompts.render("tweet", recent=_json({"recent_tweets": list(recent)}) if recent else None, **material)
    return [{"role": "system", "content": who.system}, {"role": "user", "content": who.prefix + task}]


def _material(who: Teller, brief: Brief) -> dict[str, Any]:
    """What the prompt of a tweet says beside what was tweeted before."""
    return {
        "knowledge": _json(found) if (found := who.knowledge.about(brief.plan)) else None,
        "context": _json(brief.context) if brief.context else None,
        "plan": _json(brief.plan),
        "current": _json({"current": brief.current}) if brief.current else None,
        "instruction": brief.instruction,
        "variant": brief.variant,
    }


class Knowledge:
    """The knowledge base of a persona, ready to be searched.

    Keys match as whole words where the script has words, anywhere in Chinese, Japanese and Korean; as in Character Card V2, case does not
    matter unless the entry says so.
    """

    def __init__(self, outputs: Mapping[str, dict[str, Any]]) -> None:
        self._entries: list[tuple[re.Pattern[str], dict[str, str]]] = []
        for entry in outputs.get("knowledge", {}).get("character_book", {}).get("entries", []):
            keys = [str(key).strip() for key in entry.get("keys", []) if str(key).strip()]
            if keys and entry.get("enabled", True):
                pattern = re.compile("|".join(map(_whole, keys)), 0 if entry.get("case_sensitive") else re.IGNORECASE)
                self._entries.append((pattern, {key: str(entry.get(key) or "") for key in ("name", "content")}))

    def about(self, plan: Mapping[str, Any]) -> list[dict[str, str]]:
        """The entries whose keys occur in *plan*: names and contents, at most :data:`MOST_KNOWLEDGE`."""
        told = json.dumps(plan, ensure_ascii=False)
        return [entry for pattern, entry in self._entries if pattern.search(told)][:MOST_KNOWLEDGE]


def _whole(key: str) -> str:
    edge = r"\b" if re.match(r"[\w]", key) and key.isascii() else ""
    return f"{edge}{re.escape(key)}{edge}"


async def write(
    who: Teller, brief: Brief, recent: Sequence[str], *, writer: Writer, caller: Caller, model: str, seed: int | None = None
) -> Written:
    """Have one tweet written. One that breaks a hard rule is sent back with the reason, :data:`AGAIN` times at most, then kept as it is.

    Raises :class:`errors.WriterError` where the server gives nothing usable.
    """
    material = _material(who, brief)
    said = _conversation(who, material, recent)
    same = _conversation(who, material)  # what was tweeted meanwhile does not make it another question
    for again in range(AGAIN + 1):
        question = Question(said, TweetAnswer, model, temperature=who.wishes.temperature, seed=seed, said=same)
        answer = settled(await ask(question, writer, caller))
        written = judged(answer, who)
        hard = [finding for finding in written.findings if finding.kind in checks.HARD]
        if not hard or again == AGAIN:
            return written
        caller.report({"phase": "repairing", "nth": again + 1, "problems": [str(finding.detail) for finding in hard]})
        complaint = prompts.render("tweet_again", problems=[_told(finding) for finding in hard])
        turns: list[Message] = [{"role": "assistant", "content": answer.model_dump_json()}, {"role": "user", "content": complaint}]
        said, same = said + turns, same + turns
    raise AssertionError("the last answer is always kept")


def settled(answer: TweetAnswer) -> TweetAnswer:
    """*answer* with a thread's parts in their place, hashtags without # and nothing twice. An empty line ends a part of a thread, so there
    is none within one.
    """
    parts = [part for part in answer.parts if part]
    text = answer.text
    if not text and parts:
        text, parts = parts[0], parts[1:]
    if parts and parts[0] == text:
        parts = parts[1:]
    if parts:
        text, *parts = (_EMPTY_LINES.sub("\n", part) for part in [text, *parts])
    tags = list(dict.fromkeys(tag.lstrip("#＃").strip() for tag in answer.hashtags))
    return answer.model_copy(update={"text": text, "parts": parts, "hashtags": [tag for tag in tags if tag]})


def judged(answer: TweetAnswer, who: Teller) -> Written:
    """*answer* with what the checks of one tweet find."""
    findings, length = found_in(answer.text, answer.parts, answer.hashtags, who)
    return Written(answer, tuple(findings), length)


def found_in(text: str, parts: Sequence[str], hashtags: Sequence[str], who: Teller) -> tuple[list[checks.Finding], int]:
    """What the checks find in a text of the persona (of a thread its first part, *parts* are the others), and the weighted length of the
    longest part. Near-duplicates are looked for elsewhere.
    """
    findings = checks.check(text, parts=parts, persona=who.facts, earlier=None, hashtags=hashtags, networks=who.networks)
    return findings, max(checks.weighted_length(part) for part in [text, *parts])


def _told(finding: checks.Finding) -> str:
    if finding.kind == "empty":
        return "The text is empty. Every tweet needs one."
    return f"It is too long ({finding.detail}). At most 280 characters; Chinese, Japanese, Korean characters and emoji count 2."


def image_generation(answer: TweetAnswer, who: Teller, defaults: ImageDefaults, chance: str) -> dict[str, Any]:
    """The picture beside a tweet, as the batch format has it: looks from the persona's visual profile, then what the tweet shows, then
    light, mood and camera of the profile, chosen by *chance* so that the same tweet always gets the same.
    """
    visual = who.outputs.get("visual", {})
    profile = visual.get("visual_profile", {})
    looks = str(visual.get("appearance_prompt") or "")
    scene = answer.image_prompt or answer.scene_hint
    pick = random.Random(chance)
    mood = [str(pick.choice(profile[key])) for key in ("lighting_preferences", "atmosphere_keywords", "camera_angles") if profile.get(key)]
    parts = [scene] if looks and scene.startswith(looks[:60]) else [looks, scene]
    return {
        "scene_hint": answer.scene_hint,
        "positive_prompt": ", ".join(part.strip(" ,.;") for part in [*parts, *mood] if part.strip(" ,.;")),
        "negative_prompt": NEGATIVE_PROMPT,
        "lora_params": who.lora,
        "generation_params": {"width": defaults.width, "height": defaults.height, "steps": defaults.steps, "cfg": defaults.guidance},
    }


def digest(said: Sequence[Message], model: str) -> str:
    """Changes when anything does that a tweet is written from."""
    parts = [list(said), wire_schema(TweetAnswer), model, prompts.version("system", "tweet_persona", "tweet", "tweet_again")]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:32]
