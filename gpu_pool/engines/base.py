"""What an engine is: something that is loaded once in a worker's life and then draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from PIL import Image

from gpu_pool.devices import Device
from gpu_pool.tasks import EngineInfo, EngineSpec, ImageTask


class Engine(Protocol):
    """Made from its spec in the worker process, which makes one engine only. Nothing of it is used by two threads at once."""

    def __init__(self, spec: EngineSpec) -> None: ...

    def load(self, device: Device) -> EngineInfo:
        """Get ready to draw on *device*. Raises :class:`PoolError` where a setting is to blame."""
        ...

    def draw(self, tasks: Sequence[ImageTask], report: Callable[[int], None], cancelled: Callable[[], bool]) -> list[Image.Image]:
        """A picture for each of *tasks*, which are alike (:meth:`ImageTask.alike`).

        Calls *report* with the number of the step (from 1) after each step, and raises :class:`Interrupted` between steps once
        *cancelled* says so. Raises :class:`PoolError` where a task is to blame, or whatever the machinery throws.
        """
        ...

    def free(self) -> None:
        """Give back all memory that can be given back: it ran out."""
        ...

    def memory(self) -> int:
        """The most bytes held so far."""
        ...

    def unload(self) -> None:
        """Called once, at the end of an orderly life."""
        ...


class Interrupted(Exception):
    """The drawing was given up because all its tasks were cancelled."""


def out_of_memory(error: BaseException) -> bool:
    """True for torch's own exception of any version and for Python's; told by name, since torch may not be there."""
    names = {kind.__name__ for kind in type(error).__mro__}
    words = str(error).lower()
    return bool(names & {"OutOfMemoryError", "MemoryError"}) or "out of memory" in words or "can't allocate memory" in words


def beyond_repair(error: BaseException) -> bool:
    """True where every later call on this GPU would fail too, so that only a new process helps (a sticky CUDA error)."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return not out_of_memory(error) and ("AcceleratorError" in names or "CUDA error" in str(error))
