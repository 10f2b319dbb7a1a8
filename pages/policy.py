"""What browsers are told about our answers: where scripts, styles and pictures may come from, who may frame or embed them.

The words are those of the Content Security Policy (https://www.w3.org/TR/CSP3/). Three kinds of answer have a policy each: a page, which
is Gradio's; the login page, which has no script at all; and everything else (pictures, files, JSON), where nothing runs.
"""

from __future__ import annotations

import base64
import hashlib

_FRAMES = "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"

FILES = f"default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; {_FRAMES}"
"""For everything that is no page. A file that somebody uploaded and opens in a tab may show itself, and run nothing."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    "content-security-policy": FILES,
}
"""Headers of every answer; one that an answer has already stays. The camera is for reference pictures."""


def page(nonce: str) -> str:
    """For a page, whose inline scripts bear *nonce*.

    Gradio makes functions of the scripts of ``gr.HTML`` and of event listeners (``unsafe-eval``) and sets style attributes. Without
    ``unsafe-inline`` for scripts no markup that finds its way into a page can run anything, not even through ``onerror``.
    """
    return (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
        f"worker-src 'self' blob:; object-src 'none'; {_FRAMES}"
    )


def login(style: str) -> str:
    """For the login page: its one *style* sheet, pictures in the page itself, a form that goes to us; nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
