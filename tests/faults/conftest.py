"""Pictures to write personas from, and a Studio in a process of its own that can be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pictures(tmp_path) -> Callable[[int], list[Path]]:
    """Paints so many pictures that all differ."""

    def paint(count: int) -> list[Path]:
        folder = tmp_path / "pictures"
        folder.mkdir()
        base = Image.radial_gradient("L").resize((96, 96))
        for number in range(count):
            shifts = (number * 37 % 256, number * 91 % 256, number * 151 % 256)
            bands = [base.point(lambda value, shift=shift: (value + shift) % 256) for shift in shifts]
            Image.merge("RGB", bands).save(folder / f"picture{number:02}.png")
        return sorted(folder.iterdir())

    return paint


@pytest.fixture
def studio_process(tmp_path):
    """Starts ``studio_process.py`` with the given arguments."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.faults.studio_process", *map(str, arguments)]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)
        process.stdout.close()
