"""What each mode of the command line does with the Studio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cli import tables
from cli.batches import Batches
from cli.interruption import Interruption
from cli.orders import CancelOrder, ImagesOrder, JobsOrder, Order, PersonaOrder, Report, ResumeOrder, WorkOrder
from cli.pictures import Pictures
from cli.portraits import Portraits
from cli.progress import Progress, print_json
from cli.session import EVERY_JOB, Manner, Session, can_go_on
from config import Settings
from errors import NotFoundError
from pipeline import persona_steps, picture_steps, tweet_steps
from pipeline.studio import Studio

GRACE = 10.0
"""Seconds that calls under way are given to end after SIGINT or SIGTERM."""


def run(order: Order, settings: Settings, manner: Manner) -> int:
    """Do it. Returns the exit code; raises :class:`StudioError` for what ends everything."""
    missing = not (settings.data_dir / "studio.db").exists()
    if missing and isinstance(order, ResumeOrder | CancelOrder) and order.job:
        raise NotFoundError("There is no job {job}: there is no database in {folder} yet.", job=order.job, folder=settings.data_dir)
    if missing and not isinstance(order, WorkOrder):
        return _nothing_yet(order, settings, manner)
    if isinstance(order, JobsOrder):
        return asyncio.run(_jobs(settings, manner))
    if isinstance(order, CancelOrder):
        return asyncio.run(_cancel(order, settings, manner))
    return asyncio.run(_work(order, settings, manner))


def _nothing_yet(order: Order, settings: Settings, manner: Manner) -> int:
    if manner.json:
        print_json({"jobs": []} if isinstance(order, JobsOrder) else Report().as_dict())
    Progress(quiet=manner.quiet).note(f"There are no jobs yet: there is no database in {settings.data_dir}.")
    return 0


# Jobs as such


async def _jobs(settings: Settings, manner: Manner) -> int:
    studio = Studio(settings)
    try:
        jobs = [{**job, "can_resume": await can_go_on(studio, job)} for job in await studio.recent_jobs(EVERY_JOB)]
    finally:
        await studio.stop()
    for job in jobs:
        if job["can_resume"] and job["status"] in ("queued", "running"):
            job["status"] = "interrupted"
    if manner.json:
        print_json({"jobs": jobs})
        return 0
    tables.print_jobs(jobs)
    if can := sum(job["can_resume"] for job in jobs):
        Progress(quiet=manner.quiet).note(
            f"{can} can go on: {manner.again} --resume JOB for one of them, --resume for all but cancelled ones."
        )
    return 0


async def _cancel(order: CancelOrder, settings: Settings, manner: Manner) -> int:
    studio = Studio(settings)
    try:
        await studio.job(order.job)
        await studio.start()
        done = await studio.cancel(order.job, failed=True)
        job = await studio.job(order.job)
    finally:
        await studio.stop()
    if manner.json:
        print_json({"job": job["id"], "status": job["status"], "cancelled": done})
    progress = Progress(quiet=manner.quiet)
    if done:
        progress.note(f"{job['id']} is cancelled; {job['done']} of {job['total']} steps were done and stay.")
    else:
        progress.warn(f"{job['id']} had ended already ({job['status']}).")
    return 0 if done else 1


# Jobs that run here


def _prepared(order: WorkOrder | ResumeOrder, session: Session) -> Callable[[], Coroutine[Any, Any, None]] | None:
    """What is to be done, ``None`` where nothing of it can be. Touches nothing."""
    portraits, batches, pictures = Portraits(session), Batches(session), Pictures(session)
    session.makers = {persona_steps.KIND: portraits, tweet_steps.KIND: batches, picture_steps.KIND: pictures}
    if isinstance(order, ResumeOrder):
        return lambda: session.resume(order)
    if isinstance(order, PersonaOrder):
        images, targets = portraits.sort_out(order)
        return (lambda: portraits.write(order, images, targets)) if images else None
    if isinstance(order, ImagesOrder):
        return (lambda: pictures.draw(order)) if pictures.usable(order) else None
    found = batches.sort_out(order)
    return (lambda: batches.write(order, found)) if found else None


async def _work(order: WorkOrder | ResumeOrder, settings: Settings, manner: Manner) -> int:
    interruption = Interruption()
    session = Session(settings, manner)
    prepared = _prepared(order, session)
    if prepared is None:
        return session.finish(0)
    session.open()
    try:
        await session.studio.start()
        await session.introduce()
        work = asyncio.create_task(prepared())
        await interruption.race(work, session.tick())
        if not work.done():
            session.progress.warn(f"Stopping: calls under way have {GRACE:g} s to end. Once more ends at once.")
            await session.studio.drain(GRACE)
            work.cancel()
            await asyncio.wait([work])
        if not work.cancelled():
            work.result()
        await session.conclude()
    finally:
        session.progress.close()
        await session.studio.stop(0)
    return session.finish(interruption.signal)
