"""The login in front of everything: passwords, guesses, sessions, the page, and what passes."""

from __future__ import annotations

import os
import re
import time
from html import unescape

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pages import logins, policy
from pages.edge import Edge
from pages.login import Login
from pages.logins import FAILURES, WINDOW, Passwords, Sessions, Throttle

LOGINS = {"ann": "correct horse", "bob": "päss:wörd"}
FORM = {"username": "ann", "password": "correct horse"}
PAGE = {"accept": "text/html,application/xhtml+xml"}


# Passwords


@pytest.mark.parametrize(
    ("user", "password", "right"),
    [
        ("ann", "correct horse", True),
        ("bob", "päss:wörd", True),
        ("bob", "pa\u0308ss:wo\u0308rd", True),  # as a Mac may type it
        ("ann", "päss:wörd", False),
        ("ann", "correct horse ", False),
        ("ann", "", False),
        ("Ann", "correct horse", False),
        ("nobody", "correct horse", False),
        ("", "", False),
        ("ann", "\udcff", False),
    ],
)
async def test_only_a_users_own_password_is_right(user, password, right):
    assert await Passwords(LOGINS).right(user, password) is right


def test_no_password_is_kept_only_a_hash_that_is_another_every_time():
    first, second = Passwords(LOGINS), Passwords(LOGINS)
    assert "correct horse" not in repr(vars(first))
    assert first._hashes["ann"] != second._hashes["ann"]


# Guesses


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_after_five_failures_an_address_waits_until_the_first_is_a_minute_ago():
    throttle = Throttle(clock := Clock())
    for _ in range(FAILURES):
        assert throttle.enter("192.0.2.1") == 0
        clock.now += 2
    assert throttle.enter("192.0.2.1") == WINDOW - 2 * FAILURES
    assert throttle.enter("192.0.2.2") == 0, "others need not wait"
    clock.now += WINDOW - 2 * FAILURES
    assert throttle.enter("192.0.2.1") == 0
    assert throttle.enter("192.0.2.1") == 2, "the second failure is not a minute ago yet"


def test_what_was_right_does_not_count():
    throttle = Throttle(Clock())
    for _ in range(3 * FAILURES):
        assert throttle.enter("192.0.2.1") == 0
        throttle.forgive("192.0.2.1")


def test_a_right_password_does_not_wash_away_wrong_ones():
    throttle = Throttle(Clock())
    for _ in range(FAILURES - 1):
        throttle.enter("192.0.2.1")
    throttle.enter("192.0.2.1")
    throttle.forgive("192.0.2.1")
    assert throttle.enter("192.0.2.1") == 0
    assert throttle.enter("192.0.2.1") > 0


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
        ("not an address", "192.0.2.1", False),
    ],
)
def test_whoever_has_a_whole_network_of_addresses_counts_as_one(one, other, together):
    throttle = Throttle(Clock())
    for _ in range(FAILURES):
        throttle.enter(one)
    assert (throttle.enter(other) > 0) is together


def test_addresses_whose_minute_is_over_are_forgotten(monkeypatch):
    monkeypatch.setattr(logins, "MOST_ADDRESSES", 10)
    throttle = Throttle(clock := Clock())
    for number in range(10):
        throttle.enter(f"192.0.2.{number}")
    clock.now += WINDOW
    throttle.enter("192.0.2.99")
    assert len(throttle._failures) == 1


# Sessions


def test_a_session_survives_a_restart_of_the_server(tmp_path):
    cookie = Sessions(tmp_path, LOGINS).begin("ann")
    assert Sessions(tmp_path, LOGINS).read(cookie).user == "ann"


def test_a_session_ends_for_every_server_when_the_user_leaves(tmp_path):
    here, there = Sessions(tmp_path, LOGINS), Sessions(tmp_path, LOGINS)
    ended, other = here.begin("ann"), here.begin("ann")
    here.end(here.read(ended))
    assert here.read(ended) is None
    assert there.read(ended) is None
    assert Sessions(tmp_path, LOGINS).read(ended) is None
    assert there.read(other).user == "ann", "the one on another machine goes on"


@pytest.mark.parametrize("changed", [{"ann": "another one", "bob": "x"}, {"bob": "correct horse"}, {}])
def test_a_changed_password_and_a_removed_user_end_the_sessions(tmp_path, changed):
    cookie = Sessions(tmp_path, LOGINS).begin("ann")
    assert Sessions(tmp_path, changed).read(cookie) is None


def test_a_session_ends_by_itself(tmp_path, monkeypatch):
    sessions = Sessions(tmp_path, LOGINS)
    cookie = sessions.begin("ann")
    assert sessions.read(cookie)
    monkeypatch.setattr(logins, "LIFETIME", -1)
    assert sessions.read(cookie) is None


def test_what_another_studio_signed_or_somebody_changed_is_no_session(tmp_path):
    sessions, others = Sessions(tmp_path / "a", LOGINS), Sessions(tmp_path / "b", LOGINS)
    cookie = sessions.begin("ann")
    assert others.read(cookie) is None
    assert sessions.cookie != others.cookie, "two studios on one host do not log each other out"
    for strange in ("", ".", "a.b.c", cookie[:-1], "A" + cookie, cookie.swapcase(), cookie + "x", "ü", "." * 5000):
        assert sessions.read(strange) is None, strange


def test_nobody_else_on_the_machine_may_read_the_key(tmp_path):
    Sessions(tmp_path / "sessions", LOGINS)
    assert (tmp_path / "sessions" / "key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "sessions").stat().st_mode & 0o077 == 0


def test_a_key_that_was_cut_off_is_made_anew(tmp_path):
    Sessions(tmp_path, LOGINS)
    (tmp_path / "key").write_bytes(b"")
    Sessions(tmp_path, LOGINS)
    assert len((tmp_path / "key").read_bytes()) == logins.KEY_BYTES


def test_ended_sessions_are_forgotten_when_they_would_have_ended_anyway(tmp_path):
    sessions = Sessions(tmp_path, LOGINS)
    for cookie in (sessions.begin("ann"), sessions.begin("bob")):
        sessions.end(sessions.read(cookie))
    old = next((tmp_path / "ended").iterdir())
    os.utime(old, (time.time() - logins.LIFETIME - 60,) * 2)
    Sessions(tmp_path, LOGINS)
    assert old not in (tmp_path / "ended").iterdir()
    assert len(list((tmp_path / "ended").iterdir())) == 1


# In front of an app


async def house(request):
    return PlainTextResponse(f"{request.scope.get('path')} for {request.user.display_name if 'user' in request.scope else 'anybody'}")


async def talk(websocket):
    await websocket.accept()


@pytest.fixture
def visit(tmp_path):
    """Opens the door of a small house: ``visit(root_path=..., https=True)`` gives a client."""
    opened = []

    def open_(*, root_path="", fixed="auto", https=False, client=("192.0.2.1", 5)):
        inside = Starlette(routes=[Route("/{path:path}", house, methods=["GET", "POST", "PUT", "DELETE"]), WebSocketRoute("/ws", talk)])
        login = Login(inside, Passwords(LOGINS), Sessions(tmp_path / "sessions", LOGINS), fixed)
        at = f"{'https' if https else 'http'}://studio.example"
        opened.append(TestClient(Edge(login, root_path), base_url=at, follow_redirects=False, client=client))
        return opened[-1].__enter__()

    yield open_
    for client in opened:
        client.__exit__(None, None, None)


@pytest.mark.parametrize(
    "path", ["/", "/gallery", "/pictures/a.jpg", "/gradio_api/queue/data", "/healthz/", "/healthz/x", "/login/", "//healthz"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_is_answered_without_a_login(visit, method, path):
    answer = visit().request(method, f"http://studio.example{path}")
    assert answer.status_code == 401
    assert "for anybody" not in answer.text


def test_health_is_answered_without_a_login_and_only_asked_for(visit):
    assert visit().get("/healthz").text == "/healthz for anybody"
    assert visit().head("/healthz").status_code == 200
    assert visit().post("/healthz").status_code == 401


def test_a_page_leads_to_the_login_and_the_login_back_to_it(visit):
    client = visit()
    sent = client.get("/gallery?status=draft&q=%E6%B5%B7+%26", headers=PAGE)
    assert sent.status_code == 303
    page = client.get(sent.headers["location"], headers=PAGE)
    assert page.status_code == 200
    following = unescape(re.search(r'name="next" value="([^"]*)"', page.text)[1])
    answer = client.post("/login", data={**FORM, "next": following}, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/gallery?status=draft&q=%E6%B5%B7+%26")
    assert client.get(answer.headers["location"]).text == "/gallery for ann"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "evil",
        "javascript:alert(1)",
        "/a\r\nset-cookie: x=1",
        "/ b",
        "/login",
        "/logout?x",
        "",
    ],
)
def test_a_login_leads_to_no_other_site(visit, elsewhere):
    answer = visit().post("/login", data={**FORM, "next": elsewhere}, headers=PAGE)
    assert answer.headers["location"] == "/"
    assert f'value="{elsewhere}"' not in visit().get("/login", params={"next": elsewhere}, headers=PAGE).text or not elsewhere


@pytest.mark.parametrize("https", [False, True])
def test_no_script_can_read_the_cookie_and_no_other_site_can_send_it(visit, https):
    cookie = visit(https=https).post("/login", data=FORM).headers["set-cookie"]
    flags = {flag.strip().lower() for flag in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", f"max-age={logins.LIFETIME}"} <= flags
    assert ("secure" in flags) is https


def test_a_wrong_password_is_said_in_the_visitors_language_and_not_repeated(visit):
    client = visit()
    wrong = {"username": '<b>"ann', "password": "hunter2!", "next": "/gallery"}
    english = client.post("/login", data=wrong, headers=PAGE)
    assert english.status_code == 401
    assert "User name or password is wrong." in english.text
    assert "&lt;b&gt;&#34;ann" in english.text
    assert 'value="/gallery"' in english.text
    assert "<b>" not in english.text
    assert "hunter2!" not in english.text
    assert "set-cookie" not in english.headers
    chinese = client.post("/login", data=wrong, headers={**PAGE, "accept-language": "zh-CN"})
    assert "用户名或密码不对。" in chinese.text
    assert chinese.headers["content-language"] == "zh-CN"
    assert client.post("/login", data=wrong).json() == {
        "error": "User name or password is wrong.",
        "detail": "User name or password is wrong.",
    }


def test_the_sixth_try_waits_even_with_the_right_password(visit):
    client = visit()
    for _ in range(FAILURES):
        assert client.post("/login", data={**FORM, "password": "guess"}).status_code == 401
    for headers in ({}, PAGE):
        answer = client.post("/login", data=FORM, headers=headers)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= WINDOW
        assert "set-cookie" not in answer.headers
        assert f"Try again in {answer.headers['retry-after']} s" in answer.text


def test_what_passes_knows_who_it_is(visit):
    client = visit()
    assert client.post("/login", data=FORM).json() == {"success": True}
    assert client.get("/x").text == "/x for ann"
    assert client.get("/login?next=/batch", headers=PAGE).headers["location"] == "/batch", "nothing to ask"


def test_who_leaves_is_out_also_with_a_copy_of_the_cookie(visit):
    client = visit()
    client.post("/login", data=FORM)
    copy = dict(client.cookies)
    assert client.get("/logout", headers=PAGE).status_code == 405, "a picture on a page of another site must not log anybody out"
    answer = client.post("/logout", headers=PAGE)
    assert answer.headers["location"] == "/login?left=1"
    assert client.get("/x").status_code == 401
    client.cookies.update(copy)
    assert client.get("/x").status_code == 401
    assert "You are logged out." in client.get("/login?left=1", headers=PAGE).text


def test_a_page_of_another_site_can_log_nobody_in_or_out(visit):
    client = visit()
    for path in ("/login", "/logout"):
        assert client.post(path, data=FORM, headers={"origin": "https://evil.example"}).status_code == 403


def test_a_websocket_is_not_opened(visit):
    with pytest.raises(WebSocketDisconnect), visit().websocket_connect("/ws"):
        pass


@pytest.mark.parametrize("body", [b"username=ann&password=" + b"x" * 20_000, b"&".join([b"a=1"] * 50)])
def test_more_than_a_name_and_a_password_is_not_read(visit, body):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert visit().post("/login", content=body, headers=headers).status_code == 413


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"username=ann", b"password=correct+horse", b'{"username": "ann"}'])
def test_a_form_that_is_none_is_a_wrong_password(visit, body):
    assert visit().post("/login", content=body).status_code == 401


def test_under_a_prefix_everything_stays_there(visit):
    client = visit(root_path="/studio")
    assert client.get("/healthz").status_code == client.get("/studio/healthz").status_code == 200
    assert client.get("/studio/gallery", headers=PAGE).headers["location"] == "/studio/login?next=%2Fgallery"
    assert 'action="/studio/login"' in client.get("/login", headers=PAGE).text, "the proxy takes the prefix off"
    answer = client.post("/studio/login", data={**FORM, "next": "/gallery"}, headers=PAGE)
    assert answer.headers["location"] == "/studio/gallery"
    assert "path=/studio/" in answer.headers["set-cookie"].lower()
    assert client.get("/studio/studio/healthz").status_code == 200, "inside, like any other address"
    assert visit(root_path="/studio").get("/studio/studio/healthz").status_code == 401


def test_the_page_needs_nothing_but_itself(visit):
    page = visit().get("/login", headers=PAGE)
    assert "<script" not in page.text
    assert not re.search(r"""(?:src|href)="(?!data:|\?)""", page.text)
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)[1]
    assert page.headers["content-security-policy"] == policy.login(style), "else no browser takes the style"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"


def test_the_language_can_be_chosen_before_the_login(visit):
    client = visit()
    page = client.get("/login?next=/gallery", headers=PAGE)
    chinese = unescape(re.search(r'<a href="([^"]*)" lang="zh-CN"', page.text)[1])
    page = client.get(f"/login{chinese}", headers=PAGE)
    assert 'lang="zh-CN"' in page.text[:40]
    assert 'value="/gallery"' in page.text
    assert 'lang="zh-CN"' in client.get("/login", headers=PAGE).text[:40], "it is remembered"
    assert "studio_language" not in client.get("/login?language=xx", headers=PAGE).headers.get("set-cookie", "")


def test_where_the_language_is_set_there_is_no_choice(visit):
    page = visit(fixed="zh").get("/login?language=en", headers=PAGE)
    assert 'lang="zh-CN"' in page.text[:40]
    assert "?language=" not in page.text
