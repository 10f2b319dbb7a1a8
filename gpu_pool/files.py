"""Pictures as files: written once, never half, named by what is in them, and saying how they were made.

A file carries the ``parameters`` text that AUTOMATIC1111's web UI writes and most tools read, and XMP with IPTC's mark of pictures that
no camera took and a description for people who do not see it. Nothing in it depends on when or where it was drawn.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpu_pool.problems import PoolError
from gpu_pool.tasks import EngineInfo, ImageTask

THUMBNAIL_EDGE = 640
"""Longest edge in pixels: a gallery card of 320 CSS pixels on a screen with two pixels each."""
_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/">
   <Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
   <xmp:CreatorTool>Persona Studio</xmp:CreatorTool>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{alt}</rdf:li></rdf:Alt></dc:description>
   <Iptc4xmpCore:AltTextAccessibility><rdf:Alt><rdf:li xml:lang="x-default">{alt}</rdf:li></rdf:Alt></Iptc4xmpCore:AltTextAccessibility>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True)
class Written:
    path: Path
    sha256: str
    thumbnail: Path


def write(image: Image.Image, task: ImageTask, info: EngineInfo) -> Written:
    """Put *image* into the task's folder as ``<sha256>.png`` with ``<sha256>.webp`` beside it; both are on the disk when this returns.

    Raises :class:`PoolError` when the disk refuses, and nothing of it is left then.
    """
    xmp = description(task, info)
    content = _png(image, task, info, xmp)
    digest = hashlib.sha256(content).hexdigest()
    path = task.folder / f"{digest}.png"
    thumbnail = path.with_suffix(".webp")
    try:
        task.folder.mkdir(parents=True, exist_ok=True)
        # The thumbnail first: whoever sees the picture finds it.
        _put(thumbnail, _webp(image, xmp), unfinished(task))
        _put(path, content, unfinished(task))
        _sync_folder(task.folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PoolError("disk_full", path=path) from error
        raise PoolError("not_written", path=path, reason=error.strerror or error) from error
    return Written(path, digest, thumbnail)


def unfinished(task: ImageTask) -> Path:
    """Where a file of *task* grows. Always the same place, so that what a killed worker left is overwritten when the task is redone."""
    return task.folder / f".{hashlib.sha256(task.id.encode()).hexdigest()[:16]}.part"


def parameters(task: ImageTask, info: EngineInfo, size: tuple[int, int]) -> str:
    """How to draw it again, in the text form of AUTOMATIC1111 (its ``create_infotext`` and ``parse_generation_parameters``)."""
    prompt = task.prompt
    if task.lora is not None:
        prompt += f" <lora:{Path(task.lora.path).stem}:{task.lora.strength:g}>"
    facts = {
        "Steps": task.steps,
        "Sampler": info.sampler,
        "CFG scale": f"{task.guidance:g}",
        "Seed": task.seed,
        "Size": "{}x{}".format(*size),
        "Model": _model_name(info.model),
        "Version": "Persona Studio",
    }
    negative = [f"Negative prompt: {task.negative_prompt}"] if task.negative_prompt else []
    return "\n".join([prompt, *negative, ", ".join(f"{name}: {_quoted(value)}" for name, value in facts.items() if value != "")])


def description(task: ImageTask, info: EngineInfo) -> str:
    """The XMP packet: how the picture came about, and in words what is on it."""
    alt = escape(_NOT_IN_XML.sub("", task.alt or task.text or task.prompt))
    return _XMP.format(source=_SOURCE + info.digital_source, alt=alt)


def _model_name(model: str) -> str:
    """A hub id as it is; of a folder its name, for a picture that is passed on need not say where things lie here."""
    return Path(model).name if model.startswith(("/", ".", "~")) else model


def _quoted(value: object) -> str:
    """As the reader of this form expects values that hold its separators."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search("[,:\n]", text) else text


def _png(image: Image.Image, task: ImageTask, info: EngineInfo, xmp: str) -> bytes:
    chunks = PngInfo()
    chunks.add_text("parameters", _encodable(parameters(task, info, image.size)))
    chunks.add_itxt("XML:com.adobe.xmp", xmp)
    if task.extra:
        chunks.add_itxt("persona_studio", _encodable(_json(task.extra)))
    target = BytesIO()
    # Level 1 takes a third of the default's time at a few percent more bytes; the GPU waits meanwhile.
    image.save(target, "PNG", pnginfo=chunks, compress_level=1)
    return target.getvalue()


def _webp(image: Image.Image, xmp: str) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    target = BytesIO()
    small.save(target, "WEBP", quality=80, method=2, xmp=xmp.encode())
    return target.getvalue()


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(dict(values), ensure_ascii=False, sort_keys=True)


def _encodable(text: str) -> str:
    """Without halves of characters, which no file can hold, and without the byte that ends a chunk's text."""
    return text.encode("utf-8", "ignore").decode().replace("\0", "")


def _put(path: Path, content: bytes, temporary: Path) -> None:
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
