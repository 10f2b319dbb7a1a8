"""Colours as people name them, by nearness in OKLab (https://bottosson.github.io/posts/oklab/)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

from pipeline.offline.shelves import almanac

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Oklab:
    """Lightness 0 to 1, *a* from green to red, *b* from blue to yellow."""

    lightness: float
    a: float
    b: float

    @property
    def chroma(self) -> float:
        return math.hypot(self.a, self.b)

    @property
    def hue(self) -> float:
        """Degrees: about 29 red, 70 orange, 110 yellow, 142 green, 195 cyan, 264 blue, 328 magenta."""
        return math.degrees(math.atan2(self.b, self.a)) % 360

    def distance(self, other: Oklab) -> float:
        # Hue tells colours apart for a reader more than lightness does.
        return (self.lightness - other.lightness) ** 2 + 2 * ((self.a - other.a) ** 2 + (self.b - other.b) ** 2)


@dataclass(frozen=True)
class Colour:
    """A named colour."""

    english: str
    chinese: str
    lab: Oklab

    def name(self, language: str) -> str:
        return self.chinese if language == "zh" else self.english


def _linear(channel: int) -> float:
    value = channel / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


@lru_cache(maxsize=4096)
def oklab(rgb: RGB) -> Oklab:
    red, green, blue = (_linear(channel) for channel in rgb)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return Oklab(
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


@cache
def named_colours() -> tuple[Colour, ...]:
    return tuple(Colour(english, chinese, oklab(_rgb(code))) for code, english, chinese in almanac()["colour"])


def _rgb(code: str) -> RGB:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def nearest(lab: Oklab) -> Colour:
    return min(named_colours(), key=lambda colour: colour.lab.distance(lab))


@cache
def by_name(language: str) -> dict[str, Colour]:
    """Every colour under its name in *language*, longer names first, for finding them in text."""
    return {colour.name(language): colour for colour in sorted(named_colours(), key=lambda colour: -len(colour.name(language)))}
