"""Where URLs stand in a text, by the rules of twitter-text 3 (Extractor.extractURLsWithIndices), in time linear in the text.

The original is one large regular expression that backtracks over labels and paths. Here a text is read once, host by host: what looks like
a host is divided at its dots, the longest domain in it is taken, then port, path and query. Which words are top-level domains is read from
the public suffix list that the package publicsuffixlist brings along; domains that were given up since 2018 and stand in the original's
list (``.zippo``) are none here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import publicsuffixlist
import regex

LONGEST_LABEL = 63
LONGEST_URL = 4096
LONGEST_SLUG = 40
"""Of a t.co URL."""

_MARKERS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SPACES = r"\t-\r\x20\x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_NO_HOST = rf"{_SPACES}!'#%&()*+,\\/:;<=>?@\[\]^{{|}}~$\ufffe\ufeff\uffff{_MARKERS}"
_HOST = regex.compile(rf"[^{_NO_HOST}]++")
_ACCENTS = (
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b\u02bb\u0300-\u036f"
    "\u1e00-\u1eff"
)
_TAIL = regex.compile(rf"(?r)[-A-Za-z0-9{_ACCENTS}]*+")
_WORD = regex.compile(r"(?P<code>(?i:xn--)[-0-9A-Za-z]++)|[0-9A-Za-z]++")
_IN_HOST = regex.compile(rf"\.[^.{_NO_HOST}]{{2}}")
"""No domain is without a dot and two signs of a top-level domain behind it."""
_DOTS = regex.compile(r"[.\u3002\uff0e\uff61]")
_PORT = regex.compile(r":[0-9]++")
_SIGNS = rf"[-+A-Za-z0-9\u0400-\u04ff!*';:=,.$/%#\[\]\u2013_~@|&{_ACCENTS}]"
_PATH = regex.compile(rf"/(?: {_SIGNS}++ | \( (?: {_SIGNS}++ \) | {_SIGNS}*+ \( {_SIGNS}++ \) {_SIGNS}*+ \) ) )*+", regex.VERBOSE)
_QUERY = regex.compile(r"\?[-A-Za-z0-9!?*'@();:&=+$/%#\[\]_.,~|]++")
_NO_PATH_END = "!*';:,.$%[]\u2013~@|&"
_NO_QUERY_END = "!?*'@();:+$%[].,~|"
_SHORTENED = regex.compile(r"(?i:https?://t\.co/)([A-Za-z0-9]++)(?:\?[-A-Za-z0-9!?*'@();:&=+$/%#\[\]_.,~|]*[-A-Za-z0-9_&=#/])?")
_NOT_BEFORE = frozenset("@$#＠＃\ufffe\ufeff\uffff")
_GLUED = frozenset("@+-")
"""Right behind a top-level domain these, like letters and digits, mean that it is none."""
_JOINTS = frozenset("-_.")


@cache
def top_level_domains() -> frozenset[str]:
    """All of them, in lower case and in their own script."""
    lines = Path(publicsuffixlist.PSLFILE).read_text("utf-8").splitlines()
    return frozenset(line.split()[0].rpartition(".")[2].lower() for line in lines if line.strip() and not line.startswith("//"))


@cache
def _beginnings() -> frozenset[str]:
    """The first two letters of each that is not in Latin script."""
    return frozenset(name[:2] for name in top_level_domains() if not name[0].isascii())


@cache
def _longest_suffix() -> int:
    return max(map(len, top_level_domains()))


def urls(text: str) -> list[tuple[int, int]]:
    """Start and end of every URL in *text*, in order."""
    found: list[tuple[int, int]] = []
    if "." not in text or not _IN_HOST.search(text):
        return found
    taken = at = 0  # what stands before *taken* belongs to something else
    while host := _HOST.search(text, at):
        at = host.end()
        if "." in host[0]:
            spans, end = _in_host(text, host.start(), host.end(), taken)
            found += spans
            if end:
                taken, at = end, max(at, end)
    return found


class _Label(NamedTuple):
    start: int
    end: int
    suffix: int
    """Where the top-level domain ends that the label begins with; 0 where there is none."""


def _in_host(text: str, start: int, end: int, taken: int) -> tuple[list[tuple[int, int]], int]:
    """URLs whose domain stands in ``text[start:end]``, and where what was read as a URL ends, be it one or not (0: nothing was)."""
    labels = list(_labels(text, start, end))
    first, protocol = _beginning(text, labels[0], taken)
    last = _longest_domain(text, labels, first)
    if not last:
        # A domain in the middle of a host is no URL, but what follows it is not read again.
        sound = (
            len(labels) > 1 + (first < 0)
            and labels[-1].suffix == end
            and text[labels[-2].start : labels[-2].end][-1:] not in {"", "-", "_"}
        )
        return [], _rest(text, end)[0] if sound else 0
    domain_end = labels[last].suffix
    whole, has_path = _rest(text, domain_end) if domain_end == end else (domain_end, False)
    begin = first - protocol
    spans: list[tuple[int, int]] = []
    if not _fits(text[first:domain_end], whole - begin):
        return spans, whole
    if protocol:
        short = _SHORTENED.match(text, begin, whole)
        if short is None:
            spans.append((begin, whole))
        elif len(short[1]) <= LONGEST_SLUG:
            spans.append((begin, short.end()))
    elif text[first - 1 : first] not in {"-", "_", ".", "/"}:
        spans = _plain(text, first, labels[: last + 1])
        if spans and has_path:
            spans[-1] = (spans[-1][0], whole)
    return spans, whole


def _longest_domain(text: str, labels: list[_Label], first: int) -> int:
    """The number of the label that begins with the top-level domain of the longest domain from *first* on; 0 where there is no domain."""
    last, start = 0, first
    for nth, (before, label) in enumerate(itertools.pairwise(labels), 1):
        if not (0 <= start < before.end and text[start] not in _JOINTS and text[before.end - 1] not in _JOINTS):
            break
        if label.suffix and (nth == 1 or "_" not in text[before.start : before.end]):
            last = nth
        start = label.start
    return 0 if last == 1 and "_" in text[first : labels[0].end] else last


def _labels(text: str, start: int, end: int) -> Iterator[_Label]:
    while start <= end:
        dot = text.find(".", start, end)
        stop = end if dot < 0 else dot
        yield _Label(start, stop, _suffix(text, start, stop))
        start = stop + 1


def _suffix(text: str, start: int, end: int) -> int:
    """Where the top-level domain at *start* ends; 0 where there is none."""
    if end - start < 2:
        return 0
    word = _WORD.match(text, start, end)
    if word and word["code"]:
        return word.end()
    if word and (word.end() == end or word[0].lower() in top_level_domains()):
        return word.end() if word[0].lower() in top_level_domains() and _ends(text, word.end()) else 0
    if not word and text[start : start + 2].lower() not in _beginnings():
        return 0
    stops = range(min(start + _longest_suffix(), end), start + 1, -1)
    return next((stop for stop in stops if text[start:stop].lower() in top_level_domains() and _ends(text, stop)), 0)


def _ends(text: str, at: int) -> bool:
    """Whether a top-level domain may end at *at*."""
    after = text[at : at + 1]
    return not (after.isascii() and after.isalnum()) and after not in _GLUED


def _beginning(text: str, label: _Label, taken: int) -> tuple[int, int]:
    """Where a domain may begin in a host's first label (-1: nowhere), and how long the protocol before it is."""
    for protocol in ("https://", "http://") if text[label.start - 1 : label.start] == "/" else ():
        at = label.start - len(protocol)
        if at >= 0 and text[at : label.start].lower() == protocol and _may_follow(text, at, taken):
            return label.start, len(protocol)
    # As the original does, which takes a text's first sign for what stands before a URL where it can.
    skipped = label.start == 0 and label.end > 1 and _may_follow(text, 1, taken) and text[1] not in _JOINTS
    places = [*range(label.start + skipped, label.end), *range(skipped)]
    return next((at for at in places if text[at] not in _JOINTS and _may_follow(text, at, taken)), -1), 0


def _may_follow(text: str, at: int, taken: int) -> bool:
    if at == 0:
        return True
    before = text[at - 1]
    return at > taken and not (before.isascii() and before.isalnum()) and before not in _NOT_BEFORE


def _rest(text: str, at: int) -> tuple[int, bool]:
    """Where port, path and query of a domain end that ends at *at*, and whether there is a path."""
    if port := _PORT.match(text, at):
        at = port.end()
    path = _PATH.match(text, at)
    if path:
        at += max(1, len(path[0].rstrip(_NO_PATH_END)))
    if query := _QUERY.match(text, at):
        at += len(query[0].rstrip(_NO_QUERY_END))
    return at, path is not None


def _fits(domain: str, length: int) -> bool:
    """Whether every label is short enough as the network sees it (in Punycode), and the whole URL is."""
    if length > LONGEST_URL or (domain.isascii() and len(domain) <= LONGEST_LABEL):
        return length <= LONGEST_URL
    for label in _DOTS.split(domain):
        if len(label) > LONGEST_LABEL:
            return False
        if not label.isascii():
            if label[:4].lower() == "xn--":
                return False
            wire = len("xn--") + len(label.encode("punycode"))
            if wire > LONGEST_LABEL:
                return False
            length += wire - len(label)
    return length <= LONGEST_URL


def _plain(text: str, first: int, labels: list[_Label]) -> list[tuple[int, int]]:
    """The domains of Latin letters in a domain of any script, between the others: without a protocol only these are URLs."""
    found: list[tuple[int, int]] = []
    begin = _tail(text, first, labels[0].end)
    best = 0
    for nth, label in enumerate(labels[1:], 1):
        if begin < labels[nth - 1].end and label.suffix:
            best = label.suffix
        if label.start == _tail(text, label.start, label.end) < label.end:
            begin = label.start if begin >= labels[nth - 1].end else begin
            continue
        if best:
            found.append((begin, best))
        begin, best = max(_tail(text, label.start, label.end), best), 0
    if best:
        found.append((begin, best))
    return found


def _tail(text: str, start: int, end: int) -> int:
    """Where the Latin end of ``text[start:end]`` begins."""
    tail = _TAIL.search(text, start, end)
    return tail.start() if tail and tail.end() == end else end
