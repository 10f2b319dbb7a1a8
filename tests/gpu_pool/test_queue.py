from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gpu_pool.queue import FairQueue


@dataclass(eq=False)
class Waiting:
    name: str
    priority: int = 0
    job: str = ""
    size: int = 64

    def alike(self):
        return self.size


def drained(queue: FairQueue) -> list[str]:
    return [entry.name for entry in iter(lambda: (queue.take() or [None])[0], None)]


def test_the_lowest_number_goes_first_and_equals_in_the_order_of_arrival():
    queue = FairQueue()
    for entry in [Waiting("batch 1", 5), Waiting("batch 2", 5), Waiting("person 1"), Waiting("person 2")]:
        queue.add(entry)
    assert drained(queue) == ["person 1", "person 2", "batch 1", "batch 2"]


def test_jobs_take_turns():
    queue = FairQueue()
    for number in range(4):
        queue.add(Waiting(f"large {number}", job="large"))
    queue.add(Waiting("small 0", job="small"))
    queue.add(Waiting("small 1", job="small"))
    assert drained(queue) == ["large 0", "small 0", "large 1", "small 1", "large 2", "large 3"]


def test_what_lost_its_worker_goes_before_its_equals_and_behind_the_more_urgent():
    queue = FairQueue()
    for entry in [Waiting("other", 1, "a"), Waiting("next", 1, "b"), Waiting("urgent")]:
        queue.add(entry)
    queue.add_front(Waiting("again", 1, "b"))
    assert drained(queue) == ["urgent", "again", "other", "next"]


def test_a_batch_holds_what_is_next_and_alike_and_nothing_of_another_priority():
    queue = FairQueue()
    for entry in [Waiting("1"), Waiting("wide", size=128), Waiting("2", job="b"), Waiting("3", job="b"), Waiting("late", 1)]:
        queue.add(entry)
    assert [[entry.name for entry in queue.take(3)] for _ in range(4)] == [["1", "2", "3"], ["wide"], ["late"], []]


def test_one_that_is_removed_never_comes():
    queue = FairQueue()
    entries = [Waiting(name, job=name) for name in "abc"]
    for entry in entries:
        queue.add(entry)
    queue.remove(entries[1])
    assert (len(queue), drained(queue)) == (2, ["a", "c"])


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.sampled_from(["add", "front", "take", "remove"])), max_size=60))
def test_nothing_is_lost_or_handed_out_twice(moves):
    queue, inside, taken = FairQueue(), [], []
    for number, (priority, job, move) in enumerate(moves):
        entry = Waiting(str(number), priority, job, size=number % 2)
        if move == "take":
            got = queue.take(2)
            assert bool(got) == bool(inside)
            assert all(one.priority == min(each.priority for each in inside) for one in got)
            taken += got
            inside = [one for one in inside if one not in got]
        elif move == "remove" and inside:
            queue.remove(inside.pop(number % len(inside)))
        elif move != "remove":
            (queue.add if move == "add" else queue.add_front)(entry)
            inside.append(entry)
        assert len(queue) == len(inside)
    assert sorted(entry.name for entry in queue.clear()) == sorted(entry.name for entry in inside)
    assert len(set(taken)) == len(taken)
    assert len(queue) == 0
