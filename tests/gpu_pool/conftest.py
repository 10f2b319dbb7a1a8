"""Pools of real worker processes, with an engine that does what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gpu_pool.devices import Device
from gpu_pool.pool import Pool
from gpu_pool.seat import Pace
from gpu_pool.tasks import Drawn, EngineSpec, ImageTask, PoolView

QUICK = Pace(first=0.02, most=0.2, failed=0.3, loads=3)
PATIENCE = 60
"""Seconds that something which happens at once is waited for on a loaded machine before a test is given up."""


class Log:
    """What the testing engines have noted, a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, word: str) -> list[str]:
        text = self.path.read_text() if self.path.exists() else ""
        return [line for line in text.splitlines() if line.startswith(word)]

    def order(self) -> list[str]:
        """Ids of tasks in the order in which they were begun."""
        return [line.split()[1] for line in self.lines("draw")]


class Makes:
    """Makes tasks and pools for a test; ``log`` is what their engines note."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Log(folder / "engine.log")
        self.pools: list[Pool] = []

    def task(self, name: str, prompt: str = "draw", **changes) -> ImageTask:
        given = {"width": 64, "height": 64, "steps": 2, **changes}
        return ImageTask(name, prompt, self.folder / "images", **given)

    async def pool(self, workers: int = 1, *, task_timeout: float = PATIENCE, load_timeout: float = PATIENCE, **options) -> Pool:
        spec = EngineSpec("tests.gpu_pool.engine:TestingEngine", options={"log": str(self.log.path), **options})
        devices = [Device(number) for number in range(workers)]
        pool = Pool(spec, devices, task_timeout=task_timeout, load_timeout=load_timeout, pace=QUICK)
        await pool.start()
        self.pools.append(pool)
        return pool

    def gate(self, name: str = "gate") -> Path:
        """A file that is not there yet, for ``until``."""
        return self.folder / name

    def pictures(self) -> list[Path]:
        return sorted((self.folder / "images").glob("*.png"))


async def until(true: Callable[[], object]) -> None:
    """Wait for something to come true."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110  what is waited for is another process
            await asyncio.sleep(0.005)


async def until_view(pool: Pool, true: Callable[[PoolView], object]) -> PoolView:
    await until(lambda: true(pool.view()))
    return pool.view()


async def all_of(futures) -> list[Drawn | BaseException]:
    """The results, exceptions among them."""
    async with asyncio.timeout(PATIENCE * 2):
        return await asyncio.gather(*futures, return_exceptions=True)


def is_alive(pid: int) -> bool:
    """False for one that does not exist and for one that is dead and not yet buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids(pool: Pool) -> list[int]:
    return [worker.pid for worker in pool.view().workers if worker.pid is not None]


@pytest.fixture
async def makes(tmp_path) -> AsyncIterator[Makes]:
    made = Makes(tmp_path)
    yield made
    for pool in made.pools:
        alive = pids(pool)
        await pool.stop(grace=0)
        assert not any(is_alive(pid) for pid in alive)


@pytest.fixture(autouse=True)
def _the_tests_own_process_keeps_its_descriptors():
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4  # the event loop's own, and the resource tracker's
