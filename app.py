"""The web entry: settings -> Studio -> pages on one FastAPI app.

``python app.py`` serves until SIGTERM or SIGINT, then takes no further step, finishes what is under way within the grace time, and
exits 0.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import iterate_in_threadpool
from starlette.types import ASGIApp

import logs
from config import Settings, load_settings
from errors import ConfigError, ConflictError, NotFoundError, StudioError
from pages import site
from pages.edge import Edge
from pages.language import translations
from pages.login import Login
from pages.logins import Passwords, Sessions
from pages.shell import Shell
from pages.theme import CSS_FILES, theme
from pages.tweet_filters import of_address
from pipeline.studio import Studio

log = logging.getLogger("persona_studio")

ASSETS = Path(__file__).resolve().parent / "assets"
GRACE = 15
"""Seconds that steps under way are given when the server is told to stop."""
FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}
"""Private: a proxy that asks for a login must not hand one visitor's pictures to others from its cache."""
READ = ["GET", "HEAD"]


def create_app(settings: Settings, studio: Studio) -> ASGIApp:
    """The web app around *studio*, which it starts and stops. Whatever is asked for passes the edge first, then the login.

    Raises :class:`ConfigError` where a login is wanted and the data folder cannot keep its key.
    """
    site_app: ASGIApp = Shell(gradio_app(settings, studio), pages=site.PATHS, fixed=settings.ui_language)
    if settings.auth:
        logins = {user: password.get_secret_value() for user, password in settings.auth.items()}
        site_app = Login(site_app, Passwords(logins), _sessions(settings, logins), settings.ui_language)
    return Edge(site_app, settings.root_path, settings.hosts)


def _sessions(settings: Settings, logins: dict[str, str]) -> Sessions:
    try:
        return Sessions(settings.data_dir / "sessions", logins)
    except OSError as error:
        raise ConfigError(
            "The folder {path} cannot be used: {reason}. Check DATA_DIR.", path=settings.data_dir, reason=error.strerror or error
        ) from error


def gradio_app(settings: Settings, studio: Studio) -> FastAPI:
    """Our routes and the pages."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            await studio.start()
            yield
        finally:
            await studio.stop(grace=0)

    app = FastAPI(title="Persona Studio", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    _add_routes(app, studio)
    blocks = site.build(studio)
    # Gradio checks which paths a browser may name only in apps that were "launched"; a mounted one would read any file of the machine.
    blocks.has_launched = True
    return gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        root_path=settings.root_path or None,
        favicon_path=str(ASSETS / "brand" / "favicon.ico"),
        allowed_paths=[str(ASSETS / "samples")],
        footer_links=[],
        run_history=False,
        max_file_size=int(settings.max_upload_mb * 2**20),
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        i18n=translations(),
        theme=theme(),
        css_paths=CSS_FILES,
    )


def _add_routes(app: FastAPI, studio: Studio) -> None:
    @app.api_route("/healthz", methods=READ)
    async def health() -> Response:
        state = studio.health()
        return JSONResponse(state, 200 if state["status"] == "ok" else 503, {"cache-control": "no-store"})

    @app.api_route("/pictures/{name}", methods=READ)
    async def picture(name: str) -> Response:
        """A stored picture; its name is the hash of what is in it, so it never changes."""
        return FileResponse(await asyncio.to_thread(studio.picture, name), headers=FOR_EVER)

    @app.api_route("/drawn/{name}", methods=READ)
    async def drawn(name: str) -> Response:
        """A picture that was drawn, or its thumbnail; named by what is in it like the others."""
        return FileResponse(await asyncio.to_thread(studio.pictures.path, name), headers=FOR_EVER)

    @app.api_route("/cards/{persona_id}.{kind}", methods=READ)
    async def card(persona_id: str, kind: str) -> Response:
        """A persona as a file of one of the kinds that `PersonaDesk.export` knows."""
        name, content = await studio.card_file(persona_id, kind)
        media_type = "image/png" if name.endswith(".png") else "application/json"
        return Response(content, media_type=media_type, headers={"content-disposition": _attachment(name), "cache-control": "no-store"})

    @app.api_route("/calendars/{calendar_id}.{kind}", methods=READ)
    async def calendar(calendar_id: str, kind: str) -> Response:
        """A calendar as a file of one of the kinds that `CalendarDesk.file` knows."""
        name, media_type, content = await studio.calendars.file(calendar_id, kind)
        return Response(content, media_type=media_type, headers={"content-disposition": _attachment(name), "cache-control": "no-store"})

    @app.api_route("/tweets/{kind}", methods=READ)
    async def tweets(kind: str, request: Request) -> Response:
        """The tweets that the filters in the address mean, as a file that is made while it is sent."""
        filters = of_address(request.query_params.multi_items())
        name, media_type, chunks = await studio.tweets.file(kind, filters)
        headers = {"content-disposition": _attachment(name), "cache-control": "no-store"}
        if request.method == "HEAD":
            return Response(media_type=media_type, headers=headers)
        return StreamingResponse(iterate_in_threadpool(chunks), media_type=media_type, headers=headers)

    @app.exception_handler(StudioError)
    async def refused(_request: object, error: StudioError) -> Response:
        if isinstance(error, NotFoundError | ConflictError):
            return JSONResponse({"error": str(error)}, 404 if isinstance(error, NotFoundError) else 400)
        log.warning("%s", error)
        return JSONResponse({"error": str(error)}, 503)

    app.mount("/brand", StaticFiles(directory=ASSETS / "brand"))
    app.mount("/samples", StaticFiles(directory=ASSETS / "samples"))


def _attachment(name: str) -> str:
    """A Content-Disposition that names the file in any script (RFC 6266)."""
    stem, _, suffix = name.rpartition(".")
    plain = f"{stem.encode('ascii', 'ignore').decode().strip('_. ') or 'persona'}.{suffix}"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to us: it would end the process by the signal, where we promise exit code 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _receive_uploads_in(folder: Path) -> None:
    """Gradio puts what is uploaded into the system's temporary folder, where another user's Gradio may be in the way, and a server that
    stops deletes what others of the same user still need. It deletes its own files when it stops; those of a killed one are deleted here.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(folder.resolve())
    for file in folder.glob("*/*"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > site.UNUSED_UPLOADS:
                file.unlink()
                file.parent.rmdir()


async def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve on the bound socket *listening* until told to stop."""
    studio = Studio(settings, serving=True)
    app = create_app(settings, studio)
    gc.freeze()  # what was imported and built stays: collecting garbage among it took a tenth of all CPU
    gc.set_threshold(5_000, 10, 10)  # and looking for it seven times less often another twentieth
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            server_header=False,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            timeout_graceful_shutdown=2,
        )
    )
    stopping: list[asyncio.Task[None]] = []

    async def drain() -> None:
        log.info("stopping: steps under way have %d s", GRACE)
        try:
            await studio.drain(GRACE)
        finally:
            # Open tabs hold streams that never end by themselves; uvicorn cuts them off, and would log each as an error.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            server.should_exit = True

    def told_to_stop() -> None:
        if stopping:
            server.should_exit = server.force_exit = True
        else:
            stopping.append(asyncio.get_running_loop().create_task(drain()))

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop)
    host, port = listening.getsockname()[:2]
    log.info("Persona Studio is at http://%s:%d%s%s", host, port, settings.root_path, "  (offline demo writer)" if settings.offline else "")
    if not settings.auth and settings.host not in ("127.0.0.1", "::1", "localhost"):
        log.warning("AUTH is empty: whoever reaches port %d can read and change everything", port)
    await server.serve(sockets=[listening])


def bind(settings: Settings) -> socket.socket:
    """A socket bound to HOST and PORT. Raises :class:`ConfigError` where that cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise ConfigError(
            "HOST and PORT: cannot listen on {host}:{port} ({reason}). Set PORT to a free one.",
            host=settings.host,
            port=settings.port,
            reason=reason,
        ) from error
    return listening


def main() -> int:
    """Exit code 0 after an orderly stop, 2 where a setting or the data folder cannot be used."""
    logs.to_stderr()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        settings = load_settings()
        logs.keep_out(settings.secrets)
        with bind(settings) as listening:
            _receive_uploads_in(settings.data_dir / "incoming")
            asyncio.run(serve(settings, listening))
    except StudioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
