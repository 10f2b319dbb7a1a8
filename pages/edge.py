"""What every request passes first: the host it asks for, a reverse proxy's path prefix, and a refusal of what pages of other sites send.

Gradio checks no Origin: any page that a visitor has open elsewhere could fill the disk of this machine with uploads. The check is that of
Go's ``http.CrossOriginProtection``: browsers say by ``Sec-Fetch-Site`` (where the address is one they trust) or by ``Origin`` where a
request comes from, old ones by ``Referer``; programs send none of them. A page can also make its own host name mean this machine (DNS
rebinding) and then is no other site: against that the host is checked.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages import policy

log = logging.getLogger(__name__)

READING = ("GET", "HEAD", "OPTIONS")
FOREIGN = "This request comes from a page of another site. If it does not, the reverse proxy must pass on Host or X-Forwarded-Host."
ELSEWHERE = "The studio is not asked for under this host name. If it is yours, name it in ALLOWED_HOSTS."
PORTS = {"http": 80, "https": 443}
ALLOWING = b"access-control-"
"""Gradio lets pages of any site read its answers, unless it is asked for as localhost. None of ours are for them."""


class Edge:
    """ASGI middleware, the outermost.

    *root_path* is the prefix (``/studio``, or empty); a proxy may take it off or pass it on. *hosts* are the names under which the studio
    may be asked for (``*.example.com`` for all below a domain), beside ``localhost`` and any address in numbers; empty means any name.
    """

    def __init__(self, app: ASGIApp, root_path: str, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._root = root_path
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [one for one in message["headers"] if not one[0].lower().startswith(ALLOWING)]
                headers = MutableHeaders(scope=message)
                for name, value in policy.HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._answer(scope)(scope if not self._root else _placed(scope, self._root), receive, protected)

    def _answer(self, scope: Scope) -> ASGIApp:
        headers = Headers(scope=scope)
        if self._hosts and not _known(headers.get("host", ""), self._hosts):
            log.warning("refused: %s %s for the host %s", scope["method"], scope["path"], headers.get("host"))
            return JSONResponse({"error": ELSEWHERE, "detail": ELSEWHERE}, 421)
        if scope["method"] not in READING and _foreign(headers):
            log.warning("refused: %s %s from %s", scope["method"], scope["path"], headers.get("origin") or headers.get("referer"))
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
    if (sender := headers.get("origin", headers.get("referer"))) is None:
        return False
    here = [headers.get("host", ""), *headers.get("x-forwarded-host", "").split(",")]
    return not any(_same(_parts(sender), _parts(f"//{name.strip()}")) for name in here if name.strip())


def _same(sender: SplitResult | None, here: SplitResult | None) -> bool:
    """Whether two addresses are of one site. Proxies often leave the port out of what they pass on: then the name alone counts."""
    if sender is None or here is None or sender.hostname is None or sender.hostname != here.hostname:
        return False
    return here.port is None or here.port == (sender.port or PORTS.get(sender.scheme))


def _parts(address: str) -> SplitResult | None:
    """The parts of an address, None where it is none."""
    try:
        parts = urlsplit(address)
        usable = parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _known(host: str, hosts: Collection[str]) -> bool:
    """Whether *host* (a Host header) is one of *hosts*, or one that no other site can have."""
    parts = _parts(f"//{host}")
    name = (parts.hostname or "") if parts else ""
    if name == "localhost" or name.endswith(".localhost") or _is_address(name):
        return True
    return any(name == known or (known.startswith("*.") and name.endswith(known[1:])) for known in hosts)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
