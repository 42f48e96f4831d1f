"""Calendar arithmetic: Europe/London dates, months, ages, and working days of England and Wales.

A working day is any day except Saturday, Sunday and a bank holiday. The bank holidays are vendored in bank_holidays.json
(source: gov.uk/bank-holidays, England and Wales). A date outside that list raises `BeyondCalendar`.
"""

import calendar
import json
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")


class BeyondCalendar(Exception):
    """A date outside the years that the list of bank holidays covers."""


class BadCalendar(ValueError):
    """A list of bank holidays that cannot be read; the message names the line."""


@lru_cache(maxsize=1)
def bank_holidays() -> frozenset[date]:
    """Read the vendored bank holidays of England and Wales. Raises `BadCalendar`."""
    return read_bank_holidays(resources.files("shared.domain").joinpath("bank_holidays.json").read_text("utf-8"))


def read_bank_holidays(text: str) -> frozenset[date]:
    """Read the days of a list of bank holidays, in order. Raises `BadCalendar` with the line that is wrong."""
    try:
        days = json.loads(text)["days"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadCalendar(f"bank_holidays.json is no list of days: {error}") from error
    read: list[date] = []
    for day in days:
        line = next((n for n, content in enumerate(text.splitlines(), start=1) if f'"{day}"' in content), 1)
        try:
            read.append(date.fromisoformat(day))
        except (ValueError, TypeError) as error:
            raise BadCalendar(f"bank_holidays.json, line {line}: {day!r} is no day such as 2026-12-25") from error
        if len(read) > 1 and read[-1] <= read[-2]:
            raise BadCalendar(f"bank_holidays.json, line {line}: {day} must be later than the day before it")
    return frozenset(read)


@lru_cache(maxsize=1)
def _covered_period() -> tuple[date, date]:
    days = bank_holidays()
    return date(min(days).year, 1, 1), date(max(days).year, 12, 31)


def local_day(moment: datetime) -> date:
    """Convert a timestamp with a zone to its Europe/London date."""
    return moment.astimezone(LONDON).date()


def is_working_day(day: date) -> bool:
    """Tell whether a day is a working day. Raises `BeyondCalendar`."""
    first, last = _covered_period()
    if not first <= day <= last:
        raise BeyondCalendar(
            f"the bank holidays of {day.year} are not known: the list covers {first.year} to {last.year}; add the year to shared/domain/bank_holidays.json"
        )
    return day.weekday() < 5 and day not in bank_holidays()


@lru_cache(maxsize=16_384)
def add_working_days(day: date, count: int) -> date:
    """Add `count` working days to a day; the day itself does not count. Raises `BeyondCalendar`.

    Remembered: each fold of a stream computes its deadlines anew, and many streams have the same ones.
    """
    while count > 0:
        day += timedelta(days=1)
        if is_working_day(day):
            count -= 1
    return day


def add_months(day: date, months: int) -> date:
    """Add months to a day. If that month has no such day, return its last day (31 January + 1 = 28 February)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def age_on(born: date, day: date) -> int:
    """Compute the age in whole years on a day. A birthday of 29 February falls on 1 March in a common year."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def end_of_day(day: date) -> datetime:
    """Return the last microsecond of a Europe/London day."""
    return datetime.combine(day + timedelta(days=1), time.min, LONDON) - timedelta(microseconds=1)


def parse_moment(text: str) -> datetime:
    """Parse an ISO 8601 timestamp with a zone. A bare date means the end of that Europe/London day. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return end_of_day(date.fromisoformat(text)) if moment.tzinfo is None else moment
