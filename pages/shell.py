"""The HTML page around Gradio's: its language, our texts for the scripts of cards, who is logged in, no addresses of other hosts.

Gradio takes the language of its labels from the browser alone, before any script of an app runs. A visitor may choose here, so the
page is told its language by a script that comes first. Every script in the page bears a nonce, without which a browser runs none.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages import policy
from pages.language import LANGUAGES, choose, texts

_SCRIPT = re.compile(rb"<script(?=[\s>])")
_UNWANTED = re.compile(rb'<(?:meta\s+(?:property|name)="(?:og|twitter):|link rel="manifest")[^>]*>\s*')
"""Addresses of other hosts; and a manifest, which browsers ask for without a cookie and at the wrong place under a path prefix."""


class Shell:
    """ASGI middleware that completes the HTML of the *pages* (paths such as ``/``); *fixed* is the UI_LANGUAGE setting."""

    def __init__(self, app: ASGIApp, pages: Collection[str], fixed: str) -> None:
        self._app = app
        self._pages = pages
        self._fixed = fixed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_page(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        language = choose(cookie_parser(headers.get("cookie", "")), headers.get("accept-language", ""), self._fixed)
        # Uncompressed, so that it can be completed; it is one small file.
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        user = scope["user"].display_name if "user" in scope else ""
        # As GET, so that HEAD is answered with the same headers; the server sends no body then.
        await self._app({**scope, "method": "GET", "headers": plain}, receive, _Completed(send, language, user))

    def _is_page(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return False
        return (scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/") or "/") in self._pages


class _Completed:
    """Holds back the response until it is whole, then sends it completed where it is an HTML page."""

    def __init__(self, send: Send, language: str, user: str) -> None:
        self._send = send
        self._language = language
        self._user = user
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        headers = MutableHeaders(raw=self._start["headers"])
        if headers.get("content-type", "").startswith("text/html"):
            nonce = secrets.token_urlsafe(16)
            page = complete(self._body, self._language, self._user)
            self._body = _SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), page)
            headers["content-security-policy"] = policy.page(nonce)
            headers["content-length"] = str(len(self._body))
            headers["content-language"] = LANGUAGES[self._language]
            headers["cache-control"] = "no-store"
            headers["vary"] = "cookie, accept-language"
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})


def complete(html: bytes, language: str, user: str = "") -> bytes:
    """*html* in *language*: its ``lang``, the locale and the texts for scripts, and no pictures of Gradio's on other hosts.

    Scripts are told the *user* who is logged in; it is empty where nobody needs to.
    """
    locale = LANGUAGES[language]
    script = (
        f"for (const name of ['language', 'languages']) Object.defineProperty(navigator, name, "
        f"{{get: () => name === 'language' ? '{locale}' : ['{locale}']}});"
        f"window.studio = {{language: '{language}', user: {_for_script(user)}, texts: {_for_script(texts(language))}}};"
    )
    html = _UNWANTED.sub(b"", html)
    html = html.replace(b'lang="en"', f'lang="{locale}"'.encode(), 1)
    return html.replace(b"<head>", f"<head><script>{script}</script>".encode(), 1)


def _for_script(value: object) -> str:
    """JSON that can stand inside ``<script>``."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
