"""Which tweets are meant, as a browser says it: in a call, and in the address of the Gallery and of its exports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from errors import ConflictError
from pages.components.asked import Asked
from pipeline.tweet_desk import Filters


def _day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


Id = Annotated[str, Field(min_length=1, max_length=40)]
Words = Annotated[str, Field(min_length=1, max_length=200)]
Day = Annotated[str, Field(max_length=10), AfterValidator(_day)]
DayOrNothing = Annotated[str, Field(max_length=10), AfterValidator(lambda text: text and _day(text))]


class Wanted(Asked):
    """The filters under the names that they have in an address."""

    persona: list[Id] = Field([], max_length=500)
    status: list[Words] = Field([], max_length=3)
    topic: list[Words] = Field([], max_length=200)
    badge: list[Words] = Field([], max_length=50)
    since: Day | None = None
    until: Day | None = None
    job: Id | None = None
    q: str = Field("", max_length=500)

    def filters(self) -> Filters:
        return Filters(
            persona_ids=tuple(self.persona),
            statuses=tuple(self.status),
            topics=tuple(self.topic),
            badges=tuple(self.badge),
            first_day=self.since,
            last_day=self.until,
            job_id=self.job,
            search=self.q,
        )


_MANY = ("persona", "status", "topic", "badge")


def of_address(query: Iterable[tuple[str, str]]) -> Filters:
    """The filters of an address; parameters that are none are left alone. Raises :class:`ConflictError` for what cannot be read."""
    wanted: dict[str, object] = {name: [] for name in _MANY}
    for name, value in query:
        if name in _MANY:
            wanted[name].append(value)  # type: ignore[attr-defined]
        elif name in Wanted.model_fields:
            wanted[name] = value
    try:
        return Wanted.model_validate(wanted).filters()
    except ValidationError as error:
        what = ", ".join(dict.fromkeys(str(problem["loc"][0]) for problem in error.errors()))
        raise ConflictError("The filters in this address cannot be read ({what}).", what=what) from None
