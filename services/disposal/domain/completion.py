"""When a condition is complete, and when with it the whole disposal."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.disposal.domain.commands import RecordConditionAttendance
from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.state import PRESENT, ConditionStatus, DisposalState
from services.disposal.events import ConditionCompleted, DisposalCompleted
from services.trade.vocabulary import AttendanceStatus, ConditionType
from shared.domain.dates import local_day
from shared.domain.decisions import EventAt
from shared.domain.rules import Context


def of_child(state: DisposalState) -> dict[str, Any]:
    """Return the ids of child, case and referral, which every event carries that others read alone."""
    opened = state.opened
    return {"person_id": opened.person_id, "case_id": opened.case_id, "referral_id": opened.referral_id}


def completed_by(command: RecordConditionAttendance, state: DisposalState, context: Context) -> datetime | None:
    """Return when the attendance completes its condition: at the latest of the sessions needed; None if it does not.

    A condition with hours is complete when all are credited; one without, of a kind that is done at one sitting, when
    the child attended it to its end.
    """
    condition = state.active(command.condition_id)
    if condition is None or not command.complied or command.status not in PRESENT:
        return None
    definition = DEFINITIONS[condition.terms.type]
    if not definition.attendance:
        return None
    if condition.terms.hours is None:
        to_its_end = command.status is AttendanceStatus.ATTENDED
        return context.occurred_at if definition.one_attendance_completes and to_its_end else None
    if state.credited(command.condition_id) + command.hours_credited < condition.terms.hours:
        return None
    return latest_credit(state, command.condition_id, context)


def latest_credit(state: DisposalState, condition_id: UUID, context: Context) -> datetime:
    """Return the latest of now and the sessions credited for a condition: one may have been recorded late."""
    credited = (a.at for a in state.attendances if a.condition_id == condition_id and a.hours > Decimal(0))
    return max((context.occurred_at, *credited))


def condition_completed(state: DisposalState, condition_id: UUID, when: datetime, **said: Any) -> EventAt:
    """Return `ConditionCompleted` at `when`, with what the officer `said` of it."""
    condition = state.conditions[condition_id]
    event = ConditionCompleted(
        person_id=state.opened.person_id,
        condition_id=condition_id,
        completed_on=local_day(when),
        conference=condition.terms.type is ConditionType.RJ_CONFERENCE,
        **said,
    )
    return EventAt(event, when)


def disposal_completed(state: DisposalState, done: Mapping[UUID, datetime], context: Context) -> Sequence[EventAt]:
    """Return `DisposalCompleted` if the conditions now done were the last active ones; else nothing.

    It is completed on the latest of the days that its conditions needed.
    """
    if any(key not in done for key in state.with_standing(ConditionStatus.ACTIVE)) or state.issue is None:
        return ()
    needed = [
        condition.done_at
        for key, condition in state.conditions.items()
        if condition.done_at is not None and key not in done
    ]
    when = max((*needed, *done.values()), default=context.occurred_at)
    event = DisposalCompleted(
        **of_child(state),
        disposal=state.issue.disposal,
        issued_on=state.issue.on,
        completed_on=local_day(when),
        spent_on=state.issue.spent_on,
        age_at_issue=state.issue.age,
    )
    return (EventAt(event, when),)
