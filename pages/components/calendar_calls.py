"""What the page of a persona may ask for of its calendars: all of them, the days of one, another one, one less."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from pages.components.asked import Answer, Asked, Uploaded
from pages.components.reference_image import taken
from pages.language import stored, told
from pages.tweet_filters import DayOrNothing, Id
from pipeline.calendar import MOST_DAYS
from pipeline.studio import Studio
from pipeline.tweet_steps import Order

USUAL_DAYS = 15


class OfPersona(Asked):
    persona: Id


class OneCalendar(Asked):
    calendar: Id


class PlanDays(OfPersona):
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)]
    start: DayOrNothing = ""


class PlanJob(OfPersona):
    job: Id


class CalendarFile(OfPersona, Uploaded):
    pass


class CalendarCalls:
    """Their answers; the script `personas_calendars.js` asks."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def pairs(self) -> list[tuple[type[Asked], Callable[[Any], Awaitable[Answer]]]]:
        """What is sent, and the work that takes it, for :func:`pages.components.asked.answering_all`."""
        return [
            (OfPersona, self.calendars),
            (OneCalendar, self.days),
            (PlanDays, self.plan),
            (PlanJob, self.plan_again),
            (PlanJob, self.plan_stop),
            (CalendarFile, self.add_calendar),
            (OneCalendar, self.remove_calendar),
        ]

    async def calendars(self, asked: OfPersona) -> Answer:
        """The persona's calendars, newest first, and how it stands with the one that was ordered last."""
        writing = await self.studio.calendars.writing(asked.persona)
        found = await self.studio.calendars.of_persona(asked.persona)
        state = {**asdict(writing), "reason": stored(writing.reason, asked.spoken)} if writing else None
        return {"calendars": found, "writing": state, "usual": USUAL_DAYS, "most": MOST_DAYS}

    async def days(self, asked: OneCalendar) -> Answer:
        """The days of a calendar in their order, each as [date, plan], and what it says of all of them."""
        body = (await self.studio.calendars.get(asked.calendar))["body"]
        return {"days": sorted(body["calendar"].items()), "strategy": body.get("monthly_strategy") or ""}

    async def plan(self, asked: PlanDays) -> Answer:
        """Start writing a calendar: a person waits."""
        await self.studio.calendars.start(Order(asked.persona, asked.days, None, asked.start))
        return await self.calendars(asked)

    async def plan_again(self, asked: PlanJob) -> Answer:
        """Write the calendar that failed, or was stopped or paused."""
        await self.studio.resume(asked.job)
        return await self.calendars(asked)

    async def plan_stop(self, asked: PlanJob) -> Answer:
        """Give a calendar up that is being written, or has failed."""
        await self.studio.cancel(asked.job, failed=True)
        return await self.calendars(asked)

    async def add_calendar(self, asked: CalendarFile) -> Answer:
        """Keep an uploaded calendar: ``{calendar, remarks}``."""
        content, name = await asyncio.to_thread(taken, asked.path, asked.name)
        calendar_id, deviations = await self.studio.calendars.add(asked.persona, content, name)
        return {"calendar": calendar_id, "remarks": told(deviations, asked.spoken)}

    async def remove_calendar(self, asked: OneCalendar) -> Answer:
        """Delete a calendar; its tweets stay."""
        await self.studio.calendars.delete(asked.calendar)
        return {"gone": asked.calendar}
