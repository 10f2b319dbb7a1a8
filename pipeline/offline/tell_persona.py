"""What is told about the persona: stages one and five, and every schema that asks for the same things under other names."""

from __future__ import annotations

import re
from typing import Any

from pipeline.offline import Json
from pipeline.offline.moments import segment_of, when
from pipeline.offline.schema_walk import Field
from pipeline.offline.shelves import almanac
from pipeline.offline.tellers import Job, tells


@tells("persona.name")
def _name(job: Job, _: Field) -> str:
    return job.world.identity.name


@tells("persona.age")
def _age(job: Job, _: Field) -> int:
    return job.world.identity.age


@tells("birthday", "birth_date", "date_of_birth")
def _birthday(job: Job, _: Field) -> str:
    return job.world.identity.birthday


@tells("zodiac")
def _zodiac(job: Job, _: Field) -> str:
    return job.world.identity.zodiac


@tells("city", "persona.location", "hometown")
def _city(job: Job, _: Field) -> str:
    return job.world.identity.place.city


@tells("persona.state")
def _state(job: Job, _: Field) -> str:
    return job.world.identity.place.state


@tells("country_code")
def _country_code(job: Job, _: Field) -> str:
    return job.world.identity.place.country


@tells("country_name")
def _country(job: Job, _: Field) -> str:
    entry = almanac()["country"].get(job.world.identity.place.country)
    return entry[job.language == "zh"] if entry else job.world.identity.place.country


@tells("timezone")
def _timezone(job: Job, _: Field) -> str:
    return job.world.identity.place.timezone


@tells("gender", "pronouns", "sex")
def _gender(job: Job, field: Field) -> str:
    gender = job.world.identity.gender
    if field.name.lower() == "pronouns":
        return {"f": "she/her", "m": "he/him", "n": "they/them"}[gender]
    words = {"f": ("female", "女"), "m": ("male", "男"), "n": ("non-binary", "非二元")}[gender]
    return words[job.language == "zh"]


@tells("persona.description")
def _description(job: Job, _: Field) -> str:
    """Who they are, what they look like, what they want; and what the author wished for and is not yet a fact."""
    who = job.world.identity
    wants = [job.draw("want")]
    if who.statement:
        wants.append(job.draw("stated_wish"))
    if who.wish:
        wants.append(job.draw("kept_wish"))
    if who.goal:
        wants.append(job.draw("kept_goal"))
    between = "" if job.language == "zh" else " "
    return "\n\n".join([job.draw("intro"), job.draw("looks_paragraph", **_features(job)), between.join(wants)])


@tells("personality")
def _personality(job: Job, _: Field) -> str:
    between = "" if job.language == "zh" else " "
    return between.join(job.draw(pool, **_grudge(job)) for pool in ("temperament", "inner", "value", "close_value"))


@tells("scenario")
def _scenario(job: Job, _: Field) -> str:
    return job.draw("scenario")


@tells("first_mes")
def _first_message(job: Job, _: Field) -> str:
    return job.draw("first_mes")


@tells("mes_example")
def _example(job: Job, _: Field) -> str:
    """Three little conversations in the form of character cards."""
    chats = [job.telling.draw("chat") for _ in range(2)] + [job.telling.draw("exchange")]
    lines = [f"<START>\n{{{{user}}}}: {job.say(asked)}\n{{{{char}}}}: {job.say(answered)}" for asked, answered in chats]
    return "\n".join(lines)


@tells("persona.tags")
def _tag(job: Job, _: Field) -> str:
    return job.draw("tag")


@tells("persona.summary", "appearance")
def _look(job: Job, _: Field) -> str:
    return job.draw("look", **_looks(job))


@tells("hair")
def _hair(job: Job, _: Field) -> str:
    return _sentence(job, job.world.facts["hair"])


@tells("eyes")
def _eyes(job: Job, _: Field) -> str:
    return _sentence(job, job.world.facts["eyes"])


@tells("build", "body", "figure")
def _build(job: Job, _: Field) -> str:
    return _sentence(job, job.world.facts["build"])


def _sentence(job: Job, text: str) -> str:
    return text if job.language == "zh" else text[:1].upper() + text[1:]


@tells("persona.style", "clothing", "fashion")
def _style(job: Job, _: Field) -> str:
    tail = job.draw("style_tail")
    return _sentence(job, f"{job.draw('outfit')}，{tail}" if job.language == "zh" else f"{job.draw('outfit')}, {tail}")


@tells("distinguishing_features", "features")
def _feature(job: Job, field: Field) -> str:
    both = features(job)
    return _sentence(job, both[field.index % len(both)]) if field.index < len(both) else _sentence(job, job.draw("any_feature"))


def features(job: Job) -> list[str]:
    """The details by which they are recognised, the same in every stage."""
    chance = job.world.chance("features")
    pools = (job.world.pool("feature") or [], job.world.pool("any_feature") or [])
    return [job.say(_native(chance.choice(pool))) for pool in pools]


def _native(entry: Json) -> str:
    return entry[0] if isinstance(entry, list) else entry


def _features(job: Job) -> dict[str, Any]:
    first, second = features(job)
    return {**_looks(job), "feature_one": first, "feature_two": second}


def _looks(job: Job) -> dict[str, Any]:
    facts = job.world.facts
    stop = "，" if job.language == "zh" else ","
    return {"eyes_short": facts["eyes"].split(stop)[0], "build_short": facts["build"].split(stop)[0], "prop": job.telling.say("prop")}


def _grudge(job: Job) -> dict[str, Any]:
    return {"grudge": job.telling.say("grudge")}


@tells("occupation")
def _occupation(job: Job, _: Field) -> str:
    return _sentence(job, job.draw("occupation"))


@tells("education")
def _education(job: Job, _: Field) -> str:
    return job.draw("education")


@tells("family")
def _family(job: Job, _: Field) -> str:
    return job.draw("family")


@tells("persona.history")
def _history(job: Job, _: Field) -> str:
    return job.draw("history")


@tells("daily_routine")
def _routine(job: Job, _: Field) -> str:
    return job.draw("routine")


@tells("persona.home", "living_situation")
def _home(job: Job, _: Field) -> str:
    return job.draw("home")


@tells("hobbies", "persona.hobby")
def _hobby(job: Job, _: Field) -> str:
    return job.draw("hobby", "any_hobby", **bound_people(job))


@tells("favourite_things")
def _favourite(job: Job, _: Field) -> str:
    return job.draw("favourite", "any_favourite")


_VOICE = {
    "persona.tone": "tone",
    "sentence_rhythm": "rhythm",
    "vocabulary": "vocabulary",
    "capitalization": "capitalization",
    "punctuation_style": "punctuation",
    "punctuation": "punctuation",
    "typo_patterns": "typos",
}


def _from_voice(part: str) -> None:
    @tells(*(name for name, told in _VOICE.items() if told == part))
    def _(job: Job, __: Field) -> str:
        return job.say(job.world.voice[part])


for _part in dict.fromkeys(_VOICE.values()):
    _from_voice(_part)


@tells("catchphrases")
def _catchphrase(job: Job, _: Field) -> str:
    return job.say(_from(job, "catchphrases"))


@tells("filler_words")
def _filler(job: Job, _: Field) -> str:
    return job.say(_from(job, "fillers"))


def _from(job: Job, part: str) -> str:
    return job.telling.draw(f"voice {part}", job.world.voice[part])


@tells("slang")
def _slang(job: Job, _: Field) -> str:
    if job.rng.random() < 0.45:
        return job.say(job.telling.draw("voice slang", job.world.voice["slang"]))
    return job.draw("slang")


@tells("quirks")
def _quirk(job: Job, _: Field) -> str:
    return job.draw("quirk", "any_quirk", **bound_people(job))


@tells("strategic_flaws")
def _flaw(job: Job, _: Field) -> str:
    return job.draw("flaw", "any_flaw", **bound_people(job))


def bound_people(job: Job) -> dict[str, Any]:
    """One friend, one regular, one machine, so that a text that names them twice means the same."""
    machine = job.telling.say("machine")
    return {
        **when(job.world, segment_of(job.world.facts["clock_work"]), None, job.rng),
        "friend": job.telling.draw("friend"),
        "regular": job.telling.draw("regular"),
        "machine": machine,
        "machine_bare": re.sub(r"^the ", "", machine),
        "where": job.telling.say("where"),
        "creature": job.telling.say("creature"),
    }
