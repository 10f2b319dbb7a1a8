"""The offline writer inside the app: the real server on a free port of the loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path


class EmbeddedWriter:
    """An offline server with an event loop of its own, so that it never holds up the loop of the web server.

    *latency* (seconds) and *jitter* (its share) make it feel like a remote one; *log* is a file for its request log.
    """

    def __init__(self, latency: float = 0, jitter: float = 0, log: Path | None = None) -> None:
        self._latency = latency
        self._jitter = jitter
        self._log = log
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None

    async def start(self) -> str:
        """Listen, and return the base URL. Raises what kept the server from listening."""
        if self._thread:
            raise RuntimeError("the embedded writer runs already")
        listening: Future[str] = Future()
        listening.set_running_or_notify_cancel()  # from here on only the thread settles it
        self._thread = threading.Thread(target=self._run, args=(listening,), name="offline-writer", daemon=True)
        self._thread.start()
        try:
            return await asyncio.wrap_future(listening)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the server; calls under way are given up. Nothing happens where none runs."""
        thread, self._thread = self._thread, None
        if not thread:
            return
        if self._loop and self._end and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)
        await asyncio.to_thread(thread.join)

    def _run(self, listening: Future[str]) -> None:
        try:
            asyncio.run(self._serve(listening))
        except Exception as error:
            if listening.done():
                raise
            listening.set_exception(error)  # it belongs to whoever waits for the start

    async def _serve(self, listening: Future[str]) -> None:
        # Imported here, in the thread: it takes longer than anything else at the start of the app, and is for offline use only.
        from pipeline.offline import server  # noqa: PLC0415
        from pipeline.offline.faults import Behaviour  # noqa: PLC0415

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        offline = server.OfflineServer(Behaviour(latency=self._latency, jitter=self._jitter), log=self._log)
        try:
            listening.set_result(await offline.start())
            await asyncio.to_thread(server.warm)
            await self._end.wait()
        finally:
            await offline.stop()
