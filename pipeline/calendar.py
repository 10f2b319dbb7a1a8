"""Calendars: a plan for each day, written by the LLM; dates, weekdays, kinds of tweets and posting times are kept by us."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from errors import ConflictError, WriterError
from pipeline import prompts
from pipeline.dates import EARLIEST, LATEST, WEEKDAYS, minutes, read_clock, read_date
from pipeline.llm.client import Caller, Message, Writer
from pipeline.llm.structured import Question, ask
from pipeline.persona import Part, Text, Texts
from pipeline.stages import Wishes

DAYS_A_CALL = 15
"""Plans asked for in one call: of more than that, models begin to skip some or to repeat themselves."""
MOST_DAYS = 366
EXTRA_CALLS = 3
"""Calls beyond twice those needed, for a model that leaves days out."""
THEMES_SHOWN = 45
"""Themes of days before that the next call is told not to repeat."""
PEOPLE_SHOWN = 12
USUAL_KIND, USUAL_TIME = "daily_life", "12:00"
_NOTHING = ("", "none", "null", "nil", "no", "n/a", "-", "—", "无", "没有", "なし")


def or_none(value: object) -> object:
    """Some models, and people in spreadsheets, write "none" or nothing where null is meant."""
    return None if isinstance(value, str) and value.strip().casefold() in _NOTHING else value


def _or_empty(value: object) -> object:
    return "" if value is None else value


def _iso(value: str) -> str:
    if (found := read_date(value)) is None or found.isoformat() != value:
        raise ValueError("is not a date such as 2026-01-31")
    return value


Maybe = Annotated[str | None, BeforeValidator(or_none)]
Loose = Annotated[str, BeforeValidator(_or_empty)]


class Plan(Part):
    """One day of a calendar as it is kept (SPEC 4). Everything may be empty, as it may be in a file; unknown keys are kept."""

    weekday: Loose = ""
    topic_type: Loose = ""
    tweet_format: Loose = ""
    recommended_time: Loose = ""
    """``HH:MM`` where the persona lives, or empty."""
    mood: Loose = ""
    theme: Loose = ""
    content_direction: Loose = ""
    outfit_direction: Loose = ""
    keywords: list[str] = Field(default_factory=list)
    suggested_scene: Loose = ""
    special_event: str | None = None
    strategic_flaw: str | None = None


class Calendar(Part):
    """A whole calendar (SPEC 4): plans by date, ``YYYY-MM-DD``. *month* is that of the first day, ``YYYY-MM``."""

    persona_name: Loose = ""
    month: Loose = ""
    generated_at: Loose = ""
    monthly_strategy: Loose = ""
    calendar: dict[Annotated[str, AfterValidator(_iso)], Plan]


class DayPlan(Part):
    """A day as the LLM is asked for it."""

    date: Text = Field(description="YYYY-MM-DD, as given")
    topic_type: Text = Field(description="The kind of tweet, as given for that day")
    tweet_format: Text = Field(description="standard, question, poll or thread")
    recommended_time: Loose = Field(description="One of the posting times, HH:MM")
    mood: Text = Field(description="One to three words")
    theme: Text = Field(description="What the tweet is about: one concrete thing or incident")
    content_direction: Text = Field(description="How to tell it, one sentence")
    outfit_direction: Text = Field(description="What they wear in the picture")
    keywords: Texts = Field(description="3 to 5 words that the tweet turns on")
    suggested_scene: Text = Field(description="What a photo beside it would show, one sentence")
    special_event: Maybe = Field(description="What happens on that day in their life or where they live, or null")
    strategic_flaw: Maybe = Field(description="The weakness that shows, or null")


class Plans(Part):
    """What one call writes."""

    monthly_strategy: Text = Field(description="How these days hang together, 2 or 3 sentences")
    days: Annotated[list[DayPlan], Field(min_length=1)] = Field(description="One plan for each of the days given, in their order")


@dataclass(frozen=True)
class Day:
    """A day that is to be planned, with what is settled before the LLM is asked."""

    date: str
    weekday: str
    topic_type: str


async def write(
    outputs: Mapping[str, dict[str, Any]],
    *,
    name: str,
    start: date | None,
    days: int,
    wishes: Wishes,
    writer: Writer,
    caller: Caller,
    model: str,
) -> dict[str, Any]:
    """A calendar of *days* days from *start* (tomorrow where the persona lives, if it is ``None``) as SPEC 4 has it.

    Days that the LLM leaves out are asked for again, days nobody asked for are dropped. Raises :class:`WriterError`, and
    :class:`ConflictError` for an absurd number of days.
    """
    wanted = days_from(outputs, start, days, f"{name}|{wishes.seed}")
    times = posting_times(outputs)
    planned: dict[str, dict[str, Any]] = {}
    strategies: list[str] = []
    for _ in range(2 * calls_for(days) + EXTRA_CALLS):
        missing = [day for day in wanted if day.date not in planned]
        if not missing:
            break
        asked = missing[: -(-len(missing) // calls_for(len(missing)))]
        said = messages(outputs, asked, wishes, [planned[day]["theme"] for day in sorted(planned)])
        answer = await ask(Question(said, Plans, model, wishes.temperature, wishes.seed), writer, caller)
        planned |= {day.date: _settled(plan, day, times) for day, plan in placed(answer.days, asked)}
        strategies.append(answer.monthly_strategy)
    if len(planned) < len(wanted):
        sentence = "The model planned only {done} of {days} days, however often it was asked. Retry, or ask for fewer days."
        raise WriterError("invalid", sentence, done=len(planned), days=days)
    return {
        "persona_name": name,
        "month": wanted[0].date[:7],
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "monthly_strategy": " ".join(dict.fromkeys(strategies)),
        "ai_generated": True,
        "calendar": {day.date: planned[day.date] for day in wanted},
    }


def calls_for(days: int) -> int:
    """How many calls a calendar takes when the model leaves nothing out."""
    return -(-days // DAYS_A_CALL)


def months(body: Mapping[str, Any]) -> list[str]:
    """The months (``YYYY-MM``) that a calendar has days in."""
    return sorted({day[:7] for day in body["calendar"]})


# What is settled before the LLM is asked


def zone_of(outputs: Mapping[str, Any]) -> str:
    """The IANA name of the time zone in which the persona lives; ``UTC`` where it is not known."""
    return known_zone(outputs) or "UTC"


def known_zone(outputs: Mapping[str, Any]) -> str:
    """As :func:`zone_of`, empty where it is not known."""
    found: Any = outputs
    for key in ("core", "core_info", "location", "timezone"):
        found = found.get(key) if isinstance(found, Mapping) else None
    try:
        return ZoneInfo(found).key if found else ""
    except (LookupError, ValueError, OSError, TypeError):
        return ""


def today(outputs: Mapping[str, Any], now: datetime | None = None) -> date:
    """The date where the persona lives."""
    return (now or datetime.now(UTC)).astimezone(ZoneInfo(zone_of(outputs))).date()


def days_from(outputs: Mapping[str, Any], start: date | None, days: int, chance: str) -> list[Day]:
    """The days with their real weekdays, the kinds of tweets spread over them by the strategy's weights."""
    if not 1 <= days <= MOST_DAYS:
        raise ConflictError("A calendar has 1 to {limit} days.", limit=MOST_DAYS)
    first = start or today(outputs) + timedelta(days=1)
    kinds = spread(weights(outputs), days, f"{chance}|{first}")
    dates = [first + timedelta(days=offset) for offset in range(days)]
    return [Day(day.isoformat(), WEEKDAYS[day.weekday()], kind) for day, kind in zip(dates, kinds, strict=True)]


def first_day(text: str) -> date | None:
    """The day that a calendar is to begin with, as an order says it; ``None`` where it says none. Raises :class:`ConflictError`."""
    if not text:
        return None
    if (found := read_date(text)) is None:
        raise ConflictError("A calendar begins with a day such as 2026-07-01, in the years {first} to {last}.", first=EARLIEST, last=LATEST)
    return found


def weights(outputs: Mapping[str, Any]) -> dict[str, float]:
    """The strategy's kinds of tweets with their weights, those above 0; the strategy of an imported persona may have anything in it."""
    told = (outputs.get("strategy") or {}).get("content_type_distribution")
    found: dict[str, float] = {}
    for kind, details in told.items() if isinstance(told, Mapping) else ():
        weight = details.get("weight") if isinstance(details, Mapping) else details
        if isinstance(weight, int | float) and math.isfinite(weight) and weight > 0 and " ".join(kind.split()):
            found[" ".join(kind.split())] = float(weight)
    return found or {USUAL_KIND: 1.0}


def apportioned(shares: Mapping[str, float], count: int) -> dict[str, int]:
    """*count* shared out by the weights *shares*, largest remainders first; of equal remainders the heavier one, then the first."""
    heaviest = max(shares.values())
    scaled = {kind: weight / heaviest for kind, weight in shares.items()}  # so that the sum of huge weights is finite
    total = sum(scaled.values())
    exact = {kind: weight / total * count for kind, weight in scaled.items()}
    counts = {kind: int(share + 1e-9) for kind, share in exact.items()}
    by_remainder = sorted(shares, key=lambda kind: (round(counts[kind] - exact[kind], 9), -scaled[kind]))
    for kind in by_remainder[: count - sum(counts.values())]:
        counts[kind] += 1
    return counts


def spread(shares: Mapping[str, float], count: int, chance: str) -> list[str]:
    """*count* kinds, each as often as its weight says and evenly over the whole; never the same twice in a row where that can be.

    The same *chance* gives the same order.
    """
    counts = apportioned(shares, count)
    rng = random.Random(chance)
    due = {kind: [(nth + rng.random()) / number for nth in range(number)] for kind, number in counts.items()}
    order: list[str] = []
    for left in range(count, 0, -1):
        open_kinds = [kind for kind in counts if due[kind]]
        others = [kind for kind in open_kinds if not order or kind != order[-1]]
        # A kind that has more than half of what is left goes now, or it could not be kept apart later.
        pressing = [kind for kind in others if 2 * len(due[kind]) > left]
        kind = min(pressing or others or open_kinds, key=lambda kind: due[kind][0])
        due[kind].pop(0)
        order.append(kind)
    return order


def posting_times(outputs: Mapping[str, Any]) -> list[str]:
    """The strategy's posting times as ``HH:MM``; what is no time is left out."""
    told = (outputs.get("strategy") or {}).get("posting_times")
    return [clock for text in (told if isinstance(told, list) else []) if (clock := read_clock(text))]


# Asking, and putting what comes back in its place


def messages(outputs: Mapping[str, dict[str, Any]], days: Sequence[Day], wishes: Wishes, themes: Sequence[str] = ()) -> list[Message]:
    """The conversation that asks for plans; the persona comes first, as in all its other calls. *themes* are those of days planned
    before.
    """
    shown = {key: _shown(outputs[key]) for key in ("core", "strategy") if key in outputs}
    text = prompts.render(
        "persona", core=shown.get("core", "{}"), strategy=shown.get("strategy"), instructions=wishes.instructions
    ) + prompts.render(
        "calendar",
        days=_shown({"days": [vars(day) for day in days]}),
        times=", ".join(posting_times(outputs)),
        life=_shown(life) if (life := _life(outputs)) else None,
        themes=_shown({"previous_themes": list(themes[-THEMES_SHOWN:])}) if themes else None,
    )
    return [{"role": "system", "content": prompts.render("system", language=wishes.language)}, {"role": "user", "content": text}]


def _shown(value: object) -> str:
    """JSON in which a text cannot close the block of material that it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")


def _life(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What plans may turn on, of the stages that are too long to be told whole: weaknesses, habits, the names of people and things."""
    authenticity, network, knowledge = (outputs.get(key) or {} for key in ("authenticity", "network", "knowledge"))
    circle = network.get("social_circle") or {}
    everybody = [person for some in circle.values() if isinstance(some, list) for person in some if isinstance(person, dict)]
    people = [f"{person.get('name')} ({person.get('relation')})" for person in everybody if person.get("name")]
    entries = (knowledge.get("character_book") or {}).get("entries") or []
    things = [str(entry["name"]) for entry in entries if isinstance(entry, dict) and entry.get("name")]
    life = {
        "strategic_flaws": authenticity.get("strategic_flaws"),
        "quirks": authenticity.get("quirks"),
        "people_around": people[:PEOPLE_SHOWN],
        "things_of_this_life": things[:PEOPLE_SHOWN],
    }
    return {key: value for key, value in life.items() if value}


def placed(plans: Sequence[DayPlan], asked: Sequence[Day]) -> list[tuple[Day, DayPlan]]:
    """Each plan with the day it is for, by the date it bears. Of two for one day the first counts; days that were not asked for are
    dropped; plans without a date that can be read fill the gaps in order. Where no date fits at all, the order decides: at least one day is
    always placed.
    """
    by_date: dict[str, DayPlan] = {}
    undated: list[DayPlan] = []
    for plan in plans:
        if found := read_date(plan.date):
            by_date.setdefault(found.isoformat(), plan)
        else:
            undated.append(plan)
    if not undated and not any(day.date in by_date for day in asked):
        return list(zip(asked, plans, strict=False))
    gaps = iter(undated)
    pairs = [(day, by_date.get(day.date) or next(gaps, None)) for day in asked]
    return [(day, plan) for day, plan in pairs if plan is not None]


def _settled(plan: DayPlan, day: Day, times: Sequence[str]) -> dict[str, Any]:
    """The plan as it is kept: weekday and kind as settled before, the posting time that is nearest to what the LLM wrote."""
    ours = {"weekday": day.weekday, "topic_type": day.topic_type, "recommended_time": _posting_time(plan, day, times)}
    return Plan.model_validate(plan.model_dump(mode="json", exclude={"date"}) | ours).model_dump(mode="json")


def _posting_time(plan: DayPlan, day: Day, times: Sequence[str]) -> str:
    wished = read_clock(plan.recommended_time)
    if not times:
        return wished or USUAL_TIME
    return min(times, key=lambda time: _apart(time, wished)) if wished else times[date.fromisoformat(day.date).day % len(times)]


def _apart(one: str, other: str) -> int:
    apart = abs(minutes(one) - minutes(other))
    return min(apart, 24 * 60 - apart)
