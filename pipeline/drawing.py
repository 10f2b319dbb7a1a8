"""The Studio's pool: which engine draws on which devices, started when a picture is first wanted."""

from __future__ import annotations

import asyncio
import logging

from config import Settings
from gpu_pool import devices
from gpu_pool.devices import Device
from gpu_pool.pool import Pool
from gpu_pool.problems import PoolError
from gpu_pool.tasks import EngineSpec, PoolView

log = logging.getLogger(__name__)

MODEL = "Tongyi-MAI/Z-Image-Turbo"
"""Drawn with where there is a GPU and IMAGE_MODEL names no other (SPEC 6)."""
CLAIMED_AHEAD = 2
"""Steps of a job that may be claimed for each picture that is drawn at once, so that an idle worker always finds one waiting."""


class Drawing:
    """Part of the Studio, which makes it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.devices: tuple[Device, ...] = devices.find(settings.num_gpus, settings.cpu_workers)
        self.engine = _engine(settings, gpu=self.devices[0].kind == "cuda")
        self._pool: Pool | None = None
        self._starting = asyncio.Lock()
        self._stopping = False

    @property
    def width(self) -> int:
        """Steps of one job that may be claimed at once."""
        return CLAIMED_AHEAD * len(self.devices) * self.engine.batch

    @property
    def words(self) -> str:
        """What draws, for people."""
        count, first = len(self.devices), self.devices[0]
        return (
            f"{count} GPU{'s' if count > 1 else ''} ({first.name})"
            if first.kind == "cuda"
            else f"{count} CPU worker{'s' if count > 1 else ''}"
        )

    async def pool(self) -> Pool:
        """The pool, running. The first caller starts it; its workers load their model meanwhile. Raises :class:`PoolError` once the Studio
        is being stopped.
        """
        async with self._starting:
            if self._stopping:
                raise PoolError("stopped")
            if self._pool is None:
                log.info("pictures: engine %s on %s", self.engine.name, ", ".join(map(str, self.devices)))
                pool = Pool(self.engine, self.devices, task_timeout=self._settings.image_timeout)
                await pool.start()
                self._pool = pool
        return self._pool

    def view(self) -> PoolView | None:
        """The pool as it stands; ``None`` before it was started."""
        return self._pool.view() if self._pool else None

    async def stop(self, grace: float) -> None:
        """Draw nothing more; pictures under way have *grace* seconds."""
        self._stopping = True
        async with self._starting:  # one that is being started must not be left behind
            pool = self._pool
        if pool:
            await pool.stop(grace)


def _engine(settings: Settings, *, gpu: bool) -> EngineSpec:
    name = settings.image_engine
    if name == "auto":
        name = "diffusers" if gpu or settings.image_model else "preview"
    width, height = settings.image_pixels
    model = (settings.image_model or MODEL) if name == "diffusers" else ""
    return EngineSpec(name, model, width, height, settings.image_steps, settings.image_guidance)
