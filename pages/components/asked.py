"""Functions that the script of a card calls (`server_functions`). Whatever a browser sends is checked here first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import gradio as gr
from pydantic import BaseModel, ConfigDict, ValidationError

from errors import EditError, StudioError
from pages.language import of_request, say, sentence


class Asked(BaseModel):
    """What a script sends with a call: one object, nothing in it that we do not know, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


A = TypeVar("A", bound=Asked)
Answer = dict[str, Any]


def answering(what: type[A], work: Callable[[A], Awaitable[Answer]], language: str) -> Callable[..., Awaitable[Answer]]:
    """A server function with the name of *work*, which is given what was asked. What goes wrong is answered as ``{error: sentence}`` in
    the visitor's language, an edit that cannot be kept also as ``problems: [{place, words}]``; *language* is the UI_LANGUAGE setting.
    """

    async def answer(asked: object, request: gr.Request) -> Answer:
        try:
            return await work(what.model_validate(asked))
        except ValidationError:
            return {"error": say(of_request(request, language), "call.unreadable")}
        except StudioError as error:
            spoken = of_request(request, language)
            several = error.problems if isinstance(error, EditError) else ()
            problems = [{"place": str(one.facts.get("place", "")), "words": sentence(one, spoken)} for one in several]
            return {"error": sentence(error, spoken), **({"problems": problems} if problems else {})}

    answer.__name__ = work.__name__
    return answer
