"""Functions that the script of a card calls (`server_functions`). Whatever a browser sends is checked here first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, TypeVar

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from errors import EditError, StudioError
from pages.language import of_request, say, sentence


class Asked(BaseModel):
    """What a script sends with a call: one object, nothing in it that we do not know, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    _spoken: str = PrivateAttr("en")

    @property
    def spoken(self) -> str:
        """The visitor's language; the request says it, not the script."""
        return self._spoken


class Uploaded(Asked):
    """A file that the script has uploaded: where Gradio put it, and what its author calls it."""

    path: Annotated[str, Field(max_length=4096)]
    name: Annotated[str, Field(max_length=1000)]


A = TypeVar("A", bound=Asked)
Answer = dict[str, Any]
ServerFunction = Callable[..., Awaitable[Answer]]


def answering(what: type[A], work: Callable[[A], Awaitable[Answer]], language: str) -> ServerFunction:
    """A server function with the name of *work*, which is given what was asked. What goes wrong is answered as ``{error: sentence}`` in
    the visitor's language, an edit that cannot be kept also as ``problems: [{place, words}]``; *language* is the UI_LANGUAGE setting.
    """

    async def answer(asked: object, request: gr.Request) -> Answer:
        spoken = of_request(request, language)
        try:
            read = what.model_validate(asked)
            read._spoken = spoken  # noqa: SLF001  a private attribute, so that no browser can say it
            return await work(read)
        except ValidationError:
            return {"error": say(spoken, "call.unreadable")}
        except StudioError as error:
            several = error.problems if isinstance(error, EditError) else ()
            problems = [{"place": str(one.facts.get("place", "")), "words": sentence(one, spoken)} for one in several]
            return {"error": sentence(error, spoken), **({"problems": problems} if problems else {})}

    answer.__name__ = work.__name__
    return answer


def answering_all(pairs: Iterable[tuple[type[Asked], Callable[[Any], Awaitable[Answer]]]], language: str) -> list[ServerFunction]:
    """:func:`answering` for each of *pairs*: what is sent, and the work that takes it."""
    return [answering(what, work, language) for what, work in pairs]
