"""How many pictures a second does one GPU draw: plain ``pipe(prompt)`` in bfloat16, and our worker by option?

``python -m bench.gpu`` makes a Z-Image of full size with random weights (20 GB, see :mod:`bench.gpu_model`), or takes the pipeline that
``--model`` or IMAGE_MODEL names. Each row is a process of its own that has the GPU alone. ``--tiny`` runs the same on the processor with a
model of a few kilobytes: it says that the benchmark works, and nothing about speed.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpu_pool import devices
from gpu_pool.devices import Device
from gpu_pool.pool import Pool
from gpu_pool.problems import PoolError
from gpu_pool.tasks import EngineSpec, ImageTask

PLAIN = "plain pipe(prompt), bf16"
WAYS: Mapping[str, Mapping[str, Any]] = {
    "ours, native attention, no cache": {"attention": "native", "embeddings": False},
    "ours, native attention": {"attention": "native"},
    "ours, best attention": {},
    "ours, best attention, batch 2": {"batch": 2},
    "ours, best attention, batch 4": {"batch": 4},
    "ours, best attention, compiled": {"compile": True},
    "ours, best attention, compiled, batch 4": {"compile": True, "batch": 4},
}
PROMPTS = ("a bakery at night, rain", "a tram in the fog, dawn", "mountain path above the clouds", "a boat in the harbour at dusk")
"""A persona's prompts repeat in a campaign; each stands for the pictures of one scene."""
PATIENCE = 1800


@dataclass(frozen=True)
class Wanted:
    """So many *pictures*, squares of *side* pixels in *steps* steps, by the pipeline in *model*."""

    model: str
    pictures: int
    side: int
    steps: int

    def tasks(self, folder: Path, first: int = 0) -> list[ImageTask]:
        words = islice(cycle(PROMPTS), self.pictures)
        return [
            ImageTask(f"picture {first + number}", prompt, folder, width=self.side, height=self.side, steps=self.steps, seed=number)
            for number, prompt in enumerate(words)
        ]


@dataclass
class Row:
    """*seconds* of each run, bytes of GPU *memory* at most, *files* by seed, and *notes* for whoever reads."""

    seconds: list[float] = field(default_factory=list)
    memory: int = 0
    files: dict[int, Path] = field(default_factory=dict)
    notes: str = ""


def _plain(wanted: Wanted, runs: int, folder: Path, told: Connection) -> None:
    """In a process of its own: what the library's documentation has one write, one picture after another."""
    import torch  # noqa: PLC0415  this process alone
    from diffusers import DiffusionPipeline  # noqa: PLC0415  # pyright: ignore[reportPrivateImportUsage]

    cuda = torch.cuda.is_available()
    pipe: Any = DiffusionPipeline.from_pretrained(wanted.model, dtype=torch.bfloat16, use_safetensors=True).to("cuda" if cuda else "cpu")
    pipe.set_progress_bar_config(disable=True)
    row = Row()
    for run in range(runs + 1):  # the first one warms up
        began = time.perf_counter()
        for task in wanted.tasks(folder):
            noise = torch.Generator("cpu").manual_seed(task.seed)
            size = {"width": task.width, "height": task.height}
            image = pipe(task.prompt, **size, num_inference_steps=task.steps, guidance_scale=0.0, generator=noise).images[0]
            row.files[task.seed] = folder / f"plain-{task.seed}.png"
            image.save(row.files[task.seed])
        if run:
            row.seconds.append(time.perf_counter() - began)
    row.memory = torch.cuda.max_memory_allocated() if cuda else 0
    told.send(row)


def plain(wanted: Wanted, runs: int, folder: Path) -> Row:
    """Raises ``SystemExit`` where the library itself fails."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_plain, args=(wanted, runs, folder, there))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise SystemExit(f"plain pipe(prompt) failed with exit code {process.exitcode}.") from None
    finally:
        process.join(30)


async def ours(wanted: Wanted, options: Mapping[str, Any], device: Device, runs: int, folder: Path) -> Row:
    """The same pictures through a pool with one worker."""
    row = Row()
    spec = EngineSpec("diffusers", wanted.model, wanted.side, wanted.side, wanted.steps, options=dict(options))
    pool = Pool(spec, [device], task_timeout=PATIENCE, load_timeout=PATIENCE)
    await pool.start()
    try:
        for run in range(runs + 1):
            began = time.perf_counter()
            tasks = wanted.tasks(folder, run * wanted.pictures)
            drawn = await asyncio.gather(*[pool.submit(task) for task in tasks])
            if run:
                row.seconds.append(time.perf_counter() - began)
            row.files = {one.seed: one.path for one in drawn}
            row.memory = max(one.memory for one in drawn)
        worker = pool.view().workers[0]
        row.notes = f"attention {worker.attention}"
    finally:
        await pool.stop(0)
    return row


def difference(one: Row, other: Row) -> str:
    """How far the pictures of two rows are apart, in 1/255 of full brightness: on average, and in the worst picture."""
    apart = [
        float(np.abs(np.asarray(Image.open(path), dtype=np.int16) - np.asarray(Image.open(other.files[seed]), dtype=np.int16)).mean())
        for seed, path in one.files.items()
    ]
    return "same pictures" if not any(apart) else f"{statistics.mean(apart):.2f} (worst {max(apart):.2f})"


def measure(wanted: Wanted, device: Device, names: Sequence[str], runs: int, folder: Path) -> None:
    """All rows, each printed as soon as it is there."""
    print(f"{'':44}{'pictures/s':>11}{'(min - max)':>18}{'x plain':>9}{'memory':>10}  differs from plain by")
    base = plain(wanted, runs, folder)
    _show(PLAIN, wanted, base, base)
    for name in names:
        try:
            row = asyncio.run(ours(wanted, WAYS[name], device, runs, folder))
        except PoolError as error:
            print(f"{name:44}{error}", flush=True)
            continue
        _show(name, wanted, row, base)


def _show(name: str, wanted: Wanted, row: Row, base: Row) -> None:
    rates = [wanted.pictures / seconds for seconds in row.seconds]
    usual = wanted.pictures / statistics.median(base.seconds)
    spread = f"({min(rates):.2f} - {max(rates):.2f})"
    print(
        f"{name:44}{statistics.median(rates):>11.2f}{spread:>18}{statistics.median(rates) / usual:>9.2f}{row.memory / 2**30:>7.1f} GB"
        f"  {'-' if row is base else difference(row, base)}  {row.notes}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model", default=os.environ.get("IMAGE_MODEL", ""), help="a pipeline's folder or hub id (default: random weights)"
    )
    parser.add_argument("--pictures", type=int, default=16, help="of one run (default: %(default)s)")
    parser.add_argument("--side", type=int, default=1024, help="pixels (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=9, help="(default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="after one that warms up (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="WAY", help="; ".join(WAYS))
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the processor, to see that this program works")
    given = parser.parse_args()
    device = devices.find(1)[0]
    if device.kind != "cuda" and not given.tiny:
        raise SystemExit("No GPU is seen here. --tiny runs the same on the processor, which says nothing about speed.")
    with tempfile.TemporaryDirectory() as place:
        model = given.model
        if given.tiny or not model:
            model = str(Path(place) / "model")
            maker = "tests.gpu_pool.tiny_model" if given.tiny else "bench.gpu_model"
            subprocess.run([sys.executable, "-m", maker, model], check=True)  # noqa: S603  its torch must not hold the GPU
        folder = Path(place) / "pictures"
        folder.mkdir()
        device = Device(0, threads=2) if given.tiny else device
        print(f"{device}, Python {sys.version.split()[0]}, {given.pictures} pictures of {given.side} x {given.side} in {given.steps} steps")
        measure(Wanted(model, given.pictures, given.side, given.steps), device, given.only, given.runs, folder)


if __name__ == "__main__":
    main()
