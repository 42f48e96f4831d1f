"""What happens while conditions are served: sessions, completion, variation."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.case import MISSED, DisposalState, Standing
from services.disposal.domain.commands import (
    CompleteCondition,
    DecideAbsence,
    ExcuseCondition,
    RecordConditionAttendance,
    RecordNonEngagement,
    VaryConditions,
)
from services.disposal.domain.completion import completed_by, disposal_completed, latest_credit, of_child
from services.disposal.domain.condition_set import REMAINS, ends_on, omitted_by, retyped_by, spent_on, varied
from services.disposal.events import (
    AbsenceDecided,
    ChangeAction,
    ConditionAttended,
    ConditionCompleted,
    ConditionExcused,
    ConditionMissed,
    ConditionSessionCancelled,
    ConditionsVaried,
    DisposalNotCompleted,
)
from services.vocabulary import AttendanceStatus
from shared.messages import At, Decided, event_of
from shared.rules import Occasion
from shared.working_days import local_day

RecordOfSession = type[ConditionAttended] | type[ConditionMissed] | type[ConditionSessionCancelled]
OMIT: Final = ChangeAction.OMIT


def _record_of(status: AttendanceStatus) -> RecordOfSession:
    if status is AttendanceStatus.CANCELLED_BY_SERVICE:
        return ConditionSessionCancelled
    return ConditionMissed if status in MISSED else ConditionAttended


def attended(command: RecordConditionAttendance, state: DisposalState, occasion: Occasion) -> Decided:
    """How a session ended; where it was the last that was needed, the condition and perhaps the disposal is complete."""
    person_id = state.opened.person_id
    record = event_of(_record_of(command.status), command, person_id=person_id)
    when = completed_by(command, state, occasion)
    if when is None:
        return (record,)
    completion = ConditionCompleted(
        person_id=person_id, condition_id=command.condition_id, completed_on=local_day(when)
    )
    return (record, At(completion, when), *disposal_completed(state, {command.condition_id: when}, occasion))


def absence_decided(command: DecideAbsence, state: DisposalState) -> Decided:
    """Whether the reason for an absence is acceptable, with the child whose key seals the evidence."""
    return (event_of(AbsenceDecided, command, person_id=state.opened.person_id),)


def completed(command: CompleteCondition, state: DisposalState, occasion: Occasion) -> Decided:
    """A condition is complete, at the latest of now and the sessions credited for it."""
    when = latest_credit(state, command.condition_id, occasion)
    completion = event_of(ConditionCompleted, command, person_id=state.opened.person_id, completed_on=local_day(when))
    return (At(completion, when), *disposal_completed(state, {command.condition_id: when}, occasion))


def excused(command: ExcuseCondition, state: DisposalState, occasion: Occasion) -> Decided:
    """The child is released from a condition."""
    done = {command.condition_id: occasion.occurred_at}
    return (event_of(ConditionExcused, command), *disposal_completed(state, done, occasion))


def varied_by(command: VaryConditions, state: DisposalState, occasion: Occasion) -> Decided:
    """Conditions change, and with them the deadline and the day on which the caution is spent (R24)."""
    issue, decision = state.issue, state.decision
    assert issue is not None
    assert decision is not None
    after = varied(command, state)
    remaining = [held.terms for held in after.values() if held.standing in REMAINS]
    agreed_end = ends_on(remaining)
    spent = spent_on(issue.disposal, issue.on, agreed_end, occasion.policy)
    event = event_of(
        ConditionsVaried,
        command,
        **of_child(state),
        disposal=issue.disposal,
        conditions=tuple(condition.terms for condition in remaining),
        omitted=omitted_by(command, state),
        retyped=retyped_by(command, state),
        ends_on=agreed_end,
        spent_on=spent,
        offence_category=state.opened.offence.category,
        age_at_issue=issue.age,
        victims=state.victims,
        deciding_officer=decision.by,
    )
    if any(held.standing is Standing.ACTIVE for held in after.values()):
        return (event,)
    omitted = {change.condition_id: occasion.occurred_at for change in command.changes if change.action is OMIT}
    return (event, *disposal_completed(state.spent_by(spent), omitted, occasion))


def not_engaged(command: RecordNonEngagement, state: DisposalState, occasion: Occasion) -> Decided:
    """A voluntary disposal or programme was not taken up: recorded, never a breach."""
    issue = state.issue
    event = event_of(
        DisposalNotCompleted,
        command,
        **of_child(state),
        disposal=None if issue is None else issue.disposal,
        issued_on=None if issue is None else issue.on,
        ended_on=occasion.day,
        age_at_issue=None if issue is None else issue.age,
    )
    return (event,)
