"""What every request passes first: a reverse proxy's path prefix, and a refusal of what pages of other sites send.

Gradio checks no Origin: any page that a visitor has open elsewhere could fill the disk of this machine with uploads. The check is that of
Go's ``http.CrossOriginProtection``: browsers say by ``Sec-Fetch-Site`` (where the address is one they trust) or by ``Origin`` where a
request comes from; programs send neither.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

READING = ("GET", "HEAD", "OPTIONS")
FOREIGN = "This request comes from a page of another site. If it does not, the reverse proxy must pass on Host or X-Forwarded-Host."
PROTECTION = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "frame-ancestors 'self'",
    "referrer-policy": "same-origin",
}


class Edge:
    """ASGI middleware. *root_path* is the prefix (``/studio``, or empty); a proxy may take it off or pass it on."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in PROTECTION.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._answer(scope)(scope if not self._root else _placed(scope, self._root), receive, protected)

    def _answer(self, scope: Scope) -> ASGIApp:
        headers = Headers(scope=scope)
        if scope["method"] not in READING and _foreign(headers):
            log.warning("refused: %s %s from %s", scope["method"], scope["path"], headers.get("origin"))
            return JSONResponse({"error": FOREIGN, "detail": FOREIGN}, 403)
        if self._root and scope["path"] == self._root:  # the page's own links are relative to the folder
            query = scope.get("query_string", b"").decode("latin-1")
            return RedirectResponse(f"{self._root}/?{query}" if query else f"{self._root}/", 308)
        return self._app


def _placed(scope: Scope, root: str) -> Scope:
    """The scope as ASGI wants it: *root* as ``root_path``, and at the front of ``path``."""
    path, raw = scope["path"], scope.get("raw_path") or b""
    if path != root and not path.startswith(root + "/"):
        path, raw = root + path, root.encode() + raw
    return {**scope, "root_path": root, "path": path, "raw_path": raw}


def _foreign(headers: Headers) -> bool:
    """True where a browser sends the request for a page of another site."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site not in ("same-origin", "none")
    if (origin := headers.get("origin")) is None:
        return False
    here = [headers.get("host", ""), *headers.get("x-forwarded-host", "").split(",")]
    return _host(origin) not in [_host(f"//{name.strip()}") for name in here if name.strip()]


def _host(address: str) -> str | None:
    """The name in an address, without the port: proxies often leave that out."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
