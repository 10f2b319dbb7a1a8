"""The engines by name. Each is imported only in the worker that runs it: one of them takes seconds and hundreds of megabytes."""

from __future__ import annotations

from importlib import import_module

from gpu_pool.engines.base import Engine
from gpu_pool.problems import PoolError
from gpu_pool.tasks import EngineSpec

ENGINES = {
    "diffusers": "gpu_pool.engines.diffusers:DiffusersEngine",
    "preview": "gpu_pool.engines.preview:PreviewEngine",
}


def make(spec: EngineSpec) -> Engine:
    """The engine that *spec* names: one of :data:`ENGINES`, or any class as ``module:Class``."""
    module, _, name = ENGINES.get(spec.name, spec.name).partition(":")
    if not name:
        raise PoolError("no_engine", engine=spec.name)
    return getattr(import_module(module), name)(spec)
