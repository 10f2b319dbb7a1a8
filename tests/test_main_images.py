"""Pictures from the command line: a process of its own with worker processes, as the user's note types it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from PIL import Image

from config import Settings
from gpu_pool.problems import PoolError
from pipeline.picture_desk import Prompt
from pipeline.studio import Studio
from storage import personas, tweets
from storage.clock import new_id
from storage.tweets import NewTweet
from tests.shell import until


@pytest.fixture
def batch(shell):
    """Writes a batch file: ``batch(tweet, tweet, persona={...}, version="1.0")`` and returns its name."""

    def batch(*tweets, name="batch.json", **fields):
        body = {"version": "1.0", "persona": {"name": "Mara", "lora": None}, "tweets": list(tweets), **fields}
        (shell.folder / name).write_text(json.dumps(body))
        return name

    return batch


def tweet(number, **picture):
    asked = {
        "positive_prompt": f"a tram in the rain, number {number}",
        "generation_params": {"width": 96, "height": 64, "steps": 2},
        **picture,
    }
    return {"slot": number, "tweet_text": f"Tram {number}.", "topic_type": "daily", "time_segment": "morning", "image_generation": asked}


def test_the_users_own_command_draws_every_picture(shell, batch):
    done = shell.run("--generate-images", "--tweets-batch", batch(*map(tweet, range(1, 7))), "--num-gpus", "2", "--image-output-dir", "out")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == [f"out/batch_{number:04d}.png" for number in range(1, 7)]
    assert "6 of 6 pictures drawn" in done.stderr
    assert "engine preview" in done.stderr
    with Image.open(shell.folder / "out" / "batch_0003.png") as picture:
        assert picture.size == (96, 64)
        assert picture.info["parameters"].startswith("a tram in the rain, number 3")
        assert "algorithmicMedia" in picture.info["xmp"].decode()
    assert {"images/done"} == {f"{job['kind']}/{job['status']}" for job in shell.jobs()}


def test_each_that_cannot_be_drawn_fails_alone_with_a_sentence(shell, batch):
    name = batch(
        tweet(1),
        {"tweet_text": "No picture is asked for."},
        tweet(3, generation_params={"width": 999_999, "height": 64}),
        tweet(4, lora_params={"model_path": "lora/gone.safetensors", "strength": 1}),
        tweet(5),
    )
    done = shell.run("--generate-images", "--tweets-batch", name, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    rows = [(shot["slot"], shot["status"], shot["path"]) for shot in report["images"]]
    assert rows == [
        (1, "done", "output_images/batch_0001.png"),
        (2, "failed", ""),
        (3, "failed", ""),
        (4, "failed", ""),
        (5, "done", "output_images/batch_0005.png"),
    ]
    assert all(shot["worker"] == 0 for shot in report["images"] if shot["status"] == "done")
    reasons = [failure["reason"] for failure in report["failed"]]
    assert len(reasons) == 3
    assert "no prompt" in reasons[0]
    assert "999999 x 64" in reasons[1]
    assert reasons[2].startswith("There is no LoRA file lora/gone.safetensors.")


def test_version_2_is_read_and_slots_are_chosen(shell, batch):
    name = batch(*({**tweet(number), "content_plan": {"theme": "rain"}} for number in range(1, 9)), version="2.0")
    done = shell.run("--generate-images", "--tweets-batch", name, "--start-slot", "3", "--max-images", "2", "--image-output-dir", "out")
    assert done.returncode == 0, done.stderr
    assert shell.files("out") == ["batch_0003.png", "batch_0004.png"]


def test_stopped_in_the_middle_it_goes_on_and_draws_nothing_twice(shell, batch):
    big = [tweet(number, generation_params={"width": 2048, "height": 2048, "steps": 2}) for number in range(1, 13)]
    running = shell.start("--generate-images", "--tweets-batch", batch(*big), "--image-output-dir", "out")
    until((shell.folder / "out" / "batch_0002.png").exists)
    running.process.kill()
    running.process.wait(10)
    before = {path.name: path.stat().st_mtime_ns for path in (shell.folder / "out").glob("*.png")}
    assert 2 <= len(before) < 12
    done = shell.run("--resume")
    assert done.returncode == 0, done.stderr
    assert shell.files("out") == [f"batch_{number:04d}.png" for number in range(1, 13)]
    assert shell.rows("SELECT count(*) AS n, count(DISTINCT item) AS items FROM images") == [{"n": 12, "items": 12}]
    assert all((shell.folder / "out" / name).stat().st_mtime_ns == stamp for name, stamp in before.items()), "what was there was left alone"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--generate-images",), "needs a batch of tweets: --tweets-batch F"),
        (("--generate-images", "--tweets-batch", "b.json", "--num-gpus", "0"), "not a whole number from 1 to 64"),
        (("--generate-images", "--tweets-batch", "b.json", "--start-slot", "-1"), "start-slot"),
        (("--generate-images", "--tweets-batch", "b.json", "--image-output-dir", ""), "must name a folder"),
        (("--jobs", "--max-images", "3"), "--max-images only goes with --generate-images"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(shell, words, sentence):
    done = shell.run(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        (b"{", "gone.json"),
        (b'{"tweets": []}', "has no tweets in it"),
        (b"[1, 2]", "no tweets"),
        (b'{"name": "x"}', "no batch of tweets"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(shell, content, sentence):
    if content is not None:
        (shell.folder / "gone.json").write_bytes(content)
    done = shell.run("--generate-images", "--tweets-batch", "gone.json")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "gone.json" in done.stderr
    assert "Traceback" not in done.stderr


async def test_jobs_that_the_studio_began_are_gone_on_with_here(shell):
    settings = Settings(_env_file=None, data_dir=shell.folder / "data", image_size="64x64", image_engine="preview")
    studio = Studio(settings)
    await studio.start()
    persona, now = new_id(), datetime.now(UTC)
    values = {"language": "English", "picture": None, "options": {}, "job_id": None, "now": now}
    await studio._store.write(personas.create, persona, name="Mara", **values)
    asked = [{"positive_prompt": "a tram"}, {"positive_prompt": "rain"}, {}]
    ids = [await studio._store.write(tweets.save, NewTweet(persona, f"Tram {n}.", 7, image=image), now) for n, image in enumerate(asked)]
    begun = [await studio.pictures.start(ids), await studio.pictures.draw(Prompt("a ferry"))]
    for job in begun:
        await studio.jobs.pause(job)
    await studio.stop(0)
    done = await asyncio.to_thread(shell.run, "--resume", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert Counter(shot["status"] for shot in report["images"]) == {"done": 3, "failed": 1}
    assert "no prompt" in report["failed"][0]["reason"]
    assert shell.rows("SELECT count(*) AS n FROM images") == [{"n": 3}]
    assert begun[0] in report["resume"]


async def test_a_studio_that_is_stopping_starts_no_workers(tmp_path):
    studio = Studio(Settings(_env_file=None, data_dir=tmp_path / "data", image_engine="preview"))
    await studio.start()
    await studio.stop(0)
    with pytest.raises(PoolError, match="being stopped"):
        await studio._drawing.pool()
    assert studio.pool() is None


@pytest.mark.slow
def test_with_a_real_pipeline_a_lora_bends_its_own_picture_and_a_missing_one_fails_its_own(shell, batch, tiny, monkeypatch):
    monkeypatch.setenv("IMAGE_MODEL", str(tiny / "z-image"))
    asked = {"positive_prompt": "a tram in the rain", "generation_params": {"width": 128, "height": 128, "steps": 4, "seed": 9}}
    sketch = {"model_path": str(tiny / "sketch.safetensors"), "strength": 0.8}
    loras = [
        {},
        {"lora_params": sketch},
        {"lora_params": {"model_path": "lora/gone.safetensors", "strength": 1}},
        {},
        {"lora_params": sketch},
    ]
    rows = [{**tweet(slot, **asked, **lora), "tweet_text": "Tram."} for slot, lora in enumerate(loras, 1)]
    done = shell.run("--generate-images", "--tweets-batch", batch(*rows, version="2.0"), "--num-gpus", "2", "--image-output-dir", "out")
    assert done.returncode == 1
    assert "engine diffusers" in done.stderr
    assert "There is no LoRA file lora/gone.safetensors." in done.stderr
    assert "Traceback" not in done.stderr
    assert "Loading" not in done.stderr, "no progress bars of libraries"
    assert "leaked" not in done.stderr, "what multiprocessing says of a worker that ends with a semaphore in its hands"
    plain, bent, after, bent_again = ((shell.folder / "out" / f"batch_{slot:04d}.png").read_bytes() for slot in (1, 2, 4, 5))
    assert shell.files("out") == [f"batch_{slot:04d}.png" for slot in (1, 2, 4, 5)]
    assert plain == after != bent == bent_again
