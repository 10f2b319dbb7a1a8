# ruff: noqa: INP001 - a script beside its drawings, not a package
"""Render the sample illustrations: every ``*.svg`` beside this file becomes a JPEG in the folder above, and a thumbnail.

.. code-block:: sh

    python assets/samples/src/render.py [--chromium PATH] [name ...]

Needs Pillow and Playwright.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
SCALE = 2
"""Drawn at twice the size, then reduced: cleaner edges."""
BEST, WORST = 86, 60
THUMB = 192
LIMIT = 245_000
"""Bytes a picture may take; the quality is lowered until it fits."""


def save(picture: Image.Image, target: Path) -> None:
    """Write ``picture`` as a progressive JPEG of at most ``LIMIT`` bytes."""
    for quality in range(BEST, WORST - 1, -2):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True, subsampling=0)
        if buffer.tell() <= LIMIT:
            target.write_bytes(buffer.getvalue())
            size = f"{picture.width} x {picture.height}, {buffer.tell() // 1000} kB"
            sys.stdout.write(f"{target.name}: {size}, quality {quality}\n")
            return
    raise SystemExit(f"{target.name}: over {LIMIT} bytes even at quality {WORST}")


def save_thumb(picture: Image.Image, target: Path) -> None:
    """Write the middle square of ``picture``, small, for the strip of samples on the page."""
    edge = min(picture.size)
    left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
    small = picture.crop((left, top, left + edge, top + edge)).resize((THUMB, THUMB), Image.Resampling.LANCZOS)
    target.parent.mkdir(exist_ok=True)
    small.save(target, "WEBP", quality=80)


def main() -> None:
    """Render the named sources, or all of them."""
    parser = argparse.ArgumentParser(description="Render the sample illustrations.")
    parser.add_argument("name", nargs="*", help="drawings to render, without .svg; all of them if none is named")
    parser.add_argument("--chromium", help="a Chromium to use instead of Playwright's own")
    wanted = parser.parse_args()
    sources = [HERE / f"{name}.svg" for name in wanted.name] or sorted(HERE.glob("*.svg"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=wanted.chromium, args=["--no-sandbox", "--disable-gpu"])
        for source in sources:
            svg = source.read_text(encoding="utf-8")
            box = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
            if box is None:
                raise SystemExit(f"{source.name}: no viewBox that starts at 0 0")
            width, height = int(box[1]), int(box[2])
            page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=SCALE)
            page.set_content(f"<!doctype html><style>body{{margin:0}}svg{{display:block}}</style>{svg}")
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            page.close()
            picture = shot.resize((width, height), Image.Resampling.LANCZOS)
            save(picture, HERE.parent / f"{source.stem}.jpg")
            save_thumb(picture, HERE.parent / "thumbs" / f"{source.stem}.webp")
        browser.close()


if __name__ == "__main__":
    main()
