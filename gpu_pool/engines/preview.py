"""The engine of a machine without a GPU: a designed card for each picture, drawn with Pillow.

It shows what the picture is to be of (a painted scene in the persona's colours), what it belongs to (the tweet's text and date), and
that it is a preview.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from gpu_pool.devices import Device
from gpu_pool.engines import lettering, scenes
from gpu_pool.engines.base import Interrupted
from gpu_pool.engines.colours import Scheme, mix, scheme
from gpu_pool.engines.loras import adapter_name
from gpu_pool.engines.memory import resident
from gpu_pool.tasks import EngineInfo, EngineSpec, ImageTask

SMALLEST_WITH_TEXT = 240
"""Pixels of the shorter side below which words could not be read."""
LONGEST_TEXT = 600


class PreviewEngine:
    """Draws the same card for the same task, on every machine that has the same fonts."""

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec

    def load(self, device: Device) -> EngineInfo:
        del device
        return EngineInfo(model="preview", digital_source="algorithmicMedia")

    def draw(self, tasks: Sequence[ImageTask], report: Callable[[int], None], cancelled: Callable[[], bool]) -> list[Image.Image]:
        """A card for each of *tasks*. The parts of a card are told as steps, in proportion. A LoRA changes nothing here, but one that is
        not there is told now rather than on the GPU.
        """
        images = []
        for number, task in enumerate(tasks):
            if task.lora is not None and task.lora.strength:
                adapter_name(task.lora)
            card = Card(task)
            parts = list(card.parts())
            for part_number, part in enumerate(parts, 1):
                if cancelled():
                    raise Interrupted
                part()
                report(max(1, task.steps * (number * len(parts) + part_number) // (len(parts) * len(tasks))))
            images.append(card.image)
        return images

    def free(self) -> None:
        """There is nothing to give back."""

    def memory(self) -> int:
        return resident()

    def unload(self) -> None:
        """There is nothing to end."""


class Card:
    """The card of one task: a scene, and beside or under it a panel with the words."""

    def __init__(self, task: ImageTask) -> None:
        chance = random.Random(f"{task.seed}\n{task.prompt}")
        time = scenes.time_of(task.prompt, chance)
        self.task = task
        self.image = Image.new("RGB", (task.width, task.height))
        self.scheme: Scheme = scheme(task.palette, time, chance)
        self._words = " ".join((task.text or task.prompt).split())[:LONGEST_TEXT]
        wide, short = task.width > 1.25 * task.height, min(task.width, task.height)
        with_text = short >= SMALLEST_WITH_TEXT and bool(self._words)
        right = round(task.width * 0.58) if with_text and wide else task.width
        below = round(task.height * 0.66) if with_text and not wide else task.height
        self._panel = (right if wide else 0, 0 if wide else below, task.width, task.height) if with_text else None
        self._scene = scenes.Scene(
            Image.new("RGB", (right, below)), self.scheme, task.prompt, time, scenes.kind_of(task.prompt, chance), chance
        )

    def parts(self) -> list[Callable[[], None]]:
        """What is to be painted, in order."""
        return [*self._scene.parts(), self._put_together]

    def _put_together(self) -> None:
        self.image.paste(self._scene.canvas)
        draw = ImageDraw.Draw(self.image)
        if self._panel:
            self._write(draw, *self._panel)
        self._mark(draw)

    def _write(self, draw: ImageDraw.ImageDraw, left: int, top: int, right: int, bottom: int) -> None:
        draw.rectangle((left, top, right, bottom), fill=self.scheme.paper)
        wide, high = right - left, bottom - top
        margin = round(min(wide, high) * 0.12)
        small = max(9, round(min(self.image.size) * 0.021))
        faces = lettering.label_faces()
        foot = bottom - margin + small // 2
        dim = mix(self.scheme.ink, self.scheme.paper, 0.42)
        label = lettering.readable(self.task.date, faces)
        lettering.line_of(draw, left + margin, foot, label.upper(), faces, small, fill=dim, spaced=small * 0.08)
        self._swatches(draw, right - margin, foot, small)
        block = lettering.fit(
            self._words,
            lettering.quote_faces(),
            wide - 2 * margin,
            high - 2 * margin - round(small * 1.9),
            largest=round(min(self.image.size) * 0.062),
            smallest=max(9, small),
        )
        block.draw(draw, left + margin, top + margin - small // 3, wide - 2 * margin, fill=self.scheme.ink)

    def _swatches(self, draw: ImageDraw.ImageDraw, right: float, foot: float, size: int) -> None:
        """The colours of the scene, as a painter notes them."""
        for colour in (self.scheme.near, self.scheme.far, self.scheme.middle, self.scheme.accent):
            draw.ellipse((right - size, foot - size, right, foot), fill=colour)
            right -= size * 1.45

    def _mark(self, draw: ImageDraw.ImageDraw) -> None:
        """PREVIEW, in the corner of the scene: nobody is to take it for a finished picture."""
        size = max(8, round(min(self.image.size) * 0.019))
        faces, words = lettering.label_faces(), "PREVIEW"
        long = lettering.length(words, faces, size, spaced=size * 0.22)
        pad, edge = size * 0.75, size * 1.3
        right = self._scene.width - edge
        box = (right - long - 2 * pad, edge, right, edge + size * 2.1)
        draw.rounded_rectangle(box, size * 1.05, fill=mix(self.scheme.ink, self.scheme.near, 0.3))
        lettering.line_of(draw, box[0] + pad, edge + size * 1.42, words, faces, size, fill=self.scheme.paper, spaced=size * 0.22)
