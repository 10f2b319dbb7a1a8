"""A page that looks at a batch again is told what changed, and everything where it knows nothing or too little."""

from __future__ import annotations

import random

from pages.components.batch_rows import MOST_BATCHES, BatchRows


def rows(*done: int):
    return [{"id": f"p{number}", "done": count} for number, count in enumerate(done)]


def test_the_first_look_brings_all_rows_and_the_next_those_that_changed():
    table = BatchRows()
    found, whole, mark = table.since("", "job", rows(0, 0, 0))
    assert (found, whole) == (rows(0, 0, 0), True)
    found, whole, mark = table.since(mark, "job", rows(0, 1, 0))
    assert (found, whole) == ([{"id": "p1", "done": 1}], False)
    assert table.since(mark, "job", rows(0, 1, 0))[:2] == ([], False)


def test_each_page_is_told_what_changed_since_its_own_last_look():
    table = BatchRows()
    _, _, early = table.since("", "job", rows(0, 0))
    _, _, late = table.since(early, "job", rows(1, 0))
    assert [row["id"] for row in table.since(late, "job", rows(1, 1))[0]] == ["p1"]
    assert [row["id"] for row in table.since(early, "job", rows(1, 1))[0]] == ["p0", "p1"]


def test_a_persona_that_is_gone_a_mark_of_another_server_and_a_mark_that_is_nonsense_bring_all_rows():
    table = BatchRows()
    _, _, mark = table.since("", "job", rows(0, 0))
    assert table.since(mark, "job", rows(0))[1], "a row fewer"
    for strange in (mark, "beef.3", "", "x", f"{mark}9z", ".", "\x00.1"):
        assert BatchRows().since(strange, "job", rows(0, 0))[:2] == (rows(0, 0), True)


def test_a_batch_that_was_forgotten_is_told_whole_again():
    table = BatchRows()
    _, _, mark = table.since("", "old", rows(1))
    for number in range(MOST_BATCHES):
        table.since("", f"job {number}", rows(0))
    assert table.since(mark, "old", rows(1))[:2] == (rows(1), True)


def test_whatever_changes_when_a_page_that_looks_now_and_then_ends_with_the_table_as_it_is():
    chance = random.Random(5)
    table, counts, mark, drawn = BatchRows(), [0] * 20, "", {}
    for _ in range(300):
        for _ in range(chance.randrange(4)):
            counts[chance.randrange(20)] += 1
        if chance.random() < 0.3:
            table.since("", "job", rows(*counts))  # another page
        if chance.random() < 0.5:
            found, whole, mark = table.since(mark, "job", rows(*counts))
            drawn = {} if whole else drawn
            drawn |= {row["id"]: row for row in found}
            assert list(drawn.values()) == rows(*counts)
