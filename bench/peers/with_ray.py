"""Ray actors, one a worker, behind ``ray.util.ActorPool``; they restart and their tasks are tried again as often as it takes."""
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import os
import secrets

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": secrets.token_hex()}

from importlib.metadata import version

import ray
from ray.exceptions import RayError
from ray.util import ActorPool

from bench.peers import pool_heats, pool_work
from bench.peers.pool_heats import Account, Order, Rules

LEAST_STORE = 80 * 2**20
"""Bytes of Ray's object store; results are paths."""


@ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)
class Actor:
    def __init__(self, rules: Rules) -> None:
        self._model = pool_work.Model(rules.log, rules.load_seconds)

    def ready(self) -> None:
        """Answers once the model is loaded."""

    def make(self, task: pool_work.ImageTask) -> str:
        return self._model.make(task)


class Actors:
    release = version("ray")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._actors: list = []

    def ready(self) -> None:
        if not self._actors:
            self._begin()
        ray.get([actor.ready.remote() for actor in self._actors])

    def _begin(self) -> None:
        where = {"_node_ip_address": "127.0.0.1", "_temp_dir": str(self._rules.log.parent / "ray")}
        ray.init(num_cpus=self._rules.workers, object_store_memory=LEAST_STORE, include_dashboard=False, log_to_driver=False, **where)
        self._actors = [Actor.remote(self._rules) for _ in range(self._rules.workers)]

    def draw(self, order: Order) -> Account:
        account, pool = Account(), ActorPool(self._actors)
        retries = -1 if order.retries else 0
        for task in order.all(self._rules.folder):
            pool.submit(lambda actor, task: actor.make.options(max_task_retries=retries).remote(task), task)
        while pool.has_next():
            try:
                pool.get_next_unordered()
                account.complete += 1
            except RayError as error:
                account.fail(error)
        return account

    def end(self) -> None:
        ray.shutdown()


if __name__ == "__main__":
    pool_heats.serve(Actors(pool_heats.given()))
