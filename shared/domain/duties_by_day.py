"""Duties of a stream on a day, as the daily sheet shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from shared.domain.dates import end_of_day
from shared.domain.duties import Duty
from shared.domain.envelope import Fact
from shared.runtime.service import ReadModel


def all_duties(read_model: ReadModel[Any], history: Sequence[Fact]) -> tuple[Duty, ...]:
    """List every duty that a history has opened, met or not."""
    state = read_model.decider.state_at(history)
    return () if state is None else tuple(read_model.duties(state, read_model.policy.on))


def duties_on(
    read_model: ReadModel[Any], history: Sequence[Fact], as_of: date, known_at: datetime | None = None
) -> tuple[Duty, ...]:
    """List the duties of a stream as they stood at the end of a day, by due date."""
    state = read_model.decider.state_at(history, as_of=end_of_day(as_of), known_at=known_at)
    if state is None:
        return ()
    shown = (duty.standing(as_of) for duty in read_model.duties(state, read_model.policy.on) if duty.shown(as_of))
    return tuple(sorted(shown, key=lambda duty: (duty.due, duty.duty, duty.item)))
