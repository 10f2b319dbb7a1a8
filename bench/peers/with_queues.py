"""Processes that are spawned for the batch and load the model then, a queue of tasks and a queue of results: the way the user's own
document on concurrency has it (``generate_batch_images_multi_gpu``).
"""

from __future__ import annotations

import multiprocessing
import platform
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from pathlib import Path

from bench.peers import pool_heats, pool_work
from bench.peers.pool_heats import Account, Order, Rules


def worker(log: Path, load_seconds: float, tasks: Queue, results: Queue) -> None:
    model = pool_work.Model(log, load_seconds)
    for task in iter(tasks.get, None):
        results.put(model.make(task))


class Queues:
    release = platform.python_version()

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._processes: list[SpawnProcess] = []

    def ready(self) -> None:
        """No process outlives its batch, so there is nothing to have ready but those of the last one to bury."""
        for process in self._processes:
            process.join()

    def draw(self, order: Order) -> Account:
        spawn, rules = multiprocessing.get_context("spawn"), self._rules
        tasks, results = spawn.Queue(), spawn.Queue()
        arguments = (rules.log, rules.load_seconds, tasks, results)
        self._processes = [spawn.Process(target=worker, args=arguments, daemon=True) for _ in range(rules.workers)]
        for process in self._processes:
            process.start()
        for task in order.all(rules.folder):
            tasks.put(task)
        for _ in self._processes:
            tasks.put(None)
        account = Account()
        for _ in range(order.tasks):
            results.get()  # waits for ever where a worker was killed
            account.complete += 1
        return account

    def end(self) -> None:
        """Nothing is left of the last batch."""


if __name__ == "__main__":
    pool_heats.serve(Queues(pool_heats.given()))
