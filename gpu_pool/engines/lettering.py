"""Text in any script on a picture: fonts that this machine has, line breaks, and the largest size that fits."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SERIFS = (
    "Source Serif 4",
    "Source Serif Pro",
    "EB Garamond",
    "Libertinus Serif",
    "P052",
    "Palatino",
    "Georgia",
    "Noto Serif",
    "DejaVu Serif",
)
"""Families for what the persona says, the best first; without any of them Pillow's own font is used."""
_ELSEWHERE = (
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
"""Where fonts with Chinese characters are on machines without fontconfig."""
_NO_START = set("、。，．！？；：）」』】〉》”’…ー,.!?;:)]}%")
_PIECES = re.compile(
    r"\s+|[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]|[^\s\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+"
)


@dataclass(frozen=True)
class Face:
    """A font file, or Pillow's own where *path* is empty."""

    path: str = ""
    index: int = 0

    def sized(self, size: int) -> Font:
        return _sized(self, size)

    def has(self, character: str) -> bool:
        return _has(self, character)


@dataclass(frozen=True)
class Block:
    """Lines that fit a box, as laid out by :func:`fit`. Pixels."""

    lines: tuple[str, ...]
    size: int
    leading: int
    faces: tuple[Face, ...]

    @property
    def height(self) -> int:
        return self.leading * (len(self.lines) - 1) + round(self.size * 1.02)

    def draw(self, draw: ImageDraw.ImageDraw, left: int, top: int, width: int, *, fill: tuple[int, ...], align: str = "left") -> None:
        """Draw the lines into a box that begins at *left*, *top*."""
        baseline = top + round(self.size * 0.86)
        for line in self.lines:
            indent = 0.0 if align == "left" else (width - length(line, self.faces, self.size)) / 2
            line_of(draw, left + indent, baseline, line, self.faces, self.size, fill=fill)
            baseline += self.leading


def quote_faces() -> tuple[Face, ...]:
    """For what is said: a serif where there is one."""
    return (*filter(None, [_serif()]), Face())


def label_faces() -> tuple[Face, ...]:
    """For small words: the sans that Pillow brings."""
    return (Face(),)


def fit(text: str, faces: Sequence[Face], width: int, height: int, *, largest: int, smallest: int, leading: float = 1.32) -> Block:
    """The largest size at which *text* fills the box and no more; at the smallest size what does not fit ends in an ellipsis."""
    known = faces_for(text, faces)
    clean = readable(text, known)
    low, high = smallest, max(smallest, largest)
    while low < high:
        size = (low + high + 1) // 2
        lines = wrap(clean, known, size, width)
        fits = round(size * leading) * (len(lines) - 1) + size <= height and all(length(line, known, size) <= width for line in lines)
        low, high = (size, high) if fits else (low, size - 1)
    lines = wrap(clean, known, low, width)
    step = round(low * leading)
    most = max(1, (height - low) // step + 1)
    if len(lines) > most:
        lines = [*lines[: most - 1], _cut(lines[most - 1] + " " + lines[most], known, low, width)]
    return Block(tuple(lines), low, step, known)


def wrap(text: str, faces: Sequence[Face], size: int, width: int) -> list[str]:
    """Lines of at most *width* pixels: broken between words and between Chinese characters, never before closing punctuation."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for piece in _pieces(paragraph, faces, size, width):
            if line and piece not in _NO_START and length((line + piece).rstrip(), faces, size) > width:
                lines.append(line.rstrip())
                line = piece.lstrip()
            else:
                line += piece
        lines.append(line.rstrip())
    return [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]


def line_of(  # noqa: PLR0917  a place, what stands there, and how it is set
    draw: ImageDraw.ImageDraw,
    left: float,
    baseline: float,
    text: str,
    faces: Sequence[Face],
    size: int,
    *,
    fill: tuple[int, ...],
    spaced: float = 0,
) -> float:
    """Draw one line on its baseline, each character from the first face that has it. Returns where it ends."""
    for face, run in _runs(text, faces):
        font = face.sized(size)
        for part in run if spaced else [run]:
            draw.text((left, baseline), part, font=font, fill=fill, anchor="ls")
            left += font.getlength(part) + spaced
    return left - spaced


def length(text: str, faces: Sequence[Face], size: int, *, spaced: float = 0) -> float:
    """Width in pixels."""
    return sum(face.sized(size).getlength(run) for face, run in _runs(text, faces)) + spaced * max(0, len(text) - 1)


def faces_for(text: str, faces: Sequence[Face]) -> tuple[Face, ...]:
    """*faces*, and behind them whatever the machine has for those characters of *text* that they lack."""
    found = list(faces)
    language = "ja" if re.search("[\u3040-\u30ff]", text) else "ko" if re.search("[\uac00-\ud7af]", text) else "zh-cn"
    for character in dict.fromkeys(text):
        if _drawable(character) and not any(face.has(character) for face in found):
            other = _elsewhere(ord(character) >> 8, character, language)
            if other is not None and other not in found and other.has(character):
                found.append(other)
    return tuple(found)


def readable(text: str, faces: Sequence[Face]) -> str:
    """*text* without the characters that no face has (emoji above all) and without the gaps that they leave."""
    kept = "".join(character for character in text if character == "\n" or any(face.has(character) for face in faces))
    return re.sub(r" +([\n,.!?]|$)", r"\1", re.sub(r"[^\S\n]+", " ", kept)).strip()


def _pieces(paragraph: str, faces: Sequence[Face], size: int, width: int) -> Iterator[str]:
    """What a line may be broken between; a word that is wider than a line is broken anywhere."""
    for piece in _PIECES.findall(paragraph):
        if len(piece) > 1 and length(piece, faces, size) > width:
            yield from piece
        else:
            yield piece


def _cut(line: str, faces: Sequence[Face], size: int, width: int) -> str:
    while line and length(line + "…", faces, size) > width:
        line = line[:-1]
    return line.rstrip(" ,.;:，。、") + "…"


def _runs(text: str, faces: Sequence[Face]) -> Iterator[tuple[Face, str]]:
    run, current = "", faces[0]
    for character in text:
        face = current if character == " " else next((face for face in faces if face.has(character)), faces[0])
        if face != current and run:
            yield current, run
            run = ""
        current = face
        run += character
    if run:
        yield current, run


def _drawable(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Mn", "So", "Sk")


@lru_cache(maxsize=256)
def _sized(face: Face, size: int) -> Font:
    if not face.path:
        return ImageFont.load_default(size)
    return ImageFont.truetype(face.path, size, index=face.index)


@lru_cache(maxsize=20_000)
def _has(face: Face, character: str) -> bool:
    """Told by the picture: a font draws the same box for everything that it lacks."""
    if character.isspace():
        return True
    font = _sized(face, 24)
    return _mask(font, character) != _mask(font, "\U0010fffe")


def _mask(font: Font, character: str) -> bytes:
    mask: Any = font.getmask(character)  # of a type of Pillow's core, which has no annotations
    return bytes(mask)


@cache
def _serif() -> Face | None:
    for family in SERIFS:
        found = _matching(f"{family}:style=Regular", "%{family}\t%{file}\t%{index}")
        if found and family in found[0]:
            return Face(found[1], int(found[2]) & 0xFFFF)
    return None


@lru_cache(maxsize=512)
def _elsewhere(_block: int, character: str, language: str) -> Face | None:
    """A font that has *character*, the serif first."""
    for pattern in (f"serif:lang={language}", "sans-serif"):
        found = _matching(f"{pattern}:charset={ord(character):x}:color=false", "%{file}\t%{index}")
        if found and _loads(face := Face(found[0], int(found[1]) & 0xFFFF)) and face.has(character):
            return face
    places = [Face(path) for path in _ELSEWHERE if Path(path).exists()]
    return next((face for face in places if _loads(face) and face.has(character)), None)


def _loads(face: Face) -> bool:
    try:
        face.sized(24)
    except OSError:
        return False
    return True


def _matching(pattern: str, shape: str) -> list[str] | None:
    """What fontconfig answers; ``None`` on a machine without it."""
    program = shutil.which("fc-match")
    if program is None:
        return None
    try:
        answer = subprocess.run([program, "-f", shape, pattern], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.split("\t")
