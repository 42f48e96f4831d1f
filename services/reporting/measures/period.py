"""The period of a measure, and the quarters and years for which returns are made."""

from dataclasses import dataclass
from datetime import date, timedelta


class BadQuestion(ValueError):
    """A question that cannot be answered; the message says what to ask instead."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        """The parameter that is at fault, if it is a certain one."""


@dataclass(frozen=True, slots=True)
class Period:
    """A period of Europe/London days, its first and last included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise BadQuestion(
                f"the period ends on {self.last}, before it begins on {self.first}: give 'from' before 'to'"
            )

    def __contains__(self, day: date | None) -> bool:
        return day is not None and self.first <= day <= self.last


def year_of(day: date) -> Period:
    first = day.year - (day.month < 4)
    return Period(date(first, 4, 1), date(first + 1, 3, 31))


def quarter_of(day: date) -> Period:
    first = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    following = (first + timedelta(days=100)).replace(day=1)
    return Period(first, following - timedelta(days=1))


def quarter(day: date) -> str:
    """Return the quarter of a day as the returns name it: 2025-26-Q3 is October to December 2025 (Q1 begins in April)."""
    year = year_of(day)
    return f"{year.first.year}-{year.last.year % 100:02d}-Q{(day.month - 4) % 12 // 3 + 1}"
