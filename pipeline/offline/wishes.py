"""What an author asks for in words: a job, a pronoun, an age, a name, or something that has to be worked in as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pipeline.offline.shelves import Life, shelf

LONGEST = 140


@dataclass(frozen=True)
class Asked:
    """What could be understood of an instruction. *statement* continues a sentence about the persona (English only: "collects bells")."""

    gender: str = ""
    life: str = ""
    job: str = ""
    age: int = 0
    name: str = ""
    city: str = ""
    statement: str = ""
    wish: str = ""


_GENDER = (
    ("n", re.compile(r"\b(they/them|non-?binary|make them|turn them)\b|非二元", re.IGNORECASE)),
    ("f", re.compile(r"\b(her|she|woman|lady|grandmother|girl)\b|她|女", re.IGNORECASE)),
    ("m", re.compile(r"\b(him|his|he|man|guy|grandfather)\b|(?<![其吉])他(?![们人])|男", re.IGNORECASE)),
)
_AGE = re.compile(
    r"\b(?:aged?|is|her|him|them|be)\s+(\d{2})\b(?!\s*(?:%|euro|dollar|minute|hour|cat|dog))|\b(\d{2})[- ]?years?[- ]old|(\d{2})\s*岁",
    re.IGNORECASE,
)
_DECADE = re.compile(
    r"\bin (?:her|his|their) (?:(early|mid|late)[- ])?(twenties|thirties|forties|fifties|sixties|seventies|eighties)\b", re.IGNORECASE
)
_DECADES = {"twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70, "eighties": 80}
_NAME = re.compile(
    r"\b(?:[Cc]all (?:her|him|them)|[Nn]amed?(?: (?:her|him|them))?|[Hh]er name is|[Hh]is name is|[Tt]heir name is)\s+"
    r"((?:[A-ZÀ-Ý][\w'’-]+)(?:\s+[A-ZÀ-Ý][\w'’-]+){0,2})|(?:名字?叫|叫做|改名叫?|名为)\s*([\u4e00-\u9fff]{2,4})"
)
_CITY = re.compile(
    r"\b(?:lives?|living|based|works?|set|move (?:her|him|them)|put (?:her|him|them)) (?:in|to) "
    r"([A-ZÀ-Ý][\w'’.-]+(?:[ ,]+[A-ZÀ-Ý][\w'’.-]+){0,2})|(?:住在|生活在|搬到)\s*([\u4e00-\u9fff]{2,5}?)(?=[,，。、;；的]|$)"
)
_JOB = re.compile(
    r"\b(?:make|turn|let|have)\s+(?:her|him|them|it|the persona|this)\s+(?:into\s+|be\s+|work as\s+)?"
    r"(?P<a>an?)\s+(?P<job1>[^.,;:!?\n]{3,60})"
    r"|\b(?:she|he|they|persona|who)\s+(?:should\s+be|should\s+work\s+as|must\s+be|works?\s+as|is|are|be)\s+an?\s+(?P<job2>[^.,;:!?\n]{3,60})"
    r"|^\s*an?\s+(?P<job3>[^.,;:!?\n]{3,50})\s*[.!]?\s*$",
    re.IGNORECASE,
)
_JOB_ZH = re.compile(
    r"(?:改成|变成|换成|设成|设为|让[她他]?(?:当|做|是)|[她他]?应该是|[她他]是|做|当)\s*(?:一?[个名位])?\s*([\u4e00-\u9fff]{2,12}?)(?=[,，。;；!！]|$)"
)
_NOT_A_JOB = re.compile(
    r"^(bit|little|lot|touch|tad|more|less|much|few|single|good|real|cat|dog|person who|fan|lover|woman|man|mother|father|sense|parrot)\b",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"^\s*(?:she|he|they|the persona)\s+(?:should\s+|must\s+|also\s+)?"
    r"(?P<rest>(?:loves?|likes?|hates?|collects?|plays?|owns?|keeps?|has|have|speaks?|sings?|fears?|grew up|never|always|is|are)\b"
    r"[^.\n]{2,110})",
    re.IGNORECASE,
)
_GIVEN = re.compile(r"\bgive\s+(?:her|him|them)\s+(?P<thing>an?\s[^.\n]{2,80})", re.IGNORECASE)
_MORE = re.compile(
    r"\bmake\s+(?:her|him|them|it)\s+(?P<how>(?:a (?:bit|little|lot) )?(?:more|less|much more)?\s*[a-z][a-z -]{2,40})\s*$", re.IGNORECASE
)


def understand(text: str, language: str) -> Asked:
    """Read an instruction. What is understood as a fact is not repeated as a wish."""
    text = " ".join(text.split())
    if not text:
        return Asked()
    job = _job(text, language)
    life = match_life(job or text, language)
    age = _age(text)
    name = _first_group(_NAME, text)
    city = _first_group(_CITY, text)
    statement = _statement(text, language)
    understood = bool(job or age or name or city or statement)
    return Asked(
        gender=_gender(text),
        life=life.key if life else "",
        job=job,
        age=age,
        name=name,
        city=city,
        statement=statement,
        wish="" if understood or life else text[:LONGEST].rstrip(" .。!！"),
    )


@lru_cache(maxsize=512)
def match_life(text: str, language: str) -> Life | None:
    """The life whose words occur most in *text*; longer words count for more."""
    folded = text.casefold()
    best, most = None, 0
    for life in shelf(language).choosable:
        score = sum(len(word) for word in life.match if _occurs(word, folded))
        if score > most:
            best, most = life, score
    return best


def _occurs(word: str, folded: str) -> bool:
    if not word.isascii():
        return word in folded
    return re.search(rf"\b{re.escape(word)}(?:s|es)?\b", folded) is not None


def _gender(text: str) -> str:
    return next((gender for gender, pattern in _GENDER if pattern.search(text)), "")


def _first_group(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return next((group.strip() for group in match.groups() if group), "") if match else ""


def _age(text: str) -> int:
    age = int(_first_group(_AGE, text) or 0)
    if decade := _DECADE.search(text):
        age = _DECADES[decade[2].lower()] + {"early": 2, "mid": 5, "late": 8}.get((decade[1] or "mid").lower(), 5)
    return age if 18 <= age <= 99 else 0


def _job(text: str, language: str) -> str:
    if language == "zh" and (match := _JOB_ZH.search(text)):
        return match[1]
    for match in _JOB.finditer(text):
        job = (match["job1"] or match["job2"] or match["job3"]).strip()
        job = re.split(r"\s+(?:who|with|and|in|from|at|but|that|instead|please)\b", job)[0].strip()
        if not _NOT_A_JOB.match(job) and len(job.split()) <= 5:
            return job
    return ""


def _statement(text: str, language: str) -> str:
    if language == "zh":
        return ""
    if match := _STATEMENT.match(text):
        rest = match["rest"].strip().rstrip(".!")
        verb, _, tail = rest.partition(" ")
        singular = {"have": "has", "are": "is"}.get(verb, verb)
        if re.fullmatch(r"(love|like|hate|collect|play|own|keep|speak|sing|fear)", singular):
            singular += "s"
        return "" if re.match(r"an?\s", tail) and singular == "is" else f"{singular} {tail}"
    if match := _GIVEN.search(text):
        return f"has {match['thing'].strip().rstrip('.!')}"
    if match := _MORE.search(text):
        return f"is {match['how'].strip()} than people expect" if "more" in match["how"] or "less" in match["how"] else ""
    return ""
