"""Time and ids as text: what sorts, sorts as it happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from storage.clock import new_id, parse, timestamp

MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  Hypothesis adds the zone


def test_a_timestamp_is_utc_with_milliseconds_and_z():
    assert timestamp(datetime(2026, 11, 24, 3, 4, 5, 678901, tzinfo=UTC)) == "2026-11-24T03:04:05.678Z"
    assert timestamp(datetime(2026, 11, 24, 3, 4, 5, tzinfo=timezone(timedelta(hours=8)))) == "2026-11-23T19:04:05.000Z"


@given(MOMENTS, MOMENTS)
def test_timestamps_sort_as_the_moments_do(one, other):
    if one - other >= timedelta(milliseconds=1):
        assert timestamp(one) > timestamp(other)


@given(MOMENTS)
def test_a_timestamp_reads_back_to_the_millisecond(moment):
    assert timedelta(0) <= moment - parse(timestamp(moment)) < timedelta(milliseconds=1)


def test_ids_sort_in_the_order_in_which_they_were_made_also_within_a_millisecond():
    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5000
    assert {len(made) for made in ids} == {26}
    assert max(ids) < "~", "pages by key begin above every id"
