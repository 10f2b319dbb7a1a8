"""Painted scenes for preview cards: what the words of a prompt call for, in a scheme of colours, different for every seed.

Everything is painted at the picture's own size with Pillow alone. Lengths are shares of the scene's height, so that a small card looks
like a large one.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from gpu_pool.engines.colours import Rgb, Scheme, mix

_TIMES = (
    ("night", r"night|midnight|moon|stars?|neon|夜|月|星|霓虹"),
    ("dusk", r"dusk|sunset|evening|twilight|golden hour|黄昏|傍晚|日落|夕"),
    ("dawn", r"dawn|sunrise|early morning|清晨|黎明|日出|早晨"),
    ("day", r"\bday|noon|morning|sunny|afternoon|白天|中午|下午|阳光"),
)
_KINDS = (
    (
        "room",
        r"caf[eé]|kitchen|room|studio|desk|table|interior|bakery|library|workshop|office|shop|indoors?|咖啡|厨房|房间|桌|室内|面包|书店|图书馆|工作室",
    ),
    ("water", r"sea|ocean|beach|harbou?r|lake|river|coast|boat|ferry|tide|lighthouse|wave|海|湖|河|港|船|沙滩|灯塔|浪"),
    ("city", r"city|street|tram|train|skyline|rooftops?|building|bridge|alley|market|station|城|街|车|楼|桥|市场|站|屋顶"),
    ("hills", r"mountain|hill|forest|field|garden|park|tree|meadow|snow|valley|farm|path|山|森林|田|花园|公园|树|雪|草"),
)
_RAIN = re.compile(r"\brain|storm|drizzle|雨", re.IGNORECASE)
_SNOW = re.compile(r"snow|blizzard|雪", re.IGNORECASE)

Part = Callable[[], None]


def time_of(words: str, chance: random.Random) -> str:
    """The time of day that the words name, else one by chance."""
    return next((time for time, pattern in _TIMES if re.search(pattern, words, re.IGNORECASE)), chance.choice([time for time, _ in _TIMES]))


def kind_of(words: str, chance: random.Random) -> str:
    """What kind of scene the words name (the kind that most of them name), else one by chance."""
    counted = {kind: len(re.findall(pattern, words, re.IGNORECASE)) for kind, pattern in _KINDS}
    most = max(counted.values())
    return next(kind for kind, count in counted.items() if count == most) if most else chance.choice(list(counted))


@dataclass
class Scene:
    """A scene of *kind* on *canvas*, painted part by part."""

    canvas: Image.Image
    scheme: Scheme
    words: str
    time: str
    kind: str
    chance: random.Random

    def parts(self) -> Iterator[Part]:
        """What is to be painted, from far to near; every part is done at once when it is called."""
        yield self._sky
        yield self._light
        yield {"room": self._room, "water": self._water, "city": self._city, "hills": self._hills}[self.kind]
        if _RAIN.search(self.words):
            yield self._rain
        elif _SNOW.search(self.words):
            yield self._snow
        yield self._grain

    @property
    def width(self) -> int:
        return self.canvas.width

    @property
    def height(self) -> int:
        return self.canvas.height

    def _sky(self) -> None:
        scheme = self.scheme
        self.canvas.paste(gradient(self.canvas.size, [(0.0, scheme.top), (0.55, scheme.middle), (1.0, scheme.low)]))
        for _ in range(self.chance.randrange(2, 5)):
            y, thick = self.chance.uniform(0.08, 0.5), self.chance.uniform(0.02, 0.06)
            left, wide = self.chance.uniform(-0.3, 0.8) * self.width, self.chance.uniform(0.4, 1.1) * self.width
            box = (left, y * self.height, left + wide, (y + thick) * self.height)
            self._soft(lambda draw, box=box: draw.ellipse(box, fill=255), self.scheme.low, 0.028, self.chance.uniform(0.18, 0.4))
        if self.time == "night":
            draw = ImageDraw.Draw(self.canvas)
            for _ in range(70):
                x, y = self.chance.random() * self.width, self.chance.random() ** 1.4 * self.height * 0.6
                size = self.chance.uniform(0.001, 0.0028) * self.height
                draw.ellipse(
                    (x - size, y - size, x + size, y + size), fill=mix(scheme.middle, scheme.paper, self.chance.uniform(0.4, 0.95))
                )

    def _light(self) -> None:
        """The sun or the moon, and what it lights up."""
        self.sun = (self.chance.uniform(0.22, 0.78) * self.width, self.chance.uniform(0.2, 0.42) * self.height)
        radius = self.height * self.chance.uniform(0.065, 0.11)
        x, y = self.sun
        for grown, strength in ((4.2, 0.34), (2.1, 0.42)):
            wide = radius * grown
            self._soft(
                lambda draw, wide=wide: draw.ellipse((x - wide, y - wide, x + wide, y + wide), fill=255), self.scheme.glow, 0.09, strength
            )
        disc = Image.new("L", self.canvas.size)
        ImageDraw.Draw(disc).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        self.canvas.paste(self.scheme.accent, mask=disc.filter(ImageFilter.GaussianBlur(max(0.6, self.height * 0.0012))))

    def _hills(self, *, first: float = 0.5, layers: int = 5) -> None:
        for number in range(layers):
            share = number / (layers - 1)
            colour = mix(self.scheme.far, self.scheme.near, share)
            top = first + (0.94 - first) * share**1.15
            ridge = self._ridge(top, 0.13 * (1 - 0.55 * share))
            ImageDraw.Draw(self.canvas).polygon([*ridge, (self.width, self.height), (0, self.height)], fill=colour)
            if number < layers - 1:  # mist in the valley
                y = (top + 0.07) * self.height
                box = (-0.2 * self.width, y, 1.2 * self.width, y + 0.1 * self.height)
                self._soft(lambda draw, box=box: draw.ellipse(box, fill=255), self.scheme.low, 0.035, 0.26)
            if number >= layers - 2:
                self._trees(ridge, mix(colour, self.scheme.near, 0.55), 0.035 + 0.06 * share)

    def _ridge(self, top: float, swing: float) -> list[tuple[float, float]]:
        waves = [(self.chance.uniform(0.6, 1.4) * 2**octave, self.chance.uniform(0, math.tau), swing / 1.9**octave) for octave in range(6)]
        points = 160
        return [
            (
                at / points * self.width,
                (top + sum(high * math.sin(math.tau * often * at / points + shift) for often, shift, high in waves) * 0.5) * self.height,
            )
            for at in range(points + 1)
        ]

    def _trees(self, ridge: list[tuple[float, float]], colour: Rgb, high: float) -> None:
        draw = ImageDraw.Draw(self.canvas)
        for _ in range(self.chance.randrange(14, 34)):
            x, y = ridge[self.chance.randrange(len(ridge))]
            tall = high * self.height * self.chance.uniform(0.5, 1.2)
            for layer in range(3):
                base, wide = y + 2 - tall * layer * 0.27, tall * (0.26 - 0.06 * layer)
                draw.polygon([(x - wide, base), (x + wide, base), (x, base - tall * 0.5)], fill=colour)

    def _water(self) -> None:
        horizon = round(self.height * self.chance.uniform(0.5, 0.58))
        land = self._ridge(horizon / self.height - 0.035, 0.07)
        ImageDraw.Draw(self.canvas).polygon([*land, (self.width, horizon), (0, horizon)], fill=self.scheme.far)
        sea = gradient((self.width, self.height - horizon), [(0.0, mix(self.scheme.low, self.scheme.far, 0.35)), (1.0, self.scheme.near)])
        self.canvas.paste(sea, (0, horizon))
        draw = ImageDraw.Draw(self.canvas)
        x = self.sun[0]
        for row in range(46):
            depth = (row / 46) ** 1.5
            y = horizon + depth * (self.height - horizon)
            thick = (0.0012 + 0.006 * depth) * self.height
            for _ in range(3):
                spread = (0.03 + 0.2 * depth) * self.width
                centre, wide = self.chance.gauss(x, spread), self.chance.uniform(0.01, 0.07) * self.width * (0.35 + depth)
                light = mix(
                    mix(self.scheme.low, self.scheme.near, depth), self.scheme.glow, max(0.1, 0.85 - abs(centre - x) / (self.width * 0.4))
                )
                draw.rounded_rectangle((centre - wide, y, centre + wide, y + thick), thick / 2, fill=light)
        self._boat(horizon)

    def _boat(self, horizon: int) -> None:
        size = self.height * self.chance.uniform(0.05, 0.085)
        x = self.width * self.chance.choice((self.chance.uniform(0.14, 0.36), self.chance.uniform(0.64, 0.86)))
        y = horizon + size * 1.5
        draw, ink = ImageDraw.Draw(self.canvas), mix(self.scheme.near, self.scheme.ink, 0.7)
        draw.polygon([(x - size, y), (x + size, y), (x + size * 0.62, y + size * 0.36), (x - size * 0.66, y + size * 0.36)], fill=ink)
        draw.polygon(
            [(x - size * 0.06, y - size * 0.1), (x - size * 0.06, y - size * 1.7), (x + size * 0.85, y - size * 0.1)],
            fill=self.scheme.paper,
        )
        draw.polygon(
            [(x - size * 0.16, y - size * 0.1), (x - size * 0.16, y - size * 1.35), (x - size * 0.72, y - size * 0.1)],
            fill=mix(self.scheme.paper, self.scheme.accent, 0.5),
        )

    def _city(self) -> None:
        lit = {"night": 0.5, "dusk": 0.36}.get(self.time, 0.13)
        for layer in range(3):
            colour = mix(self.scheme.far, self.scheme.near, layer / 2)
            x = -self.chance.random() * 0.06 * self.width
            while x < self.width:
                wide = self.height * self.chance.uniform(0.07, 0.15) * (0.75 + 0.3 * layer)
                top = self.height * (self.chance.uniform(0.34, 0.6) + 0.11 * layer)
                self._house(x, top, wide, colour, lit * (0.35 + 0.4 * layer))
                x += wide + self.height * self.chance.choice((0, 0, 0.012))
        street = self.height * 0.9
        draw = ImageDraw.Draw(self.canvas)
        draw.rectangle((0, street, self.width, self.height), fill=mix(self.scheme.near, self.scheme.ink, 0.65))
        for number in range(5):
            x = (number + self.chance.uniform(0.3, 0.7)) / 5 * self.width
            tall = self.height * 0.15
            draw.line((x, street, x, street - tall), fill=self.scheme.ink, width=max(1, round(self.height * 0.005)))
            self._soft(
                lambda draw, x=x, y=street - tall, halo=tall * 0.42: draw.ellipse((x - halo, y - halo, x + halo, y + halo), fill=255),
                self.scheme.glow,
                0.03,
                0.75,
            )

    def _house(self, left: float, top: float, wide: float, colour: Rgb, lit: float) -> None:
        draw = ImageDraw.Draw(self.canvas)
        draw.rectangle((left, top, left + wide, self.height), fill=colour)
        if self.chance.random() < 0.35:
            draw.polygon([(left, top), (left + wide, top), (left + wide / 2, top - wide * 0.42)], fill=colour)
        elif self.chance.random() < 0.4:
            draw.line((left + wide * 0.7, top, left + wide * 0.7, top - wide * 0.5), fill=colour, width=max(1, round(wide * 0.03)))
        columns = self.chance.randrange(3, 6)
        pane = wide / (columns * 1.75 + 0.75)
        for row in range(int((self.height - top) / (pane * 2.1))):
            for column in range(columns):
                x, y = left + pane * (0.75 + 1.75 * column), top + pane * (0.9 + 2.1 * row)
                shine = self.chance.random() < lit
                fill = (
                    mix(self.scheme.glow, self.scheme.accent, self.chance.random() * 0.6) if shine else mix(colour, self.scheme.ink, 0.22)
                )
                draw.rectangle((x, y, x + pane, y + pane * 1.25), fill=fill)

    def _room(self) -> None:
        """A window with the world outside, a sill, and what stands on it."""
        outside = self.canvas.copy()
        inner = Scene(outside, self.scheme, "", self.time, "hills", self.chance)
        inner.sun = self.sun
        inner._hills(first=0.6, layers=4)
        wall = mix(self.scheme.near, self.scheme.ink, 0.35 if self.time in ("night", "dusk") else 0.12)
        self.canvas.paste(gradient(self.canvas.size, [(0.0, wall), (1.0, mix(wall, self.scheme.ink, 0.45))]))
        left, right = self.width * self.chance.uniform(0.08, 0.2), self.width * self.chance.uniform(0.66, 0.84)
        top, sill = self.height * 0.09, self.height * 0.74
        self._soft(lambda draw: draw.rectangle((left, top, right, sill), fill=255), self.scheme.glow, 0.12, 0.4)
        box = (round(left), round(top), round(right), round(sill))
        self.canvas.paste(outside.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR), (box[0], box[1]))
        draw, bar = ImageDraw.Draw(self.canvas), max(2, round(self.height * 0.014))
        frame = mix(self.scheme.paper, self.scheme.near, 0.25)
        draw.rectangle(box, outline=frame, width=bar * 2)
        for share in (1 / 3, 2 / 3) if right - left > self.height * 0.75 else (0.5,):
            x = left + (right - left) * share
            draw.rectangle((x - bar / 2, top, x + bar / 2, sill), fill=frame)
        draw.rectangle((left, top + (sill - top) * 0.36 - bar / 2, right, top + (sill - top) * 0.36 + bar / 2), fill=frame)
        table = self.height * 0.83
        draw.rectangle((0, table, self.width, self.height), fill=mix(self.scheme.accent, self.scheme.ink, 0.62))
        draw.rectangle((0, table, self.width, table + bar), fill=mix(self.scheme.accent, self.scheme.ink, 0.35))
        self._things(table)

    def _things(self, table: float) -> None:
        draw, unit = ImageDraw.Draw(self.canvas), self.height * 0.1
        x = self.width * self.chance.uniform(0.56, 0.72)
        cup = mix(self.scheme.paper, self.scheme.accent, 0.12)
        draw.ellipse(
            (x + unit * 0.55, table - unit * 0.72, x + unit * 1.15, table - unit * 0.16), outline=cup, width=max(2, round(unit * 0.12))
        )
        draw.rounded_rectangle((x - unit * 0.75, table - unit, x + unit * 0.75, table + unit * 0.1), unit * 0.3, fill=cup)
        draw.rectangle((x - unit * 0.75, table - unit, x + unit * 0.75, table - unit * 0.7), fill=cup)
        for shift in (-0.25, 0.15):
            points = [(x + unit * (shift + 0.13 * math.sin(step / 3.2)), table - unit * (1.12 + step * 0.07)) for step in range(22)]
            self._soft(
                lambda draw, points=points: draw.line(points, fill=210, width=max(2, round(unit * 0.1))), self.scheme.paper, 0.006, 0.6
            )
        x = self.width * self.chance.uniform(0.2, 0.36)
        for number, shade in enumerate(self.chance.sample([self.scheme.accent, self.scheme.far, self.scheme.glow, self.scheme.middle], 3)):
            wide, y = unit * self.chance.uniform(1.0, 1.35), table - unit * 0.3 * number
            draw.rounded_rectangle((x - wide, y - unit * 0.28, x + wide, y), unit * 0.05, fill=mix(shade, self.scheme.ink, 0.15))

    def _rain(self) -> None:
        def streaks(draw: ImageDraw.ImageDraw) -> None:
            for _ in range(170):
                x, y, long = (
                    self.chance.random() * self.width,
                    self.chance.random() * self.height,
                    self.chance.uniform(0.03, 0.09) * self.height,
                )
                draw.line((x, y, x - long * 0.22, y + long), fill=self.chance.randrange(90, 230), width=max(1, round(self.height * 0.0017)))

        self._soft(streaks, self.scheme.paper, 0.0008, 0.5)

    def _snow(self) -> None:
        draw = ImageDraw.Draw(self.canvas)
        for _ in range(150):
            x, y, size = (
                self.chance.random() * self.width,
                self.chance.random() * self.height,
                self.chance.uniform(0.002, 0.007) * self.height,
            )
            draw.ellipse(
                (x - size, y - size, x + size, y + size), fill=mix(self.scheme.paper, self.scheme.middle, self.chance.random() * 0.4)
            )

    def _grain(self) -> None:
        """The tooth of paper, and corners a little darker."""
        size = (max(1, self.width // 2), max(1, self.height // 2))
        noise = Image.frombytes("L", size, self.chance.randbytes(size[0] * size[1])).resize(self.canvas.size, Image.Resampling.BILINEAR)
        tooth = noise.point([122 + value // 21 for value in range(256)])
        self.canvas.paste(ImageChops.overlay(self.canvas, Image.merge("RGB", (tooth, tooth, tooth))))
        edge = Image.radial_gradient("L").resize(self.canvas.size).point([max(0, value - 120) // 3 for value in range(256)])
        self.canvas.paste(mix(self.scheme.near, self.scheme.ink, 0.8), mask=edge)

    def _soft(self, shape: Callable[[ImageDraw.ImageDraw], object], colour: Rgb, blur: float, strength: float) -> None:
        """A shape with soft edges. Painted at a quarter of the size: nobody sees that in what is blurred."""
        shrink = 4 if blur * self.height > 12 else 1
        mask = Image.new("L", self.canvas.size)
        shape(ImageDraw.Draw(mask))
        if shrink > 1:
            mask = mask.resize((max(1, self.width // shrink), max(1, self.height // shrink)), Image.Resampling.BOX)
        mask = mask.filter(ImageFilter.GaussianBlur(blur * self.height / shrink)).point([round(value * strength) for value in range(256)])
        self.canvas.paste(colour, mask=mask.resize(self.canvas.size, Image.Resampling.BILINEAR) if shrink > 1 else mask)


def gradient(size: tuple[int, int], stops: list[tuple[float, Rgb]]) -> Image.Image:
    """From top to bottom through *stops*: (share of the height, colour), the first 0 and the last 1."""
    rows = max(2, min(512, size[1]))
    strip = Image.new("RGB", (1, rows))
    for row in range(rows):
        at = row / (rows - 1)
        upper = next(number for number in range(1, len(stops)) if at <= stops[number][0] or number == len(stops) - 1)
        (before, one), (after, other) = stops[upper - 1], stops[upper]
        strip.putpixel((0, row), mix(one, other, (at - before) / (after - before)))
    return strip.resize(size, Image.Resampling.BILINEAR)
