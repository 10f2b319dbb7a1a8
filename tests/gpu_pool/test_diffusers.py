"""The real engine: a tiny Z-Image with random weights through a pool of three worker processes."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from PIL import Image

from gpu_pool.devices import Device
from gpu_pool.pool import Pool
from gpu_pool.problems import PoolError
from gpu_pool.tasks import EngineSpec, ImageTask, Lora, WorkerState

WORKERS = 3


@pytest.fixture
async def pool(tiny):
    """One pool of its own for each test: a worker keeps what it has learned."""
    pools: list[Pool] = []

    async def start(workers: int = WORKERS, **options) -> Pool:
        spec = EngineSpec("diffusers", str(tiny / "z-image"), options=options)
        pools.append(Pool(spec, [Device(number, threads=1) for number in range(workers)]))
        await pools[-1].start()
        return pools[-1]

    yield start
    for started in pools:
        await started.stop(0)


def task(name: str, folder: Path, **changes) -> ImageTask:
    given = {"prompt": "a lighthouse at dusk", "width": 128, "height": 128, "steps": 4, "seed": 5, **changes}
    return ImageTask(name, given.pop("prompt"), folder, **given)


def pixels(drawn) -> str:
    with Image.open(drawn.path) as image:
        return hashlib.sha256(image.tobytes()).hexdigest()


async def ready(pool: Pool, workers: int = WORKERS) -> None:
    async with asyncio.timeout(120):
        while sum(worker.state is WorkerState.IDLE for worker in pool.view().workers) < workers:  # noqa: ASYNC110  what is waited for is another process
            await asyncio.sleep(0.05)


async def test_the_same_seed_gives_the_same_file_on_every_worker_and_another_seed_another(pool, tmp_path):
    started = await pool()
    await ready(started)
    same = await asyncio.gather(*(started.submit(task(f"same {n}", tmp_path, steps=6)) for n in range(12)))
    assert {drawn.worker for drawn in same} == set(range(WORKERS)), "every worker drew"
    assert len({drawn.sha256 for drawn in same}) == 1
    other = await asyncio.gather(
        started.submit(task("seed", tmp_path, steps=6, seed=6)), started.submit(task("prompt", tmp_path, steps=6, prompt="bread and rain"))
    )
    assert len({same[0].sha256, *(drawn.sha256 for drawn in other)}) == 3
    view = started.view()
    assert [worker.model for worker in view.workers] == [started.engine.model] * WORKERS
    assert {(worker.dtype, worker.attention) for worker in view.workers} == {("bfloat16", "native")}


async def test_steps_are_told_one_by_one(pool, tmp_path):
    started, told = await pool(1), []
    started.listen(lambda progress: told.append((progress.step, progress.steps)))
    await started.submit(task("steps", tmp_path, steps=5))
    assert told == [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


async def test_a_lora_changes_the_picture_and_without_it_the_bytes_come_back(pool, tiny, tmp_path):
    started = await pool(1)
    lora = Lora(str(tiny / "sketch.safetensors"), 0.8)
    plain = await started.submit(task("plain", tmp_path))
    bent = await started.submit(task("bent", tmp_path, lora=lora))
    weaker = await started.submit(task("weaker", tmp_path, lora=Lora(lora.path, 0.3)))
    again = await started.submit(task("again", tmp_path))
    bent_again = await started.submit(task("bent again", tmp_path, lora=lora))
    assert len({pixels(drawn) for drawn in (plain, bent, weaker)}) == 3
    assert again.sha256 == plain.sha256
    assert bent_again.sha256 == bent.sha256


async def test_a_lora_that_cannot_be_used_fails_its_picture_alone(pool, tiny, tmp_path):
    started = await pool(1)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no tensors in here" * 20)
    before = await started.submit(task("before", tmp_path))
    for name, path, kind in (
        ("gone", tmp_path / "gone.safetensors", "lora_missing"),
        ("broken", broken, "lora"),
        ("code", tmp_path / "x.bin", "lora_kind"),
    ):
        with pytest.raises(PoolError) as caught:
            await started.submit(task(name, tmp_path, lora=Lora(str(path))))
        assert caught.value.kind == kind
        assert path.name in str(caught.value)
    good = await started.submit(task("good", tmp_path, lora=Lora(str(tiny / "sketch.safetensors"))))
    after = await started.submit(task("after", tmp_path))
    assert after.sha256 == before.sha256 != good.sha256
    assert started.view().workers[0].restarts == 0


async def test_a_picture_that_is_cancelled_frees_its_worker_within_a_step(pool, tmp_path):
    started, told = await pool(1), []
    begun = asyncio.Event()

    def heard(progress) -> None:
        if progress.task_id == "long":
            told.append(progress.step)
            if progress.step == 3:
                begun.set()

    started.listen(heard)
    # A step takes a tenth of a second: far longer than word of it takes through the pipe.
    long = started.submit(task("long", tmp_path, steps=400, width=1024, height=1024))
    async with asyncio.timeout(120):
        await begun.wait()
    started.cancel("long")
    seen = told[-1]
    with pytest.raises(PoolError) as caught:
        await long
    assert caught.value.kind == "cancelled"
    assert told[-1] <= seen + 1
    assert (await started.submit(task("next", tmp_path))).width == 128
    assert started.view().workers[0].restarts == 0


async def test_pictures_that_are_drawn_together_are_each_their_own(pool, tmp_path):
    started = await pool(1, batch=4)
    await ready(started, 1)
    tasks = [task(f"{n}", tmp_path, prompt=f"picture {n % 2}", seed=n // 2) for n in range(5)]
    drawn = await asyncio.gather(*map(started.submit, tasks))
    assert len({pixels(one) for one in drawn}) == 5


async def test_guidance_and_a_negative_prompt_are_heeded(pool, tmp_path):
    started = await pool(1)
    plain = await started.submit(task("plain", tmp_path, guidance=4.0))
    against = await started.submit(task("against", tmp_path, guidance=4.0, negative_prompt="rain and bread"))
    free = await started.submit(task("free", tmp_path))
    assert len({pixels(drawn) for drawn in (plain, against, free)}) == 3


async def test_kept_embeddings_draw_what_fresh_ones_draw(pool, tmp_path):
    kept, fresh = await pool(1), await pool(1, embeddings=False)
    once, twice = await kept.submit(task("once", tmp_path)), await kept.submit(task("twice", tmp_path))
    assert once.sha256 == twice.sha256 == (await fresh.submit(task("fresh", tmp_path))).sha256


async def test_a_size_that_the_model_cannot_have_is_rounded_down_to_one_that_it_can(pool, tmp_path):
    drawn = await (await pool(1)).submit(task("odd", tmp_path, width=135, height=150))
    assert (drawn.width, drawn.height) == (128, 144)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("", "IMAGE_MODEL is not set"),
        ("/nowhere/z-image", "There is no folder /nowhere/z-image"),
        ("{empty}", "no model_index.json"),
        ("word", "There is no folder word"),
    ],
)
async def test_a_wrong_model_path_is_said_at_once(tmp_path, model, words):
    pool = Pool(EngineSpec("diffusers", model.replace("{empty}", str(tmp_path))), [Device(0)])
    await pool.start()
    try:
        with pytest.raises(PoolError) as caught:
            await pool.submit(task("any", tmp_path))
        assert words in str(caught.value)
    finally:
        await pool.stop(0)


def test_torchs_own_exception_is_known_as_running_out_of_memory():
    import torch  # noqa: PLC0415

    from gpu_pool.engines.base import beyond_repair, out_of_memory  # noqa: PLC0415

    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    assert out_of_memory(error)
    assert not beyond_repair(error)
