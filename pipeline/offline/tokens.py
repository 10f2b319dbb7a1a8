"""Counting tokens as a server would, roughly, and remembering prompts as a server's prompt cache does."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict

PICTURE = "\x01"
"""Stands before and after the hash that takes a picture's place in a prompt."""
PICTURE_TOKENS = 765
"""What a picture of 1024 x 1024 costs with OpenAI."""
BLOCK = 128
"""Prompt caches count in steps of so many tokens, ..."""
LEAST = 1024
"""... and not below this many."""
REMEMBERED = 60_000
"""Pieces of prompts kept: about eight million characters."""

_WIDE = r"\u3000-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_NARROW = re.compile(f"[^{_WIDE}]+")
_MARK = re.compile(f"{PICTURE}[0-9a-f]*{PICTURE}")


def count(text: str) -> int:
    """Tokens of *text*: a quarter a character, a whole one for each Chinese, Japanese or Korean sign, a fixed number for a picture."""
    tokens = 0
    if PICTURE in text:
        text, pictures = _MARK.subn("", text)
        tokens = pictures * PICTURE_TOKENS
    wide = 0 if text.isascii() else len(_NARROW.sub("", text))
    return tokens + wide + -(-(len(text) - wide) // 4)


def cut(text: str, tokens: int) -> str:
    """As much from the beginning of *text* as has *tokens* tokens."""
    low, high = 0, min(len(text), tokens * 4)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle]) <= tokens else (low, middle - 1)
    return text[:low]


class Prefixes:
    """Which beginnings of prompts came before. May be used from several threads."""

    def __init__(self) -> None:
        self._pieces: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()

    def cached(self, prompt: str) -> int:
        """How many tokens of *prompt* are the beginning of an earlier one too; remembers *prompt*."""
        shared, known, chain = 0, True, 0
        with self._lock:
            for start in range(0, len(prompt), BLOCK):
                chain = hash((chain, prompt[start : start + BLOCK]))
                if chain in self._pieces:
                    self._pieces.move_to_end(chain)
                    shared = start + BLOCK if known else shared
                else:
                    known = False
                    self._pieces[chain] = None
            while len(self._pieces) > REMEMBERED:
                self._pieces.popitem(last=False)
        tokens = count(prompt[:shared]) // BLOCK * BLOCK
        return tokens if tokens >= LEAST else 0
