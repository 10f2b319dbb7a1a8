"""The command line as a user has it: a folder to work in, and the command as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from storage.database import connect, rows

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "assets" / "samples"
PICTURE = SAMPLES / "tide-keeper.jpg"
SETTINGS = ("OPENAI_", "API_", "MODEL", "MAX_CONCURRENT", "RETRY_BUDGET", "STAGE_ORDER", "DATA_DIR", "TEMPERATURE")


@dataclass(frozen=True)
class Shell:
    """A folder to work in, and the command."""

    folder: Path

    started: list[subprocess.Popen] = field(default_factory=list)

    def run(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run(self._command(arguments), **self._place(), capture_output=True, text=True, timeout=60, check=False)

    def start(self, *arguments, stderr=None) -> Running:
        with (self.folder / "stdout").open("w") as out, (self.folder / "stderr").open("w") as err:
            process = subprocess.Popen(self._command(arguments), **self._place(), stdout=out, stderr=stderr or err)
            self.started.append(process)
        return Running(process, self.folder)

    def files(self, folder="."):
        return sorted(path.name for path in (self.folder / folder).iterdir())

    def jobs(self):
        return json.loads(self.run("--jobs", "--json").stdout)["jobs"]

    def done_stages(self):
        return self._column("SELECT stage FROM steps WHERE status = 'done'")

    def job_id(self):
        """The one job there is."""
        (found,) = self._column("SELECT id FROM jobs")
        return found

    def rows(self, sql):
        db = connect(self.folder / "data" / "studio.db", read_only=True)
        try:
            return rows(db, sql)
        finally:
            db.close()

    def change(self, sql):
        db = connect(self.folder / "data" / "studio.db")
        try:
            with db.conn:
                db.execute(sql)
        finally:
            db.close()

    def _column(self, sql):
        return {value for row in self.rows(sql) for value in row.values()}

    def _place(self):
        settings = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        return {"cwd": self.folder, "env": settings}

    def _command(self, arguments):
        return [sys.executable, str(ROOT / "main.py"), *map(str, arguments)]


@dataclass(frozen=True)
class Running:
    """The command under way."""

    process: subprocess.Popen
    folder: Path

    @property
    def said(self):
        return (self.folder / "stderr").read_text()

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(20)


def until(condition, seconds=20):
    """Wait until *condition* holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def at(server):
    return ("--api-base", server.url)
