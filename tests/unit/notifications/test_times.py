"""Nothing is sent at night, whatever the clocks do; and an hour of the clock stays that hour."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.times import days_before, next_open, opening_of_next_day, pause_after
from shared.domain.dates import LONDON


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "goes"),
    [
        ("2026-06-01T12:00+01:00", "2026-06-01T12:00+01:00"),
        ("2026-06-01T19:59+01:00", "2026-06-01T19:59+01:00"),
        ("2026-06-01T20:00+01:00", "2026-06-02T08:00+01:00"),
        ("2026-06-01T03:00+01:00", "2026-06-01T08:00+01:00"),
        ("2026-03-28T21:00+00:00", "2026-03-29T08:00+01:00"),
        ("2026-10-24T21:00+01:00", "2026-10-25T08:00+00:00"),
        ("2026-10-25T07:59+00:00", "2026-10-25T08:00+00:00"),
        ("2026-12-24T20:30+00:00", "2026-12-26T08:00+00:00"),
        ("2026-12-25T12:00+00:00", "2026-12-26T08:00+00:00"),
    ],
)
def test_a_message_waits_for_the_end_of_the_quiet_hours(moment: str, goes: str) -> None:
    """Given a moment at night, in the night of the changed clocks or on Christmas Day, then the next open hour is taken."""
    assert next_open(utc(moment)) == utc(goes)


@given(st.integers(0, 60 * 24 * 1000).map(lambda minutes: utc("2026-01-01T00:00+00:00") + timedelta(minutes=minutes)))
def test_no_moment_leads_into_the_night(moment: datetime) -> None:
    """Given any moment, then what is sent goes from 8 to 20 o'clock in London, not before it, and within two nights."""
    goes = next_open(moment)
    assert 8 <= goes.astimezone(LONDON).hour < 20
    assert timedelta() <= goes - moment <= timedelta(hours=37)
    assert next_open(goes) == goes


def test_a_reminder_comes_at_the_same_hour_of_the_clock() -> None:
    """Given an appointment after a change of the clocks, then its reminder comes at the same hour, two days before."""
    assert days_before(utc("2026-03-30T10:00+01:00"), 2) == utc("2026-03-28T10:00+00:00")
    assert days_before(utc("2026-10-26T10:00+00:00"), 2) == utc("2026-10-24T10:00+01:00")


def test_what_is_too_much_for_a_day_goes_on_the_next_one_that_is_open() -> None:
    """Given Christmas Eve, then the rest waits until Boxing Day; on another day until 8 o'clock of the next."""
    assert opening_of_next_day(utc("2026-12-24T10:00+00:00")) == utc("2026-12-26T08:00+00:00")
    assert opening_of_next_day(utc("2026-10-24T10:00+01:00")) == utc("2026-10-25T08:00+00:00")


def test_the_pause_grows() -> None:
    """Given one failed attempt after the other, then each waits longer, until the pause stays the same."""
    pauses = [pause_after(tries) for tries in range(1, 9)]
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == 5
