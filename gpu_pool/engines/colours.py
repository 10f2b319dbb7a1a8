"""Colours of a card: a few hues of a persona made into a scheme in which light, dark and accent always differ enough.

Mixed and moved in OKLCH (https://bottosson.github.io/posts/oklab/): lightness there is what the eye sees, whatever the hue.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

Rgb = tuple[int, int, int]

_HEX = re.compile(r"#?([0-9a-fA-F]{6})\b")
_OWN = (
    ("#2f4858", "#f6ae2d", "#f26419", "#86bbd8"),
    ("#3d2c5a", "#e07a5f", "#f4d6cc", "#81b29a"),
    ("#12355b", "#d72638", "#f5e6cc", "#5fa8d3"),
    ("#264653", "#2a9d8f", "#e9c46a", "#e76f51"),
    ("#4a2545", "#c1666b", "#e4b363", "#e8e9eb"),
    ("#1b4332", "#95d5b2", "#ffb703", "#fefae0"),
    ("#22223b", "#9a8c98", "#f2a65a", "#f2e9e4"),
    ("#0b3954", "#bfd7ea", "#ff6663", "#e0ff4f"),
)
"""Used where a persona has no colours of its own."""


@dataclass(frozen=True)
class Lch:
    """Lightness 0 to 1, chroma 0 to about 0.3, hue in radians."""

    light: float
    chroma: float
    hue: float

    def at(self, light: float, chroma: float | None = None) -> Lch:
        """The same hue at another lightness, and at most *chroma*."""
        return Lch(light, self.chroma if chroma is None else min(self.chroma, chroma), self.hue)

    def rgb(self) -> Rgb:
        """The nearest colour that a screen can show: chroma gives way, hue and lightness stay."""
        chroma = self.chroma
        while chroma > 0.002:
            channels = _linear(self.light, chroma, self.hue)
            if all(-0.002 <= channel <= 1.002 for channel in channels):
                break
            chroma *= 0.9
        red, green, blue = (_gamma(channel) for channel in _linear(self.light, chroma if chroma > 0.002 else 0.0, self.hue))
        return red, green, blue


@dataclass(frozen=True)
class Scheme:
    """What a scene is painted with. *far* to *near* are the layers of a landscape; *accent* is the sun, the lamp, the one bright thing."""

    top: Rgb
    middle: Rgb
    low: Rgb
    far: Rgb
    near: Rgb
    accent: Rgb
    glow: Rgb
    ink: Rgb
    paper: Rgb


def scheme(palette: tuple[str, ...], time: str, chance: random.Random) -> Scheme:
    """A scheme for a *time* of day (``day``, ``dusk``, ``night``, ``dawn``) from colours as ``#rrggbb``; others are passed over."""
    colours = [lch(match[1]) for match in map(_HEX.search, palette) if match]
    if len(colours) < 2:
        colours += [lch(colour.removeprefix("#")) for colour in chance.choice(_OWN)]
    vivid = sorted(colours, key=lambda colour: -colour.chroma)
    accent = max(vivid[:3], key=lambda colour: colour.light + colour.chroma)
    others = [colour for colour in vivid if colour is not accent]
    base = others[chance.randrange(min(2, len(others)))]
    second = others[-1] if others[-1].chroma > 0.02 else base
    lights = {
        "day": (0.70, 0.84, 0.94, 0.74, 0.36),
        "dawn": (0.62, 0.80, 0.93, 0.68, 0.30),
        "dusk": (0.32, 0.55, 0.83, 0.50, 0.20),
        "night": (0.15, 0.25, 0.40, 0.30, 0.12),
    }[time]
    top, middle, low, far, near = lights
    warm = time in ("dusk", "dawn")
    return Scheme(
        top=base.at(top, 0.11).rgb(),
        middle=_between(base, accent if warm else second, 0.45).at(middle, 0.11).rgb(),
        low=(accent if warm else second).at(low, 0.12 if warm else 0.07).rgb(),
        far=_between(base, second, 0.5).at(far, 0.08).rgb(),
        near=base.at(near, 0.09).rgb(),
        accent=Lch({"night": 0.90, "dusk": 0.80}.get(time, 0.76), max(accent.chroma, 0.10), accent.hue).rgb(),
        glow=Lch({"night": 0.62, "dusk": 0.84}.get(time, 0.93), max(accent.chroma, 0.08), accent.hue).rgb(),
        ink=base.at(0.22, 0.05).rgb(),
        paper=accent.at(0.965, 0.018).rgb(),
    )


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """*share* of the way from *one* to *other*, for colours that are near each other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def lch(hexadecimal: str) -> Lch:
    """From six hexadecimal digits."""
    red, green, blue = (_ungamma(int(hexadecimal[at : at + 2], 16)) for at in (0, 2, 4))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    light = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return Lch(light, math.hypot(a, b), math.atan2(b, a))


def _between(one: Lch, other: Lch, share: float) -> Lch:
    """Mixed as light is: the hue takes the short way, and grey has no hue of its own."""
    a = one.chroma * math.cos(one.hue) * (1 - share) + other.chroma * math.cos(other.hue) * share
    b = one.chroma * math.sin(one.hue) * (1 - share) + other.chroma * math.sin(other.hue) * share
    return Lch(one.light + (other.light - one.light) * share, math.hypot(a, b), math.atan2(b, a))


def _linear(light: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(value: float) -> int:
    value = min(1.0, max(0.0, value))
    return round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))


def _ungamma(value: int) -> float:
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
