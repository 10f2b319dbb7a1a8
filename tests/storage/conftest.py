"""Fixtures of the storage room: real processes that use the same folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python processes that run a program given as text, with our code on the path and *arguments* in ``sys.argv[1:]``.

    Those that still run when the test ends are killed.
    """
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: object, **options) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def no_privileges() -> Callable[[], None]:
    """For ``preexec_fn``: the permissions of files hold for the process, also when the tests run as root."""
    import ctypes  # noqa: PLC0415  Linux only, like this fixture

    prctl = ctypes.CDLL(None).prctl

    def drop() -> None:
        for override in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, out of the bounding set
            prctl(24, override, 0, 0, 0)

    return drop
