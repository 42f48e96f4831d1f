"""Duties of a stream on a day, as the daily sheet shows them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from shared.domain.dates import end_of_day, local_day
from shared.domain.duties import Duty
from shared.domain.envelope import Fact
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.service import ReadModel


def all_duties(read_model: ReadModel[Any], history: Sequence[Fact], known: Known = NOTHING_KNOWN) -> tuple[Duty, ...]:
    """List every duty that a history has opened, met or not."""
    state = read_model.decider.state_at(history, known=known)
    return () if state is None else tuple(read_model.duties(state, read_model.policy.on))


def duties_on(
    read_model: ReadModel[Any],
    history: Sequence[Fact],
    as_of: date,
    known_at: datetime | None = None,
    known: Known = NOTHING_KNOWN,
) -> tuple[Duty, ...]:
    """List the duties of a stream as they stood at a time, or at the end of a day, by due date."""
    moment = as_of if isinstance(as_of, datetime) else end_of_day(as_of)
    state = read_model.decider.state_at(history, as_of=moment, known_at=known_at, known=known)
    if state is None:
        return ()
    day = local_day(moment)
    duties = (duty.at(day) for duty in read_model.duties(state, read_model.policy.on) if duty.is_shown(day))
    return tuple(sorted(duties, key=lambda duty: (duty.due, duty.duty, duty.item)))
