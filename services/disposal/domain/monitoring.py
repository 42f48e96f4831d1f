"""Decides what happens while conditions are served: sessions, completion, variation."""

from typing import Final

from services.disposal import events
from services.disposal.domain.commands import (
    CompleteCondition,
    ExcuseCondition,
    RecordConditionAttendance,
    RecordNonEngagement,
    VaryConditions,
)
from services.disposal.domain.completion import completed_by, condition_completed, disposal_completed, latest_credit
from services.disposal.domain.condition_set import varied
from services.disposal.domain.derived import of_given, of_variation
from services.disposal.domain.state import ABSENT, ConditionStatus, DisposalState
from services.trade.vocabulary import AttendanceStatus
from shared.domain.decisions import NewEvents
from shared.domain.messages import model_from
from shared.domain.rules import Context
from shared.domain.states import replace

OMIT: Final = events.ChangeAction.OMIT


def _record_of(status: AttendanceStatus) -> type[events.RecordOfSession]:
    if status is AttendanceStatus.CANCELLED_BY_SERVICE:
        return events.ConditionSessionCancelled
    return events.ConditionMissed if status in ABSENT else events.ConditionAttended


def decide_attendance(command: RecordConditionAttendance, state: DisposalState, context: Context) -> NewEvents:
    """Record how a session ended; complete the condition, and perhaps the disposal, if no further session is needed."""
    person_id = state.opened.person_id
    record = model_from(_record_of(command.status), command, person_id=person_id)
    when = completed_by(command, state, context)
    if when is None:
        return (record,)
    key = command.condition_id
    return (record, condition_completed(state, key, when), *disposal_completed(state, {key: when}, context))


def decide_completion(command: CompleteCondition, state: DisposalState, context: Context) -> NewEvents:
    """Complete a condition, at the latest of now and the sessions credited for it."""
    key = command.condition_id
    when = latest_credit(state, key, context)
    completion = condition_completed(
        state, key, when, quality_checked=command.quality_checked, evidence=command.evidence
    )
    return (completion, *disposal_completed(state, {key: when}, context))


def decide_excuse(command: ExcuseCondition, state: DisposalState, context: Context) -> NewEvents:
    done = {command.condition_id: context.occurred_at}
    return (model_from(events.ConditionExcused, command), *disposal_completed(state, done, context))


def decide_variation(command: VaryConditions, state: DisposalState, context: Context) -> NewEvents:
    """Change the conditions, and with them the deadline and the day on which the caution is spent (R24)."""
    issue, after = state.required_issue, varied(command, state)
    event = model_from(events.ConditionsVaried, command, **of_variation(command, state, context.policy))
    if any(condition_state.standing is ConditionStatus.ACTIVE for condition_state in after.values()):
        return (event,)
    omitted = {change.condition_id: context.occurred_at for change in command.changes if change.action is OMIT}
    return (event, *disposal_completed(replace(state, issue=replace(issue, spent_on=event.spent_on)), omitted, context))


def decide_non_engagement(command: RecordNonEngagement, state: DisposalState, context: Context) -> NewEvents:
    """Record that a voluntary disposal or programme was not taken up, which is never a breach."""
    return (model_from(events.DisposalNotCompleted, command, **of_given(state), ended_on=context.day),)
