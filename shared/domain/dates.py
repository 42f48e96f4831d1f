"""Days as the law counts them: Europe/London dates, and working days by the bank holidays of England and Wales.

The list is vendored (bank_holidays.json, from gov.uk/bank-holidays, England and Wales); a date beyond it is an error,
never a guess. A working day is any day but Saturday, Sunday and a bank holiday.
"""

from __future__ import annotations

import calendar
import json
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")


class BeyondCalendar(Exception):
    """A working day was asked for outside the years that the list of bank holidays covers."""


@lru_cache(maxsize=1)
def bank_holidays() -> frozenset[date]:
    """The bank holidays of England and Wales, as vendored."""
    text = resources.files("shared.domain").joinpath("bank_holidays.json").read_text(encoding="utf-8")
    return frozenset(date.fromisoformat(day) for day in json.loads(text)["days"])


@lru_cache(maxsize=1)
def _covered() -> tuple[date, date]:
    days = bank_holidays()
    return date(min(days).year, 1, 1), date(max(days).year, 12, 31)


def local_day(moment: datetime) -> date:
    """The Europe/London date of a moment with a zone."""
    return moment.astimezone(LONDON).date()


def is_working_day(day: date) -> bool:
    """Whether offices are open on a day; raises `BeyondCalendar`."""
    first, last = _covered()
    if not first <= day <= last:
        raise BeyondCalendar(
            f"no bank holidays are known for {day.year}: the list covers {first.year} to {last.year}; add the year to shared/domain/bank_holidays.json"
        )
    return day.weekday() < 5 and day not in bank_holidays()


def add_working_days(day: date, count: int) -> date:
    """The day that is `count` working days after `day` (the day itself does not count); raises `BeyondCalendar`."""
    while count > 0:
        day += timedelta(days=1)
        if is_working_day(day):
            count -= 1
    return day


def working_days_between(start: date, end: date) -> int:
    """How many working days lie after `start` up to and including `end`; 0 where `end` is not later."""
    return sum(is_working_day(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))


def add_months(day: date, months: int) -> date:
    """The same day `months` later, or the last day of that month where there is none (31 January + 1 = 28 February)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def age_on(born: date, day: date) -> int:
    """Age in whole years on a day. A child born on 29 February attains an age on 1 March of a common year."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
