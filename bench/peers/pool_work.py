"""What every worker of ``bench.pool`` does, whoever hands it the tasks: load a model that costs time, draw by sleeping, write the file.

Files are written as the product writes them (PNG with its texts, thumbnail, both synced), so that contestants differ in nothing but how
tasks get to workers. Every load and every picture begun and ended is a line in a log that all processes append to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from gpu_pool import files
from gpu_pool.tasks import EngineInfo, ImageTask

INFO = EngineInfo("sleeper", "Nap")
SIDE = 64


class Model:
    """Made once in a worker's life, which takes *load_seconds*."""

    def __init__(self, log: Path, load_seconds: float) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._note("load")
        time.sleep(load_seconds)
        self._note("loaded")

    def draw(self, task: ImageTask, report: Callable[[int], None] | None = None) -> Image.Image:
        """The prompt is how many seconds it takes. *report* is called with the number of each step."""
        began, seconds = time.monotonic(), float(task.prompt)
        self._note("begin", task.id)
        for step in range(1, task.steps + 1) if report else [task.steps]:
            time.sleep(max(0.0, began + seconds * step / task.steps - time.monotonic()))
            if report:
                report(step)
        self._note("end", task.id)
        return Image.new("RGB", (task.width, task.height), (task.seed % 256, 120, 90))

    def make(self, task: ImageTask) -> str:
        """Draw *task* and write its file, as a peer's worker does. Returns the path."""
        return str(files.write(self.draw(task), task, INFO).path)

    def _note(self, word: str, name: str = "") -> None:
        os.write(self._log, f"{word} {os.getpid()} {time.monotonic()} {name}\n".encode())


def task(name: str, seconds: float, folder: Path) -> ImageTask:
    """A picture that takes so many seconds to draw."""
    return ImageTask(name, str(seconds), folder, width=SIDE, height=SIDE, seed=int(name), extra={"task": name})
