"""An engine that does what the prompts of its tasks say: ``sleep 0.2``, ``hang``, ``die``, ``memory 1``, ... several after each other.

Its options switch misbehaviour while it is loaded on, and ``log`` names a file that gets a line for each load and each picture begun.
"""

from __future__ import annotations

import logging
import os
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from gpu_pool.devices import Device
from gpu_pool.engines.base import Interrupted
from gpu_pool.problems import PoolError
from gpu_pool.tasks import EngineInfo, EngineSpec, ImageTask

log = logging.getLogger("some.package")


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own, which takes six seconds to import."""


class TestingEngine:
    __test__ = False

    def __init__(self, spec: EngineSpec) -> None:
        self.options = spec.options
        self.failures = 0
        self.freed = 0

    def load(self, device: Device) -> EngineInfo:  # noqa: ARG002  an engine's
        self.note("load")
        time.sleep(float(self.options.get("load_seconds", 0)))
        trouble = self.options.get("load", "")
        if trouble == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "hang":
            time.sleep(3600)
        if trouble == "memory":
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")
        missing = self.options.get("needs")
        if missing and not Path(str(missing)).exists():
            raise PoolError("model_missing", path=missing)
        return EngineInfo(model="sleeper", sampler="Nap", attention="none", dtype="uint8")

    def draw(self, tasks: Sequence[ImageTask], report: Callable[[int], None], cancelled: Callable[[], bool]) -> list[Image.Image]:
        for task in tasks:
            self.note(f"draw {task.id} of {len(tasks)}")
            for order in task.prompt.split(";"):
                self.obey(order.split(), len(tasks))
        self.steps(tasks[0], report, cancelled)
        return [Image.new("RGB", (task.width, task.height), (task.seed % 256, len(task.prompt) % 256, 90)) for task in tasks]

    def obey(self, order: list[str], together: int) -> None:  # noqa: C901, PLR0912  one case an order
        match order:
            case ["die"]:
                os.kill(os.getpid(), signal.SIGKILL)
            case ["die-once", mark] if not Path(mark).exists():
                Path(mark).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case ["die-writing", mark] if not Path(mark).exists():
                Path(mark).touch()
                self.die_at_fsync()
            case ["die-writing"]:
                self.die_at_fsync()
            case ["write-until", gate]:
                self.hold_fsync(Path(gate))
            case ["hang"]:
                time.sleep(3600)
            case ["memory", times] if self.failures < int(times):
                self.failures += 1
                raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            case ["fits", most] if together > int(most):
                raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            case ["alone"] if together > 1:
                raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            case ["say", *words]:
                raise RuntimeError(" ".join(words))
            case ["log", *words]:
                log.warning("it said %s", " ".join(words))
                warnings.warn(" ".join(words), stacklevel=2)
            case ["sticky", mark] if not Path(mark).exists():
                Path(mark).touch()
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            case ["exists", path] if not Path(path).exists():
                raise RuntimeError(f"{path} is missing")

    def steps(self, task: ImageTask, report: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        """``sleep S`` sleeps S seconds in all; ``until FILE`` waits between its steps for a file to appear."""
        orders = [order.split() for order in task.prompt.split(";")]
        pause = sum(float(order[1]) for order in orders if order[0] == "sleep") / task.steps
        gates = [Path(order[1]) for order in orders if order[0] == "until"]
        for step in range(1, task.steps + 1):
            time.sleep(pause)
            report(step)
            while any(not gate.exists() for gate in gates):
                time.sleep(0.01)
                if cancelled():
                    raise Interrupted
            if cancelled():
                raise Interrupted

    def die_at_fsync(self) -> None:
        """Die when the bytes are written and before the file has its final name."""

        def last(_descriptor: int) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        os.fsync = last

    def hold_fsync(self, gate: Path) -> None:
        """Have the next file written take until *gate* appears."""
        usual = os.fsync

        def hold(descriptor: int) -> None:
            os.fsync = usual
            while not gate.exists():
                time.sleep(0.01)
            usual(descriptor)

        os.fsync = hold

    def free(self) -> None:
        self.freed += 1
        self.note("free")

    def memory(self) -> int:
        return 1_000_000

    def unload(self) -> None:
        self.note("unload")

    def note(self, words: str) -> None:
        if "log" in self.options:
            with Path(str(self.options["log"])).open("a") as log:
                log.write(f"{words} by {os.getpid()}\n")
