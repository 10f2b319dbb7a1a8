"""Which devices workers can have, and how they are doing. The web process asks the driver through NVML and never imports torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

try:
    import pynvml
except ImportError:  # a machine without a GPU needs no nvidia-ml-py
    pynvml = None


@dataclass(frozen=True)
class Device:
    """What one worker draws on. *token* is what CUDA_VISIBLE_DEVICES is set to in its process, so that it sees this GPU alone.

    *memory* is in bytes (0: not known), *threads* is how many threads its process may compute with (0: as many as it likes).
    """

    number: int
    kind: Literal["cuda", "cpu"] = "cpu"
    name: str = "CPU"
    token: str = ""
    memory: int = 0
    threads: int = 0

    def __str__(self) -> str:
        return f"GPU {self.number} ({self.name})" if self.kind == "cuda" else f"CPU worker {self.number}"


@dataclass(frozen=True)
class Reading:
    """How a GPU is doing. Bytes, percent, degrees Celsius; ``None`` where the driver does not tell."""

    memory_used: int | None = None
    memory_total: int | None = None
    utilisation: int | None = None
    temperature: int | None = None


def find(num_gpus: int | None = None, cpu_workers: int = 1) -> tuple[Device, ...]:
    """The GPUs that are seen, at most *num_gpus*; without one *cpu_workers* shares of the processor."""
    gpus = visible(os.environ.get("CUDA_VISIBLE_DEVICES"), _gpus())
    gpus = gpus if num_gpus is None else gpus[:num_gpus]
    if gpus:
        return tuple(Device(number, "cuda", name, token, memory) for number, (token, name, memory) in enumerate(gpus))
    threads = max(1, len(os.sched_getaffinity(0)) // cpu_workers) if hasattr(os, "sched_getaffinity") else 0
    return tuple(Device(number, threads=threads) for number in range(cpu_workers))


def visible(setting: str | None, gpus: Sequence[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Those of *gpus* (UUID, name, bytes) that CUDA_VISIBLE_DEVICES leaves, in its order.

    As CUDA reads it: numbers or beginnings of UUIDs; the first one that names no GPU ends the list. A slice of a GPU (MIG) is kept by
    its own name, for NVML does not list it among the GPUs.
    """
    if setting is None:
        return list(gpus)
    chosen: list[tuple[str, str, int]] = []
    for word in filter(None, map(str.strip, setting.split(","))):
        if word.startswith("MIG-"):
            chosen.append((word, "MIG slice", 0))
            continue
        named = [gpu for place, gpu in enumerate(gpus) if word == str(place) or (word.startswith("GPU-") and gpu[0].startswith(word))]
        if len(named) != 1:
            break
        chosen.append(named[0])
    return chosen


def readings(devices: Sequence[Device]) -> list[Reading]:
    """How each of *devices* is doing, in their order; takes about a millisecond a GPU."""
    return [_reading(device) for device in devices]


@lru_cache(maxsize=1)
def _driver() -> Any:  # noqa: ANN401  a module of functions
    """NVML, initialised once; ``None`` on a machine without an NVIDIA driver."""
    if pynvml is None:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _gpus() -> list[tuple[str, str, int]]:
    driver = _driver()
    if driver is None:
        return []
    handles = [driver.nvmlDeviceGetHandleByIndex(index) for index in range(driver.nvmlDeviceGetCount())]
    return [
        (driver.nvmlDeviceGetUUID(handle), driver.nvmlDeviceGetName(handle), int(driver.nvmlDeviceGetMemoryInfo(handle).total))
        for handle in handles
    ]


def _reading(device: Device) -> Reading:
    driver = _driver()
    if driver is None or device.kind != "cuda":
        return Reading()
    found: dict[str, int] = {}
    with suppress(driver.NVMLError):
        handle = driver.nvmlDeviceGetHandleByUUID(device.token)
        memory = driver.nvmlDeviceGetMemoryInfo(handle)
        found |= {"memory_used": int(memory.used), "memory_total": int(memory.total)}
        with suppress(driver.NVMLError):  # slices and some virtual GPUs tell their memory only
            found["utilisation"] = int(driver.nvmlDeviceGetUtilizationRates(handle).gpu)
        with suppress(driver.NVMLError):
            found["temperature"] = int(driver.nvmlDeviceGetTemperature(handle, driver.NVML_TEMPERATURE_GPU))
    return Reading(**found)
