"""The programme of a disposal: when it began and ended follows from its events, and else is said."""

from dataclasses import dataclass
from datetime import date

from services.disposal.domain.state import DisposalState
from services.trade.vocabulary import Disposal
from shared.domain.dates import local_day


@dataclass(frozen=True, slots=True)
class Programme:
    """What the youth justice service did with the child, and the child's age in whole years on its first day."""

    starts_on: date
    age_at_start: int
    ends_on: date | None
    completed: bool | None
    """None: it has not ended, or nobody has said."""


def _first_activity(state: DisposalState, since: date) -> date | None:
    """Return the day of the first activity since the caution was given, or the diversion decided."""
    return min((day for day in map(local_day, state.activities.values()) if day >= since), default=None)


def _is_dated_by_events(state: DisposalState) -> bool:
    """Whether a deferral, or a disposal with conditions, begins and ends the programme."""
    return state.deferral is not None or (state.issue is not None and bool(state.conditions))


def begins_on(state: DisposalState, starts_on: date | None) -> date:
    """Return when the programme begins of a case that was decided, with the day that is said, if any."""
    given = state.deferral or state.issue
    day = local_day(state.required_decision.at) if given is None else given.on
    return day if _is_dated_by_events(state) else starts_on or _first_activity(state, day) or day


def programme_of(state: DisposalState) -> Programme | None:
    """Return the programme; None if nothing is decided, or nothing was planned, done or said of one."""
    given, said, end = state.deferral or state.issue, state.programme_said, state.end
    begun = given or state.decision
    if begun is None:
        return None
    starts_on, age = begins_on(state, said.starts_on), begun.age
    if not _is_dated_by_events(state):
        if state.issue is not None and state.issue.disposal is Disposal.YRD:
            end = None  # that of its giving
        worked = _first_activity(state, starts_on) or any(assessment.plan for assessment in state.assessments)
        if not (worked or said.starts_on or said.ends_on or (given is None and end)):
            return None
        age = begun.age if said.age is None else said.age
    return Programme(
        starts_on,
        state.opened.age_at_offence if age is None else age,
        said.ends_on if end is None else end.on,
        said.completed if end is None else end.completed,
    )
