"""What is under way, on stderr: a bar on a terminal, elsewhere a line for each step that ended, or now and then where they are many."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from tqdm import tqdm

from pipeline.events import Event
from pipeline.stages import BY_KEY
from pipeline.tweet_steps import CALENDAR, INTAKE

Key = tuple[str, str, str]
"""A step: (job, item, stage)."""
Place = tuple[str, str]
"""What a job does for a persona: (job, persona)."""

RETRY_NOTES = 10.0
"""Seconds between notes that a server is not answering."""
NAMES_SHOWN = 3
NAME_WIDTH = 24
MANY = 60
"""Of more steps than that not every one has its line."""
LINES = 3.0
"""Seconds between the lines then."""
GUESSED_FROM = 20
"""Steps that must be done before it is said how long the rest will take."""


def place_of(job_id: str, item: str) -> Place:
    """Of a step about *item*: a persona, or something of a persona, whose id it begins with."""
    return job_id, item.split(":", maxsplit=1)[0]


class Progress:
    """Told of every change, it shows it. *quiet* leaves only what failed."""

    def __init__(self, *, quiet: bool) -> None:
        self.labels: dict[Place, str] = {}
        """What the user calls a persona: the name of its picture or file."""
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._status: dict[Key, str] = {}
        self._counts: Counter[str] = Counter()
        self._left: Counter[Place] = Counter()
        """How many steps of each are not done."""
        self._barred: set[Place] = set()
        """Those whose file or calendar has failed."""
        self._waiting: Counter[Place] = Counter()
        """How many steps of each have not begun."""
        self._running: dict[Key, None] = {}
        self._before = 0
        """Steps that were done when they were first seen."""
        self._lined = -LINES
        self._bar: tqdm[Any] | None = None
        self._began = time.monotonic()
        self._noted = -RETRY_NOTES
        self._said: set[str] = set()

    # What happened

    def sync(self, job: dict[str, Any], *, announce: bool = True) -> None:
        """Take over the states of a job's steps; *announce* says what ended since the last time."""
        for step in job["steps"]:
            self._set((job["id"], step["item"], step["stage"]), step["status"], step["error"] or "", announce=announce)
        self._draw()

    def tell(self, event: Event) -> None:
        """Show a ``step`` or ``progress`` event."""
        if event.kind == "progress":
            self._trouble(event.data)
        else:
            for remark in event.data.get("remarks", ()):
                self.note(remark)
            self._set((event.job_id, event.item, event.stage), event.status, event.data.get("error", ""), announce=True)
            self._draw()

    def complete(self, place: Place) -> bool:
        """True when every step for the persona is done."""
        return self._left.get(place) == 0

    def _set(self, key: Key, status: str, error: str, *, announce: bool) -> None:
        before = self._status.get(key)
        if before == status:
            return
        self._status[key] = status
        place = place_of(*key[:2])
        if key[2] in (INTAKE, CALENDAR):
            (self._barred.add if status == "failed" else self._barred.discard)(place)
        if key[2] == INTAKE:  # takes no time to speak of, and would make the rest look near
            if announce and status == "failed":
                self.warn(f"{self._name(key)} failed: {error}")
            return
        self._counts[status] += 1
        self._waiting[place] += (status == "waiting") - (before == "waiting")
        if before:
            self._counts[before] -= 1
        self._left[place] += (before in (None, "done")) - (status == "done")
        if status == "running":
            self._running[key] = None
        else:
            self._running.pop(key, None)
        if not announce:
            self._before += status == "done"
        elif status == "failed":
            self.warn(f"{self._name(key)} failed: {error}")
        elif status == "done" and not self._terminal:
            self._line(key)

    @property
    def _lost(self) -> int:
        """Tweets that cannot be written, since the file or the calendar that they are made from has failed."""
        return sum(self._waiting[place] for place in self._barred)

    def _line(self, key: Key) -> None:
        """Say that a step is done; of many steps, how far they are."""
        now, done, total = time.monotonic(), self._counts["done"], self._counts.total() - self._lost
        head = f"[{now - self._began:.1f} s] {done:,}/{total:,}"
        if total <= MANY:
            self.note(f"{head} {self._name(key)}")
        elif now - self._lined >= LINES or done == total:
            self._lined = now
            self.note(f"{head}{self._personas()}{self._remaining()}")

    def _personas(self) -> str:
        ready = sum(left == 0 for left in self._left.values())
        return f", {ready:,}/{len(self._left):,} personas" if len(self._left) > 1 else ""

    def _remaining(self) -> str:
        here, left = self._counts["done"] - self._before, self._counts["waiting"] + self._counts["running"] - self._lost
        return f", about {(time.monotonic() - self._began) / here * left:.0f} s left" if here >= GUESSED_FROM and left else ""

    def _trouble(self, data: dict[str, Any]) -> None:
        if data.get("phase") == "unsaved":
            if data["words"] not in self._said:
                self._said.add(data["words"])
                self.warn(f"{data['words']} Trying again until it works.")
        elif data.get("phase") == "retrying" and time.monotonic() - self._noted > RETRY_NOTES:
            self._noted = time.monotonic()
            self.note(f"The writer did not answer ({data['kind']}: {data['words']}); trying again in {data['wait']:.0f} s.")

    def _name(self, key: Key) -> str:
        place = place_of(*key[:2])
        return f"{self.labels.get(place, place[1])}: {title(*key[1:])}"

    # How it is shown

    def note(self, text: str) -> None:
        """A line, unless it is to be quiet."""
        if not self._quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """A line, in any case."""
        with self.aside(), suppress(OSError):  # nobody reads it any more; the work goes on
            sys.stderr.write(plain(text) + "\n")
            sys.stderr.flush()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away while something else is written to the terminal."""
        if self._bar is None:
            yield
            return
        with tqdm.external_write_mode(file=sys.stderr):
            yield

    def refresh(self) -> None:
        """Let the bar's clock move on."""
        if self._bar is not None:
            with suppress(OSError):
                self._bar.refresh()

    def close(self) -> None:
        """Take the bar away for good."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self) -> None:
        if self._quiet or not self._terminal:
            return
        done, total = self._counts["done"], self._counts.total() - self._lost
        if self._bar is None:
            form = "{n_fmt}/{total_fmt} |{bar:20}| {elapsed} (left {remaining}){postfix}"
            self._bar = tqdm(total=total, initial=done, file=sys.stderr, leave=False, dynamic_ncols=True, bar_format=form)
        failed, running = self._counts["failed"], len(self._running)
        named = ", ".join(self._short(key) for key in islice(self._running, NAMES_SHOWN))
        more = ", …" if running > NAMES_SHOWN else ""
        words = [f"{failed} failed"] if failed else []
        words += [f"writing {running}: {named}{more}"] if running else []
        self._bar.total, self._bar.n = total, done
        self._bar.set_postfix_str("; ".join(words))

    def _short(self, key: Key) -> str:
        place = place_of(*key[:2])
        label, what = plain(self.labels.get(place, place[1])), title(*key[1:]) if ":" in key[1] else key[2]
        return f"{label[:NAME_WIDTH]}: {what}" if len(self.labels) > 1 else what


def title(item: str, stage: str) -> str:
    """What people call a step: a stage's title, or which of a persona's tweets it is."""
    if stage in BY_KEY:
        return BY_KEY[stage].title
    if stage == INTAKE:
        return "taking it in"
    return f"{stage} {int(item.rpartition(':')[2])}" if ":" in item else stage


class LogLines(logging.Handler):
    """Mistakes of the product, with their tracebacks, as lines beside the bar."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.ERROR)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self._progress.warn(line)


def plain(text: str) -> str:
    """One line without control characters: neither a file name nor an LLM may speak to the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def print_path(path: str) -> None:
    """A path on stdout, byte for byte as the file system has it."""
    _to_stdout(os.fsencode(path) + b"\n")


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout, UTF-8 whatever the locale."""
    _to_stdout(json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace") + b"\n")


def print_line(text: str) -> None:
    """A line on stdout."""
    _to_stdout(plain(text).encode(sys.stdout.encoding or "utf-8", "replace") + b"\n")


def _to_stdout(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left (`| head -1`); the work goes on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
