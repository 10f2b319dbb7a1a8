"""The engine for real models: any pipeline of the diffusers library, loaded once and kept.

The only module that imports torch, and it is imported inside workers alone.
"""

from __future__ import annotations

import gc
import inspect
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline  # pyright: ignore[reportPrivateImportUsage]  it is loaded when it is asked for
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from gpu_pool.devices import Device
from gpu_pool.engines.base import Interrupted, out_of_memory
from gpu_pool.engines.loras import Loras
from gpu_pool.engines.memory import resident
from gpu_pool.problems import PoolError
from gpu_pool.tasks import EngineInfo, EngineSpec, ImageTask

log = logging.getLogger(__name__)

BACKENDS = ("_flash_3", "flash", "_native_cudnn", "native")
"""Attention on a GPU, the fastest first, all of them exact; those whose packages or hardware are missing are passed over."""
EMBEDDINGS = 256
"""Prompts whose embeddings are kept: a few megabytes each at most."""
TRIAL_SIDE = 256
TRIAL_STEPS = 2


class DiffusersEngine:
    """Options: ``batch`` (pictures at once), ``attention`` (a backend's name instead of the best that works), ``compile`` (compile the
    repeated blocks of the transformer; the first picture of a size then takes a minute), ``dtype`` (``bfloat16``, ``float16``,
    ``float32``), ``embeddings`` (false: encode every prompt anew).
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self._options = spec.options
        self._device = torch.device("cpu")
        self._pipe: Any = None
        self._loras = Loras()
        self._takes: frozenset[str] = frozenset()
        self._embeddings: OrderedDict[tuple[str, str, bool], tuple[Any, Any]] = OrderedDict()
        self._keeps = bool(self._options.get("embeddings", True))

    def load(self, device: Device) -> EngineInfo:
        """Read the weights (safetensors only, no code that comes with them) and try what is fast. Raises :class:`PoolError`."""
        _check(self._spec.model)
        _settle_libraries()
        cuda = device.kind == "cuda"
        if device.threads:
            torch.set_num_threads(device.threads)
        self._device = torch.device("cuda:0" if cuda else "cpu")  # the process sees its own GPU alone
        dtype = str(self._options.get("dtype", "bfloat16"))
        self._pipe = DiffusionPipeline.from_pretrained(self._spec.model, dtype=getattr(torch, dtype), use_safetensors=True)
        self._pipe.to(self._device)
        self._pipe.set_progress_bar_config(disable=True)
        self._loras = Loras(self._pipe, self._spec.model)
        self._takes = frozenset(inspect.signature(self._pipe.__call__).parameters)
        attention = self._choose_attention() if cuda else ""
        if self._options.get("compile"):
            self._backbone().compile_repeated_blocks(fullgraph=True)
        sampler = type(self._pipe.scheduler).__name__ if getattr(self._pipe, "scheduler", None) is not None else ""
        return EngineInfo(model=self._spec.model, sampler=sampler, attention=attention or "native", dtype=dtype)

    def draw(self, tasks: Sequence[ImageTask], report: Callable[[int], None], cancelled: Callable[[], bool]) -> list[Image.Image]:
        """A picture for each of *tasks*. A size that the model cannot have is rounded to one that it can."""
        first = tasks[0]
        self._loras.use(first.lora)

        def after_step(_pipe: object, step: int, _time: object, values: dict[str, Any]) -> dict[str, Any]:
            if cancelled():
                raise Interrupted
            report(step + 1)
            return values

        if cancelled():
            raise Interrupted
        width, height = self.size(first.width, first.height)
        # Noise is drawn on the processor: the same seed gives the same picture on every device, and in any batch.
        noise = [torch.Generator("cpu").manual_seed(task.seed) for task in tasks]
        asked = {
            **self._prompts(tasks),
            "width": width,
            "height": height,
            "num_inference_steps": first.steps,
            "guidance_scale": first.guidance,
            "generator": noise,
            "callback_on_step_end": after_step,
        }
        with torch.inference_mode():
            made = self._pipe(**{name: value for name, value in asked.items() if name in self._takes})
        return list(made.images)

    def free(self) -> None:
        """Give back what only makes things faster."""
        self._embeddings.clear()
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def memory(self) -> int:
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else resident()

    def unload(self) -> None:
        self._pipe = None
        self.free()

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The nearest size, not larger, that the model can draw: patches of two by two of its latents."""
        unit = 2 * getattr(self._pipe, "vae_scale_factor", 8)
        return max(unit, width // unit * unit), max(unit, height // unit * unit)

    # Prompts

    def _prompts(self, tasks: Sequence[ImageTask]) -> dict[str, Any]:
        guided = tasks[0].guidance > 1
        words = [task.prompt for task in tasks]
        against = [task.negative_prompt for task in tasks] if guided and any(task.negative_prompt for task in tasks) else None
        if self._keeps and "prompt_embeds" in self._takes and hasattr(self._pipe, "encode_prompt"):
            known = [self._embedded(task.prompt, task.negative_prompt if guided else "", guided=guided) for task in tasks]
            if all(pair is not None for pair in known):
                positive, negative = zip(*(pair for pair in known if pair is not None), strict=True)
                return {"prompt_embeds": _joined(positive), **({"negative_prompt_embeds": _joined(negative)} if guided else {})}
        return {"prompt": words, **({"negative_prompt": against} if against else {})}

    def _embedded(self, prompt: str, negative: str, *, guided: bool) -> tuple[Any, Any] | None:
        """What the text encoder makes of a prompt, once for each; ``None`` for pipelines whose encoder answers in another form."""
        key = (prompt, negative, guided)
        if key in self._embeddings:
            self._embeddings.move_to_end(key)
            return self._embeddings[key]
        takes = inspect.signature(self._pipe.encode_prompt).parameters
        asked = {
            "prompt": [prompt],
            "negative_prompt": [negative] if guided else None,
            "do_classifier_free_guidance": guided,
            "device": self._device,
            "num_images_per_prompt": 1,
        }
        with torch.inference_mode():
            made = self._pipe.encode_prompt(**{name: value for name, value in asked.items() if name in takes})
        if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], list | torch.Tensor)):
            self._keeps = False
            return None
        self._embeddings[key] = made
        if len(self._embeddings) > EMBEDDINGS:
            self._embeddings.popitem(last=False)
        return made

    # Attention

    def _backbone(self) -> Any:  # noqa: ANN401  a transformer or a U-Net of any of diffusers' classes
        return getattr(self._pipe, "transformer", None) or self._pipe.unet

    def _choose_attention(self) -> str:
        """The first backend with which a small picture can be drawn; empty where the model leaves no choice."""
        backbone = self._backbone()
        if not hasattr(backbone, "set_attention_backend"):
            return ""
        wanted = self._options.get("attention")
        for name in [str(wanted)] if wanted else BACKENDS:
            began = time.monotonic()
            try:
                backbone.set_attention_backend(name)
                self._trial()
            except Exception as error:  # a missing package, a missing kernel, a shape it does not take: the next one is tried
                if out_of_memory(error):
                    raise
                log.info("attention %s does not work here: %s", name, " ".join(str(error).split())[:200])
                continue
            log.info("attention: %s (tried in %.1f s)", name, time.monotonic() - began)
            return name
        if wanted:
            raise PoolError("model", path=self._spec.model, reason=f"the attention backend {wanted} does not work here")
        backbone.reset_attention_backend()
        return ""

    def _trial(self) -> None:
        task = ImageTask("trial", "a trial", Path(), width=TRIAL_SIDE, height=TRIAL_SIDE, steps=TRIAL_STEPS, guidance=self._spec.guidance)
        with _unkept(self):
            self.draw([task], lambda _step: None, lambda: False)
        torch.cuda.synchronize()


@contextmanager
def _unkept(engine: DiffusersEngine) -> Iterator[None]:
    """Leave no trace of what is drawn inside."""
    try:
        yield
    finally:
        engine.free()


def _joined(parts: Sequence[Any]) -> Any:  # noqa: ANN401  lists of tensors, or tensors
    return [tensor for part in parts for tensor in part] if isinstance(parts[0], list) else torch.cat(list(parts))


def _settle_libraries() -> None:
    """What they say goes where all is logged, and without progress bars. The lock of these would be a semaphore of the system, which a
    worker that is killed leaves behind.
    """
    for library in (diffusers_logging, transformers_logging):
        library.disable_default_handler()
        library.enable_propagation()
        library.disable_progress_bar()
    tqdm.set_lock(threading.RLock())


def _check(model: str) -> None:
    """Raise a sentence for what can be told before anything is loaded."""
    if not model:
        raise PoolError("no_model")
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "model_index.json").is_file():
            raise PoolError("model_kind", path=model)
    elif path.exists():
        raise PoolError("model_kind", path=model)
    elif model.startswith(("/", ".", "~", "\\")) or model.count("/") != 1:
        raise PoolError("model_missing", path=model)
