"""All pages as one Gradio app."""

from __future__ import annotations

import gradio as gr

from pages import api, batch, create, gallery, images, monitor, personas
from pages.language import say
from pipeline.studio import Studio

PAGES = (
    ("/", "nav.create", create.build),
    ("/personas", "nav.personas", personas.build),
    ("/gallery", "nav.gallery", gallery.build),
    ("/batch", "nav.batch", batch.build),
    ("/images", "nav.images", images.build),
    ("/monitor", "nav.monitor", monitor.build),
)
"""Where the pages are, what they are called, and what lays them out. The first is the one that opens."""
PATHS = tuple(path for path, _, _ in PAGES)
UNUSED_UPLOADS = 86400
"""Seconds after which a file that was uploaded is deleted. What is used of it was cleaned and stored long before."""


def build(studio: Studio) -> gr.Blocks:
    """The pages, laid out and wired. Uploads that nobody used are deleted after a day."""
    with gr.Blocks(title=say("en", "product"), analytics_enabled=False, delete_cache=(3600, UNUSED_UPLOADS)) as site:
        PAGES[0][2](studio)
        api.build(studio)
    for path, title, lay_out in PAGES[1:]:
        with site.route(say("en", title), path):
            lay_out(studio)
    site.queue(default_concurrency_limit=None, max_size=1000)
    return site
