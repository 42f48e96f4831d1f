"""When a message may go: by Europe/London days and hours, so that a change of the clocks moves no message into the night."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services.notifications.policy import POLICY
from shared.domain.dates import LONDON, local_day

PAUSES: Final = tuple(timedelta(minutes=n) for n in (1, 5, 15, 60, 180))
"""The pause after the first, second … attempt that failed; after the last of them it stays the same."""


def at_hour(day: date, hour: int) -> datetime:
    """Return an hour of a Europe/London day, in UTC."""
    return datetime.combine(day, time(hour), LONDON).astimezone(UTC)


def next_open(moment: datetime) -> datetime:
    """Return the moment, or the end of the quiet hours or days in which it lies."""
    day = local_day(moment)
    while True:
        policy = POLICY.on(day)
        opens = at_hour(day, policy.number("quiet_until_hour"))
        if f"{day:%m-%d}" not in policy.codes("quiet_days") and moment < at_hour(day, policy.number("quiet_from_hour")):
            return max(moment, opens)
        day += timedelta(days=1)


def opening_of_next_day(moment: datetime) -> datetime:
    """Return when messages are sent again on the day after a moment, or on the first that is not quiet."""
    return next_open(at_hour(local_day(moment) + timedelta(days=1), 0))


def days_before(moment: datetime, days: int) -> datetime:
    """Return the same hour of the clock so many Europe/London days earlier, or when the quiet hours around it end."""
    local = moment.astimezone(LONDON)
    earlier = datetime.combine(local.date() - timedelta(days=days), local.time(), LONDON).astimezone(UTC)
    return next_open(earlier)


def pause_after(tries: int) -> timedelta:
    """Return how long to wait after so many failed attempts, from 1."""
    return PAUSES[min(tries, len(PAUSES)) - 1]
