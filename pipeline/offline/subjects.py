"""What an object of the answer is about, recognised by the fields it has: a friend, a kind of tweet, an entry of the character book."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.offline import Json
from pipeline.offline.moments import words
from pipeline.offline.schema_walk import Field
from pipeline.offline.shelves import forms
from pipeline.offline.tell_persona import bound_people
from pipeline.offline.tellers import Job, Subject, canonical

_PERSONA = {
    "personality",
    "first_mes",
    "mes_example",
    "scenario",
    "core_info",
    "background_info",
    "zodiac",
    "verbal_style",
    "birthday",
    "distinguishing_features",
}
_POST = {"text"}
_AROUND_POST = {
    "mood",
    "time_segment",
    "scene_hint",
    "hashtags",
    "type",
    "alt_text",
    "tweet_format",
    "positive_prompt",
    "context",
    "parts",
    "slot",
}
_DAY = {"theme", "type", "weekday", "date", "content_direction", "recommended_time", "scene_hint", "tweet_format", "special_event"}
_FRIEND = {"relation", "backstory", "interaction_pattern", "memorable_moments", "current_status"}


def kind_of(field: Field, schema: Mapping[str, Any]) -> str:  # noqa: PLR0911  one return a kind
    """The kind of thing an object with the properties of *schema* describes; ``""`` where its fields do not say."""
    names = {canonical(name) for name in schema.get("properties") or {}}
    if len(names & _FRIEND) >= 2 or ({"relation", "name"} <= names):
        return "friend"
    if {"keys", "content"} <= names or ({"keywords", "content"} <= names and "theme" not in names):
        return "lore"
    if "weight" in names and names & {"type", "name", "description_of_kind", "description"}:
        return "kind"
    if names & _POST and len(names & _AROUND_POST) >= 1:
        return "post"
    if len(names & _DAY) >= 3:
        return "day"
    if "positive_prompt" in names:
        return "post"
    if names & _PERSONA or ({"name"} <= names and len(names & {"age", "occupation", "city", "gender", "hobbies", "history"}) >= 1):
        return "persona"
    place = canonical(field.name)
    return "persona" if place in ("persona", "profile", "character") and "name" in names else ""


# --- friends -----------------------------------------------------------------------------------------------------------------

_CIRCLES = (("past", re.compile(r"past|former|\bex|history")), ("online", re.compile(r"online|internet|virtual|follower|mutual")))


def friends(job: Job, field: Field, count: int) -> list[Subject]:
    """People of the circle that the path names; close friends where it names none."""
    path = " ".join(field.path).lower()
    circle = next((circle for circle, pattern in _CIRCLES if pattern.search(path)), "close")
    people = job.world.circle(circle)
    if count > len(people):
        people = people + [person for other in ("close", "online", "past") if other != circle for person in job.world.circle(other)]
    return [friend(job, people[place % len(people)]) for place in range(count)]


def friend(job: Job, person: Mapping[str, Any]) -> Subject:
    bound = {**bound_people(job), "friend": person}

    def told(part: str) -> Json:
        chosen = person[part]
        return job.say(job.telling.draw(f"{person['name']}.{part}", chosen) if isinstance(chosen, list) else chosen, **bound)

    facts = {
        part: lambda part=part: told(part) for part in ("relation", "personality", "backstory", "current_status", "interaction_pattern")
    }
    return Subject(
        "friend",
        {
            "name": person["name"],
            "age": person["age"],
            "memorable_moments": lambda: told("moments"),
            "description": facts["personality"],
            **facts,
        },
    )


# --- kinds of tweets -----------------------------------------------------------------------------------------------------------


def kinds(job: Job, count: int) -> list[Subject]:
    """Kinds of tweets of this life, with weights that sum to 1."""
    own = list(job.world.pool("kind") or [])
    common = [{"type": form["key"], "desc": form["about"]} for form in forms(job.language)]
    chosen = job.rng.sample(own, min(count, len(own))) + job.rng.sample(common, max(0, min(count - len(own), len(common))))
    raw = sorted((job.rng.uniform(1, 4) for _ in chosen), reverse=True)
    weights = [round(share / sum(raw), 2) for share in raw]
    weights[0] = round(weights[0] + 1 - sum(weights), 2)
    return [
        Subject(
            "kind",
            {
                "type": kind["type"],
                "name": kind["type"],
                "weight": weight,
                "description_of_kind": job.say(kind["desc"]),
                "description": job.say(kind["desc"]),
            },
        )
        for kind, weight in zip(chosen, weights, strict=True)
    ]


def known_kinds(job: Job) -> list[tuple[str, float, str]]:
    """The strategy's kinds as ``(type, weight, desc)``, from the material if it has them, else those of the life in equal parts."""
    told = job.reading.fact("content_type_distribution", "content_types")
    found: list[tuple[str, float, str]] = []
    if isinstance(told, Mapping):
        for name, entry in told.items():
            details = entry if isinstance(entry, Mapping) else {"weight": entry}
            found.append((str(name), _share(details.get("weight")), str(details.get("desc") or "")))
    elif isinstance(told, list):
        found = [
            (str(entry.get("type")), _share(entry.get("weight")), str(entry.get("desc") or ""))
            for entry in told
            if isinstance(entry, Mapping) and entry.get("type")
        ]
    return found or [(kind["type"], 1.0, kind["desc"]) for kind in job.world.pool("kind") or []]


def _share(value: Json) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0.01


def spread(job: Job, count: int) -> list[tuple[str, str]]:
    """*count* kinds as ``(type, desc)`` in an order that mixes them, each as often as its weight says (largest remainders)."""
    known = known_kinds(job)
    total = sum(weight for _, weight, _ in known)
    shares = [weight / total * count for _, weight, _ in known]
    counts = [int(share) for share in shares]
    by_remainder = sorted(range(len(known)), key=lambda place: counts[place] - shares[place])
    for place in by_remainder[: count - sum(counts)]:
        counts[place] += 1
    ordered = [(known[place][0], known[place][2]) for place in range(len(known)) for _ in range(counts[place])]
    job.rng.shuffle(ordered)
    return _apart(ordered)


def _apart(kinds_in_order: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same kinds, with equal neighbours exchanged for later ones where that is possible."""
    mixed = list(kinds_in_order)
    for place in range(1, len(mixed)):
        if mixed[place] == mixed[place - 1]:
            other = next((later for later in range(place + 1, len(mixed)) if mixed[later] != mixed[place]), None)
            if other is not None:
                mixed[place], mixed[other] = mixed[other], mixed[place]
    return mixed


def forms_for(job: Job, kind: str, desc: str) -> tuple[str, ...]:
    """The forms that suit a kind: those its life names, else those whose subject shares words with the kind."""
    for own in job.world.pool("kind") or []:
        if own["type"] == kind:
            return tuple(own["forms"])
    wanted = words(f"{kind.replace('_', ' ')} {desc}")
    near = {form["key"]: len(wanted & words(f"{form['key']} {form['about']}")) for form in forms(job.language)}
    return tuple(key for key, score in near.items() if score and score == max(near.values()))


# --- the character book ----------------------------------------------------------------------------------------------------------


def lore(job: Job, count: int) -> list[Subject]:
    """Entries about running jokes, rules, regulars, friends: some of each before a second of any."""
    piles = [list(pile) for pile in (_jokes(job), _lore(job), _regulars(job), _close_friends(job))]
    for pile in piles:
        job.rng.shuffle(pile)
    mixed: list[Subject] = []
    while any(piles) and len(mixed) < count:
        mixed += [pile.pop() for pile in piles if pile]
    while len(mixed) < count:
        mixed.append(_about_a_place(job))
    return mixed[:count]


def _entry(job: Job, name: str, keys: list[str], content: str, **bound: Json) -> Subject:
    told = job.say(content, **bound)
    return Subject(
        "lore",
        {
            "name": job.say(name, **bound),
            "keys": [job.say(key, **bound) for key in keys],
            "content": told,
            "comment": name,
            "description": told,
        },
    )


def _jokes(job: Job) -> Iterator[Subject]:
    for joke in job.world.jokes:
        yield _entry(job, joke["name"], joke["keys"], joke["about"], **bound_people(job))


def _lore(job: Job) -> Iterator[Subject]:
    for entry in job.world.pool("lore") or []:
        yield _entry(job, entry["name"], entry["keys"], entry["content"], **bound_people(job))


def _regulars(job: Job) -> Iterator[Subject]:
    for regular in job.world.regulars:
        keys = [regular["name"], *(regular.get("keys") or [])]
        yield _entry(
            job,
            regular["name"],
            keys,
            job.telling.draw("about_regular"),
            **{**bound_people(job), "regular": regular, "regular_about": job.say(regular["about"], regular=regular)},
        )


def _close_friends(job: Job) -> Iterator[Subject]:
    for person in job.world.circle("close")[:2]:
        bound = {
            **bound_people(job),
            "friend": person,
            "moment": job.say(job.telling.draw(f"{person['name']}.moments", person["moments"]), **{**bound_people(job), "friend": person}),
        }
        relation = job.say(person["relation"], **bound)
        yield _entry(job, person["name"], [person["first"], person["name"]], job.telling.draw("about_friend"), relation=relation, **bound)


def _about_a_place(job: Job) -> Subject:
    place = job.telling.say("place")
    return _entry(job, place[:1].upper() + place[1:], [place], job.telling.draw("about_place"), **{**bound_people(job), "place": place})
