"""Who takes part in ``bench.tweets``: Persona Studio and its peers, each a process in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.writers import ROOT

SCRIPTS = Path(__file__).resolve().parent / "peers"
ENVIRONMENTS = ROOT / ".bench"


@dataclass(frozen=True)
class Peer:
    """*title* in tables (its release goes in), *environment* names its requirements, *retries* says what it does about failures."""

    title: str
    environment: str
    retries: str


OURS = "ours"
TITLE = "Persona Studio, saved"
RETRIES = "calls again for 10 min (RETRY_BUDGET's default), asks again after an invalid answer 5 times"
_ONCE = "calls again twice (its default), does not ask again after an invalid answer"
_TWICE = "calls again twice (openai's default)"
PEERS: Mapping[str, Peer] = {
    "openai": Peer("openai {} + gather", "openai", _ONCE),
    "openai_aiohttp": Peer("openai[aiohttp] {} + gather", "openai", _ONCE),
    "openai_saved": Peer("openai {}, saved by hand", "openai_saved", _ONCE),
    "instructor": Peer("instructor {}", "instructor", f"{_TWICE}, asks again after an invalid answer twice (its default)"),
    "langchain": Peer("langchain-openai {}", "langchain", f"{_TWICE}, does all of it again twice (with_retry's default)"),
    "pydantic_ai": Peer("pydantic-ai {}", "pydantic_ai", f"{_TWICE}, asks again after an invalid answer once (its default)"),
    "litellm": Peer("litellm {}", "litellm", _ONCE),
}


@dataclass(frozen=True)
class Heat:
    """One run of all questions: *seconds* by the clock, *cpu* seconds of the contestant's process with all its threads, how many answers
    are *complete*, and why others are not.
    """

    seconds: float
    cpu: float
    complete: int
    failed: Mapping[str, int]


class Contestant:
    """A process that waits to be told to go; *url* is its writer's address, *errors* what it says on stderr."""

    def __init__(self, title: str, url: str, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self.url = url
        self.process = process
        self._errors = errors
        self.title = title.format(self._answer()["ready"])

    def go(self) -> None:
        """Have it begin a heat."""
        if self.process.stdin:
            print("go", file=self.process.stdin, flush=True)

    def heat(self) -> Heat:
        """Have it run all questions once."""
        self.go()
        told = self._answer()
        return Heat(told["seconds"], told["cpu_seconds"], told["complete"], told["failed"])

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            self._errors.seek(0)
            raise SystemExit(f"{self._errors.read()}\nA contestant ended with exit code {self.process.wait()}.")
        return json.loads(line)


@contextmanager
def ours(url: str, slots: int, folder: Path, questions: Path) -> Iterator[Contestant]:
    """Persona Studio, which writes the file *questions* before it is ready."""
    with _contestant(TITLE, url, [sys.executable, "-m", "bench.ours", url, slots, folder, questions]) as ready:
        yield ready


@contextmanager
def peer(name: str, url: str, slots: int, questions: Path) -> Iterator[Contestant]:
    """One of :data:`PEERS`."""
    python = environment(PEERS[name].environment)
    with _contestant(PEERS[name].title, url, [python, SCRIPTS / f"with_{name}.py", questions, url, slots]) as ready:
        yield ready


@contextmanager
def resumed(url: str, slots: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Persona Studio, going on with the batch that a killed process has left in *folder*; its last words are how that ended."""
    with _process([sys.executable, "-m", "bench.ours", url, slots, folder]) as process:
        yield process


@contextmanager
def _contestant(title: str, url: str, command: Sequence[object]) -> Iterator[Contestant]:
    with tempfile.TemporaryFile("w+") as errors, _process(command, errors) as process:
        yield Contestant(title, url, process, errors)


@contextmanager
def _process(command: Sequence[object], errors: IO[str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that is no more afterwards. What it says on stderr goes into *errors*."""
    words, alone = list(map(str, command)), {**os.environ, "NO_PROXY": "127.0.0.1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, env=alone, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.kill()


def environment(name: str) -> Path:
    """The Python of an environment, which is made first where it is missing or its requirements have changed."""
    home, requirements = ENVIRONMENTS / name, SCRIPTS / f"{name}.txt"
    python, stamp = home / "bin" / "python", home / "made_of.txt"
    made_of = f"Python {sys.version}\n{requirements.read_text('utf-8')}"
    if not stamp.exists() or stamp.read_text("utf-8") != made_of:
        print(f"Installing {requirements.read_text('utf-8').strip()} in {home.relative_to(ROOT)} ...", file=sys.stderr, flush=True)
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)  # noqa: S603
        stamp.write_text(made_of, "utf-8")
    return python
