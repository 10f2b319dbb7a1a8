"""The login in front of everything: who may pass, the page that asks, and the way out.

It stands before Gradio and our own routes alike, so that an address that either adds is closed unless it is named here.
"""

from __future__ import annotations

import base64
import logging
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.authentication import SimpleUser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pages import policy
from pages.language import COOKIE, LANGUAGES, choose, say
from pages.logins import LIFETIME, Passwords, Session, Sessions, Throttle

log = logging.getLogger(__name__)

ASSETS = Path(__file__).resolve().parent.parent / "assets"
OPEN = "/healthz"
"""What is answered without a login, beside the login page."""
LOGIN, LOGOUT = "/login", "/logout"
NAMES = {"en": "EN", "zh": "中文"}
UNKNOWN = "Log in first: POST username and password to /login and send the cookie that it answers with."
LARGEST_FORM = 16_384
YEAR = 365 * 86400

_STYLE = (ASSETS / "login" / "login.css").read_text("utf-8")
_LOGO = f"data:image/svg+xml;base64,{base64.b64encode((ASSETS / 'brand' / 'logo.svg').read_bytes()).decode()}"
_PAGE = Environment(loader=FileSystemLoader(ASSETS / "login"), autoescape=True, undefined=StrictUndefined).get_template("login.html")


class Login:
    """ASGI middleware. Scopes that pass have the ``user`` (:class:`starlette.authentication.SimpleUser`); *fixed* is the UI_LANGUAGE."""

    def __init__(self, app: ASGIApp, passwords: Passwords, sessions: Sessions, fixed: str) -> None:
        self._app = app
        self._passwords = passwords
        self._sessions = sessions
        self._fixed = fixed
        self._throttle = Throttle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(Request(scope, receive))
            await answer(scope, receive, send)
        else:  # a websocket, of which neither Gradio nor we have any
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, request: Request) -> ASGIApp:
        path, session = _path(request), self._session(request)
        if path == OPEN and request.method in ("GET", "HEAD"):
            return self._app
        if path == LOGIN:
            return await self._login(request, session)
        if path == LOGOUT:
            return self._logout(request, session)
        if session is None:
            return _refused(request, path)
        request.scope["user"] = SimpleUser(session.user)
        return self._app

    def _session(self, request: Request) -> Session | None:
        return self._sessions.read(request.cookies.get(self._sessions.cookie, ""))

    async def _login(self, request: Request, session: Session | None) -> Response:
        if request.method == "POST":
            return await self._try(request)
        if request.method not in ("GET", "HEAD"):
            return _wrong_method("GET, HEAD, POST")
        following = _following(request.query_params.get("next", ""))
        if session is not None:
            return RedirectResponse(_root(request) + following, 303)
        return self._page(request, following, said="login.left" if "left" in request.query_params else "", good=True)

    async def _try(self, request: Request) -> Response:
        address = request.client.host if request.client else ""
        if (form := await _form(request)) is None:
            return self._sorry(request, {}, 413, "login.large")
        if wait := self._throttle.enter(address):
            seconds = math.ceil(wait)
            log.warning("too many wrong passwords from %s", address)
            answer = self._sorry(request, form, 429, "login.slow", seconds)
            answer.headers["retry-after"] = str(seconds)
            return answer
        user = form.get("username", "").strip()
        if not await self._passwords.right(user, form.get("password", "")):
            log.warning("a wrong user name or password from %s", address)  # what was typed as a name may be a password
            return self._sorry(request, form, 401, "login.wrong")
        self._throttle.forgive(address)
        log.info("%s logged in from %s", user, address)
        into = RedirectResponse(_root(request) + _following(form.get("next", "")), 303)
        answer = into if _is_browser(request) else JSONResponse({"success": True})
        self._set_cookie(request, answer, self._sessions.begin(user), LIFETIME)
        return answer

    def _logout(self, request: Request, session: Session | None) -> Response:
        if request.method != "POST":  # a link or a picture must not log anybody out
            return _wrong_method("POST")
        if session is not None:
            self._sessions.end(session)
        answer = RedirectResponse(f"{_root(request)}{LOGIN}?left=1", 303) if _is_browser(request) else JSONResponse({"success": True})
        self._set_cookie(request, answer, "", 0)
        return answer

    def _set_cookie(self, request: Request, answer: Response, value: str, seconds: int) -> None:
        answer.headers["cache-control"] = "no-store"
        answer.set_cookie(
            self._sessions.cookie,
            value,
            max_age=seconds,
            path=f"{_root(request)}/",
            secure=request.scope.get("scheme") == "https",
            httponly=True,
            samesite="lax",
        )

    def _sorry(self, request: Request, form: dict[str, str], status: int, why: str, seconds: int = 0) -> Response:
        """The page again with the reason; for a program the reason alone."""
        if _is_browser(request):
            return self._page(request, _following(form.get("next", "")), status, said=why, user=form.get("username", ""), seconds=seconds)
        return JSONResponse(_both(say("en", why, n=seconds)), status, {"cache-control": "no-store"})

    def _page(
        self, request: Request, following: str, status: int = 200, *, said: str = "", good: bool = False, user: str = "", seconds: int = 0
    ) -> Response:
        wanted = request.query_params.get("language", "")
        cookies = {COOKIE: wanted} if wanted in LANGUAGES else request.cookies
        language = choose(cookies, request.headers.get("accept-language", ""), self._fixed)
        html = _PAGE.render(
            locale=LANGUAGES[language],
            say=lambda key: say(language, key),
            style=_STYLE,
            logo=_LOGO,
            languages=[] if self._fixed in LANGUAGES else [_choice(other, language, following) for other in LANGUAGES],
            action=f"{_root(request)}{LOGIN}",
            next=following,
            said=say(language, said, n=seconds) if said else "",
            good=good,
            user=user[:200],
        )
        headers = {
            "cache-control": "no-store",
            "content-language": LANGUAGES[language],
            "content-security-policy": policy.login(_STYLE),
            "vary": "cookie, accept-language",
        }
        answer = HTMLResponse(html, status, headers)
        if wanted in LANGUAGES:
            answer.set_cookie(COOKIE, wanted, max_age=YEAR, path="/", samesite="lax")
        return answer


def _path(request: Request) -> str:
    """The path without the prefix of a reverse proxy."""
    return str(request.scope["path"]).removeprefix(_root(request))


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _refused(request: Request, path: str) -> Response:
    """To whoever is not logged in: for a page the way to the login and back, for all else one sentence."""
    if request.method in ("GET", "HEAD") and _is_browser(request):
        asked = request.scope.get("query_string", b"").decode("latin-1")
        following = f"{path}?{asked}" if asked else path
        query = "" if following == "/" else f"?{urlencode({'next': following})}"
        return RedirectResponse(f"{_root(request)}{LOGIN}{query}", 303, {"cache-control": "no-store"})
    return JSONResponse(_both(UNKNOWN), 401, {"cache-control": "no-store"})


def _wrong_method(allowed: str) -> Response:
    return JSONResponse(_both(f"This address takes {allowed}."), 405, {"allow": allowed})


def _both(sentence: str) -> dict[str, str]:
    """A sentence where our pages and Gradio's look for it."""
    return {"error": sentence, "detail": sentence}


def _is_browser(request: Request) -> bool:
    """Whether somebody looks at the answer: programs, and the scripts of a page, do not ask for HTML."""
    return "text/html" in request.headers.get("accept", "")


def _following(path: str) -> str:
    """Where to go after the login: *path* where it is one of this site (a page of another one must not be named), else the first page."""
    inside = re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", path)
    return path if inside and path.partition("?")[0] not in (LOGIN, LOGOUT) else "/"


def _choice(language: str, chosen: str, following: str) -> dict[str, Any]:
    """A link to the same page in another language."""
    href = f"?{urlencode({'language': language, 'next': following})}"
    return {"href": href, "locale": LANGUAGES[language], "name": NAMES[language], "chosen": language == chosen}


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form, None where it is larger than any that our page sends."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_FORM:
                return None
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    except (ClientDisconnect, ValueError):  # it has gone, or there are more fields than that
        return None
    return {name: values[-1] for name, values in fields.items()}
