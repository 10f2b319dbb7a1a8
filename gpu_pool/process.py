"""One life of a worker, seen from the pool: a process, its end of the pipe, and word of both on the event loop."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import ModuleType

from gpu_pool import worker
from gpu_pool.devices import Device
from gpu_pool.tasks import EngineSpec

STUBBORN = 5.0
"""Seconds after which a killed process is given up although it is still there (it hangs in the GPU's driver)."""
_spawn = multiprocessing.get_context("spawn")


def launcher() -> ThreadPoolExecutor:
    """The one thread that starts and buries the processes of a pool.

    It must live as long as they do: the kernel's "die with the parent" means the thread that started a process. The signals that
    workers ignore are held back in it, and so in a new process until that has set itself up.
    """
    return ThreadPoolExecutor(1, "image workers", initializer=signal.pthread_sigmask, initargs=(signal.SIG_BLOCK, worker.IGNORED))


@dataclass(frozen=True)
class Ending:
    """How a life ended: *how* in words, and *limit* seconds where it was killed for taking longer than that."""

    how: str
    limit: float | None = None


class Life:
    """A worker process from its start to its end. Made and used on the event loop's thread only.

    *on_loss* is called (perhaps more than once) as soon as it is known that this worker will do nothing any more.
    """

    def __init__(
        self,
        number: int,
        spec: EngineSpec,
        device: Device,
        thread: ThreadPoolExecutor,
        *,
        on_message: Callable[[object], None],
        on_loss: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = thread
        self._on_message = on_message
        self._on_loss = on_loss
        self._connection, theirs = _spawn.Pipe()
        self._theirs: Connection | None = theirs
        arguments = (theirs, number, spec, device, os.getpid())
        self._process = _spawn.Process(target=worker.main, args=arguments, name=f"image worker {number}")
        self._gone = self._loop.create_future()
        self.pid: int | None = None
        self._sentinel = -1
        self._limit: float | None = None
        self._alarm: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Returns once the process runs; it still has to load its model then. Raises ``OSError`` where it cannot be started."""
        try:
            await self._loop.run_in_executor(self._thread, _start, self._process)
        except BaseException:
            self._connection.close()
            raise
        finally:
            # Ours must be the only other end: the worker sees the pipe close when we die.
            if self._theirs is not None:
                self._theirs.close()
                self._theirs = None
        self.pid, self._sentinel = self._process.pid, self._process.sentinel
        # A program that ends without stopping its pool would wait for the workers, which wait for it.
        atexit.register(self._process.kill)
        self._loop.add_reader(self._connection.fileno(), self._read)
        self._loop.add_reader(self._sentinel, self._died)

    def send(self, message: bytes) -> None:
        """Put a pickled message into the pipe. Does not wait: messages are small, and the worker reads them; of a dead one we hear."""
        with contextlib.suppress(OSError):
            self._connection.send_bytes(message)

    def allow(self, seconds: float | None) -> None:
        """From now on the worker has *seconds* before it is taken for hung and killed; ``None``: all the time it wants."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if seconds is None else self._loop.call_later(seconds, self._hung, seconds)

    def kill(self) -> None:
        with contextlib.suppress(ValueError, AttributeError):  # it is buried, or was never started
            self._process.kill()
        if not self._gone.done():
            self._loop.call_later(STUBBORN, self._died)

    async def leave(self, grace: float) -> None:
        """Ask the worker to go, and kill it where it has not after *grace* seconds."""
        self._hang_up()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._gone), grace)
        if not self._gone.done():
            self.kill()
            await self._gone

    async def ended(self) -> Ending:
        """Waits for the end. What the worker said before it died has been handed over then."""
        await asyncio.shield(self._gone)
        code = await self._loop.run_in_executor(self._thread, _bury, self._process)
        atexit.unregister(self._process.kill)
        if self._limit is not None:
            return Ending(f"hanging for {self._limit:g} seconds", self._limit)
        return Ending(_in_words(code))

    def _hung(self, seconds: float) -> None:
        self._limit = seconds
        self.kill()

    def _read(self) -> None:
        """Hand over what has come. Messages are so small that one which has begun to arrive is there as a whole."""
        try:
            while self._connection.poll():
                self._on_message(self._connection.recv())
        except (EOFError, OSError):
            self._on_loss()
            self._hang_up()
            self.kill()

    def _died(self) -> None:
        if self._gone.done():
            return
        if not self._connection.closed:
            self._read()  # its last words
        self._on_loss()
        self._hang_up()
        self.allow(None)
        self._loop.remove_reader(self._sentinel)
        if not self._gone.done():
            self._gone.set_result(None)

    def _hang_up(self) -> None:
        if not self._connection.closed:
            self._loop.remove_reader(self._connection.fileno())
            self._connection.close()


def _start(process: SpawnProcess) -> None:
    """Start without letting the new process import the program's main module again, as ``spawn`` would: it is the whole web server."""
    with _main_hidden:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main


_main_hidden = threading.Lock()


def _bury(process: SpawnProcess) -> int | None:
    process.join(STUBBORN)
    code = process.exitcode
    if code is not None:
        process.close()
    return code


def _in_words(code: int | None) -> str:
    if code is None:
        return "a hang that even SIGKILL does not end"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
