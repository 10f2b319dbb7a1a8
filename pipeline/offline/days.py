"""Posts and days as subjects: what to write when a schema asks for tweets or for entries of a calendar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pipeline.offline.moments import SEGMENTS, Moment, Occasion, segment_of, when
from pipeline.offline.schema_walk import Field
from pipeline.offline.shelves import almanac
from pipeline.offline.subjects import forms_for, known_kinds, spread
from pipeline.offline.tell_account import generation_facts, scene_prompt
from pipeline.offline.tell_persona import bound_people
from pipeline.offline.tellers import Job, Subject

_FORMATS = {
    "question": ("question",),
    "poll": ("poll",),
    "thread": ("diary",),
    "list": ("pocket", "rule"),
    "dialogue": ("exchange", "overheard"),
}
_START = date(2026, 1, 5)
_TRIES = 48
"""Themes tried for one that is new."""


# --- posts --------------------------------------------------------------------------------------------------------------------


def posts(job: Job, count: int) -> list[Subject]:
    """*count* posts of one account, spread over its kinds by weight and over the day in order."""
    order = sorted(range(count), key=lambda place: (place * len(SEGMENTS) // max(1, count), place))
    kinds = spread(job, count)
    subjects = []
    for place in order:
        kind, desc = kinds[place]
        segment = SEGMENTS[min(place * len(SEGMENTS) // count, len(SEGMENTS) - 1)]
        occasion = Occasion(kind=kind, form_keys=forms_for(job, kind, desc), segment=segment, avoid=job.reading.avoid)
        subjects.append(_subject(job, job.posts.compose(occasion), place))
    return subjects


def post(job: Job) -> Subject:
    """One post, following the day plan of the material where there is one."""
    return _subject(job, job.posts.compose(occasion_of(job)), 0)


def occasion_of(job: Job) -> Occasion:
    """What a day plan asks of a post."""
    plan = job.reading.plan
    kind = _said(plan, "topic_type", "type", "content_type")
    if not kind:
        kind, desc = spread(job, 3)[0]
    else:
        desc = _said(plan, "theme")
    time = _said(plan, "recommended_time", "time")
    about = " ".join(str(plan.get(key) or "") for key in ("theme", "keywords", "suggested_scene", "special_event", "content_direction"))
    found = job.reading.dates
    return Occasion(
        kind=kind,
        form_keys=_FORMATS.get(_said(plan, "tweet_format", "format").lower()) or forms_for(job, kind, desc),
        segment=_said(plan, "time_segment")
        if _said(plan, "time_segment") in SEGMENTS
        else segment_of(time)
        if re.match(r"\d\d:\d\d", time)
        else "",
        mood=_said(plan, "mood"),
        day=found[0] if found else None,
        about=f"{about} {job.reading.text[-600:] if not plan else ''}",
        avoid=job.reading.avoid,
    )


def _said(plan: Mapping[str, Any], *names: str) -> str:
    return next((value.strip() for name in names if isinstance(value := plan.get(name), str) and value.strip()), "")


def _subject(job: Job, moment: Moment, place: int) -> Subject:
    return Subject(
        "post",
        {
            "text": moment.text,
            "content": moment.text,
            "type": moment.kind,
            "tweet_format": moment.format,
            "time_segment": moment.segment,
            "mood": moment.mood,
            "context": moment.context,
            "scene_hint": moment.scene,
            "alt_text": lambda: job.draw("alt_text", scene=moment.scene),
            "positive_prompt": lambda: scene_prompt(job, moment.scene_en),
            "recommended_time": moment.clock,
            "hashtags": lambda: _hashtag(job),
            "slot": place + 1,
            "parts": lambda: _part(job, moment),
            "title": moment.context,
            **generation_facts(),
        },
    )


def _hashtag(job: Job) -> str:
    """Rarely more than the account's own running joke."""
    joke = job.telling.draw("joke")
    word = re.sub(r"[^\w]", "", str(job.rng.choice(joke["keys"])).title())
    return f"#{word}"


def _part(job: Job, moment: Moment) -> str:
    """The next post of a thread: the moment itself first, then more of the same kind."""
    if moment.text not in job.posts.continued:
        job.posts.continued.append(moment.text)
        return moment.text
    return job.posts.compose(Occasion(kind=moment.kind, segment=moment.segment, mood=moment.mood, avoid=job.reading.avoid)).text


# --- days ----------------------------------------------------------------------------------------------------------------------


def dates_for(job: Job, count: int) -> list[date]:
    """The days a calendar is for: those the prompt names, continued if there are too few."""
    found = list(job.reading.dates)
    start = found[-1] + timedelta(days=1) if found else _START + timedelta(days=job.rng.randrange(300))
    return (found + [start + timedelta(days=offset) for offset in range(count)])[:count]


def days(job: Job, count: int) -> list[Subject]:
    """Plans for *count* days, each of the kind that is due then; where none is named, the kinds are spread by the strategy's weights."""
    about = {kind: desc for kind, _, desc in known_kinds(job)}
    due = job.reading.kinds_due
    dated = zip(dates_for(job, count), spread(job, count), strict=True)
    named = [(day, (due[day], about.get(due[day], "")) if due.get(day) else told) for day, told in dated]
    told = set(job.reading.avoid)
    return [plan(job, day, kind, desc, told) for day, (kind, desc) in named]


def plan(job: Job, day: date, kind: str, desc: str, told: set[str]) -> Subject:
    """One day of the calendar, its theme none of those *told*. Theme, keywords and scene speak of the same few things, so that a tweet can
    find them again.
    """
    hours = list(job.world.identity.life.hours)
    clock = str(job.rng.choice(job.reading.fact("posting_times") or hours))
    segment = segment_of(clock)
    keys = forms_for(job, kind, desc)
    form = next(
        (form for form in job.world.shelf.tables["form"] if form["key"] in job.rng.sample(keys, min(1, len(keys)))), None
    ) or job.rng.choice(job.world.shelf.tables["form"])
    bound = {**when(job.world, segment, day, job.rng), **bound_people(job)}
    bound |= {name: job.telling.say(name, **bound) for name in ("creature", "tool", "container", "stuff", "joy")} | {
        "joke": job.telling.draw("joke")
    }
    bound |= {"tool_a": re.sub(r"^my ", "a ", bound["tool"]), "place": job.telling.say("place", **bound)}
    entry = job.telling.draw("scene")
    scene = job.say(entry[0] if isinstance(entry, list) else entry, **bound)
    mood = job.rng.choice(job.world.shelf.tables["mood"][job.rng.choice(form["moods"])])
    return Subject(
        "day",
        {
            "date": day.isoformat(),
            "day": day.day,
            "weekday": job.world.shelf.tables["calendar"]["weekdays"][day.weekday()],
            "type": kind,
            "tweet_format": form["format"],
            "recommended_time": clock,
            "time_segment": segment,
            "mood": mood,
            "theme": _theme(job, bound, told),
            "content_direction": lambda: job.telling.say("direction", **bound),
            "outfit_direction": lambda: job.draw("outfit", "any_outfit"),
            "keywords": lambda: _keyword(job, bound),
            "scene_hint": scene,
            "special_event": _event(job, day, bound),
            "strategic_flaw": _flaw(job, bound),
        },
    )


def _theme(job: Job, bound: Mapping[str, Any], told: set[str]) -> str:
    """A theme that no other day has, if one is found; it is then told."""
    drafts = (job.telling.say("theme", **bound) for _ in range(_TRIES))
    theme = next((draft for draft in drafts if draft not in told), "") or job.telling.say("theme", **bound)
    told.add(theme)
    return theme


def _keyword(job: Job, bound: Mapping[str, Any]) -> str:
    """One of the things of the day, in a word or two."""
    machine, creature = (re.sub(r"^the ", "", bound[name]) for name in ("machine", "creature"))
    candidates = [
        machine,
        creature,
        bound["regular"]["name"],
        bound["stuff"],
        bound["joke"]["keys"][0],
        bound["place"].removeprefix("the "),
    ]
    return str(job.telling.draw(f"keywords {bound['clock']} {machine}", candidates))


def _event(job: Job, day: date, bound: Mapping[str, Any]) -> str | None:
    """A holiday on its day; else now and then something of this life."""
    for when_, english, chinese in almanac()["holiday"]:
        if when_ == day.strftime("%m-%d"):
            return chinese if job.language == "zh" else english
    return job.telling.say("event", **bound) if job.rng.random() < 0.15 else None


def _flaw(job: Job, bound: Mapping[str, Any]) -> str | None:
    if job.rng.random() > 0.3:
        return None
    told = job.reading.fact("strategic_flaws")
    if isinstance(told, list) and told:
        return str(job.rng.choice(told))
    return job.draw("flaw", "any_flaw", **bound)


def in_month(job: Job) -> str:
    """The month a calendar is for, as YYYY-MM."""
    return dates_for(job, 1)[0].strftime("%Y-%m")


def monthly_strategy(job: Job, _: Field) -> str:
    return job.draw("month_plan", **bound_people(job))
