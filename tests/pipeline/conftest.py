"""Fixtures of the pipeline room: servers that say what a test tells them to, and writers that ask them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from scripted import KEY, Reply, ScriptedServer

from config import Settings
from pipeline.llm.client import Caller, Writer
from pipeline.llm.gate import Gate
from pipeline.studio import Studio


@pytest.fixture
async def start_server() -> AsyncIterator[Callable[..., Awaitable[ScriptedServer]]]:
    """Starts servers that answer with the given replies in turn: ``await start_server(failed(429), said("{}"))``."""
    runners: list[web.AppRunner] = []

    async def start(*script: Reply) -> ScriptedServer:
        server = ScriptedServer(list(script))
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", server.answer)
        runners.append(web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0, backlog=1024).start()
        server.url = f"http://127.0.0.1:{runners[-1].addresses[0][1]}/v1"
        return server

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def connect(store) -> AsyncIterator[Callable[..., Writer]]:
    """Makes writers that ask the server at a URL and keep their journal in *store*: ``connect(url, width=7, retry_budget=1)``."""
    writers: list[Writer] = []

    def connect(url: str, *, width: int = 20, request_timeout: float = 10, retry_budget: float = 5) -> Writer:
        writers.append(Writer(url, KEY, Gate(width), store, request_timeout=request_timeout, retry_budget=retry_budget))
        return writers[-1]

    yield connect
    for writer in writers:
        await writer.close()


@pytest.fixture
def caller() -> Caller:
    """Somebody who waits, asking for the first time."""
    return Caller("job", "anna", "core")


@pytest.fixture
def open_studio(tmp_path):
    """A started Studio, on the embedded writer unless it is given an address: ``async with open_studio(url) as studio``."""

    @asynccontextmanager
    async def open_studio(url: str | None = None, *, key: str | None = None, **settings):
        given = {"retry_budget": 20, "data_dir": tmp_path / "data", "openai_base_url": url, "openai_api_key": key, **settings}
        studio = Studio(Settings(_env_file=None, **given), serving=True)
        await studio.start()
        try:
            yield studio
        finally:
            await studio.stop(0)

    return open_studio
