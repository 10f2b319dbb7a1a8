from __future__ import annotations

import asyncio
import hashlib

import pytest

from gpu_pool.problems import PoolError
from gpu_pool.tasks import Lora, Progress, WorkerState
from tests.gpu_pool.conftest import all_of, is_alive, pids, until, until_view


async def test_a_picture_is_drawn_and_lies_where_its_content_says(makes):
    pool = await makes.pool()
    drawn = await pool.submit(makes.task("one", seed=7))
    assert drawn.path == makes.folder / "images" / f"{hashlib.sha256(drawn.path.read_bytes()).hexdigest()}.png"
    assert drawn.sha256 == drawn.path.stem
    assert (drawn.task_id, drawn.seed, drawn.width, drawn.height, drawn.worker) == ("one", 7, 64, 64, 0)
    assert drawn.thumbnail.exists()
    assert {path.name for path in drawn.path.parent.iterdir()} == {drawn.path.name, drawn.thumbnail.name}


async def test_the_model_is_loaded_once_in_a_workers_life(makes):
    pool = await makes.pool(2)
    results = await all_of(pool.submit(makes.task(f"{number}", "sleep 0.01")) for number in range(30))
    assert {drawn.worker for drawn in results} == {0, 1}
    assert len(makes.log.lines("load")) == 2
    assert pool.view().done == 30


async def test_urgent_tasks_go_first_and_jobs_take_turns(makes):
    pool = await makes.pool()
    gate = makes.gate()
    first = pool.submit(makes.task("first", f"until {gate}"))
    await until(lambda: makes.log.order() == ["first"])
    waiting = [pool.submit(makes.task(f"big {number}".replace(" ", "-")), priority=5, job="big") for number in range(3)]
    waiting += [pool.submit(makes.task(f"small-{number}"), priority=5, job="small") for number in range(2)]
    waiting.append(pool.submit(makes.task("person"), priority=0))
    gate.touch()
    await all_of([first, *waiting])
    assert makes.log.order() == ["first", "person", "big-0", "small-0", "big-1", "small-1", "big-2"]


async def test_a_slow_picture_does_not_hold_up_what_waits(makes):
    pool = await makes.pool(2)
    gate = makes.gate()
    slow = pool.submit(makes.task("slow", f"until {gate}"))
    await until(lambda: makes.log.order() == ["slow"])
    await all_of(pool.submit(makes.task(f"{number}")) for number in range(6))
    assert not slow.done()
    gate.touch()
    assert (await slow).task_id == "slow"


async def test_a_worker_draws_the_next_picture_while_it_writes_the_file_of_the_last(makes):
    pool = await makes.pool()
    await until_view(pool, lambda view: view.workers[0].state is WorkerState.IDLE)
    one = pool.submit(makes.task("one", f"write-until {makes.gate()}"))
    two = pool.submit(makes.task("two", f"until {makes.gate('drawn')}", seed=2))
    three = pool.submit(makes.task("three", seed=3))
    await until_view(pool, lambda view: (view.workers[0].task_id, view.workers[0].step) == ("two", 1))
    assert (pool.view().running, pool.view().queued, one.done()) == (2, 1, False)
    makes.gate("drawn").touch()
    await until_view(pool, lambda view: view.workers[0].step == 2)
    await asyncio.sleep(0.05)
    assert makes.log.order() == ["one", "two"]  # the files of one picture at a time: no heap of them, however slow the disk
    makes.gate().touch()
    assert [drawn.task_id for drawn in await all_of([one, two, three])] == ["one", "two", "three"]
    assert len(makes.pictures()) == 3
    await until_view(pool, lambda view: view.workers[0].state is WorkerState.IDLE)


async def test_a_picture_that_is_cancelled_while_it_is_written_is_there_and_the_next_one_is_drawn(makes):
    pool = await makes.pool()
    one = pool.submit(makes.task("one", f"write-until {makes.gate()}"))
    two = pool.submit(makes.task("two", f"until {makes.gate('never')}"))
    await until(lambda: makes.log.order() == ["one", "two"])
    pool.cancel("one")
    pool.cancel("two")
    await until(two.done)
    assert (two.exception().kind, one.done()) == ("cancelled", False)
    three = pool.submit(makes.task("three"))
    await until(lambda: makes.log.order() == ["one", "two", "three"])
    makes.gate().touch()
    assert [drawn.task_id for drawn in await all_of([one, three])] == ["one", "three"]


async def test_progress_is_told_step_by_step(makes):
    pool = await makes.pool()
    heard = []
    end = pool.listen(heard.append)
    await pool.submit(makes.task("one", steps=3))
    assert heard == [Progress("one", step, 3) for step in range(4)]
    end()
    await pool.submit(makes.task("two"))
    assert len(heard) == 4


async def test_a_listener_that_breaks_costs_no_picture(makes):
    pool = await makes.pool()
    pool.listen(lambda progress: progress.nothing)
    assert (await pool.submit(makes.task("one"))).path.exists()


async def test_a_waiting_task_is_cancelled_at_once(makes):
    pool = await makes.pool()
    gate = makes.gate()
    running = pool.submit(makes.task("running", f"until {gate}"))
    await until(lambda: makes.log.order() == ["running"])
    waiting = pool.submit(makes.task("waiting"))
    assert pool.cancel("waiting")
    assert waiting.done()
    with pytest.raises(PoolError, match="cancelled"):
        await waiting
    assert not pool.cancel("waiting")
    gate.touch()
    await running
    assert makes.log.order() == ["running"]
    assert pool.view().cancelled == 1


async def test_a_running_task_is_cancelled_between_two_steps_and_leaves_nothing(makes):
    pool = await makes.pool()
    running = pool.submit(makes.task("running", f"until {makes.gate()}", steps=50))
    heard = []
    pool.listen(heard.append)
    await until(lambda: heard and heard[-1].step == 1)
    pool.cancel("running")
    with pytest.raises(PoolError) as caught:
        await running
    assert caught.value.kind == "cancelled"
    assert heard[-1].step <= 2
    assert not makes.pictures()
    assert (await pool.submit(makes.task("next"))).worker == 0
    assert pool.view().workers[0].restarts == 0


async def test_who_stops_waiting_for_a_picture_cancels_it(makes):
    pool = await makes.pool()

    async def caller():
        await pool.submit(makes.task("running", f"until {makes.gate()}"))

    waiting = asyncio.create_task(caller())
    await until(lambda: makes.log.order() == ["running"])
    waiting.cancel()
    await until_view(pool, lambda view: view.cancelled == 1 and view.workers[0].state is WorkerState.IDLE)
    assert not makes.pictures()


async def test_the_same_id_cannot_be_drawn_twice_at_once_and_can_afterwards(makes):
    pool = await makes.pool()
    first = pool.submit(makes.task("one"))
    with pytest.raises(ValueError, match="one"):
        pool.submit(makes.task("one"))
    assert (await first).path == (await pool.submit(makes.task("one"))).path


async def test_alike_tasks_are_drawn_together_once_every_worker_has_something(makes):
    pool = await makes.pool(1, batch=3)
    gate = makes.gate()
    first = pool.submit(makes.task("first", f"until {gate}"))
    await until(lambda: makes.log.order() == ["first"])
    alike = [pool.submit(makes.task(f"{number}")) for number in range(3)]
    other = pool.submit(makes.task("wide", width=128))
    gate.touch()
    results = await all_of([first, *alike, other])
    assert [line.rpartition(" by")[0] for line in makes.log.lines("draw")[1:]] == [
        "draw 0 of 3",
        "draw 1 of 3",
        "draw 2 of 3",
        "draw wide of 1",
    ]
    assert results[-1].width == 128


async def test_one_of_a_batch_can_be_cancelled(makes):
    pool = await makes.pool(1, batch=2)
    gate = makes.gate()
    first = pool.submit(makes.task("first", f"until {gate}"))
    await until(lambda: makes.log.order() == ["first"])
    pair = [pool.submit(makes.task(name, f"until {makes.gate('second')}", seed=ord(name))) for name in "ab"]
    gate.touch()
    await until(lambda: len(makes.log.order()) == 3)
    pool.cancel("a")
    makes.gate("second").touch()
    gone, drawn, _ = await all_of([*pair, first])
    assert (gone.kind, drawn.task_id) == ("cancelled", "b")
    assert len(makes.pictures()) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 99999}, "99999 x 64 cannot be drawn: each side must have 64 to 4096 pixels."),
        ({"height": 0}, "64 x 0 cannot be drawn"),
        ({"steps": 0}, "0 steps cannot be drawn: choose 1 to 500."),
        ({"seed": -1}, "-1 is no seed"),
        ({"text": "x" * 200_000}, "the limit is 120000. Shorten them."),
    ],
)
async def test_what_nobody_could_draw_fails_at_once_and_alone(makes, changes, words):
    pool = await makes.pool()
    refused = pool.submit(makes.task("absurd", **changes))
    assert refused.done()
    with pytest.raises(PoolError) as caught:
        await refused
    assert words in str(caught.value)
    assert (await pool.submit(makes.task("sound"))).path.exists()


async def test_what_the_engine_says_reaches_the_caller(makes):
    pool = await makes.pool()
    with pytest.raises(PoolError, match=r"The picture could not be drawn: no such sampler\.$"):
        await pool.submit(makes.task("one", "say no such sampler"))
    assert pool.view().failed == 1
    assert (await pool.submit(makes.task("two"))).path.exists()


async def test_the_view_says_what_every_worker_does(makes):
    pool = await makes.pool(2)
    gate = makes.gate()
    await until_view(pool, lambda view: all(worker.state is WorkerState.IDLE for worker in view.workers))
    await all_of(pool.submit(makes.task(f"{number}")) for number in range(4))
    futures = [pool.submit(makes.task(name, f"until {gate}", steps=5)) for name in ("a", "b", "c")]
    view = await until_view(pool, lambda view: all(worker.step == 1 for worker in view.workers))
    assert (view.queued, view.running, view.done, view.failed, view.trouble) == (1, 2, 4, 0, None)
    assert view.eta > 0
    assert {worker.task_id for worker in view.workers} == {"a", "b"}
    assert [(worker.state, worker.steps, worker.model, worker.attention, worker.memory) for worker in view.workers] == [
        (WorkerState.BUSY, 5, "sleeper", "none", 1_000_000)
    ] * 2
    assert sum(worker.per_minute for worker in view.workers) == 4
    gate.touch()
    await all_of(futures)
    assert pool.view().eta == 0


async def test_stopping_finishes_what_is_under_way_and_drops_what_waits(makes):
    pool = await makes.pool()
    gate = makes.gate()
    running = pool.submit(makes.task("running", f"until {gate}"))
    await until(lambda: makes.log.order() == ["running"])
    waiting = pool.submit(makes.task("waiting"))
    alive = pids(pool)
    stopping = asyncio.create_task(pool.stop(grace=60))
    await until(waiting.done)
    late = pool.submit(makes.task("late"))
    gate.touch()
    assert (await running).path.exists()
    await stopping
    assert [future.exception().kind for future in (waiting, late)] == ["stopped", "stopped"]
    assert not any(is_alive(pid) for pid in alive)
    assert makes.log.lines("unload")
    assert pool.view().workers[0].state is WorkerState.STOPPED


async def test_stopping_does_not_wait_longer_than_the_grace(makes):
    pool = await makes.pool()
    running = pool.submit(makes.task("running", "hang"))
    await until(lambda: makes.log.order() == ["running"])
    alive = pids(pool)
    await pool.stop(grace=0.1)
    assert running.exception().kind == "stopped"
    assert not any(is_alive(pid) for pid in alive)


async def test_a_pool_that_is_stopped_while_it_starts_leaves_no_process(makes):
    pool = await makes.pool(3, load_seconds=3600)
    await until_view(pool, lambda view: any(worker.pid for worker in view.workers))
    alive = pids(pool)
    await pool.stop(grace=0)
    assert not any(is_alive(pid) for pid in alive)
    assert {worker.state for worker in pool.view().workers} == {WorkerState.STOPPED}


def test_tasks_with_another_lora_are_not_drawn_together(tmp_path):
    from tests.gpu_pool.conftest import Makes  # noqa: PLC0415

    task = Makes(tmp_path).task
    assert task("a", seed=1).alike() == task("b", seed=2).alike()
    assert task("a").alike() != task("b", lora=Lora("x.safetensors")).alike()
