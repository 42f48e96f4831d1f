"""The period of a measure, and the quarters for which returns are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


class BadQuestion(ValueError):
    """A question that cannot be answered; the message says what to ask instead."""


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


def quarter(day: date) -> str:
    """Return the quarter of a day as the returns name it: 2025-26-Q3 is October to December 2025 (Q1 begins in April)."""
    year = day.year if day.month >= 4 else day.year - 1
    return f"{year}-{(year + 1) % 100:02d}-Q{(day.month - 4) % 12 // 3 + 1}"
