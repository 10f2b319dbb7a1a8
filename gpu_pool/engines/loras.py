"""LoRA files: each read once, then switched on and off."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

from gpu_pool.engines.base import out_of_memory
from gpu_pool.problems import PoolError, reason
from gpu_pool.tasks import Lora

MOST = 16
"""Files that are kept loaded; the one that was used longest ago goes first."""


def adapter_name(lora: Lora) -> str:
    """What a file is called inside a pipeline: one that was changed is another one. Raises :class:`PoolError` where there is none."""
    path = Path(lora.path).expanduser()
    if path.suffix.lower() != ".safetensors":
        raise PoolError("lora_kind", path=lora.path)
    try:
        state = path.stat()
    except OSError:
        raise PoolError("lora_missing", path=lora.path) from None
    return "lora_" + hashlib.sha256(f"{path.resolve()}\n{state.st_mtime_ns}\n{state.st_size}".encode()).hexdigest()[:16]


class Loras:
    """Those of one pipeline *pipe*, of the model that is called *model*."""

    def __init__(self, pipe: Any = None, model: str = "") -> None:  # noqa: ANN401  a pipeline of any of diffusers' classes
        self._pipe = pipe
        self._model = model
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._active: tuple[str, float] | None = None

    def use(self, lora: Lora | None) -> None:
        """Draw with *lora* from now on, or without any. Raises :class:`PoolError` for a file that cannot be used; nothing has changed
        then.
        """
        wanted = None if lora is None or lora.strength == 0 else (adapter_name(lora), lora.strength)
        if wanted == self._active:
            return
        if wanted is None or lora is None:
            self._pipe.disable_lora()
        else:
            name, strength = wanted
            if name not in self._loaded:
                self._load(name, lora)
            self._loaded.move_to_end(name)
            self._pipe.enable_lora()
            self._pipe.set_adapters(name, strength)
        self._active = wanted

    def _load(self, name: str, lora: Lora) -> None:
        if not hasattr(self._pipe, "load_lora_weights"):
            raise PoolError("lora", path=lora.path, model=self._model, reason="this pipeline takes none")
        path = Path(lora.path).expanduser()
        try:
            self._pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name=name, local_files_only=True)
        except Exception as error:
            if out_of_memory(error):
                raise
            self._forget(name)
            raise PoolError("lora", path=lora.path, model=self._model, reason=reason(error)) from error
        if name not in self._names():
            raise PoolError("lora", path=lora.path, model=self._model, reason="nothing in it fits this model")
        self._loaded[name] = None
        if len(self._loaded) > MOST:
            self._pipe.delete_adapters(next(iter(self._loaded)))
            self._loaded.popitem(last=False)

    def _forget(self, name: str) -> None:
        """Leave nothing of a file that was read in part."""
        if name in self._names():
            self._pipe.delete_adapters(name)

    def _names(self) -> set[str]:
        return {adapter for names in self._pipe.get_list_adapters().values() for adapter in names}
