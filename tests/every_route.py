"""``python -m tests.every_route DATA_DIR``: asks a site with logins for every address that the program and Gradio have, without one.

Prints a JSON object {address: {method: status}}. A process of its own, because Gradio opens sockets and loops that only its end closes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from starlette.routing import BaseRoute
from starlette.testclient import TestClient

import app
from config import load_settings
from pipeline.studio import Studio

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def addresses(routes: Iterable[BaseRoute], under: str = "") -> Iterator[str]:
    """The addresses of *routes* and of those mounted below them, with ``x`` for what varies."""
    for route in routes:
        path = under + re.sub(r"{[^}]*}", "x", getattr(route, "path", ""))
        yield path or "/"
        included = getattr(route, "original_router", None)  # FastAPI keeps routers that were included as they are
        yield from addresses(included.routes if included else getattr(route, "routes", None) or [], path)


def main() -> None:
    settings = load_settings(data_dir=Path(sys.argv[1]), auth="ann:correct horse")
    studio = Studio(settings)
    every = sorted(set(addresses(app.gradio_app(settings, studio).routes)))
    client = TestClient(app.create_app(settings, studio), follow_redirects=False)
    print(json.dumps({path: {method: client.request(method, path).status_code for method in METHODS} for path in every}))  # noqa: T201


if __name__ == "__main__":
    main()
