from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.llm.gate import Gate


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


class Visitor:
    """Somebody who takes a slot and keeps it until told to go."""

    def __init__(self, gate: Gate, log: list[str], name: str, priority: int = 0):
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self.visit(gate, log, name, priority))

    async def visit(self, gate, log, name, priority):
        async with gate.slot(priority):
            log.append(name)
            await self.go.wait()


@pytest.fixture
def log() -> list[str]:
    return []


async def test_those_who_find_a_free_slot_do_not_wait(log):
    gate = Gate(2)
    visitors = [Visitor(gate, log, name) for name in "ab"]
    await settle()
    assert (log, gate.in_use, gate.waiting) == (["a", "b"], 2, 0)
    for visitor in visitors:
        visitor.go.set()
    await settle()
    assert (gate.in_use, gate.peak) == (0, 2)


async def test_a_freed_slot_goes_to_a_person_before_a_batch_and_to_the_first_among_equals(log):
    gate = Gate(1)
    holder = Visitor(gate, log, "holder")
    await settle()
    waiting = [Visitor(gate, log, *who) for who in [("batch 1", 5), ("batch 2", 5), ("person 1", 0), ("person 2", 0)]]
    await settle()
    assert gate.waiting == 4
    for visitor in [holder, waiting[2], waiting[3], waiting[0], waiting[1]]:
        visitor.go.set()
        await settle()
    assert log == ["holder", "person 1", "person 2", "batch 1", "batch 2"]


async def test_who_comes_while_a_slot_changes_hands_does_not_slip_in(log):
    gate = Gate(1)
    holder = Visitor(gate, log, "holder")
    await settle()
    waiting = Visitor(gate, log, "waiting")
    await settle()
    holder.go.set()
    late = Visitor(gate, log, "late")
    await settle()
    assert (log, gate.in_use, gate.peak) == (["holder", "waiting"], 1, 1)
    for visitor in (waiting, late):
        visitor.go.set()
    await settle()
    assert (log[-1], gate.in_use) == ("late", 0)


async def test_one_who_gives_up_waiting_takes_no_slot(log):
    gate = Gate(1)
    holder = Visitor(gate, log, "holder")
    await settle()
    impatient, patient = Visitor(gate, log, "impatient"), Visitor(gate, log, "patient")
    await settle()
    impatient.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient.task
    holder.go.set()
    await settle()
    assert log == ["holder", "patient"]
    patient.go.set()
    await settle()
    assert gate.in_use == 0


async def test_a_slot_handed_to_somebody_who_is_cancelled_at_that_moment_goes_to_the_next(log):
    gate = Gate(1)
    holder = Visitor(gate, log, "holder")
    await settle()
    unlucky, next_one = Visitor(gate, log, "unlucky"), Visitor(gate, log, "next")
    await settle()
    holder.task.cancel()  # it leaves, and hands over, while it unwinds ...
    await asyncio.sleep(0)
    unlucky.task.cancel()  # ... and this one has the slot but has not woken up yet
    await settle()
    assert (log, gate.in_use) == (["holder", "next"], 1)
    next_one.go.set()
    await settle()
    assert gate.in_use == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), width=st.integers(1, 5), calls=st.integers(1, 60))
def test_under_any_storm_the_width_holds_and_every_slot_comes_back(seed, width, calls):
    async def storm():
        rng, gate, inside = random.Random(seed), Gate(width), 0

        async def call(priority: int, laps: int):
            nonlocal inside
            async with gate.slot(priority):
                inside += 1
                assert inside <= width
                try:
                    for _ in range(laps):
                        await asyncio.sleep(0)
                    if rng.random() < 0.2:
                        raise ValueError
                finally:
                    inside -= 1

        tasks = []
        for _ in range(calls):
            tasks.append(asyncio.create_task(call(rng.randrange(3), rng.randrange(4))))
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            if rng.random() < 0.4:
                rng.choice(tasks).cancel()
        ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert not [error for error in ended if isinstance(error, AssertionError)]
        assert (gate.in_use, gate.waiting, inside) == (0, 0, 0)
        assert gate.peak <= width
        async with asyncio.timeout(1):  # all slots are there again
            for _ in range(width):
                await gate._enter(0)

    asyncio.run(storm())
