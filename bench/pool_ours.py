"""Our pool as a contestant of ``bench.pool``: ``python -m bench.pool_ours WORKERS LOAD_SECONDS LOG FOLDER``."""

from __future__ import annotations

import asyncio
import time

from bench.peers import pool_heats
from bench.peers.pool_heats import Account, Order, Rules
from gpu_pool.devices import Device
from gpu_pool.pool import Pool
from gpu_pool.tasks import ALIVE, EngineSpec, WorkerState


class Ours:
    """The loop stands still between batches, when there is nothing to do for it."""

    release = ""

    def __init__(self, rules: Rules, runner: asyncio.Runner) -> None:
        self._rules = rules
        self._runner = runner
        self._pool: Pool | None = None

    def ready(self) -> None:
        self._pool = self._runner.run(self._ready())

    def draw(self, order: Order) -> Account:
        assert self._pool is not None  # noqa: S101  ready() was called
        return self._runner.run(self._draw(self._pool, order))

    def end(self) -> None:
        if self._pool is not None:
            self._runner.run(self._pool.stop())

    async def _ready(self) -> Pool:
        pool = self._pool
        if pool is None:
            options = {"log": str(self._rules.log), "load_seconds": self._rules.load_seconds}
            pool = Pool(EngineSpec("bench.sleeper:Sleeper", options=options), [Device(number) for number in range(self._rules.workers)])
            await pool.start()
        while {worker.state for worker in pool.view().workers} != {WorkerState.IDLE}:  # noqa: ASYNC110  what is waited for is other processes
            await asyncio.sleep(0.005)
        return pool

    async def _draw(self, pool: Pool, order: Order) -> Account:
        account = Account()
        watching = asyncio.create_task(_watch(pool, account)) if order.watched else None
        futures = [pool.submit(task) for task in order.all(self._rules.folder)]
        for result in await asyncio.gather(*futures, return_exceptions=True):
            if isinstance(result, BaseException):
                account.failed[type(result).__name__] += 1
            else:
                account.complete += 1
        if watching:
            watching.cancel()
        return account


async def _watch(pool: Pool, account: Account) -> None:
    """Note when the pool first says that a worker is dead."""
    while all(worker.state in ALIVE for worker in pool.view().workers):  # noqa: ASYNC110  what is waited for is another process
        await asyncio.sleep(0.001)
    account.noticed = time.monotonic()


def main() -> None:
    with asyncio.Runner() as runner:
        pool_heats.serve(Ours(pool_heats.given(), runner))


if __name__ == "__main__":
    main()
