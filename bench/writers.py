"""Offline writers in processes of their own, for benches to ask."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIFETIME = 2 * 3600
"""Seconds after which a writer ends by itself if its bench is no more."""


@contextmanager
def writer(latency: float, *flags: str) -> Iterator[str]:
    """The address of a writer that takes *latency* seconds a call; *flags* as ``python -m pipeline.offline --help`` has them."""
    command = [sys.executable, "-m", "pipeline.offline", "--latency", str(latency), "--ttl", str(LIFETIME), *flags]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own module
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield line.removeprefix("listening on ").strip()
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


def stats(url: str) -> dict[str, Any]:
    """What the writer at *url* has counted since it began: requests, in_flight, peak, outcomes, tokens."""
    return _fetch(urllib.request.Request(_at(url, "stats")))  # noqa: S310  our own process


def behave(url: str, **changes: object) -> None:
    """Have the writer at *url*, which was started with ``--control``, behave otherwise: latency, faults, ..."""
    body = json.dumps(changes).encode()
    _fetch(urllib.request.Request(_at(url, "behaviour"), body, {"Content-Type": "application/json"}))  # noqa: S310  our own process


def until(true: Callable[[], bool], seconds: float = 600) -> None:
    """Wait for something that a writer will have counted. Raises :class:`TimeoutError`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"what was waited for has not happened within {seconds:g} s")
        time.sleep(0.02)


def _at(url: str, path: str) -> str:
    return f"{url.removesuffix('/v1')}/{path}"


def _fetch(request: urllib.request.Request) -> dict[str, Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=10) as response:
        return json.load(response)
