"""What is looked for in every tweet: pure functions from text to findings. Findings are shown as badges and drop nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import regex

from pipeline.duplicates import Fingerprints
from pipeline.facts import PersonaFacts, contradictions
from pipeline.length import LIMIT, URL, emojis, weighted_length
from pipeline.links import urls

__all__ = ["HARD", "KINDS", "NETWORKS", "Finding", "Fingerprints", "PersonaFacts", "check", "weighted_length"]

KINDS = ("empty", "too_long", "near_duplicate", "contradicts", "hashtag_spam", "over_limit")
"""Every kind of finding, in the order in which :func:`check` returns them."""
HARD = frozenset({"empty", "too_long"})
"""Kinds for which a tweet is sent back to the writer."""
MOST_HASHTAGS = 3


@dataclass(frozen=True)
class Finding:
    """*kind* is a word that a page can translate; *detail* says how bad it is, which other tweet it is like or what it contradicts."""

    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Network:
    """How long a post may be, and how the network counts."""

    name: str
    limit: int
    length: Callable[[str], int]


def _graphemes(text: str) -> int:
    # \X looks back over all flags before each flag; one letter in place of each keeps that linear.
    return sum(1 for _ in regex.finditer(r"\X", _FLAG.sub("x", text)))


_FLAG = regex.compile(r"\p{Regional_Indicator}{2}")


def _threads(text: str) -> int:
    """Characters; an emoji counts as many as it has bytes in UTF-8."""
    return len(text) + sum(len(emoji.encode()) - len(emoji) for emoji in emojis(text))


def _mastodon(text: str) -> int:
    """Characters as people see them; a link (with its protocol) counts 23, of a mention only the name counts."""
    links = [(start, end) for start, end in urls(text) if text[start : start + 4].lower() == "http"]
    kept, at = [], 0
    for start, end in links:
        kept.append(text[at:start])
        at = end
    kept.append(text[at:])
    return URL * len(links) + sum(_graphemes(_MENTION.sub(r"\1", piece)) for piece in kept)


_MENTION = regex.compile(r"(?<![\w/@])(@\w++)@[\w.-]++")

NETWORKS: dict[str, Network] = {
    "x": Network("X", LIMIT, weighted_length),  # docs.x.com, counting characters
    "bluesky": Network("Bluesky", 300, _graphemes),  # lexicon app.bsky.feed.post: maxGraphemes
    "threads": Network("Threads", 500, _threads),  # developers.facebook.com/documentation/threads/posts, limitations
    "mastodon": Network("Mastodon", 500, _mastodon),  # docs.joinmastodon.org/user/posting; servers may allow more
    "instagram": Network("Instagram", 2200, len),  # Instagram platform, reference of IG User media: caption
    "weibo": Network("Weibo", 2000, len),  # weibo.com, posts from a computer or the app since 2016
}


def check(
    text: str,
    *,
    parts: Sequence[str] = (),
    persona: PersonaFacts,
    earlier: Fingerprints | None,
    hashtags: Sequence[str] = (),
    networks: Sequence[str] = ("x",),
    tweet_id: str = "",
) -> list[Finding]:
    """Everything that is wrong with a tweet, in the order of :data:`KINDS`, facts as name, age, city, job, networks as in the table.

    Of a thread, *text* is the first part and *parts* are the others. *hashtags* may or may not stand in the text as well. The tweet
    *tweet_id* itself is not taken for a duplicate. Raises ``ValueError`` for a network that is not in :data:`NETWORKS`.
    """
    every = [text, *parts]
    whole = "\n\n".join(every)
    findings = [Finding("empty")] if any(_is_empty(part) for part in every) else []
    longest = max(weighted_length(part) for part in every)
    if longest > LIMIT:
        findings.append(Finding("too_long", f"{longest}/{LIMIT}"))
    if earlier is not None and (near := earlier.nearest(whole, but=tweet_id)):
        findings.append(Finding("near_duplicate", near[0]))
    findings += [Finding("contradicts", what) for what in contradictions(whole, persona)]
    if spam := _hashtag_spam(every, hashtags):
        findings.append(Finding("hashtag_spam", spam))
    for key in sorted(set(networks), key=list(NETWORKS).index):
        network = NETWORKS[key]
        if key != "x" and (longest := max(network.length(part) for part in every)) > network.limit:
            findings.append(Finding("over_limit", f"{network.name} {longest}/{network.limit}"))
    return findings


_VISIBLE = regex.compile(r"[^\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]")  # U+2800: Braille without a dot


def _is_empty(text: str) -> bool:
    return _VISIBLE.search(text) is None


_HASHTAG = regex.compile(r"(?<![\p{L}\p{M}\p{N}_&/#＃])[#＃](?!\p{N}++(?![\p{L}\p{M}_]))([\p{L}\p{M}\p{N}_]++)")
"""A number alone (#1) is none, nor is what stands in a URL (``page#top``) or behind a letter (C#, the end of #话题#)."""


def _hashtag_spam(parts: Sequence[str], listed: Sequence[str]) -> str:
    """Why the hashtags are too much, empty where they are not: more than three in one part, one of them twice, or a third of the text."""
    written = [[tag.casefold() for tag in _HASHTAG.findall(part)] for part in parts]
    beside = [tag for tag in (_bare(tag) for tag in listed) if tag]
    beside = [tag for tag in beside if beside.count(tag) > 1 or not any(tag in tags for tags in written)]
    written[0] = written[0] + beside  # tags that stand in no part are put behind the first
    for part, tags in zip(parts, written, strict=True):
        if len(tags) > MOST_HASHTAGS:
            return f"{len(tags)} hashtags"
        if twice := next((tag for tag in tags if tags.count(tag) > 1), ""):
            return f"#{twice} twice"
        letters = len("".join(part.split()))
        inside = sum(len(match[0]) for match in _HASHTAG.finditer(part))
        if inside * 3 > letters:
            return f"{inside} of {letters} characters"
    return ""


def _bare(tag: str) -> str:
    return tag.strip().strip("#＃").casefold()
