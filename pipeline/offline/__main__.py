"""``python -m pipeline.offline``: the offline writer as a server of its own, for tests, benches and tries."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from pipeline.offline.faults import FORMATS, KINDS, Behaviour, parse_faults
from pipeline.offline.server import OfflineServer, warm

EXAMPLES = """examples:
  python -m pipeline.offline --port 8100
  python -m pipeline.offline --latency 1 --jitter 0.2 --capacity 10 --retry-after 0.5
  python -m pipeline.offline --faults 429=0.2,500=0.1,drop=0.05 --seed 7 --log calls.jsonl
  python -m pipeline.offline --formats json_object

faults (KIND=SHARE, joined by commas; shares of all requests):
{faults}

formats:
{formats}
"""


def _parser() -> argparse.ArgumentParser:
    listed = {
        "faults": "\n".join(f"  {kind:<13} {meaning}" for kind, meaning in KINDS.items()),
        "formats": "\n".join(f"  {kind:<13} {meaning}" for kind, meaning in FORMATS.items()),
    }
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.offline",
        description="Serve the offline writer as an OpenAI-compatible server. It prints its address and ends on SIGTERM or SIGINT.",
        epilog=EXAMPLES.format(**listed),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS", help="from a request's arrival to its answer")
    parser.add_argument("--jitter", type=float, default=0, metavar="SHARE", help="how far the latency varies, 0 to 1")
    parser.add_argument("--faults", default="", metavar="KIND=SHARE,...", help="what goes wrong how often, see below")
    parser.add_argument("--formats", choices=list(FORMATS), default="json_schema", help="what response_format the server knows, see below")
    parser.add_argument("--capacity", type=int, metavar="N", help="answer 429 to calls beyond N at once")
    parser.add_argument("--retry-after", type=float, default=1, metavar="SECONDS", help="what a 429 says (default: %(default)s)")
    parser.add_argument("--slow-seconds", type=float, default=5, metavar="SECONDS", help="how long slow ones drip (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of jitter and faults, to have the same ones again")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append JSON lines to FILE: when a request arrives and when it ends")
    parser.add_argument("--control", action="store_true", help="let clients change the behaviour with POST /behaviour")
    parser.add_argument("--ttl", type=float, metavar="SECONDS", help="end by itself after so long")
    return parser


async def _serve(server: OfflineServer, host: str, port: int, ttl: float | None) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    try:
        address = await server.start(host, port)
        await asyncio.to_thread(warm)
        print(f"listening on {address}", flush=True)  # noqa: T201  this line is for whoever started the process
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), ttl)
    finally:
        await server.stop()


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        behaviour = Behaviour(
            latency=given.latency,
            jitter=given.jitter,
            faults=parse_faults(given.faults),
            formats=given.formats,
            capacity=given.capacity,
            retry_after=given.retry_after,
            slow_seconds=given.slow_seconds,
            seed=given.seed,
        )
    except ValueError as wrong:
        parser.error(str(wrong))
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        asyncio.run(_serve(OfflineServer(behaviour, log=given.log, control=given.control), given.host, given.port, given.ttl))
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
