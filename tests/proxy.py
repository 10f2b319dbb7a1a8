"""A reverse proxy as people put one in front: real HTTP, a path prefix, the headers that proxies set, answers passed on as they come."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

from aiohttp import ClientSession, ClientTimeout, web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-encoding", "content-length"}


@dataclass
class Proxy:
    """Passes what is asked under *prefix* on to 127.0.0.1:*upstream*. *takes_off* the prefix, or not; says it was asked by *scheme*.

    *keeps_host*: whether the site is told the host as the browser has it, or its own with the other in X-Forwarded-Host.
    """

    upstream: int
    prefix: str = "/studio"
    takes_off: bool = True
    keeps_host: bool = True
    scheme: str = "http"
    port: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _started: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.prefix}/"

    def start(self):
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._started.wait(10)
        return self

    def stop(self):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self):
        self._ended = asyncio.Event()
        async with ClientSession(
            f"http://127.0.0.1:{self.upstream}", auto_decompress=False, timeout=ClientTimeout(total=None)
        ) as self._client:
            app = web.Application(client_max_size=2**26)
            app.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(app, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self.port = runner.addresses[0][1]
            self._started.set()
            await self._ended.wait()
            await runner.cleanup()

    async def _pass_on(self, request):
        if not f"{request.path}/".startswith(f"{self.prefix}/"):
            return web.Response(status=404, text="another site of this host")
        path = request.raw_path.removeprefix(self.prefix) if self.takes_off else request.raw_path
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= {"X-Forwarded-For": request.remote, "X-Forwarded-Proto": self.scheme}
        if not self.keeps_host:
            headers |= {"Host": f"127.0.0.1:{self.upstream}", "X-Forwarded-Host": request.host}
        body = await request.read()
        asked = self._client.request(request.method, path or "/", headers=headers, data=body, allow_redirects=False)
        async with asked as answer:
            passed = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in HOP_BY_HOP - {"content-encoding", "content-length"}:
                    passed.headers.add(name, value)
            await passed.prepare(request)
            async for part in answer.content.iter_any():
                await passed.write(part)
            return passed
