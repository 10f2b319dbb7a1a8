"""Create: a picture becomes a persona while you watch."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import gradio as gr

from errors import ConflictError, NotFoundError, StudioError
from pages import frame
from pages.components.card import card
from pages.components.persona_view import shown
from pages.components.reference_image import Chosen, reference_image, uploaded
from pages.components.tweet_strip import tweet_strip
from pages.language import of_request, say, sentence, t
from pipeline.stages import LONGEST_NAME, LONGEST_WISH, Wishes
from pipeline.studio import Studio, Upload

SAMPLES = Path(__file__).resolve().parent.parent / "assets" / "samples"
RECENT = 12
DOUBLE_CLICK = 1.0
"""Seconds within which a page asks for one persona, however often the button is clicked."""
LANGUAGES = ["English", "中文", "日本語", "Español", "Français", "Deutsch", "Português", "한국어"]

Update = Any
"""A component's new value, or what ``gr.update`` and ``gr.skip`` make."""


def build(studio: Studio) -> None:
    """Lay the page out and wire it."""
    head = frame.header(studio)
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_id="ask"):
            picture = reference_image()
            samples = card("samples", value=sorted(file.stem for file in SAMPLES.glob("*.jpg")), elem_id="samples")
            language = gr.Dropdown(LANGUAGES, value="English", allow_custom_value=True, label=t("create.language"), elem_id="language")
            with gr.Accordion(t("create.options"), open=False, elem_id="options"):
                location = gr.Textbox(label=t("create.location"), placeholder=t("create.location.hint"), max_length=LONGEST_NAME)
                goal = gr.Textbox(label=t("create.goal"), placeholder=t("create.goal.hint"), max_length=LONGEST_WISH)
                instructions = gr.Textbox(
                    label=t("create.instructions"), placeholder=t("create.instructions.hint"), lines=3, max_length=LONGEST_WISH
                )
                with gr.Row():
                    # Text fields: an empty gr.Number becomes 0 as soon as it is shown.
                    temperature = gr.Textbox(label=t("create.temperature"), placeholder=t("create.temperature.hint"), max_length=6)
                    seed = gr.Textbox(label=t("create.seed"), placeholder=t("create.seed.hint"), max_length=18)
            generate = gr.Button(t("create.generate"), variant="primary", elem_id="generate")
            notice = card("notice", value="", elem_id="notice")
        with gr.Column(scale=8, min_width=320):
            tweet_strip(studio)
            view = card("stage_bodies", "persona_panels", "persona_summary", "persona", value=None, elem_id="view")
    recent = card("recent", value=[], elem_id="recent")
    frame.footer()

    on = _Handlers(studio)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "multiple"}
    gr.on(None, on.opened, None, [view, notice, recent, head, language], **quiet)
    samples.select(on.sample, None, picture, **quiet)
    samples.upload(on.pasted, None, [picture, notice], **quiet)
    asked = [picture, language, location, goal, instructions, temperature, seed]
    generate.click(on.generate, asked, [view, notice, recent, generate], **quiet)
    view.retry(on.retry, None, [view, notice, recent], **quiet)
    view.play(on.resume, None, [view, notice, recent], **quiet)
    view.stop(on.stop, None, notice, **quiet)
    view.edit(on.rename, None, [view, notice, recent], **quiet)


class _Handlers:
    """What happens on the page. Handlers start jobs and watch them; a tab that goes away ends only the watching."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._clicked: dict[str, float] = {}
        """When each page last asked for a persona."""

    def spoken(self, request: gr.Request) -> str:
        return of_request(request, self.studio.settings.ui_language)

    async def opened(self, request: gr.Request) -> AsyncIterator[tuple[Update, ...]]:
        """The page appears: (view, notice, recent, header, language). Its address may name a persona to go on with."""
        answer_in = "中文" if self.spoken(request) == "zh" else "English"
        yield gr.skip(), "", await self.recent(), frame.banners(self.studio), answer_in
        persona_id = request.query_params.get("persona", "")
        if not persona_id:
            return
        try:
            async for view, recent in self.watch(persona_id, self.spoken(request), turn_to=True):
                yield view, gr.skip(), recent, gr.skip(), gr.skip()
        except NotFoundError as error:
            yield gr.skip(), sentence(error, self.spoken(request)), gr.skip(), gr.skip(), gr.skip()

    def sample(self, event: gr.EventData) -> str:
        """One of our pictures was chosen."""
        names = {file.stem: str(file) for file in SAMPLES.glob("*.jpg")}
        if event.value not in names:
            raise NotFoundError("There is no such sample picture.")
        return names[event.value]

    def pasted(self, event: gr.EventData, request: gr.Request) -> tuple[Update, Update]:
        """A picture was pasted, or dropped beside the field: (picture, notice)."""
        try:
            path, _ = uploaded(str(event.path), str(event.name))
        except StudioError as error:
            return gr.skip(), sentence(error, self.spoken(request))
        return path, ""

    async def generate(self, chosen: Chosen | None, request: gr.Request, *wishes: object) -> AsyncIterator[tuple[Update, ...]]:
        """(view, notice, recent, button)."""
        idle = gr.update(value=t("create.generate"), interactive=True)
        if chosen is None:
            yield gr.skip(), say(self.spoken(request), "create.nothing"), gr.skip(), idle
            return
        if self.second_click(request.session_hash or ""):
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return
        yield gr.skip(), "", gr.skip(), gr.update(value=t("create.reading"), interactive=False)
        try:
            _, persona_id = await self.studio.create_persona(Upload(Path(chosen[0]), chosen[1]), Wishes.said(*wishes))  # type: ignore[arg-type]
        except StudioError as error:
            self._clicked.pop(request.session_hash or "", None)
            yield gr.skip(), sentence(error, self.spoken(request)), gr.skip(), idle
            return
        yield gr.skip(), "", gr.skip(), idle
        async for view, recent in self.watch(persona_id, self.spoken(request), turn_to=True):
            yield view, gr.skip(), recent, gr.skip()

    def second_click(self, page: str) -> bool:
        """True for the second of a double click: it must not be paid for as another persona."""
        now = time.monotonic()
        self._clicked = {known: when for known, when in self._clicked.items() if now - when < DOUBLE_CLICK}
        again = page in self._clicked
        self._clicked[page] = now
        return again

    async def retry(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[tuple[Update, ...]]:
        """Write one failed stage again: (view, notice, recent)."""
        async for update in self.go_on(event.persona, self.studio.retry_stage(event.persona, event.stage), request):
            yield update

    async def resume(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[tuple[Update, ...]]:
        """Write all that is missing: (view, notice, recent)."""
        async for update in self.go_on(event.persona, self.studio.complete(event.persona), request):
            yield update

    async def go_on(self, persona_id: str, change: Awaitable[None], request: gr.Request) -> AsyncIterator[tuple[Update, ...]]:
        """Make the change, then watch what comes of it."""
        note: Update = ""
        try:
            await change
        except ConflictError as error:  # somebody else was faster; what there is to see is worth seeing
            note = sentence(error, self.spoken(request))
        except StudioError as error:
            yield gr.skip(), sentence(error, self.spoken(request)), gr.skip()
            return
        async for view, recent in self.watch(persona_id, self.spoken(request), turn_to=False):
            yield view, note, recent
            note = gr.skip()  # by now something else may be said there

    async def stop(self, event: gr.EventData, request: gr.Request) -> Update:
        """Stop writing; what is done stays. Whoever watches sees it."""
        try:
            await self.studio.cancel(event.job)
        except StudioError as error:
            return sentence(error, self.spoken(request))
        return ""

    async def rename(self, event: gr.EventData, request: gr.Request) -> tuple[Update, ...]:
        """The author chose a name: (view, notice, recent)."""
        note = ""
        try:
            await self.studio.rename(event.persona, str(event.name), int(event.revision))
        except NotFoundError as error:
            return gr.skip(), sentence(error, self.spoken(request)), await self.recent()
        except StudioError as error:
            note = sentence(error, self.spoken(request))
        return shown(await self.studio.persona(event.persona), self.spoken(request)), note, await self.recent()

    async def watch(self, persona_id: str, language: str, *, turn_to: bool) -> AsyncIterator[tuple[Update, Update]]:
        """(view, recent) for as long as the persona is being written; *turn_to*: the page is to show it instead of what it shows."""
        recent: Update = await self.recent()
        async for view in self.studio.follow(persona_id):
            yield {**shown(view, language), "opened": turn_to}, recent
            turn_to, recent = False, gr.skip()
        yield gr.skip(), await self.recent()

    async def recent(self) -> list[dict[str, Any]]:
        return await self.studio.personas(RECENT)
