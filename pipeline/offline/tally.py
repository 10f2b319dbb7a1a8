"""What a running server counts, and its log: one JSON line when a request arrives and one when it ends."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pipeline.offline.wire import Asked


@dataclass
class Call:
    """A request under way. *told* is what both of its log lines say."""

    number: int
    arrived: float
    told: dict[str, Any] = field(default_factory=dict)


class Tally:
    """Counters and log of one server. *log* is appended to; every line is on its way to the disk before the request goes on."""

    def __init__(self, log: Path | None = None) -> None:
        self.requests = 0
        self.in_flight = 0
        self.peak = 0
        self.outcomes: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self._log: BinaryIO | None = None
        if log:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._log = log.open("ab", buffering=0)

    def close(self) -> None:
        if self._log:
            self._log.close()
            self._log = None

    def begin(self, asked: Asked | None, peer: str, arrived: float, *, admitted: bool = True) -> Call:
        """A request has come, at *arrived* by the monotonic clock. One turned away at the door counts, but never as one in flight."""
        self.requests += 1
        if admitted:
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
        call = Call(self.requests, arrived)
        if asked:
            call.told = {
                "model": asked.model,
                "schema": asked.schema_name,
                "persona": asked.persona,
                "pictures": asked.pictures,
                "prompt_sha": asked.digest,
                "stream": asked.stream,
            }
        call.told["peer"] = peer
        self._write(call, "begin")
        return call

    def end(self, call: Call, outcome: str, *, admitted: bool = True, **more: object) -> None:
        """*call* is over; *more* goes into its last line."""
        if admitted:
            self.in_flight -= 1
        self.outcomes[outcome] += 1
        call.told |= {key: value for key, value in more.items() if value is not None}
        self._write(call, "end", outcome=outcome, seconds=round(time.monotonic() - call.arrived, 4))

    def stats(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "in_flight": self.in_flight,
            "peak": self.peak,
            "outcomes": dict(self.outcomes),
            "tokens": dict(self.tokens),
        }

    def _write(self, call: Call, event: str, **more: object) -> None:
        if self._log:
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            line = {"at": at, "event": event, "n": call.number, "in_flight": self.in_flight, **call.told, **more}
            self._log.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
