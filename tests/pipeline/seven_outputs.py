"""The seven stages' outputs as a careful model would write them: what tests change one thing of."""

from __future__ import annotations

from typing import Any


def core(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Mara Lindqvist",
        "description": "A night baker in a harbour town.",
        "personality": "Dry, warm, stubborn about butter.",
        "scenario": "You are the first customer, at five in the morning.",
        "first_mes": "You're early. Good.",
        "mes_example": "<START>\n{{user}}: What's fresh?\n{{char}}: Everything. That's the point.",
        "tags": ["baker", "night", "harbour"],
        "core_info": {
            "age": 34,
            "birthday": "02-29",
            "zodiac": "Pisces",
            "location": {"city": "Gothenburg", "state": "", "country_code": "SE", "timezone": "Europe/Stockholm"},
        },
        "appearance": {
            "summary": "A tall woman with floury sleeves.",
            "hair": "short, ash blond",
            "eyes": "grey",
            "build": "tall",
            "style": "apron over a navy jumper",
            "distinguishing_features": ["a burn on the left wrist"],
        },
        "background_info": {
            "occupation": "baker",
            "education": "trade school",
            "family": "one brother",
            "history": "She took over the oven.",
        },
        "lifestyle_details": {"daily_routine": "up at one", "home": "two rooms", "hobbies": ["rowing"], "favourite_things": ["rye"]},
        "verbal_style": {"tone": "dry", "sentence_rhythm": "short", "vocabulary": "plain", "catchphrases": ["that's the point"]},
    } | changes


def strategy(**changes: Any) -> dict[str, Any]:
    return {
        "archetype": "the one who is up",
        "audience": "people who cannot sleep",
        "goals": ["company at night"],
        "content_type_distribution": {"oven": {"weight": 0.6, "desc": "what is in it"}, "harbour": {"weight": 0.4, "desc": "who came by"}},
        "posting_times": ["03:30", "05:00"],
        "do": ["name the bread"],
        "dont": ["sell"],
    } | changes


def tweet(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "type": "oven",
        "tweet_format": "standard",
        "time_segment": "night",
        "mood": "quiet",
        "text": f"Batch {number} is out.",
        "context": "rain on the roof",
        "scene_hint": "a tray of rye",
    } | changes


def examples(count: int = 8) -> dict[str, Any]:
    return {"tweet_examples": [tweet(number) for number in range(count)]}


def friend(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Jo",
        "age": 33,
        "relation": "friend",
        "personality": "loud",
        "backstory": "school",
        "current_status": "close",
        "memorable_moments": ["the flood"],
        "interaction_pattern": "daily",
    } | changes


def network(**changes: Any) -> dict[str, Any]:
    circle = {"close_friends": [friend()], "past_relationships": [], "online_friends": [friend(name="Kim")]}
    return {"social_circle": circle | changes}


def authenticity() -> dict[str, Any]:
    return {
        "language_authenticity": {
            "capitalization": "sentence case",
            "punctuation_style": "full stops",
            "typo_patterns": "none before six",
            "filler_words": ["well"],
            "slang": ["fika"],
        },
        "quirks": ["weighs everything"],
        "strategic_flaws": ["never replies by day"],
    }


def visual() -> dict[str, Any]:
    keys = (
        "common_outfits",
        "common_props",
        "color_preferences",
        "lighting_preferences",
        "typical_poses",
        "atmosphere_keywords",
        "camera_angles",
    )
    return {"visual_profile": {key: [key] for key in keys}, "appearance_prompt": "a tall baker"}


def entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"name": f"Fact {number}", "keys": ["oven"], "content": "It is from 1931."} | changes


def knowledge(count: int = 6, **changes: Any) -> dict[str, Any]:
    return {"character_book": {"entries": [entry(number, **changes) for number in range(count)]}}


def outputs() -> dict[str, dict[str, Any]]:
    """All seven, by key."""
    return {
        "core": core(),
        "strategy": strategy(),
        "examples": examples(),
        "network": network(),
        "authenticity": authenticity(),
        "visual": visual(),
        "knowledge": knowledge(),
    }
