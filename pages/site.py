"""All pages as one Gradio app."""

from __future__ import annotations

import gradio as gr

from pages import api, create
from pages.language import say
from pipeline.studio import Studio

PATHS = ("/",)
"""Where the pages are."""


def build(studio: Studio) -> gr.Blocks:
    """The pages, laid out and wired. Uploads that nobody used are deleted after a day."""
    with gr.Blocks(title=say("en", "product"), analytics_enabled=False, delete_cache=(3600, 86400)) as site:
        create.build(studio)
        api.build(studio)
    site.queue(default_concurrency_limit=None, max_size=1000)
    return site
