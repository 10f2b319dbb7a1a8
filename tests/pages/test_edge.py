"""What passes the edge: pages of our own and programs; and where a page is, behind a reverse proxy."""

from __future__ import annotations

import pytest

from pages.edge import Edge


async def ask(method, path, headers=None, *, root_path=""):
    """(status, headers, the scope that the app behind was given or None)"""
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
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
    await Edge(app, root_path)(scope, None, send)
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


async def test_no_other_site_may_frame_a_page_and_no_browser_may_guess_a_type():
    _, headers, _ = await ask("GET", "/")
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert headers["x-content-type-options"] == "nosniff"


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
