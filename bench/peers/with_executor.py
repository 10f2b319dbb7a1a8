"""``concurrent.futures.ProcessPoolExecutor`` as its documentation has it, the model loaded by its initializer."""

from __future__ import annotations

import multiprocessing
import os
import platform
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from bench.peers import pool_heats, pool_work
from bench.peers.pool_heats import Account, Order, Rules

_held: list[pool_work.Model] = []
"""In a worker: its model."""


def load(log: Path, load_seconds: float) -> None:
    _held.append(pool_work.Model(log, load_seconds))


def make(task: pool_work.ImageTask) -> str:
    return _held[0].make(task)


class Executor:
    release = platform.python_version()

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._loads = 0
        self._pool: ProcessPoolExecutor | None = None

    def ready(self) -> None:
        """A broken one is for the dustbin: its processes are ended, so a new one loads all models again."""
        if self._pool is not None and not self._broken(self._pool):
            return
        rules = self._rules
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(rules.workers, spawn, initializer=load, initargs=(rules.log, rules.load_seconds))
        for _ in range(rules.workers):  # it starts a process for a task that finds none idle
            self._pool.submit(os.getpid)
        self._loads += rules.workers
        pool_heats.wait_for_loads(rules.log, self._loads)

    def draw(self, order: Order) -> Account:
        assert self._pool is not None  # noqa: S101  ready() was called
        account = Account()
        futures: list[Future[str]] = [self._pool.submit(make, task) for task in order.all(self._rules.folder)]
        for future in as_completed(futures):
            error = future.exception()
            if error is None:
                account.complete += 1
            else:
                account.fail(error)
        return account

    def end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    @staticmethod
    def _broken(pool: ProcessPoolExecutor) -> bool:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool:
            return True
        return False


if __name__ == "__main__":
    pool_heats.serve(Executor(pool_heats.given()))
