"""What the pool and its workers say to each other, and what a caller sees of both: small frozen values that travel through a pipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gpu_pool.devices import Device
from gpu_pool.problems import PoolError

SHORTEST_SIDE = 64
LONGEST_SIDE = 4096
"""Pixels. Beyond it a picture has more than 50 MB of raw pixels and no model of today was trained for it."""
MOST_STEPS = 500


@dataclass(frozen=True)
class Lora:
    """A ``.safetensors`` file that bends the model, and how much (1: as trained, 0: not at all)."""

    path: str
    strength: float = 1.0


@dataclass(frozen=True)
class ImageTask:
    """One picture to draw. *id* is the caller's and names it in every event; *folder* is where the file goes.

    *text* is the tweet that the picture belongs to: the preview engine sets it on its card. *alt* describes the picture for people who
    do not see it (the text where it is empty). *palette* are colours as ``#rrggbb``, *date* is any short text. *extra* is embedded in
    the file as it is.
    """

    id: str
    prompt: str
    folder: Path
    negative_prompt: str = ""
    width: int = 1024
    height: int = 1024
    steps: int = 9
    guidance: float = 0.0
    seed: int = 0
    lora: Lora | None = None
    text: str = ""
    alt: str = ""
    palette: tuple[str, ...] = ()
    date: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def alike(self) -> tuple[object, ...]:
        """Tasks for which this is the same can be drawn as one batch."""
        return (self.width, self.height, self.steps, self.guidance, self.lora, bool(self.negative_prompt))

    def problem(self) -> PoolError | None:
        """Why nobody could draw this, if so."""
        if not all(SHORTEST_SIDE <= side <= LONGEST_SIDE for side in (self.width, self.height)):
            return PoolError("size", width=self.width, height=self.height, least=SHORTEST_SIDE, most=LONGEST_SIDE)
        if not 1 <= self.steps <= MOST_STEPS:
            return PoolError("steps", steps=self.steps, most=MOST_STEPS)
        if not 0 <= self.seed < 2**63:
            return PoolError("seed", seed=self.seed)
        return None


@dataclass(frozen=True)
class EngineSpec:
    """Which engine the workers run: ``diffusers``, ``preview``, or a class as ``module:Class``.

    *model* is a folder or a hub id. The sizes are what most pictures will have (the engine tunes itself for them). *options* are the
    engine's own; ``batch`` (pictures drawn at once, default 1) is the pool's as well.
    """

    name: str
    model: str = ""
    width: int = 1024
    height: int = 1024
    steps: int = 9
    guidance: float = 0.0
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Most pictures that one worker draws at once."""
        value = self.options.get("batch", 1)
        return max(1, value) if isinstance(value, int) else 1


@dataclass(frozen=True)
class EngineInfo:
    """What a worker has loaded. *attention* and *dtype* are empty where an engine knows no such thing."""

    model: str
    sampler: str = ""
    attention: str = ""
    dtype: str = ""
    digital_source: str = "trainedAlgorithmicMedia"
    """IPTC's word for how its pictures come about: https://cv.iptc.org/newscodes/digitalsourcetype/."""


# From the pool to a worker.


@dataclass(frozen=True)
class Draw:
    """*number* tells it from the others that the worker is given."""

    tasks: tuple[ImageTask, ...]
    number: int = 0


@dataclass(frozen=True)
class Cancel:
    task_id: str


# From a worker to the pool.


@dataclass(frozen=True)
class Loading:
    """The process runs and begins to load its model."""


@dataclass(frozen=True)
class Loaded:
    info: EngineInfo
    seconds: float
    memory: int


@dataclass(frozen=True)
class LoadFailed:
    """The model cannot be loaded, for a reason that will not go away by itself; *kind* and *facts* make a :class:`PoolError`."""

    kind: str
    facts: Mapping[str, object]


@dataclass(frozen=True)
class Progress:
    """*step* of *steps* is done; step 0 says that a worker has taken the task (again, after another one died)."""

    task_id: str
    step: int
    steps: int
    worker: int = 0


@dataclass(frozen=True)
class Drawn:
    """A picture that is on the disk. *width* and *height* are what was drawn: a model may need multiples of 8 or 16.

    *seconds* is how long the worker was at it until it could take the next (its share of what was drawn together), *memory* the most
    bytes that the worker has held so far (of the GPU, or of main memory).
    """

    task_id: str
    path: Path
    sha256: str
    thumbnail: Path
    width: int
    height: int
    seed: int
    seconds: float
    worker: int = 0
    memory: int = 0


@dataclass(frozen=True)
class Begun:
    """The :class:`Draw` with this number has arrived and is begun."""

    number: int


@dataclass(frozen=True)
class Ready:
    """Nothing is left to be drawn of the :class:`Draw` with this number; the last of its files may still be on their way to the disk."""

    number: int


@dataclass(frozen=True)
class Failed:
    """The task will not be drawn; the worker is well. *kind* and *facts* make a :class:`PoolError`."""

    task_id: str
    kind: str
    facts: Mapping[str, object]


@dataclass(frozen=True)
class Cancelled:
    task_id: str


@dataclass(frozen=True)
class Said:
    """What was logged in the worker. *level* and *name* are logging's, *details* is a traceback or empty."""

    level: int
    name: str
    text: str
    details: str


# What a caller sees.


class WorkerState(StrEnum):
    STARTING = "starting"
    LOADING = "loading"
    IDLE = "idle"
    BUSY = "busy"
    RESTARTING = "restarting"
    """Died; the next process is started after a pause."""
    FAILED = "failed"
    """Could not load for a lasting reason; tried again now and then."""
    STOPPED = "stopped"


ALIVE = frozenset({WorkerState.IDLE, WorkerState.BUSY})
COMING = frozenset({WorkerState.STARTING, WorkerState.LOADING, WorkerState.RESTARTING})


@dataclass(frozen=True)
class WorkerView:
    """One worker as it stands. *seconds* is how long it has been at its task, *per_minute* pictures finished in the last minute, *deaths*
    how many workers were lost, at most, to a task that it has in hand.
    """

    number: int
    device: Device
    state: WorkerState
    task_id: str = ""
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    restarts: int = 0
    deaths: int = 0
    done: int = 0
    per_minute: int = 0
    pid: int | None = None
    trouble: PoolError | None = None
    model: str = ""
    attention: str = ""
    dtype: str = ""
    memory: int = 0


@dataclass(frozen=True)
class PoolView:
    """The pool as it stands. *pace* is the seconds from one picture to the next with the workers that live, by the last pictures' times,
    *eta* the seconds until nothing is left; both ``None`` where that cannot be told. *trouble* says why nothing is drawn.
    """

    workers: tuple[WorkerView, ...]
    queued: int
    running: int
    done: int
    failed: int
    cancelled: int
    pace: float | None
    eta: float | None
    trouble: PoolError | None
