"""What goes wrong with workers, done to real ones."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpu_pool import worker
from gpu_pool.devices import Device
from gpu_pool.pool import Pool
from gpu_pool.problems import PoolError
from gpu_pool.tasks import Begun, Cancel, Draw, Drawn, EngineSpec, Loaded, Loading, Progress, Ready, WorkerState
from tests.gpu_pool.conftest import PATIENCE, all_of, is_alive, pids, until, until_view
from tests.gpu_pool.killing import kill_and_draw

ROOT = Path(__file__).resolve().parents[2]


async def test_ten_workers_are_killed_and_every_picture_is_drawn_once(tmp_path):
    outcome = await kill_and_draw(tmp_path / "images", rounds=10, tasks=60, workers=3, sleep=0.1)
    assert len(outcome.noticed) == 10
    assert (outcome.lost, outcome.twice, outcome.broken, outcome.stray, outcome.alive) == ([], [], [], [], [])
    # Noticed as an event, not at some next look: half of them are quick however loaded the machine is.
    assert sorted(outcome.noticed)[5] < 0.5


async def test_the_task_of_a_killed_worker_is_redone_before_all_others(makes):
    pool = await makes.pool()
    first = pool.submit(makes.task("first", f"until {makes.gate()}"), priority=1)
    await until(lambda: makes.log.order() == ["first"])
    others = [pool.submit(makes.task(name), priority=1) for name in ("second", "third")]
    makes.gate().touch()
    os.kill(pids(pool)[0], signal.SIGSTOP)  # it cannot finish before it is killed
    os.kill(pids(pool)[0], signal.SIGKILL)
    await all_of([first, *others])
    assert makes.log.order() == ["first", "first", "second", "third"]
    assert len(makes.log.lines("load")) == 2
    assert pool.view().workers[0].restarts == 1


async def test_an_idle_worker_that_is_killed_is_replaced(makes):
    pool = await makes.pool()
    view = await until_view(pool, lambda view: view.workers[0].state is WorkerState.IDLE)
    os.kill(view.workers[0].pid, signal.SIGKILL)
    await until_view(pool, lambda view: view.workers[0].restarts == 1)
    assert (await pool.submit(makes.task("one"))).path.exists()


async def test_a_worker_that_hangs_is_replaced_after_its_time_limit_and_its_task_redone(makes):
    pool = await makes.pool(2, task_timeout=1.5)
    await until_view(pool, lambda view: all(worker.state is WorkerState.IDLE for worker in view.workers))
    stopped = pool.view().workers[0].pid
    os.kill(stopped, signal.SIGSTOP)
    results = await all_of(pool.submit(makes.task(f"{number}")) for number in range(6))
    assert len({drawn.task_id for drawn in results}) == 6
    assert not is_alive(stopped)
    assert sum(worker.restarts for worker in pool.view().workers) == 1


async def test_a_picture_that_always_takes_too_long_is_given_up_with_advice(makes):
    pool = await makes.pool(task_timeout=0.2)
    with pytest.raises(PoolError) as caught:
        await pool.submit(makes.task("endless", "hang"))
    assert caught.value.kind == "timeout"
    assert "3 workers did not finish it within 0.2 seconds each" in str(caught.value)
    assert "IMAGE_TIMEOUT" in str(caught.value)


async def test_a_poison_task_is_given_up_after_three_deaths_and_the_rest_finish(makes):
    pool = await makes.pool(2)
    poison = pool.submit(makes.task("poison", "die"))
    others = [pool.submit(makes.task(f"{number}")) for number in range(8)]
    results = await all_of([poison, *others])
    assert results[0].kind == "poison"
    assert "3 workers died while drawing it, the last one of signal 9 (SIGKILL)" in str(results[0])
    assert [drawn.task_id for drawn in results[1:]] == [f"{number}" for number in range(8)]
    assert makes.log.order().count("poison") == 3
    assert (pool.view().done, pool.view().failed) == (8, 1)


async def test_a_worker_that_dies_while_it_writes_leaves_no_half_file(makes):
    pool = await makes.pool()
    mark = makes.gate("mark")
    drawn = await pool.submit(makes.task("one", f"die-writing {mark}"))
    assert mark.exists()
    assert pool.view().workers[0].restarts == 1
    assert {path.name for path in drawn.path.parent.iterdir()} == {drawn.path.name, drawn.thumbnail.name}


async def test_what_a_poison_task_left_half_written_is_removed(makes):
    pool = await makes.pool()
    with pytest.raises(PoolError, match="3 workers died"):
        await pool.submit(makes.task("poison", "die-writing"))
    await until(lambda: not list((makes.folder / "images").iterdir()))


async def test_a_poison_task_does_not_take_those_with_it_that_were_drawn_together_with_it(makes):
    pool = await makes.pool(1, batch=3)
    first = pool.submit(makes.task("first", f"until {makes.gate()}"))
    await until(lambda: makes.log.order() == ["first"])
    futures = [pool.submit(makes.task(name, prompt)) for name, prompt in (("a", "draw"), ("poison", "die"), ("b", "draw"))]
    makes.gate().touch()
    a, poison, b = await all_of(futures)
    await first
    assert (a.task_id, poison.kind, b.task_id) == ("a", "poison", "b")
    assert makes.log.order().count("poison") == 3


async def test_who_is_written_when_a_poison_task_is_drawn_is_drawn_once_more_and_not_blamed(makes):
    pool = await makes.pool()
    futures = []
    for number in range(6):  # each is still being written when the next one kills the worker
        futures.append(pool.submit(makes.task(f"good-{number}", f"write-until {makes.gate()}")))
        futures.append(pool.submit(makes.task(f"poison-{number}", "die")))
    await until(lambda: "poison-0" in makes.log.order())
    makes.gate().touch()
    results = await all_of(futures)
    assert [drawn.task_id for drawn in results[::2]] == [f"good-{number}" for number in range(6)]
    assert [error.kind for error in results[1::2]] == ["poison"] * 6
    order = makes.log.order()
    assert order[:3] == ["good-0", "poison-0", "good-0"]
    assert [order.count(f"poison-{number}") for number in range(6)] == [3] * 6
    assert max(order.count(f"good-{number}") for number in range(6)) == 2
    assert not list((makes.folder / "images").glob(".*"))


async def test_a_file_that_is_never_written_is_given_up_and_costs_the_next_picture_nothing(makes):
    pool = await makes.pool(task_timeout=0.6)
    stuck = pool.submit(makes.task("stuck", f"write-until {makes.gate()}"))
    others = [pool.submit(makes.task(f"{number}")) for number in range(3)]
    results = await all_of([stuck, *others])
    assert results[0].kind == "timeout"
    assert [drawn.task_id for drawn in results[1:]] == ["0", "1", "2"]
    assert makes.log.order().count("stuck") == 4  # at first the one that was drawn beside it is blamed


async def test_a_worker_that_is_cancelled_and_then_dies_is_not_asked_again(makes):
    pool = await makes.pool()
    future = pool.submit(makes.task("one", "hang"))
    await until(lambda: makes.log.order() == ["one"])
    pool.cancel("one")
    os.kill(pids(pool)[0], signal.SIGKILL)
    with pytest.raises(PoolError) as caught:
        await future
    assert caught.value.kind == "cancelled"
    assert makes.log.order() == ["one"]


async def test_out_of_memory_is_tried_again_with_the_cache_cleared(makes):
    pool = await makes.pool()
    drawn = await pool.submit(makes.task("one", "memory 1"))
    assert drawn.path.exists()
    assert len(makes.log.lines("free")) == 1
    assert pool.view().workers[0].restarts == 0


async def test_out_of_memory_for_good_fails_with_advice_and_the_worker_lives_on(makes):
    pool = await makes.pool()
    with pytest.raises(PoolError) as caught:
        await pool.submit(makes.task("large", "memory 99"))
    assert caught.value.kind == "out_of_memory"
    assert "CPU worker 0 ran out of memory at 64 x 64" in str(caught.value)
    assert "IMAGE_SIZE" in str(caught.value)
    assert makes.log.order() == ["large", "large"]
    assert (await pool.submit(makes.task("next"))).path.exists()
    assert len(makes.log.lines("load")) == 1


async def test_a_batch_that_does_not_fit_is_drawn_in_smaller_ones(makes):
    pool = await makes.pool(1, batch=2)
    first = pool.submit(makes.task("first", f"until {makes.gate()}"))
    await until(lambda: makes.log.order() == ["first"])
    pair = [pool.submit(makes.task(name, "alone")) for name in "ab"]
    makes.gate().touch()
    results = await all_of([first, *pair])
    assert [drawn.task_id for drawn in results] == ["first", "a", "b"]
    assert [line.rpartition(" by")[0] for line in makes.log.lines("draw")[1:]] == ["draw a of 2", "draw a of 1", "draw b of 1"]


async def test_a_batch_is_drawn_to_its_end_when_less_and_less_fits(makes):
    pool = await makes.pool(1, batch=8)
    for fits in (4, 2):
        first = pool.submit(makes.task(f"first of {fits}", f"until {makes.gate(str(fits))}"))
        await until(lambda fits=fits: makes.log.lines(f"draw first of {fits}"))
        eight = [pool.submit(makes.task(f"{fits}-{number}", f"fits {fits}")) for number in range(8)]
        makes.gate(str(fits)).touch()
        assert len([drawn.path for drawn in await all_of([first, *eight])]) == 9
    assert pool.view().workers[0].restarts == 0
    assert len(makes.log.lines("load")) == 1


class Unreadable(str):
    """Travels into a pipe and not out of it."""

    __slots__ = ()

    def __reduce__(self):
        return (exec, ("raise RuntimeError('cannot be read')",))


async def test_a_task_that_kills_workers_before_they_begin_is_given_up_too(makes):
    pool = await makes.pool()
    with pytest.raises(PoolError) as caught:
        await pool.submit(makes.task("one", Unreadable("draw")))
    assert caught.value.kind == "poison"
    assert (await pool.submit(makes.task("two"))).path.exists()


async def test_one_bad_task_of_a_batch_fails_alone(makes):
    pool = await makes.pool(1, batch=2)
    first = pool.submit(makes.task("first", f"until {makes.gate()}"))
    await until(lambda: makes.log.order() == ["first"])
    pair = [pool.submit(makes.task("good", "draw")), pool.submit(makes.task("bad", "say no"))]
    makes.gate().touch()
    _, good, bad = await all_of([first, *pair])
    assert (good.task_id, bad.kind) == ("good", "refused")


async def test_a_gpu_that_no_longer_answers_gets_a_new_process(makes):
    pool = await makes.pool()
    drawn = await pool.submit(makes.task("one", f"sticky {makes.gate('mark')}"))
    assert drawn.path.exists()
    assert len(makes.log.lines("load")) == 2


async def test_a_wrong_model_path_is_said_at_once_and_tasks_fail_with_the_sentence(makes):
    missing = makes.gate("no-model")
    pool = await makes.pool(2, needs=str(missing))
    waiting = pool.submit(makes.task("early"))
    with pytest.raises(PoolError, match="IMAGE_MODEL") as caught:
        await waiting
    assert str(missing) in str(caught.value)
    view = await until_view(pool, lambda view: {worker.state for worker in view.workers} == {WorkerState.FAILED})
    assert str(missing) in str(view.trouble)
    assert view.workers[0].restarts == 0


async def test_a_pool_whose_model_turns_up_goes_on(makes):
    model = makes.gate("model")
    pool = await makes.pool(needs=str(model))
    await until_view(pool, lambda view: view.trouble)
    model.touch()
    await until_view(pool, lambda view: view.workers[0].state is WorkerState.IDLE)
    assert (await pool.submit(makes.task("one"))).path.exists()
    assert pool.view().trouble is None


async def test_too_little_memory_to_load_names_the_device(makes):
    pool = await makes.pool(load="memory")
    view = await until_view(pool, lambda view: view.trouble)
    assert view.trouble.kind == "load_memory"
    assert "CPU worker 0 has not enough memory to load" in str(view.trouble)


async def test_an_unknown_engine_is_a_sentence(makes):
    pool = Pool(EngineSpec("painter"), [Device(0)])
    makes.pools.append(pool)
    await pool.start()
    view = await until_view(pool, lambda view: view.trouble)
    assert str(view.trouble) == "There is no image engine painter. Set IMAGE_ENGINE to auto, diffusers or preview."


async def test_workers_that_die_while_loading_are_given_up_after_some_tries_and_tried_now_and_then(makes):
    pool = await makes.pool(load="die")
    waiting = pool.submit(makes.task("one"))
    with pytest.raises(PoolError, match="died of signal 9") as caught:
        await waiting
    assert caught.value.kind == "died_loading"
    assert len(makes.log.lines("load")) == 3
    await until(lambda: len(makes.log.lines("load")) >= 4)


async def test_a_worker_that_never_finishes_loading_is_killed(makes):
    pool = await makes.pool(load="hang", load_timeout=0.3)
    view = await until_view(pool, lambda view: view.trouble and view.trouble.kind == "load_timeout")
    assert "did not load its model within 0.3 seconds" in str(view.trouble)


async def test_tasks_wait_while_some_worker_may_still_come(makes):
    pool = await makes.pool(2, needs=str(makes.gate("model")), load_seconds=0.2)
    makes.gate("model").touch()
    view = pool.view()
    assert view.trouble is None
    assert (await pool.submit(makes.task("one"))).path.exists()


async def test_a_full_or_forbidden_disk_fails_the_picture_and_not_the_worker(makes):
    pool = await makes.pool()
    makes.folder.joinpath("images").write_text("a file where the folder should be")
    with pytest.raises(PoolError, match="could not be written") as caught:
        await pool.submit(makes.task("one"))
    assert caught.value.kind == "not_written"
    makes.folder.joinpath("images").unlink()
    assert (await pool.submit(makes.task("two"))).path.exists()
    assert pool.view().workers[0].restarts == 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
async def test_workers_leave_ctrl_c_and_a_service_managers_stop_to_the_pool(makes, sent):
    pool = await makes.pool()
    running = pool.submit(makes.task("one", f"until {makes.gate()}"))
    await until(lambda: makes.log.order() == ["one"])
    os.kill(pids(pool)[0], sent)
    makes.gate().touch()
    assert (await running).path.exists()
    assert pool.view().workers[0].restarts == 0


def _started(tmp_path: Path, prompt: str) -> tuple[subprocess.Popen[str], list[int]]:
    command = [sys.executable, "-m", "tests.gpu_pool.pool_process", str(tmp_path / "images"), prompt, "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return process, [int(word) for word in process.stdout.readline().split()]


def _wait_for_the_end_of(workers: list[int]) -> None:
    end = time.monotonic() + PATIENCE
    while any(map(is_alive, workers)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(is_alive, workers))


@pytest.mark.parametrize("prompt", ["sleep 500", "sleep 1800000"], ids=["between steps", "within one step"])
def test_no_worker_outlives_a_killed_program(tmp_path, prompt):
    # 500 steps of a second, or of an hour: the second kind never looks at its pipe.
    process, workers = _started(tmp_path, prompt)
    process.kill()
    process.wait(10)
    process.stdout.close()
    _wait_for_the_end_of(workers)


def test_a_worker_whose_pipe_closes_in_the_middle_of_a_picture_ends_by_itself(makes):
    """The first line, without the kernel's help: nobody kills this worker."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    spec = EngineSpec("tests.gpu_pool.engine:TestingEngine")
    process = spawn.Process(target=worker.main, args=(theirs, 0, spec, Device(0), os.getpid()))
    process.start()
    theirs.close()
    assert isinstance(ours.recv(), Loading)
    assert isinstance(ours.recv(), Loaded)
    ours.send(Cancel("of an earlier task"))
    ours.send(Draw((makes.task("one", "draw"),)))
    answers = [ours.recv() for _ in range(5)]
    assert [type(answer) for answer in answers[:3]] == [Begun, Progress, Progress]
    assert {type(answer) for answer in answers[3:]} == {Ready, Drawn}  # its file may be written by then
    ours.send(Draw((makes.task("two", "sleep 500", steps=500),)))
    assert isinstance(ours.recv(), Begun)
    assert isinstance(ours.recv(), Progress)
    ours.close()
    process.join(PATIENCE)
    assert process.exitcode == 0
    process.close()


def test_a_program_that_ends_without_stopping_its_pool_ends_all_the_same(tmp_path):
    process, workers = _started(tmp_path, "sleep 500;leave")
    process.wait(PATIENCE)
    process.stdout.close()
    _wait_for_the_end_of(workers)


async def test_the_event_loop_is_never_held_up(makes):
    """Starting, feeding, killing and stopping workers leaves the loop free."""
    longest = 0.0
    over = asyncio.Event()

    async def tick():
        nonlocal longest
        while not over.is_set():
            before = time.process_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.process_time() - before)

    ticking = asyncio.create_task(tick())
    pool = await makes.pool(2)
    futures = [pool.submit(makes.task(f"{number}", "sleep 0.02")) for number in range(40)]
    await until(lambda: pool.view().done > 5)
    os.kill(pids(pool)[0], signal.SIGKILL)
    await all_of(futures)
    await pool.stop()
    over.set()
    await ticking
    assert longest < 0.1
