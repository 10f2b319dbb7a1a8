"""What the seven stages write, as Pydantic models.

The models are the edge between the LLM and the product: every answer passes them. They are lenient where leniency loses nothing (a
comma-separated string where a list was asked for, weights that do not sum to 1) and strict where a gap would be a lie (an empty text
is an error). Their JSON schemas use only what strict structured output knows (every property required, no open objects), so the one
open mapping, ``content_type_distribution``, is asked for as a list and kept as a mapping.
"""

from __future__ import annotations

import calendar
import re
import threading
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

ADULT = 18
EXAMPLE_COUNT = 8
BOOK_MINIMUM = 6
TWEET_LIMIT = 280
NAME_LIMIT = 80
MOST_CONTENT_TYPES = 100
"""More shares than this cannot be rounded to four digits and sum to 1."""

_SEPARATORS = (r"\n", r"[;；]", r"[、,，]")
_AROUND = " \t\r\u3000,;，；、"
_BULLET = re.compile(r"^\s*(?:[-*•]+|\d{1,2}[.)])\s+|^\s*[*•]+")


def _split(value: object) -> object:
    """Some models write ``"tea, rain"`` or one item a line where a list was asked for. The coarsest separator that occurs divides, so
    that sentences on lines of their own keep their commas.
    """
    if isinstance(value, str):
        separator = next((mark for mark in _SEPARATORS if re.search(mark, value.strip())), r"\n")
        parts = [_BULLET.sub("", part).strip(_AROUND) for part in re.split(separator, value)]
        return [part for part in parts if part.strip("-*•")]
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


_ZONES_ASKED = threading.Lock()  # reading the zones' folder takes long, and files that are read side by side would all read it


def _known_zone(value: str) -> str:
    with _ZONES_ASKED:
        zones = _zones()
    if value not in zones:
        raise ValueError("is not an IANA time zone such as Europe/Lisbon")
    return value


def _real_day(value: str) -> str:
    month, day = int(value[:2]), int(value[3:])
    if day > calendar.monthrange(2024, month)[1]:  # a leap year: birthdays on 29 February are real
        raise ValueError("is not a day of the calendar")
    return value


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _empty_for_none(value: object) -> object:
    return "" if value is None else value


def _visible(value: str) -> str:
    if not any(letter.isprintable() and not letter.isspace() for letter in value):
        raise ValueError("has nothing in it that can be seen")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_visible)]
Texts = Annotated[list[Text], BeforeValidator(_split), Field(min_length=1)]
Clock = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Part(BaseModel):
    """Base of everything an LLM writes: unknown keys are kept, so a model that says more than asked loses nothing."""

    model_config = ConfigDict(extra="allow")


# 1 core


class Location(Part):
    city: Text = Field(description="City the persona lives in")
    state: Annotated[str, BeforeValidator(_empty_for_none), StringConstraints(strip_whitespace=True)] = Field(
        description="State, province or region; empty where there is none"
    )
    country_code: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{2}$")] = Field(
        description="ISO 3166-1 alpha-2 code"
    )
    timezone: Annotated[Text, AfterValidator(_known_zone)] = Field(description="IANA time zone of the city, e.g. Europe/Lisbon")


class CoreInfo(Part):
    age: int = Field(ge=ADULT, le=100, description="Age in years; always an adult")
    birthday: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"), AfterValidator(_real_day)
    ] = Field(description="Birthday as MM-DD")
    zodiac: Text = Field(description="Western zodiac sign of that birthday")
    location: Location


class Appearance(Part):
    summary: Text = Field(description="One sentence that lets a painter draw them again")
    hair: Text
    eyes: Text
    build: Text
    style: Text = Field(description="How they dress")
    distinguishing_features: Texts = Field(description="2 to 4 details that make them recognisable")


class Background(Part):
    occupation: Text = Field(description="What they do for a living")
    education: Text
    family: Text
    history: Text = Field(description="How they came to be who they are, 3 to 5 sentences")


class Lifestyle(Part):
    daily_routine: Text
    home: Text = Field(description="Where and how they live")
    hobbies: Texts = Field(description="3 to 6")
    favourite_things: Texts = Field(description="3 to 6 foods, places, songs or objects")


class VerbalStyle(Part):
    tone: Text
    sentence_rhythm: Text = Field(description="Length and rhythm of their sentences")
    vocabulary: Text
    catchphrases: Texts = Field(description="2 to 5 things they keep saying")


class CorePersona(Part):
    """Stage 1: who they are. Everything else is written from this."""

    name: Annotated[Text, StringConstraints(max_length=NAME_LIMIT), AfterValidator(_one_line)] = Field(
        description="Full name of the fictional persona"
    )
    description: Text = Field(description="2 to 3 paragraphs: who they are, what they look like, what they want")
    personality: Text = Field(description="A paragraph: temperament, contradictions, values")
    scenario: Text = Field(description="The situation in which someone meets them, 2 to 3 sentences")
    first_mes: Text = Field(description="Their first message to a stranger, in their own voice")
    mes_example: Text = Field(description="Example dialogue: begins with <START>, lines begin with {{user}}: or {{char}}:")
    tags: Texts = Field(description="4 to 10 short lower-case tags")
    core_info: CoreInfo
    appearance: Appearance
    background_info: Background
    lifestyle_details: Lifestyle
    verbal_style: VerbalStyle


# 2 strategy


class ContentType(Part):
    weight: float = Field(ge=0, allow_inf_nan=False, description="Share of all tweets, 0 to 1")
    desc: Text = Field(description="What such a tweet is about")


def _by_type(value: object) -> object:
    """``[{type, weight, desc}]`` (as asked on the wire) or ``{type: {weight, desc}}`` (as kept) or ``{type: weight}``."""
    if isinstance(value, list):
        items = [dict(item) if isinstance(item, dict) else {} for item in value]
        kinds = {str(item.pop("type", "")).strip(): item for item in items}
        if "" in kinds or len(kinds) < len(items):
            raise ValueError("each item needs a type, and no two the same")
        return kinds
    if isinstance(value, dict):
        return {key: {"weight": item, "desc": key} if isinstance(item, int | float) else item for key, item in value.items()}
    return value


def _shares(value: dict[str, ContentType]) -> dict[str, ContentType]:
    if not 1 <= len(value) <= MOST_CONTENT_TYPES:
        raise ValueError(f"needs 1 to {MOST_CONTENT_TYPES} content types")
    heaviest = max(item.weight for item in value.values())
    if heaviest <= 0:
        raise ValueError("weights must not all be 0")
    total = sum(item.weight / heaviest for item in value.values())
    # Rounded shares that sum to 1 exactly: the largest takes what rounding left over.
    rounded = {key: round(item.weight / heaviest / total, 4) for key, item in value.items()}
    largest = max(rounded, key=lambda key: rounded[key])
    rounded[largest] = round(rounded[largest] + 1 - sum(rounded.values()), 4)
    return {key: item.model_copy(update={"weight": rounded[key]}) for key, item in value.items()}


_TYPE_LIST_SCHEMA: dict[str, Any] = {
    "type": "array",
    "minItems": 3,
    "maxItems": 8,
    "description": "4 to 6 kinds of tweets; the weights sum to 1",
    "items": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "description": "Short snake_case name of the kind"},
            "weight": {"type": "number", "minimum": 0, "maximum": 1, "description": "Share of all tweets, 0 to 1"},
            "desc": {"type": "string", "description": "What such a tweet is about"},
        },
        "required": ["type", "weight", "desc"],
        "additionalProperties": False,
    },
}


class TweetStrategy(Part):
    """Stage 2: what the account is for and what it posts."""

    archetype: Text = Field(description="The account in three to six words")
    audience: Text = Field(description="Who follows and why")
    goals: Texts = Field(description="2 to 4")
    content_type_distribution: Annotated[
        dict[Text, ContentType], BeforeValidator(_by_type), AfterValidator(_shares), WithJsonSchema(_TYPE_LIST_SCHEMA)
    ]
    posting_times: Annotated[list[Clock], Field(min_length=1)] = Field(description="2 to 5 local times as HH:MM")
    do: Texts = Field(description="3 to 5 rules this account keeps")
    dont: Texts = Field(description="3 to 5 things this account never does")


# 3 examples


class TweetExample(Part):
    type: Text = Field(description="One of the strategy's content types")
    tweet_format: Text = Field(description="standard, question, thread, poll, ...")
    time_segment: Text = Field(description="morning, noon, afternoon, evening, night")
    mood: Text
    text: Annotated[Text, StringConstraints(max_length=TWEET_LIMIT)] = Field(description="The tweet itself, at most 280 characters")
    context: Text = Field(description="What is going on around it")
    scene_hint: Text = Field(description="What a photo beside it would show")


class ExampleTweets(Part):
    """Stage 3: eight tweets that set the voice."""

    tweet_examples: Annotated[list[TweetExample], Field(min_length=EXAMPLE_COUNT, max_length=EXAMPLE_COUNT)] = Field(
        description="Exactly 8 tweets, each of a different moment"
    )

    @field_validator("tweet_examples")
    @classmethod
    def _all_different(cls, value: list[TweetExample]) -> list[TweetExample]:
        if len({" ".join(example.text.casefold().split()) for example in value}) < len(value):
            raise ValueError("two of the tweets have the same text")
        return value


# 4 network


class Acquaintance(Part):
    name: Text
    age: int = Field(ge=0, le=120)
    relation: Text = Field(description="What they are to the persona")
    personality: Text
    backstory: Text = Field(description="How they know each other")
    current_status: Text = Field(description="Where things stand now")
    memorable_moments: Texts = Field(description="1 to 3")
    interaction_pattern: Text = Field(description="How and how often they are in touch")


class SocialCircle(Part):
    close_friends: Annotated[list[Acquaintance], Field(min_length=1)] = Field(description="2 to 4")
    past_relationships: list[Acquaintance] = Field(description="1 or 2, adults")
    online_friends: Annotated[list[Acquaintance], Field(min_length=1)] = Field(description="2 or 3")

    @field_validator("past_relationships")
    @classmethod
    def _between_adults(cls, value: list[Acquaintance]) -> list[Acquaintance]:
        if any(one.age < ADULT for one in value):
            raise ValueError(f"everybody here is {ADULT} or older")
        return value


class SocialNetwork(Part):
    """Stage 4: the people around them."""

    social_circle: SocialCircle


# 5 authenticity


class LanguageAuthenticity(Part):
    capitalization: Text
    punctuation_style: Text
    typo_patterns: Text = Field(description="Which slips they make, how rarely")
    filler_words: Texts = Field(description="2 to 6")
    slang: Texts = Field(description="2 to 6")


class Authenticity(Part):
    """Stage 5: what keeps one voice recognisable."""

    language_authenticity: LanguageAuthenticity
    quirks: Texts = Field(description="3 to 5 habits that show in posts")
    strategic_flaws: Texts = Field(description="2 to 4 likeable weaknesses that come up now and then")


# 6 visual


class VisualStyle(Part):
    common_outfits: Texts = Field(description="3 to 5")
    common_props: Texts = Field(description="3 to 6")
    color_preferences: Texts = Field(description="3 to 6 colours, taken from the picture")
    lighting_preferences: Texts = Field(description="2 to 4")
    typical_poses: Texts = Field(description="3 to 5")
    atmosphere_keywords: Texts = Field(description="4 to 8")
    camera_angles: Texts = Field(description="2 to 4")


class VisualProfile(Part):
    """Stage 6: how every picture of them looks."""

    visual_profile: VisualStyle
    appearance_prompt: Text = Field(
        description="One English line for an image model, used in every picture of this persona: face, hair, build, clothes"
    )


# 7 knowledge


class BookEntry(Part):
    """One entry of the character book, in the field names of Character Card V2."""

    name: Text = Field(description="Short title of the entry")
    keys: Texts = Field(description="2 to 5 words that bring this entry up")
    content: Text = Field(description="What is true about it, 1 to 3 sentences")


class CharacterBook(Part):
    entries: Annotated[list[BookEntry], Field(min_length=BOOK_MINIMUM)] = Field(description="6 to 10 entries")


class KnowledgeBase(Part):
    """Stage 7: facts that come up when their words do."""

    character_book: CharacterBook

    @model_validator(mode="before")
    @classmethod
    def _entries_at_the_top(cls, value: object) -> object:
        if isinstance(value, dict) and "character_book" not in value and isinstance(value.get("entries"), list):
            return {"character_book": value}
        return value


StageOutput = CorePersona | TweetStrategy | ExampleTweets | SocialNetwork | Authenticity | VisualProfile | KnowledgeBase
