"""Dates, times and weekdays: what is read never raises, and is a real one."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dates import WEEKDAYS, order_of, read_clock, read_date, read_weekday

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text("0123456789/-.: 年月日点半上下午pmaTZ")


@settings(deadline=None)
@given(ANYTHING, st.sampled_from(["", "day first", "month first"]))
def test_whatever_is_said_means_a_day_or_none(text, order):
    found = read_date(text, order)
    assert found is None or 1900 <= found.year <= 2199


@settings(deadline=None)
@given(ANYTHING)
def test_whatever_is_said_means_a_time_or_none(text):
    found = read_clock(text)
    assert found is None or re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", found)


@settings(deadline=None)
@given(ANYTHING)
def test_whatever_is_said_means_a_weekday_or_none(text):
    assert read_weekday(text) in (None, *range(7))


@settings(deadline=None)
@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_every_day_is_read_in_every_spelling(day):
    for spelling in (
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%Y%m%d",
        "%d.%m.%Y",
        "%d %B %Y",
        "%b %d, %Y",
        "%A, %d %B %Y",
        "%Y年%m月%d日",
        "%Y-%m-%dT12:00:00Z",
    ):
        assert read_date(day.strftime(spelling)) == day, spelling
    assert read_date(day.strftime("%d/%m/%Y"), "day first") == day
    assert read_date(day.strftime("%m/%d/%Y"), "month first") == day


@settings(deadline=None)
@given(st.times())
def test_every_time_is_read_in_every_spelling(time):
    for spelling in ("%H:%M", "%H.%M", "%I:%M %p", "%I:%M%p", "%H:%M:%S", "%H点%M分", "%H%M"):
        assert read_clock(time.strftime(spelling)) == time.strftime("%H:%M"), spelling


def test_weekdays_are_known_in_three_languages():
    for number, name in enumerate(WEEKDAYS):
        names = (name, name[:3], name.upper(), f"{name[:3]}.", f"星期{'一二三四五六日'[number]}", f"周{'一二三四五六日'[number]}")
        for spelling in (*names, f"{'月火水木金土日'[number]}曜日"):
            assert read_weekday(spelling) == number, spelling
    assert read_weekday("T") is None


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["1/2/2026", "25/2/2026"], "day first"),
        (["1/2/2026", "2/25/2026"], "month first"),
        (["1/2/2026"], ""),
        (["25/2/2026", "2/25/2026"], ""),
        ([None, 7, "x"], ""),
    ],
)
def test_the_order_of_day_and_month_is_found_out_from_all_dates(texts, order):
    assert order_of(texts) == order
