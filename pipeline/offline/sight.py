"""Looks at a picture: its named colours, light, warmth, contrast, bustle and composition.

Pillow is imported when the first picture comes. :func:`look` is pure: the same bytes give the same :class:`Sight`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import struct
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.offline.colours import Colour, Oklab, nearest, oklab

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 24 * 1024 * 1024
MOST_PIXELS = 50_000_000
THUMBNAIL = 96
COLOURS = 6
REMEMBERED = 512


class NotAPicture(ValueError):
    """The image part of a request cannot be used; the sentence is for the caller."""


@dataclass(frozen=True)
class Sight:
    """What was seen. All measures run from 0 to 1; *palette* goes from the largest area to the smallest, *accent* catches the eye."""

    digest: str
    palette: tuple[Colour, ...]
    accent: Colour
    brightness: float
    warmth: float
    contrast: float
    saturation: float
    bustle: float
    shape: str
    weight: str

    def traits(self) -> dict[str, float]:
        """The same as words with a strength, to be compared with what a life feels drawn to (``affinity`` in its file)."""
        hues: dict[str, float] = dict.fromkeys(("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "neutral"), 0.0)
        for place, colour in enumerate([self.accent, *self.palette]):
            hues[hue_word(colour.lab)] += (1.0, 0.9, 0.7, 0.5, 0.4, 0.3, 0.2)[min(place, 6)] / 2
        return {
            "dark": _ramp(0.55 - self.brightness),
            "bright": _ramp(self.brightness - 0.45),
            "warm": _ramp(self.warmth - 0.5),
            "cool": _ramp(0.5 - self.warmth),
            "vivid": _ramp(self.saturation - 0.35),
            "muted": _ramp(0.45 - self.saturation),
            "busy": _ramp(self.bustle - 0.4),
            "calm": _ramp(0.5 - self.bustle),
            "contrast": _ramp(self.contrast - 0.4),
            "soft": _ramp(0.5 - self.contrast),
            "tall": float(self.shape == "portrait"),
            "wide": float(self.shape == "landscape"),
            **{hue: min(1.0, strength) for hue, strength in hues.items()},
        }


def _ramp(value: float) -> float:
    return max(0.0, min(1.0, value * 2.5))


def hue_word(lab: Oklab) -> str:
    if lab.chroma < 0.022:
        return "neutral"
    for limit, word in (
        (10, "pink"),
        (42, "red"),
        (78, "orange"),
        (115, "yellow"),
        (165, "green"),
        (225, "teal"),
        (288, "blue"),
        (330, "purple"),
    ):
        if lab.hue < limit:
            return word
    return "pink"


_DATA_URI = re.compile(r"data:image/(png|jpe?g|webp)\s*;\s*base64\s*,", re.IGNORECASE)
_seen: OrderedDict[str, Sight] = OrderedDict()
_lock = threading.Lock()


def look(uri: str) -> Sight:
    """The sight of a ``data:`` URI. Raises :class:`NotAPicture`. Pictures seen before cost a hash."""
    head = _DATA_URI.match(uri)
    if not head:
        raise NotAPicture("Only data: URIs with a base64 PNG, JPEG or WebP picture can be read; nothing is fetched from the network.")
    if len(uri) - head.end() > MOST_BYTES * 4 // 3:
        raise NotAPicture(f"The picture is larger than {MOST_BYTES // 2**20} MB.")
    digest = hashlib.sha256(uri[head.end() :].encode("utf-8", "replace")).hexdigest()
    with _lock:
        if digest in _seen:
            _seen.move_to_end(digest)
            return _seen[digest]
    try:
        content = base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise NotAPicture("The picture is not valid base64.") from None
    sight = _examine(_thumbnail(content), digest)
    with _lock:
        _seen[digest] = sight
        while len(_seen) > REMEMBERED:
            _seen.popitem(last=False)
    return sight


def _thumbnail(content: bytes) -> tuple[Image.Image, str]:
    """The picture shrunk to RGB, and its shape."""
    from PIL import Image, ImageOps  # noqa: PLC0415  Pillow only where there are pictures

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise NotAPicture(f"The picture has more than {MOST_PIXELS // 10**6} million pixels.")  # noqa: TRY301  decoding is one unit
            picture.draft("RGB", (THUMBNAIL * 2, THUMBNAIL * 2))
            upright = ImageOps.exif_transpose(picture)
            width, height = upright.size
            rgba = upright.convert("RGBA")
            rgba.thumbnail((THUMBNAIL, THUMBNAIL))
    except NotAPicture:
        raise
    except (OSError, ValueError, SyntaxError, struct.error, MemoryError, Image.DecompressionBombError):
        raise NotAPicture("The picture cannot be decoded: it is damaged, or neither PNG, JPEG nor WebP.") from None
    flat = Image.new("RGB", rgba.size, "white")
    flat.paste(rgba, mask=rgba.getchannel("A"))
    shape = "portrait" if height > width * 1.1 else "landscape" if width > height * 1.1 else "square"
    return flat, shape


def _examine(seen: tuple[Image.Image, str], digest: str) -> Sight:
    picture, shape = seen
    areas = _areas(picture)
    total = sum(area for _, area in areas)
    mean = [sum(getattr(lab, part) * area for lab, area in areas) / total for part in ("lightness", "a", "b")]
    spread = (sum((lab.lightness - mean[0]) ** 2 * area for lab, area in areas) / total) ** 0.5
    chroma = sum(lab.chroma * area for lab, area in areas) / total
    accent = _accent(areas, total)
    return Sight(
        digest=digest,
        palette=_palette(areas, accent),
        accent=accent,
        brightness=_clip(mean[0]),
        warmth=_clip(0.5 + (mean[1] * 0.6 + mean[2]) * 4),
        contrast=_clip(spread * 4),
        saturation=_clip(chroma * 6),
        bustle=_clip(_edges(picture)),
        shape=shape,
        weight=_weight(picture, Oklab(*mean)),
    )


def _clip(value: float) -> float:
    return round(max(0.0, min(1.0, value)), 4)


def _areas(picture: Image.Image) -> list[tuple[Oklab, int]]:
    """About 24 colours with the number of pixels each stands for, largest first."""
    quantised = picture.quantize(colors=24)
    palette = quantised.getpalette() or []
    counted = quantised.getcolors() or []
    areas = [
        (oklab((palette[3 * index], palette[3 * index + 1], palette[3 * index + 2])), count)
        for count, index in counted
        if isinstance(index, int)
    ]
    return sorted(areas, key=lambda item: (-item[1], item[0].lightness))


def _palette(areas: list[tuple[Oklab, int]], accent: Colour) -> tuple[Colour, ...]:
    """Six names at most. Strong colours count for more than their area, as they do to the eye, and shades of one colour for less."""
    strength: dict[Colour, float] = {}
    for lab, area in areas:
        colour = nearest(lab)
        strength[colour] = strength.get(colour, 0.0) + area * (0.6 + 4 * lab.chroma)
    chosen: list[Colour] = []
    while strength and len(chosen) < COLOURS:
        best = max(strength, key=lambda colour: strength[colour] * _novelty(colour, chosen))
        chosen.append(best)
        del strength[best]
    return tuple(chosen if accent in chosen else [*chosen[: COLOURS - 1], accent])


def _novelty(colour: Colour, chosen: list[Colour]) -> float:
    """Near 0 for a shade of what was chosen already."""
    return min((min(1.0, colour.lab.distance(other.lab) / 0.04) for other in chosen), default=1.0)


def _accent(areas: list[tuple[Oklab, int]], total: int) -> Colour:
    """The colour that catches the eye: strong, rather light, rare, but no speck."""
    worth_seeing = [(lab, area) for lab, area in areas if area >= total * 0.006] or areas
    strongest = max(worth_seeing, key=lambda item: item[0].chroma * (0.4 + item[0].lightness) * (1 - item[1] / total) ** 0.5)
    return nearest(strongest[0])


def _edges(picture: Image.Image) -> float:
    from PIL import ImageFilter, ImageStat  # noqa: PLC0415  Pillow only where there are pictures

    edges = (
        picture.convert("L").filter(ImageFilter.FIND_EDGES).crop((1, 1, picture.width - 1, picture.height - 1))
        if min(picture.size) > 4
        else picture.convert("L")
    )
    return ImageStat.Stat(edges).mean[0] / 70


def _weight(picture: Image.Image, mean: Oklab) -> str:
    """Which third of the picture differs most from its mean: where the eye goes."""
    small = picture.resize((3, 3))
    cells = {(x, y): oklab(_pixel(small, x, y)).distance(mean) for x in range(3) for y in range(3)}
    x, y = max(cells, key=lambda cell: cells[cell])
    return ("left", "centre", "right")[x] if y == 1 else ("top", "", "bottom")[y]


def _pixel(picture: Image.Image, x: int, y: int) -> tuple[int, int, int]:
    pixel = picture.getpixel((x, y))
    if not isinstance(pixel, tuple):
        raise TypeError("an RGB picture has three channels")
    return int(pixel[0]), int(pixel[1]), int(pixel[2])
