"""What was ordered on the command line, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PersonaOrder:
    """Write a persona from each of *images*; *output* is a file (for one picture) or a folder, ``None`` for ``personas/``."""

    images: tuple[Path, ...]
    output: str | None = None
    language: str = "English"
    location: str = ""
    goal: str = ""
    instructions: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class BatchOrder:
    """Write *count* tweets for the persona of each of *personas* (files), from *calendars* (as many files, or none) or from calendars that
    are written for it from *start* on (a date as text; tomorrow where it is empty). *context* is what goes on around the personas.
    *several* says that nobody waits for it.
    """

    personas: tuple[Path, ...]
    folder: str
    count: int
    calendars: tuple[Path, ...] = ()
    start: str = ""
    context: str = ""
    several: bool = True

    @property
    def ending(self) -> str:
        return "_tweets"


@dataclass(frozen=True)
class CalendarOrder:
    """Write a calendar of *days* days from *start* on for the persona of a file. It goes to the file *output*, as what its ending says; to
    *folder*, as JSON, where that is empty.
    """

    persona: Path
    folder: str
    days: int
    start: str = ""
    output: str = ""

    @property
    def ending(self) -> str:
        return "_calendar"

    @property
    def personas(self) -> tuple[Path, ...]:
        return (self.persona,)


@dataclass(frozen=True)
class ImagesOrder:
    """Draw the pictures of the tweets in the file *batch* whose slot is *start_slot* or higher, at most *most* of them."""

    batch: Path
    folder: str
    start_slot: int = 0
    most: int | None = None


@dataclass(frozen=True)
class JobsOrder:
    """Say what ran and what can go on."""


@dataclass(frozen=True)
class ResumeOrder:
    """Go on with one job, or with all that can go on when *job* is empty."""

    job: str = ""


@dataclass(frozen=True)
class CancelOrder:
    """Stop a job for good."""

    job: str


FilesOrder = BatchOrder | CalendarOrder
WorkOrder = PersonaOrder | FilesOrder | ImagesOrder
"""What begins a job."""
Order = WorkOrder | JobsOrder | ResumeOrder | CancelOrder


@dataclass(frozen=True)
class Failure:
    """Something that could not be done, and why. *image* is the picture or *persona* the persona's file it is about; *stage* is empty where
    it is not about one.
    """

    image: str = ""
    reason: str = ""
    kind: str = ""
    stage: str = ""
    persona: str = ""

    @property
    def sentence(self) -> str:
        """It on one line, beginning with what it is about unless the reason has that."""
        named = self.image or self.persona
        about = f"{named}, {self.stage}" if self.stage else named
        return self.reason if not self.stage and named in self.reason else f"{about}: {self.reason}"


@dataclass(frozen=True)
class Made:
    """What there is of a persona. *status* is ``complete``, ``partial`` (some stages are missing), ``failed`` (not even the core is there)
    or ``unfinished`` (it can still go on). *file* is empty where none was written.
    """

    id: str
    image: str
    status: str
    missing: list[str]
    job: str
    file: str = ""


@dataclass(frozen=True)
class Batch:
    """What there is of a persona's tweets (*what* is ``tweets``) or of its ``calendar``. *persona* is what the user calls the persona;
    *status* is as in :class:`Made`, ``failed`` where there is nothing; *done* and *asked* count tweets, or calendars.
    """

    id: str
    persona: str
    what: str
    status: str
    done: int
    asked: int
    job: str
    file: str = ""


@dataclass(frozen=True)
class Shot:
    """One picture: the *slot* of its tweet, its *status* (``done``, ``failed``, ``cancelled``, ``unfinished``), where it lies, and the
    number of the worker that drew it.
    """

    slot: int
    status: str
    path: str
    worker: int | None
    job: str


@dataclass
class Report:
    """The summary at the end; with ``--json`` it is printed as it is. *status* is ``done``, ``failed`` or ``interrupted``; *done* counts
    what is complete in *personas*, *batches* and *images*; *resume* holds the jobs that can go on; *seconds*, *calls*, *tokens* and
    *cost* (dollars, where a price is known) are those of this run alone.
    """

    status: str = "done"
    done: int = 0
    failed: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    calls: int = 0
    tokens: int = 0
    cost: float | None = None
    writer: str = ""
    personas: list[Made] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    images: list[Shot] = field(default_factory=list)
    resume: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def complete(self) -> bool:
        return (
            not self.failed
            and all(made.status == "complete" for made in [*self.personas, *self.batches])
            and all(shot.status == "done" for shot in self.images)
        )

    def lines(self, program: str) -> list[str]:
        """The same for people. *program* is how the command is called."""
        began = [*self.personas, *self.batches]
        asked = len(began) + sum(not failure.stage for failure in self.failed if failure.kind in UNUSABLE)
        spent = f"{self.seconds:.1f} s, {_counted(self.calls, 'call')}, {_counted(self.tokens, 'token')}"
        spent += f", ${self.cost:,.2f}" if self.cost is not None else ""
        written = sum(batch.done for batch in self.batches if batch.what == "tweets")
        tweets = f" ({_counted(written, 'tweet')} written)" if any(batch.what == "tweets" for batch in self.batches) else ""
        drawn = sum(shot.status == "done" for shot in self.images)
        lines = [f"{self.done - drawn} of {_counted(asked, 'persona')} done{tweets} in {spent}."] if asked else []
        lines += [f"{drawn} of {_counted(len(self.images), 'picture')} drawn in {self.seconds:.1f} s."] if self.images else []
        lines += [f"  failed: {failure.sentence}" for failure in self.failed[:FAILURES_SHOWN]]
        if len(self.failed) > FAILURES_SHOWN:
            lines.append(f"  and {_counted(len(self.failed) - FAILURES_SHOWN, 'failure')} more; --json lists them all.")
        if self.status == "interrupted" and not began and not self.images:
            lines.append("Stopped before anything was begun.")
        if self.resume:
            what = "Go on with" if self.status == "interrupted" else "Try again what failed with"
            lines += [f"{what}: {program} --resume {job}" for job in self.resume]
        return lines


UNUSABLE = ("picture", "persona", "calendar file")
"""Kinds of failures that keep a persona from being begun."""
FAILURES_SHOWN = 30


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
