"""Reading a history by day: what the daily sheet of a service shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from shared.duties import Duty
from shared.messages import Fact
from shared.service import Reading
from shared.working_days import LONDON


def end_of_day(day: date) -> datetime:
    """The last microsecond of a Europe/London day."""
    return datetime.combine(day + timedelta(days=1), time.min, LONDON) - timedelta(microseconds=1)


def moment_of(text: str) -> datetime:
    """A time with its zone as ISO 8601 writes it; a date alone means the end of that Europe/London day."""
    moment = datetime.fromisoformat(text)
    return end_of_day(date.fromisoformat(text)) if moment.tzinfo is None else moment


def all_duties(reading: Reading[Any], history: Sequence[Fact]) -> tuple[Duty, ...]:
    """Every duty that a history has opened, met or not."""
    state = reading.decider.state_of(history)
    return () if state is None else tuple(reading.duties(state, reading.policy.on))


def duties_on(
    reading: Reading[Any], history: Sequence[Fact], as_of: date, known_at: datetime | None = None
) -> tuple[Duty, ...]:
    """The duties of a stream as they stood at the end of a day, soonest first."""
    state = reading.decider.state_of(history, as_of=end_of_day(as_of), known_at=known_at)
    if state is None:
        return ()
    shown = (duty.standing(as_of) for duty in reading.duties(state, reading.policy.on) if duty.shown(as_of))
    return tuple(sorted(shown, key=lambda duty: (duty.due, duty.duty, duty.item)))
