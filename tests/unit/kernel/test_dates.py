"""Days as the law counts them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from govuk_bank_holidays.bank_holidays import BankHolidays
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.dates import (
    BadCalendar,
    BeyondCalendar,
    add_months,
    add_working_days,
    age_on,
    bank_holidays,
    is_working_day,
    local_day,
    read_bank_holidays,
)

covered = st.dates(min_value=date(2012, 2, 1), max_value=date(2028, 10, 31))
any_day = st.dates(min_value=date(1950, 1, 1), max_value=date(2100, 12, 31))


def test_vendored_list_is_the_governments() -> None:
    """The vendored bank holidays are those that the government publishes for England and Wales."""
    published = BankHolidays(use_cached_holidays=True).get_holidays(division=BankHolidays.ENGLAND_AND_WALES)
    theirs = {holiday["date"] for holiday in published}
    first, last = min(bank_holidays()), max(bank_holidays())
    assert {day for day in bank_holidays() if min(theirs) <= day <= max(theirs)} == {
        day for day in theirs if first <= day <= last
    }
    assert first <= date(2013, 1, 1)
    assert last >= date(2027, 12, 27)


@pytest.mark.parametrize(
    ("day", "working"),
    [
        (date(2025, 9, 5), True),
        (date(2025, 9, 6), False),
        (date(2025, 9, 7), False),
        (date(2025, 12, 25), False),
        (date(2026, 4, 3), False),
        (date(2026, 4, 6), False),
        (date(2026, 12, 28), False),
        (date(2022, 9, 19), False),
        (date(2023, 5, 8), False),
    ],
    ids=["Friday", "Saturday", "Sunday", "Christmas", "Good Friday", "Easter Monday", "substitute", "funeral", "crown"],
)
def test_working_day(day: date, working: bool) -> None:
    """Given a weekday, a weekend, a bank holiday and its substitute, then offices are open or not."""
    assert is_working_day(day) is working


@pytest.mark.parametrize(
    ("start", "count", "due"),
    [
        (date(2025, 9, 6), 1, date(2025, 9, 8)),
        (date(2025, 9, 6), 5, date(2025, 9, 12)),
        (date(2025, 9, 10), 10, date(2025, 9, 24)),
        (date(2025, 12, 24), 1, date(2025, 12, 29)),
        (date(2026, 4, 2), 1, date(2026, 4, 7)),
        (date(2025, 11, 3), 30, date(2025, 12, 15)),
        (date(2025, 9, 6), 0, date(2025, 9, 6)),
    ],
)
def test_days_are_counted_over_holidays(start: date, count: int, due: date) -> None:
    """Given a report, when some working days are added, then weekends and bank holidays do not count."""
    assert add_working_days(start, count) == due


@given(covered, st.integers(min_value=1, max_value=30))
def test_counting_forth_and_back(start: date, count: int) -> None:
    """Given any start, when working days are added, then that many lie between, and the last is a working day."""
    due = add_working_days(start, count)
    assert is_working_day(due)
    days_after = (start + timedelta(days=n) for n in range(1, (due - start).days + 1))
    assert sum(map(is_working_day, days_after)) == count


def test_beyond_the_list_is_an_error() -> None:
    """Given a year that the list does not cover, then nothing is guessed."""
    last = max(bank_holidays()).year
    with pytest.raises(BeyondCalendar, match=str(last + 1)):
        is_working_day(date(last + 1, 1, 4))
    with pytest.raises(BeyondCalendar):
        add_working_days(date(last, 12, 30), 5)
    with pytest.raises(BeyondCalendar):
        is_working_day(date(min(bank_holidays()).year - 1, 12, 31))


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 1, 15, 23, 59, tzinfo=UTC), date(2026, 1, 15)),
        (datetime(2026, 7, 15, 22, 59, tzinfo=UTC), date(2026, 7, 15)),
        (datetime(2026, 7, 15, 23, 0, tzinfo=UTC), date(2026, 7, 16)),
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 10, 24, 23, 30, tzinfo=UTC), date(2026, 10, 25)),
        (datetime(2026, 10, 25, 23, 30, tzinfo=UTC), date(2026, 10, 25)),
    ],
)
def test_day_is_londons(moment: datetime, day: date) -> None:
    """Given a moment in UTC, then its day is London's, an hour ahead in summer."""
    assert local_day(moment) == day


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2019, 1, 31), 3, date(2019, 4, 30)),
        (date(2004, 2, 29), 3, date(2004, 5, 29)),
        (date(2025, 11, 3), 6, date(2026, 5, 3)),
        (date(2025, 10, 15), 6, date(2026, 4, 15)),
        (date(2025, 12, 31), 2, date(2026, 2, 28)),
        (date(2023, 12, 31), 2, date(2024, 2, 29)),
        (date(2025, 12, 15), 12, date(2026, 12, 15)),
    ],
)
def test_months_end_where_the_month_ends(start: date, months: int, end: date) -> None:
    """Given a day, when months are added, then it is the same day, or the month's last where there is none."""
    assert add_months(start, months) == end


@given(any_day, st.integers(min_value=0, max_value=48))
def test_months_keep_their_order(start: date, months: int) -> None:
    """Given any day, when months are added, then it lies in that month, never on a later day of it."""
    end = add_months(start, months)
    assert (end.year - start.year) * 12 + end.month - start.month == months
    assert end.day <= start.day


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(2010, 3, 14), date(2025, 9, 6), 15),
        (date(2016, 7, 11), date(2026, 7, 2), 9),
        (date(2016, 7, 11), date(2026, 7, 11), 10),
        (date(2008, 3, 3), date(2026, 3, 2), 17),
        (date(2008, 3, 3), date(2026, 3, 3), 18),
        (date(2012, 2, 29), date(2022, 2, 28), 9),
        (date(2012, 2, 29), date(2022, 3, 1), 10),
        (date(2012, 2, 29), date(2024, 2, 29), 12),
    ],
)
def test_age(born: date, day: date, age: int) -> None:
    """Given a birth date, then an age is attained on the birthday, by a child of 29 February on 1 March."""
    assert age_on(born, day) == age


@given(any_day, st.integers(min_value=0, max_value=40_000))
def test_age_never_falls(born: date, days: int) -> None:
    """Given any birth date, then nobody grows younger, and never by more than a year in a day."""
    day = born + timedelta(days=days)
    assert 0 <= age_on(born, day + timedelta(days=1)) - age_on(born, day) <= 1


@pytest.mark.parametrize(
    ("days", "fault"),
    [
        (["2026-12-25", "2026-13-28"], "line 3: '2026-13-28' is no day"),
        (["2026-12-28", "2026-12-25"], "line 3: 2026-12-25 must be later"),
        (["2026-12-25", "2026-12-25"], "line 2: 2026-12-25 must be later"),
    ],
)
def test_a_wrong_line_of_the_bank_holidays_is_named(days: list[str], fault: str) -> None:
    """Given a list with a day that is none, or out of order, when it is read, then the line is named."""
    listed = ",\n".join(f'"{day}"' for day in days)
    with pytest.raises(BadCalendar, match=fault):
        read_bank_holidays(f'{{"days": [\n{listed}\n]}}')
