"""What can go wrong with a picture or with the pool, as sentences for a person."""

from __future__ import annotations

from errors import StudioError

SENTENCES = {
    # A picture.
    "size": "{width} x {height} cannot be drawn: each side must have {least} to {most} pixels.",
    "steps": "{steps} steps cannot be drawn: choose 1 to {most}.",
    "seed": "{seed} is no seed: choose a whole number from 0 to 9223372036854775807.",
    "too_long": "The prompt and the texts of this picture have {size} bytes together; the limit is {limit}. Shorten them.",
    "lora_missing": "There is no LoRA file {path}. Correct the path in the persona or the tweet, or draw without it.",
    "lora_kind": "{path} is not a .safetensors file. Other formats can run code, so they are not loaded.",
    "lora": "The LoRA {path} cannot be used with {model}: {reason}.",
    "out_of_memory": "{device} ran out of memory at {width} x {height}, with its cache cleared as well. Lower the size (IMAGE_SIZE), "
    "use a smaller model (IMAGE_MODEL), or end other programs on it.",
    "refused": "The picture could not be drawn: {reason}.",
    "disk_full": "The disk is full: {path} could not be written. Make room; what was saved before is safe.",
    "not_written": "{path} could not be written: {reason}. Check DATA_DIR.",
    "timeout": "The picture was given up: {times} workers did not finish it within {seconds:g} seconds each. Lower its size or steps, "
    "or raise IMAGE_TIMEOUT.",
    "poison": "The picture was given up: {times} workers died while drawing it, the last one of {how}. Change its prompt, size or LoRA.",
    "cancelled": "The picture was cancelled.",
    "stopped": "The image workers are being stopped, so this picture was not drawn.",
    # Loading.
    "no_model": "IMAGE_MODEL is not set. Set it to the folder or the hub id of a diffusers pipeline, or set IMAGE_ENGINE=preview.",
    "model_missing": "There is no folder {path}. Set IMAGE_MODEL to the folder or the hub id of a diffusers pipeline.",
    "model_kind": "{path} holds no diffusers pipeline: it has no model_index.json. Set IMAGE_MODEL to a folder that has one.",
    "model": "The model {path} cannot be loaded: {reason}. Check IMAGE_MODEL.",
    "no_engine": "There is no image engine {engine}. Set IMAGE_ENGINE to auto, diffusers or preview.",
    "packages": "The image engine {engine} needs packages that are not installed: {reason}. Run: pip install -r requirements.txt",
    "load_memory": "{device} has not enough memory to load {path}. End other programs on it, or set IMAGE_MODEL to a smaller model.",
    # Workers and the pool.
    "died": "The image worker on {device} died of {how}. It is being restarted.",
    "hung": "The image worker on {device} did not finish its picture within {seconds:g} seconds and is being restarted.",
    "died_loading": "The image worker on {device} died of {how} while it loaded its model, {times} times. It is tried again now and then.",
    "load_timeout": "The image worker on {device} did not load its model within {seconds:g} seconds, {times} times. It is tried again now "
    "and then.",
    "not_started": "The image worker on {device} could not be started: {reason}. It is tried again now and then.",
}


class PoolError(StudioError):
    """*kind* is one of the keys of :data:`SENTENCES`; ``cancelled`` and ``stopped`` say that nothing went wrong."""

    def __init__(self, kind: str, **facts: object) -> None:
        super().__init__(SENTENCES[kind], **facts)
        self.kind = kind

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.kind, self.facts)


def _again(kind: str, facts: dict[str, object]) -> PoolError:
    return PoolError(kind, **facts)


def reason(error: BaseException, *, longest: int = 300) -> str:
    """What *error* says, on one line and without its full stop, to be put into a sentence."""
    words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"
