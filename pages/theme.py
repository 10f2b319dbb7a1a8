"""The looks that all pages share. Fonts are those of the visitor's system: a page asks no other host for anything."""

from __future__ import annotations

from gradio.themes import Base, Color

from pages.components.card import TEMPLATES

_VIOLET = Color(
    name="studio",
    c50="#f4f3fd",
    c100="#e9e7fb",
    c200="#d5d1f6",
    c300="#b8b1ee",
    c400="#958be3",
    c500="#776cdb",
    c600="#6459d6",
    c700="#5247b8",
    c800="#433b94",
    c900="#393376",
    c950="#231f4a",
)
_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

_CSS = ("studio", "logout", "gallery", "personas", "calendars", "batch", "strip", "images", "picture_view", "monitor")
CSS_FILES = [TEMPLATES / f"{name}.css" for name in _CSS]


def theme() -> Base:
    """Quiet surfaces and one strong colour, the violet of the logo."""
    return Base(
        primary_hue=_VIOLET, secondary_hue=_VIOLET, neutral_hue="zinc", radius_size="lg", text_size="md", font=_SANS, font_mono=_MONO
    ).set(
        body_background_fill="#fbfbfc",
        body_background_fill_dark="#131316",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="white",
        block_background_fill_dark="#1c1c20",
        border_color_primary="#e4e4e9",
        border_color_primary_dark="#303036",
        block_border_width="1px",
        block_shadow="none",
        input_background_fill="white",
        input_background_fill_dark="#222227",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        block_label_text_color="*body_text_color_subdued",
    )
