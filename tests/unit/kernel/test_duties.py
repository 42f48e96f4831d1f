"""Duties by day: open, met, lapsed with their stream, or fallen away."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.duties import Duty

MONDAY = date(2026, 3, 2)
TUESDAY, WEDNESDAY, THURSDAY = (MONDAY + timedelta(days=n) for n in (1, 2, 3))
CALL = Duty("CALL", opened_on=MONDAY, due=TUESDAY)


def test_what_is_unmet_lapses_when_its_stream_is_closed() -> None:
    """Given an unmet duty, when its stream is closed, then it is overdue until that day and lapsed from it."""
    duty = CALL.lapsing(THURSDAY)
    assert duty.as_json(WEDNESDAY)["overdue"]
    assert duty.as_json(WEDNESDAY)["lapsed_on"] is None
    assert duty.as_json(THURSDAY) == CALL.as_json(MONDAY) | {"lapsed_on": "2026-03-05", "overdue": False}
    assert duty.is_shown(THURSDAY)
    assert not duty.is_open(THURSDAY)


@pytest.mark.parametrize("met_on", [TUESDAY, WEDNESDAY, THURSDAY])
def test_what_was_met_by_the_closing_stays_met(met_on: date) -> None:
    """Given a duty met by the day of the closing, then it keeps that day, late or not, and does not lapse."""
    duty = replace(CALL, met_on=met_on)
    assert duty.lapsing(THURSDAY) == duty
    assert duty.late == (met_on > TUESDAY)


def test_what_is_met_after_the_closing_shows_both_days() -> None:
    """Given a duty that lapsed, when it is met after all, then both days are shown, each from its own day on."""
    duty = replace(CALL, met_on=THURSDAY).lapsing(WEDNESDAY)
    assert (duty.at(WEDNESDAY).met_on, duty.at(WEDNESDAY).lapsed_on) == (None, WEDNESDAY)
    assert (duty.at(THURSDAY).met_on, duty.at(THURSDAY).lapsed_on) == (THURSDAY, WEDNESDAY)


def test_what_would_open_after_the_closing_is_never_shown() -> None:
    """Given a duty of a later day, when its stream is closed before, then no day shows it."""
    duty = replace(CALL, opened_on=THURSDAY, due=THURSDAY).lapsing(TUESDAY)
    assert not any(duty.is_shown(MONDAY + timedelta(days=n)) for n in range(10))


def test_what_fell_away_before_the_closing_stays_away() -> None:
    """Given a duty that fell away before its stream was closed, then it does not lapse."""
    duty = replace(CALL, closed_on=TUESDAY)
    assert duty.lapsing(THURSDAY) == duty


days = st.integers(min_value=0, max_value=6).map(lambda n: MONDAY + timedelta(days=n))


@given(days, days, st.none() | days, st.none() | days, st.none() | days, days)
def test_a_duty_is_in_one_state_on_each_day(
    opened_on: date, due: date, met_on: date | None, closed_on: date | None, stream: date | None, as_of: date
) -> None:
    """Given any days, then what is open is neither met nor lapsed, and nothing lapsed or met is overdue."""
    duty = Duty("CALL", opened_on, due, met_on, closed_on=closed_on).lapsing(stream)
    standing = duty.at(as_of)
    assert duty.is_open(as_of) == (duty.is_shown(as_of) and standing.met_on is None and standing.lapsed_on is None)
    assert duty.overdue(as_of) == standing.overdue(as_of)
    assert not (duty.overdue(as_of) and (standing.met_on or standing.lapsed_on))
    if stream is not None and stream <= as_of:
        assert not duty.is_open(as_of)
