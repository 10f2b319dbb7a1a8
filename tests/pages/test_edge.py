"""What passes the edge: pages of our own and programs, under our own name; and where a page is, behind a reverse proxy."""

from __future__ import annotations

import pytest

from pages import policy
from pages.edge import Edge


async def ask(method, path, headers=None, *, root_path="", hosts=(), answers=()):
    """(status, headers, the scope that the app behind was given or None)"""
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": list(answers)})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"persona=one",
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    await Edge(app, root_path, hosts)(scope, None, send)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, seen[0] if seen else None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:7860"}, 200),  # a program
        ({"host": "127.0.0.1:7860", "sec-fetch-site": "same-origin"}, 200),
        ({"host": "upstream", "sec-fetch-site": "same-origin", "origin": "https://studio.example"}, 200),
        ({"host": "127.0.0.1:7860", "sec-fetch-site": "cross-site"}, 403),
        ({"host": "127.0.0.1:7860", "sec-fetch-site": "same-site", "origin": "http://127.0.0.1:3000"}, 403),
        ({"host": "gpu:7860", "origin": "http://gpu:7860"}, 200),
        ({"host": "gpu", "origin": "http://gpu:8080"}, 200),
        ({"host": "upstream", "x-forwarded-host": "gpu:8080, inner", "origin": "http://gpu:8080"}, 200),
        ({"host": "gpu:80", "origin": "http://gpu"}, 200),
        ({"host": "gpu:443", "origin": "https://gpu"}, 200),
        ({"host": "[::1]:7860", "origin": "http://[::1]:7860"}, 200),
        ({"host": "GPU:7860", "origin": "http://gpu:7860"}, 200),
        ({"host": "gpu:7860", "referer": "http://gpu:7860/gallery?q=x"}, 200),
        ({"host": "gpu:7860", "referer": "http://other.example/gpu:7860"}, 403),
        ({"host": "gpu:7860", "origin": "http://gpu:7860", "referer": "http://other.example/"}, 200),
        ({"host": "gpu:7860", "origin": "http://gpu:3000"}, 403),  # another program on the same machine
        ({"host": "gpu:80", "origin": "https://gpu"}, 403),
        ({"host": "gpu:7860", "origin": "http://other.example"}, 403),
        ({"host": "gpu:7860", "origin": "null"}, 403),
        ({"host": "gpu:7860", "origin": "http://["}, 403),
        ({"origin": "null"}, 403),
    ],
)
async def test_what_a_page_of_another_site_sends_is_refused(headers, status):
    assert (await ask("POST", "/gradio_api/upload", headers))[0] == status


async def test_anybody_may_link_to_a_page():
    assert (await ask("GET", "/", {"host": "gpu", "sec-fetch-site": "cross-site"}))[0] == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "ANYTHING"])
async def test_every_method_that_changes_something_is_looked_at(method):
    assert (await ask(method, "/", {"host": "gpu", "origin": "http://other.example"}))[0] == 403
    assert (await ask(method, "/", {"host": "gpu", "origin": "http://gpu"}))[0] == 200


@pytest.mark.parametrize("headers", [{}, {"origin": "http://other.example"}], ids=["answered", "refused"])
async def test_every_answer_tells_browsers_what_they_may_do_with_it(headers):
    _, answered, _ = await ask("POST", "/", {"host": "gpu", **headers})
    assert policy.HEADERS.items() <= answered.items()
    assert "default-src 'none'" in answered["content-security-policy"]
    assert "frame-ancestors 'self'" in answered["content-security-policy"]
    assert answered["x-content-type-options"] == "nosniff"


async def test_an_answer_keeps_a_policy_of_its_own():
    _, answered, _ = await ask("GET", "/", answers=[(b"content-security-policy", b"default-src 'self'")])
    assert answered["content-security-policy"] == "default-src 'self'"


async def test_no_answer_is_for_pages_of_other_sites():
    allowing = [
        (b"access-control-allow-origin", b"http://other.example"),
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"x-kept", b"1"),
    ]
    _, answered, _ = await ask("GET", "/config", {"origin": "http://other.example"}, answers=allowing)
    assert not [name for name in answered if name.lower().startswith("access-control")]
    assert answered["x-kept"] == "1"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("studio.example", 200),
        ("studio.example:8443", 200),
        ("Studio.Example", 200),
        ("a.lan", 200),
        ("b.a.lan:7860", 200),
        ("localhost:7860", 200),
        ("127.0.0.1:7860", 200),
        ("192.0.2.7", 200),
        ("[::1]:7860", 200),
        ("lan", 421),
        ("evil-lan", 421),
        ("evil.example", 421),
        ("studio.example.evil.example", 421),
        ("127.0.0.1.evil.example:7860", 421),
        ("evil.example@127.0.0.1:x", 421),
        ("", 421),
        ("[", 421),
    ],
)
async def test_a_page_that_makes_its_own_name_mean_this_machine_is_refused(host, status):
    hosts = ("studio.example", "*.lan")
    assert (await ask("GET", "/", {"host": host}, hosts=hosts))[0] == status
    assert (await ask("GET", "/", {"host": host}))[0] == 200, "where no names are set any will do"


@pytest.mark.parametrize("path", ["/gallery", "/studio/gallery"], ids=["the proxy takes the prefix off", "the proxy passes it on"])
async def test_a_page_is_found_however_the_proxy_treats_the_prefix(path):
    _, _, scope = await ask("GET", path, root_path="/studio")
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/studio", "/studio/gallery", b"/studio/gallery")


async def test_a_path_that_only_begins_like_the_prefix_is_not_the_prefix():
    _, _, scope = await ask("GET", "/studios", root_path="/studio")
    assert scope["path"] == "/studio/studios"


async def test_the_prefix_without_its_slash_leads_to_the_page():
    status, headers, scope = await ask("GET", "/studio", root_path="/studio")
    assert (status, headers["location"], scope) == (308, "/studio/?persona=one", None)
