"""Fixtures named after what they are."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from storage.database import Store
from tests.shell import Shell

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "data")
    yield opened
    opened.close()


@dataclass(frozen=True)
class OfflineServer:
    """A running ``python -m pipeline.offline``. *url* is the base URL for an OpenAI client."""

    url: str
    log_file: Path
    process: subprocess.Popen[str]

    def stats(self) -> dict[str, Any]:
        """What the server has counted since it started."""
        return self._ask("GET", "/stats")

    def behave(self, **changes: Any) -> dict[str, Any]:
        """Change latency, faults, formats, capacity, ... from the next request on; see pipeline.offline.faults.Behaviour."""
        return self._ask("POST", "/behaviour", json.dumps(changes))

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """The lines of the request log, or only those of ``begin`` or ``end``."""
        lines = self.log_file.read_text().splitlines() if self.log_file.exists() else []
        return [line for line in map(json.loads, lines) if event in (None, line["event"])]

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(10)

    def _ask(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(content["error"]["message"])
        return content


def start_offline(folder: Path, *arguments: str) -> OfflineServer:
    log_file = folder / "requests.jsonl"
    command = [sys.executable, "-m", "pipeline.offline", "--control", "--ttl", "170", "--log", str(log_file), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    if not line.startswith("listening on "):
        end_offline(process)
        raise RuntimeError(f"the offline server did not start: {line!r}")
    return OfflineServer(line.removeprefix("listening on ").strip(), log_file, process)


def end_offline(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
    process.stdout.close()


@pytest.fixture
def offline_server(tmp_path) -> Iterator[Callable[..., OfflineServer]]:
    """Starts offline servers as real processes: ``offline_server("--latency", "0.1", "--faults", "429=0.3")``."""
    started: list[OfflineServer] = []

    def start(*arguments: str) -> OfflineServer:
        folder = tmp_path / f"offline{len(started)}"
        folder.mkdir()
        started.append(start_offline(folder, *arguments))
        return started[-1]

    yield start
    for server in started:
        end_offline(server.process)


@pytest.fixture(scope="session")
def writer_url(tmp_path_factory) -> Iterator[str]:
    """The address of an offline server without latency or faults, one for all tests of a run."""
    server = start_offline(tmp_path_factory.mktemp("writer"), "--ttl", "3600")
    yield server.url
    end_offline(server.process)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A folder with a tiny Z-Image of random weights, ``z-image``, and a LoRA for it, ``sketch.safetensors``."""
    from tests.gpu_pool import tiny_model  # noqa: PLC0415  torch takes seconds, and few tests want it

    folder = tmp_path_factory.mktemp("model")
    tiny_model.build(folder / "z-image")
    tiny_model.lora(folder / "sketch.safetensors")
    return folder


@pytest.fixture
def shell(tmp_path) -> Iterator[Shell]:
    """The command line in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    shell = Shell(folder)
    yield shell
    for process in shell.started:
        process.kill()
        process.wait(10)
