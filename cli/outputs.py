"""Where files go, and how they are written: whole or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path

from errors import ConfigError, StorageError

FOLDER = "personas"
FLAG = "--persona-output"
CLOCK_STEP = 0.05
"""Seconds by which the time of a file may lag behind the clock: file systems look at it now and then."""
LONGEST_STEM = 200
"""Bytes of a picture's name that are kept, so that the file's own name stays within what file systems take."""


def places(images: Sequence[Path], output: str | None) -> list[Path]:
    """The file of each picture, absolute and no two the same. Raises :class:`ConfigError` where *output* cannot be meant."""
    if output is None or len(images) > 1 or output.endswith(("/", os.sep)) or Path(output).is_dir():
        return in_folder(images, FOLDER if output is None else output, "_persona", FLAG)
    return [one_file(output, FLAG)]


def one_file(output: str, flag: str, *, spared: Sequence[Path] = ()) -> Path:
    """The file *output*, absolute. Raises :class:`ConfigError`, naming *flag*, where it cannot be one, or is one of *spared*."""
    target = Path(output)
    if target.exists() and not target.is_file():
        raise ConfigError("{flag}: {path} is not a file.", flag=flag, path=output)
    found = absolute(target, flag)
    if any(os.path.realpath(file) == str(found) for file in spared):
        raise ConfigError("{flag}: {path} is read by the same command.", flag=flag, path=output)
    return found


def in_folder(sources: Sequence[Path], output: str, ending: str, flag: str, *, spared: Sequence[Path] = ()) -> list[Path]:
    """A file in the folder *output* for each of *sources*: its name with *ending*, absolute, no two the same, none of them one of *spared*.
    Raises :class:`ConfigError`, naming *flag*, where *output* cannot be a folder.
    """
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise ConfigError("{flag}: {path} is a file, but several personas need a folder.", flag=flag, path=folder)
    if folder.suffix.lower() == ".json" and not folder.exists():
        raise ConfigError("{flag}: {path} reads like a file, but several personas need a folder.", flag=flag, path=folder)
    there = os.path.realpath(folder)
    taken = {file.name.casefold() for file in spared if os.path.realpath(file.parent) == there}
    return [absolute(folder / _free_name(source, ending, taken), flag) for source in sources]


def stem(source: Path) -> str:
    """The name of *source* without its ending, no longer than file systems take once ours stands behind it."""
    return os.fsencode(source.stem)[:LONGEST_STEM].decode("utf-8", "ignore")


def _free_name(source: Path, ending: str, taken: set[str]) -> str:
    """The source's name with *ending*, numbered where an earlier one has it already (also on disks that ignore case)."""
    begins = stem(source)
    name, number = f"{begins}{ending}.json", 1
    while name.casefold() in taken:
        number += 1
        name = f"{begins}{ending}-{number}.json"
    taken.add(name.casefold())
    return name


def absolute(path: Path, flag: str) -> Path:
    """The path as it is from the root on. Links are followed, so that what a link points to is replaced and not the link."""
    real = os.path.realpath(path)
    if real != real.encode("utf-8", "replace").decode():  # the journal keeps it as text
        raise ConfigError("{flag}: {path} is not UTF-8.", flag=flag, path=real.encode("utf-8", "replace").decode())
    return Path(real)


def make_folders(targets: Sequence[Path], flag: str) -> None:
    """Make the files' folders before anything is paid for. Raises :class:`ConfigError` where that cannot be done."""
    for folder in {target.parent for target in targets}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("{flag}: {path} cannot be made: {why}.", flag=flag, path=folder, why=error.strerror or error) from None
        if not os.access(folder, os.W_OK):
            raise ConfigError("{flag}: {path} cannot be written to.", flag=flag, path=folder)


def write(target: Path, content: bytes) -> None:
    """Put *content* at *target*: under a temporary name, on the disk, then renamed. Raises :class:`StorageError`."""
    temporary = target.with_name(f".{target.stem[:80]}.{os.getpid()}-{time.monotonic_ns()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target.parent)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError("{path} could not be written: {why}.", path=shown(target), why=error.strerror or error) from None


@cache
def _remove_abandoned(folder: Path) -> None:
    """Remove what processes of this machine that were killed while they wrote have left in *folder*, where that can be done."""
    with suppress(OSError):
        for left in folder.glob(".*.part"):
            writer = re.fullmatch(r"\..+\.(\d+)-\d+\.part", left.name)
            if writer and not _runs(int(writer[1])):
                left.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's, or none of ours
        return True
    return True


def written_since(path: Path, moment: datetime) -> bool:
    """Whether the file was written at *moment* or later; False where there is none."""
    try:
        return path.stat().st_mtime + CLOCK_STEP >= moment.timestamp()
    except OSError:
        return False


def shown(path: Path) -> str:
    """The path as short as it can be said here: relative where it lies in the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
