"""Finds among many short texts one that says nearly the same.

Two texts are as similar as the shingles (short runs of characters) that they share: Dice's coefficient, 0 to 1. It does not mind the order
of sentences, works for scripts without spaces, and measured on pairs by hand tells copies from tweets on one template::

    copies                          English   Chinese   others                        English   Chinese
    other case or punctuation         1.00      0.90    one template, other subject     0.21      0.38
    emoji or hashtags added           0.90      0.89       to                           0.55      0.50
    sentences swapped                 0.94      0.90    same subject, other words       0.08
    two words changed                 0.74      0.84
    half of it reworded               0.72

So that not every text is compared with every other, each leaves its smallest shingle hashes in an index (bottom-k sketch, Broder 1997),
one by one and in pairs: what shares many shingles shares some of these, and the rarest of them point to it. Looking one up takes about as
long among ten thousand texts as among ten.
"""

from __future__ import annotations

import itertools
import unicodedata
from array import array
from collections import Counter
from functools import lru_cache
from zlib import crc32

import regex
from rapidfuzz import fuzz

SIMILAR = 0.65
LONGEST = 4000
"""Characters of a text that are looked at."""
SKETCH = 48
RAREST = 12
"""Of a text's hashes in the index, so many are looked up: those that the fewest others share say the most."""
CANDIDATES = 12
"""Texts with the most in common that are compared shingle by shingle."""
CROWDED = 200
"""Of the texts that share one hash, so many are remembered, the newest."""
_WORDLESS = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
_DENSE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")


class Fingerprints:
    """The texts of one persona, by id.

    The index holds places in the order in which texts came: a number where there is one, as nearly everywhere, else a list. A list for
    each of a text's hundred marks would be a hundred objects for Python's garbage collector to walk through, again and again.
    """

    def __init__(self) -> None:
        self._hashes: dict[str, array[int]] = {}
        self._places: dict[str, int] = {}
        self._ids: list[str] = []
        self._index: dict[int, int | list[int]] = {}

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, text_id: object) -> bool:
        return text_id in self._hashes

    def add(self, text_id: str, text: str) -> None:
        """Remember *text*; it takes the place of what was known under this id."""
        place = self._places.setdefault(text_id, len(self._ids))
        if place == len(self._ids):
            self._ids.append(text_id)
        for mark in _marks(self._hashes.get(text_id, array("I"))):
            self._index[mark] = [other for other in self._found_by(mark) if other != place]
        hashes = self._hashes[text_id] = _hashes(_plain(text))
        for mark in _marks(hashes):
            places = self._index.setdefault(mark, place)
            if isinstance(places, list):
                places.append(place)
                del places[:-CROWDED]
            elif places != place:
                self._index[mark] = [places, place]

    def nearest(self, text: str, *, but: str = "") -> tuple[str, float] | None:
        """The id of the most similar text that is :data:`SIMILAR` at least, and how similar it is (0 to 1); *but* does not count."""
        hashes = _hashes(_plain(text))
        itself = self._places.get(but, -1)
        known = map(self._found_by, _marks(hashes))
        rarest = sorted((places for places in known if places and places != [itself]), key=len)[:RAREST]
        shared = Counter(place for places in rarest for place in places)
        del shared[itself]
        best, found = SIMILAR * 100, None
        for place, _ in shared.most_common(CANDIDATES):
            text_id = self._ids[place]
            # Of two sorted lists without repetitions, the longest common subsequence is what both hold: this is Dice's coefficient.
            score = fuzz.ratio(hashes, self._hashes[text_id], score_cutoff=best)
            if score > best or (found is None and score):
                best, found = score, text_id
        return (found, best / 100) if found else None

    def _found_by(self, mark: int) -> list[int]:
        """The places of the texts that have this mark."""
        places = self._index.get(mark, [])
        return places if isinstance(places, list) else [places]


def _plain(text: str) -> str:
    """Letters and digits alone, in one case and one width."""
    return _WORDLESS.sub(" ", unicodedata.normalize("NFKC", text[:LONGEST]).casefold()).strip()


@lru_cache(maxsize=256)
def _hashes(plain: str) -> array[int]:
    """Of every shingle, in order: two characters in scripts of syllables and words, five in those of letters."""
    size = 2 if 2 * len(_DENSE.findall(plain)) > len(plain) else 5
    wide = plain.encode("utf-32-le", "surrogatepass")
    last = max(1, len(plain) - size + 1) if plain else 0
    return array("I", sorted({crc32(wide[4 * at : 4 * (at + size)]) for at in range(last)}))


def _marks(hashes: array[int]) -> list[int]:
    """What a text is found by: each of its smallest hashes, and each two neighbours together, which fewer texts share."""
    smallest = hashes[:SKETCH]
    return [*smallest, *(one << 32 | other for one, other in itertools.pairwise(smallest))]
