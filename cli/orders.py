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


Order = PersonaOrder | JobsOrder | ResumeOrder | CancelOrder


@dataclass(frozen=True)
class Failure:
    """Something that could not be done, and why. *image* is the picture it is about, *stage* is empty where it is not about a stage."""

    image: str
    reason: str
    kind: str = ""
    stage: str = ""


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


@dataclass
class Report:
    """The summary at the end; with ``--json`` it is printed as it is. *status* is ``done``, ``failed`` or ``interrupted``; *done* counts
    complete personas; *resume* holds the jobs that can go on; *seconds*, *calls* and *tokens* are those of this run alone.
    """

    status: str = "done"
    done: int = 0
    failed: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    calls: int = 0
    tokens: int = 0
    writer: str = ""
    personas: list[Made] = field(default_factory=list)
    resume: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self, program: str) -> list[str]:
        """The same for people. *program* is how the command is called."""
        asked = len(self.personas) + sum(not failure.stage for failure in self.failed if failure.kind == "picture")
        spent = f"{self.seconds:.1f} s, {_counted(self.calls, 'call')}, {_counted(self.tokens, 'token')}"
        lines = [f"{self.done} of {_counted(asked, 'persona')} done in {spent}."] if asked else []
        lines += [f"  failed: {sentence(failure)}" for failure in self.failed]
        if self.status == "interrupted" and not self.personas:
            lines.append("Stopped before any persona was begun.")
        if self.resume:
            what = "Go on with" if self.status == "interrupted" else "Try again what failed with"
            lines += [f"{what}: {program} --resume {job}" for job in self.resume]
        return lines


def sentence(failure: Failure) -> str:
    """A failure on one line, beginning with the picture's name unless the reason has it."""
    about = f"{failure.image}, {failure.stage}" if failure.stage else failure.image
    return failure.reason if not failure.stage and failure.image in failure.reason else f"{about}: {failure.reason}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
