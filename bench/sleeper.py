"""The engine of ``bench.pool``: sleeps as long as a picture's prompt says, in steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from bench.peers import pool_work
from gpu_pool.devices import Device
from gpu_pool.engines.base import Interrupted
from gpu_pool.tasks import EngineInfo, EngineSpec, ImageTask


class Sleeper:
    """Its options are the *log* and the *load_seconds* of :class:`bench.peers.pool_work.Model`."""

    def __init__(self, spec: EngineSpec) -> None:
        self._options = spec.options
        self._model: pool_work.Model | None = None

    def load(self, device: Device) -> EngineInfo:  # noqa: ARG002  an engine's
        self._model = pool_work.Model(Path(str(self._options["log"])), float(str(self._options["load_seconds"])))
        return pool_work.INFO

    def draw(self, tasks: Sequence[ImageTask], report: Callable[[int], None], cancelled: Callable[[], bool]) -> list[Image.Image]:
        if self._model is None or cancelled():
            raise Interrupted
        return [self._model.draw(task, report) for task in tasks]

    def free(self) -> None:
        """There is nothing to give back."""

    def memory(self) -> int:
        return 0

    def unload(self) -> None:
        """There is nothing to let go of."""
