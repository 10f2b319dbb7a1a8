"""Does a tweet contradict who its persona is: name, age, city, job?

Few and sure: a false alarm costs more than a miss, for a person reads every tweet. Only plain statements in the first person and the
present count; what stands in quotation marks, after *if*, *when* or *like*, or in a text about travelling does not. A city or a job is only
compared where both sides are among the known ones (:mod:`pipeline.places`), so that neither a district nor another word for the same work
is a contradiction.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import regex

from pipeline import places


@dataclass(frozen=True)
class PersonaFacts:
    """What a tweet may contradict; what is not known is empty."""

    name: str = ""
    age: int | None = None
    city: str = ""
    job: str = ""

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, Mapping[str, Any]]) -> PersonaFacts:
        """The facts in the core stage's output; what is missing or of another type is not known."""
        core = _table(outputs.get("core"))
        info = _table(core.get("core_info"))
        age = info.get("age")
        return cls(
            name=_text(core.get("name")),
            age=age if isinstance(age, int) and not isinstance(age, bool) else None,
            city=_text(_table(info.get("location")).get("city")),
            job=_text(_table(core.get("background_info")).get("occupation")),
        )


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def contradictions(text: str, persona: PersonaFacts) -> list[str]:
    """What the text says of its author that is not so (``"age 32, not 41"``), in the order name, age, city, job."""
    told = _QUOTED.sub(" ", text.replace("’", "'"))
    found = []
    if persona.name and (name := _other(_said(told, _NAMES), persona.name, _same_name)):
        found.append(f"name {name}, not {persona.name}")
    if persona.age is not None and (age := _other_age(told, persona.age)):
        found.append(f"age {age}, not {persona.age}")
    if places.city(persona.city) and not _TRAVEL.search(told) and (city := _other(_said(told, _CITIES), persona.city, _same_city)):
        found.append(f"city {city}, not {persona.city}")
    if places.jobs(persona.job) and (job := _other(_said(told, _JOBS), persona.job, _same_job)):
        found.append(f"job {job}, not {persona.job}")
    return found


_QUOTED = regex.compile(r'"[^"\n]*+"|“[^“”]*+”|«[^«»]*+»|「[^「」]*+」|『[^『』]*+』|《[^《》]*+》')
_SENTENCE_END = regex.compile(r"(?r)[.!?。！？…\n]")
_HEDGED = regex.compile(
    r"\b(?:when|if|like|as though|until|till|before|by the time|once|since|unless|after|pretend\w*|imagin\w*|dream\w*|wish\w*|fe[el]+s?"
    r"|felt|th[io]\w*ks?|thought|told|tell|says?|said|almost|practically|basically|mentally|spiritually|secretly|used to|would|should|could"
    r"|former|maybe|apparently|ago|because)\b"
    r"|当年|如果|假如|要是|等我|等到|那年|以前|曾|梦|像|仿佛|仿若|觉得|以为|小时候|直到|说|假装|希望|如同|问",
    regex.IGNORECASE,
)
_LOOK_BACK = 200


def _said(text: str, patterns: Iterable[regex.Pattern[str]]) -> Iterator[str]:
    """What the patterns find in sentences that state it plainly."""
    for pattern in patterns:
        for match in pattern.finditer(text):
            start = max(0, match.start() - _LOOK_BACK)
            end = _SENTENCE_END.search(text, start, match.start())
            if not _HEDGED.search(text, end.end() if end else start, match.start()):
                yield match["said"].strip()


def _other(said: Iterable[str], fact: str, same: Callable[[str, str], bool | None]) -> str:
    """The first that is not *fact*; empty where one of them is, for then the others speak of something else."""
    every = list(said)
    differing = [one for one in every if same(one, fact) is False]
    return differing[0] if differing and len(differing) == len(every) else ""


# Name

_WORD = r"\p{Lu}[\p{L}\p{M}'-]++"
_GIVEN = rf"(?P<said>{_WORD}(?: {_WORD}){{0,2}}+)"
_GREETING = r"(?<![\p{L}'])(?i:hi|hello|hey)(?i:,? (?:everyone|everybody|all|friends|there|twitter|world))?[,!.]?"
_NO_NAME = r"(?:South|North|East|West|New|Sri|Costa|Puerto|Saudi|Native|Team|Type|Generation|Gen)\b"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦"
    "付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAMES = (
    regex.compile(rf"\b(?i:my name is|my name's|i'm called|i am called) {_GIVEN}"),
    regex.compile(rf"{_GREETING} (?i:i'm|i am) (?!{_NO_NAME})(?P<said>{_WORD}(?: {_WORD}){{1,2}}+)(?=[,.!]|$)"),
    regex.compile(rf"{_GREETING} (?i:i'm|i am) (?P<said>{_WORD})(?=, (?:an?|your|the)\b)"),
    regex.compile(
        rf"(?:我叫|我名叫|我的名字是|我的名字叫|大家好[，,！!]?\s?我是)\s*(?P<said>[{_SURNAMES}]\p{{Han}}{{1,2}})(?=[，。！？,.!?~～\s]|$)"
    ),
    regex.compile(rf"(?:我叫|我名叫|我的名字是|我的名字叫)\s*{_GIVEN}"),
)


def _same_name(said: str, fact: str) -> bool | None:
    """``None`` where the two are written in different scripts and cannot be compared."""
    one, other = _folded(said), _folded(fact)
    if bool(regex.search(r"\p{Han}", one)) != bool(regex.search(r"\p{Han}", other)):
        return None
    words = other.split()
    near = any(word.startswith(given[:3]) or given.startswith(word[:3]) for given in one.split() for word in words)
    return near or one in other or other in one


def _folded(name: str) -> str:
    """Without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", name[:_LOOK_BACK]).casefold()
    return regex.sub(r"[^\p{L}\p{N}]+", " ", regex.sub(r"\p{M}+", "", plain)).strip()


# Age

_UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_DECADES = {word[:-1] + "ies": tens for word, tens in _TENS.items()}
_NUMBER = rf"(?P<said>[1-9][0-9]|(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_UNITS)}))?+|eighteen|nineteen)(?![\w%'-]|[.,:/]\d)"
_DONE = r"(?=\s*(?:[,.!?;:…)—–\n\p{Extended_Pictographic}]|$)| (?:years? (?:old|young)|today|now|and|but|this|tomorrow)\b)"
_SOON = r" (?:today|tomorrow|yesterday|this|next|last|in (?:a|two|three) (?:day|week|month)s?)\b"
_HAN = "一二三四五六七八九"
_HAN_NUMBER = rf"(?P<said>[1-9][0-9]|[二三四五六七八九]?十[{_HAN}]?+)"
_AGES = (
    regex.compile(rf"\b(?:i'm|i am)(?: only| already| officially| finally| now)? {_NUMBER}{_DONE}", regex.IGNORECASE),
    regex.compile(rf"\b(?:i (?:just|finally|officially) turned|(?:i )?turned(?=.{{2,14}}(?:today|yesterday))) {_NUMBER}", regex.IGNORECASE),
    regex.compile(rf"\b(?:i'm|i am) turning {_NUMBER}(?={_SOON})", regex.IGNORECASE),
    regex.compile(
        r"\b(?:my|today is my|it's my) (?P<said>[2-9][0-9])(?:st|nd|rd|th) birthday (?:is )?(?=today|tomorrow|this)", regex.IGNORECASE
    ),
    regex.compile(r"(?:^|[.!?\n] ?)as an? (?P<said>[1-9][0-9])[- ]year[- ]old\b", regex.IGNORECASE),
    regex.compile(
        rf"我(?:今年|现在|已经|都|才|刚满|刚|也|马上|就要|快|满){{0,3}}+\s*{_HAN_NUMBER}\s*周?岁(?:了|啦|咯)?+"
        r"(?=\s*(?:[，。！？、；…,.!?~～)）\n\p{Extended_Pictographic}]|$))"
    ),
)
_IN_MY = regex.compile(rf"\b(?:i'm|i am) in my (?:early |mid[- ]?|late )?(?P<said>[2-9]0s|{'|'.join(_DECADES)})\b", regex.IGNORECASE)


def _other_age(text: str, age: int) -> str:
    """An age that is more than a year off (a birthday may be near)."""
    ages = [number for word in _said(text, _AGES) if (number := _number(word.lower()))]
    if ages:
        return "" if any(abs(one - age) <= 1 for one in ages) else str(ages[0])
    for word in _said(text, [_IN_MY]):
        decade = _DECADES.get(word.lower()) or int(word[:2])
        if not decade - 1 <= age <= decade + 10:
            return f"{decade}s"
    return ""


def _number(word: str) -> int:
    if word.isdecimal():
        return int(word)
    if "十" in word:
        tens, _, units = word.partition("十")
        return 10 * (_HAN.find(tens) + 1 if tens else 1) + (_HAN.find(units) + 1 if units else 0)
    tens, _, units = word.replace("-", " ").partition(" ")
    return {"eighteen": 18, "nineteen": 19}.get(tens) or _TENS[tens] + (_UNITS.index(units) + 1 if units else 0)


# City

_CITIES = (
    regex.compile(rf"(?:\b(?i:i live in|i'm living in|my home in|my flat in|my apartment in|here in)) {_GIVEN}"),
    regex.compile(
        rf"(?:我(?:现在|一直|就)?+(?:住在|家在)|我在)(?P<said>{places.cities_pattern()})(?=市|[，。！？,.!?~～\s]|$|的家|长住|生活|定居)"
    ),
)
_TRAVEL = regex.compile(
    r"\b(?:visit\w*|trips?|travel\w*|holidays?|vacation|weekend|conference|flights?|flew|fly\w*|hotel|hostel|airport|airbnb|tour\w*|layover"
    r"|train|abroad|passing through|few days|back home|homesick|miss(?:ing)?|moved|moving)\b"
    r"|旅行|旅游|出差|酒店|机场|航班|飞机|高铁|度假|周末|转机|回家|搬",
    regex.IGNORECASE,
)


def _same_city(said: str, fact: str) -> bool | None:
    """``None`` where one of the two is no city that is known."""
    words = said.split()
    one = next((known for end in range(len(words), 0, -1) if (known := places.city(" ".join(words[:end])))), "")
    other = places.city(fact)
    return one == other if one and other else None


# Job

_WORK = r"(?P<said>\p{L}[\p{L}-]++(?: \p{L}[\p{L}-]++)?)"
_JOBS = (
    regex.compile(rf"\b(?:i work as|i'm working as|i am working as|my (?:job|work|shift) as) (?:an? |the )?{_WORK}", regex.IGNORECASE),
    regex.compile(rf"(?:^|[.!?\n] ?)as an? {_WORK}(?=, (?:i|my)\b)", regex.IGNORECASE),
    regex.compile(rf"\b(?:i'm|i am) an? {_WORK} by (?:trade|profession|training|day)\b", regex.IGNORECASE),
    regex.compile(
        rf"(?:作为一[名位个]|我是一?[名位]|我的工作是|我的职业是|我的本职是)(?P<said>\p{{Han}}{{0,4}}?{places.jobs_pattern()})(?=[，。！？,.!?~～\s]|$)"
    ),
)


def _same_job(said: str, fact: str) -> bool | None:
    """``None`` where one of the two is no job that is known."""
    one, other = places.jobs(said), places.jobs(fact)
    return bool(one & other) if one and other else None
