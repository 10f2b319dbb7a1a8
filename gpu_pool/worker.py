"""Inside a worker process: load the model, then draw what comes down the pipe, until the pipe closes.

The pool's end of the pipe closes when the pool wants the worker to go, and just as well when the process of the pool dies in whatever
way: a worker never outlives it.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection

from PIL import Image

from gpu_pool import engines, files
from gpu_pool.devices import Device
from gpu_pool.engines.base import Engine, Interrupted, beyond_repair, out_of_memory
from gpu_pool.problems import PoolError, reason
from gpu_pool.tasks import (
    Begun,
    Cancel,
    Cancelled,
    Draw,
    Drawn,
    EngineInfo,
    EngineSpec,
    Failed,
    ImageTask,
    Loaded,
    LoadFailed,
    Loading,
    Progress,
    Ready,
    Said,
)

log = logging.getLogger(__name__)

IGNORED = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C and a service manager's stop reach every process at once; the pool decides when its workers go."""
LONGEST_LINE = 1000
LONGEST_DETAILS = 2500
"""Characters of a line, and of the end of its traceback, that the pool is told: with more a message would not travel in one piece."""
_PR_SET_PDEATHSIG = 1


def main(connection: Connection, number: int, spec: EngineSpec, device: Device, parent: int) -> None:
    """The whole life of worker *number*. *parent* is the process id of the pool."""
    _settle(device, parent)
    link = Link(connection)
    logging.basicConfig(level=logging.INFO, handlers=[LogToPool(link)])
    logging.captureWarnings(capture=True)
    link.send(Loading())
    started = time.monotonic()
    try:
        engine = engines.make(spec)
        info = engine.load(device)
    except Exception as error:  # whatever keeps the model from being loaded, the pool must hear it
        if not isinstance(error, PoolError):
            log.exception("cannot load %s", spec.model or spec.name)
        link.send(_load_failed(error, spec, device))
        return
    link.send(Loaded(info, time.monotonic() - started, engine.memory()))
    drawer = Drawer(link, number, device, engine, info)
    link.on_gone = drawer.finish
    with contextlib.suppress(EOFError, OSError):  # the pool is gone, or wants us to go
        while True:
            message = link.receive()
            if isinstance(message, Draw):
                drawer.draw(message)
    drawer.finish()
    engine.unload()
    sys.stdout.flush()
    os._exit(0)  # to take the interpreter apart takes a second or two with torch in it, and is of no use to anybody


class Link:
    """The worker's end of the pipe. Remembers which tasks were cancelled while they are being drawn; *on_gone* is called before the process
    ends because nobody is at the other end any more.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sending = threading.RLock()
        """An engine's threads may log, and so may whatever is cleared away while a message is made."""
        self.cancelled: set[str] = set()
        self.on_gone: Callable[[], None] = lambda: None

    def send(self, message: object) -> None:
        try:
            with self.sending:
                self._connection.send(message)
        except OSError:
            os._exit(0)

    def receive(self) -> object:
        """The next message; waits for it. Raises ``EOFError`` once the pool has closed its end."""
        return self._connection.recv()

    def look(self) -> None:
        """Read what has come meanwhile. Ends the process where the pool is gone: nobody waits for this picture any more."""
        try:
            while self._connection.poll():
                message = self._connection.recv()
                if isinstance(message, Cancel):
                    self.cancelled.add(message.task_id)
        except (EOFError, OSError):
            self.on_gone()
            os._exit(0)


class LogToPool(logging.Handler):
    """Tells the pool what is logged here: its process writes it where it writes its own lines, and knows what must not stand in them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        super().__init__()
        self._plain = logging.Formatter()

    def createLock(self) -> None:  # noqa: N802  logging's name
        """One lock for both: with two, a thread that logs and one that sends could wait for each other."""
        self.lock = self._link.sending  # pyright: ignore[reportAttributeAccessIssue]  it says None, and is a lock

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # arguments that do not fit the text; logging would print them all
            text = str(record.msg)
        details = self._plain.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else record.stack_info or ""
        self._link.send(Said(record.levelno, record.name, text[:LONGEST_LINE], details[-LONGEST_DETAILS:]))


class Drawer:
    """Draws tasks with one engine and answers each with ``Drawn``, ``Failed`` or ``Cancelled``.

    Files are written by a thread beside it, those of one picture (or of those drawn together) at a time, so that the device has something
    to do meanwhile.
    """

    def __init__(self, link: Link, number: int, device: Device, engine: Engine, info: EngineInfo) -> None:
        self._link = link
        self._number = number
        self._device = device
        self._engine = engine
        self._info = info
        self._most = sys.maxsize
        """How many tasks at once the memory was found to hold."""
        self._disk = ThreadPoolExecutor(1, "files")
        self._writing: Future[None] | None = None

    def draw(self, order: Draw) -> None:
        self._link.cancelled.clear()
        self._link.send(Begun(order.number))
        rest = order.tasks
        while rest:
            now, rest = rest[: self._most], rest[self._most :]  # how many that is may change with every drawing
            self._draw(now)
        self._link.send(Ready(order.number))

    def finish(self) -> None:
        """Wait until the files are written."""
        if self._writing is not None:
            self._writing.result()

    def _draw(self, tasks: Sequence[ImageTask], *, again: bool = False) -> None:
        started = time.monotonic()
        images: list[Image.Image] = []
        trouble = None
        try:
            images = self._engine.draw(tasks, *self._ears(tasks))
        except Interrupted:
            for task in tasks:
                self._link.send(Cancelled(task.id))
        except Exception as error:  # noqa: BLE001  an engine can throw anything; what it means is decided below
            trouble = self._trouble(error, tasks[0])
        # Only now, when the exception and all the memory that its frames hold are gone, is there something to clear.
        if trouble is not None:
            self._after(trouble, tasks, again=again)
        if images:
            self._hand_over(list(zip(tasks, images, strict=True)), started)

    def _hand_over(self, drawn: Sequence[tuple[ImageTask, Image.Image]], started: float) -> None:
        """Have the files written, after those before."""
        self.finish()
        self._link.look()
        seconds, memory, kept = (time.monotonic() - started) / len(drawn), self._engine.memory(), []
        for task, image in drawn:
            if task.id in self._link.cancelled:
                self._link.send(Cancelled(task.id))
            else:
                kept.append((task, image))
        self._writing = self._disk.submit(self._keep, kept, seconds, memory)

    def _after(self, trouble: Failed, tasks: Sequence[ImageTask], *, again: bool) -> None:
        """What could not be drawn together is drawn one by one; what ran out of memory is tried once more with the cache cleared."""
        full = trouble.kind == "out_of_memory"
        if full:
            self._engine.free()
        if len(tasks) > 1:
            self._most = max(1, len(tasks) // 2) if full else self._most
            for task in tasks:
                self._draw([task], again=full)
        elif full and not again:
            self._draw(tasks, again=True)
        else:
            self._link.send(trouble)

    def _keep(self, drawn: Sequence[tuple[ImageTask, Image.Image]], seconds: float, memory: int) -> None:
        """Write the files. In the thread beside."""
        for task, image in drawn:
            try:
                written = files.write(image, task, self._info)
            except Exception as error:  # noqa: BLE001  the disk's refusal, or memory that a large picture's file does not find
                self._link.send(self._trouble(error, task))
            else:
                place = (written.path, written.sha256, written.thumbnail)
                self._link.send(Drawn(task.id, *place, *image.size, task.seed, seconds, self._number, memory))

    def _ears(self, tasks: Sequence[ImageTask]) -> tuple:
        """The two functions that an engine is given: for its progress, and for whether to go on."""

        def report(step: int) -> None:
            self._link.look()
            for task in tasks:
                self._link.send(Progress(task.id, step, task.steps, self._number))

        def cancelled() -> bool:
            self._link.look()
            return all(task.id in self._link.cancelled for task in tasks)

        return report, cancelled

    def _trouble(self, error: Exception, task: ImageTask) -> Failed:
        if beyond_repair(error):
            log.error("ends: its GPU is in a state that only a new process cures", exc_info=error)
            os._exit(3)
        if out_of_memory(error):
            log.warning("out of memory: %s", reason(error))
            return Failed(task.id, "out_of_memory", {"device": str(self._device), "width": task.width, "height": task.height})
        if isinstance(error, PoolError):
            return Failed(task.id, error.kind, _plain(error.facts))
        log.error("could not draw %s", task.id, exc_info=error)
        return Failed(task.id, "refused", {"reason": reason(error)})


def _load_failed(error: Exception, spec: EngineSpec, device: Device) -> LoadFailed:
    model = spec.model or spec.name
    if isinstance(error, PoolError):
        return LoadFailed(error.kind, _plain(error.facts))
    if isinstance(error, ImportError):
        return LoadFailed("packages", {"engine": spec.name, "reason": reason(error)})
    if out_of_memory(error):
        return LoadFailed("load_memory", {"device": str(device), "path": model})
    return LoadFailed("model", {"path": model, "reason": reason(error)})


def _plain(facts: Mapping[str, object]) -> dict[str, object]:
    """Facts that surely travel through a pipe."""
    return {name: value if isinstance(value, int | float) else str(value) for name, value in facts.items()}


def _settle(device: Device, parent: int) -> None:
    """Make this process one that goes with its parent, sees one device, and leaves stdout to the program that started it."""
    for ignored in IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)
    if sys.platform == "linux":
        # The second line: a picture whose steps take a minute would otherwise be drawn on for nobody.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
    os.dup2(2, 1)
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi and NVML count
    os.environ["CUDA_VISIBLE_DEVICES"] = device.token
