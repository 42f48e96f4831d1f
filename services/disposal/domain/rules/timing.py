"""T1: nothing is recorded as having happened before the fact that it depends on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from services.disposal.domain.case import DisposalState
from services.disposal.domain.commands import (
    BookConditionSession,
    CompleteCondition,
    ConfirmAppropriateAdult,
    DecideAbsence,
    DecideBreach,
    DecideDisposal,
    ExcuseCondition,
    ExplainEffect,
    InstituteProceedings,
    IssueDisposal,
    IssueWarning,
    OpenDisposalCase,
    ProposeCondition,
    RecordComplianceMeeting,
    RecordConditionAttendance,
    RecordNonEngagement,
    ReferBreach,
    ReferToYot,
    SignDocument,
    VaryConditions,
    WithdrawAdmission,
    WithdrawCondition,
    WithdrawConsent,
)
from services.disposal.domain.rules.book import rules
from services.vocabulary import AttendanceStatus
from shared.messages import Command
from shared.rules import Occasion
from shared.working_days import BeyondCalendar, is_working_day, local_day


@rules.forbids("T1", OpenDisposalCase)
def opened_after_the_report(command: OpenDisposalCase, _state: DisposalState | None, occasion: Occasion) -> bool:
    """A case is opened after the offence and its report: check the times.

    Source: rule T1 of this house; DPA 2018 s38 (accuracy)
    """
    return command.reported_at <= occasion.occurred_at and command.offence.date <= occasion.day


@rules.forbids("T1", OpenDisposalCase)
def report_is_within_the_calendar(command: OpenDisposalCase, _state: DisposalState | None, _occasion: Occasion) -> bool:
    """The report lies outside the years whose bank holidays are known, so that no due date can be told: check the year.

    Source: rule T1 of this house; Banking and Financial Dealings Act 1971
    """
    try:
        is_working_day(local_day(command.reported_at))
    except BeyondCalendar:
        return False
    return True


@rules.forbids("T1", Command)
def not_before_the_case_opened(command: Command, state: DisposalState | None, occasion: Occasion) -> bool:
    """Nothing happens in a case before it is opened: check the time.

    Source: rule T1 of this house; DPA 2018 s38 (accuracy)
    """
    return state is None or isinstance(command, OpenDisposalCase) or occasion.occurred_at >= state.opened_at


@rules.forbids(
    "T1",
    DecideDisposal,
    ProposeCondition,
    WithdrawCondition,
    ConfirmAppropriateAdult,
    ExplainEffect,
    SignDocument,
    IssueDisposal,
)
def not_before_the_decision(_command: Command, state: DisposalState, occasion: Occasion) -> bool:
    """What follows from the decision cannot have happened before it: check the time.

    Source: rule T1 of this house; CDA 1998 ss66A, 66ZA
    """
    return state.decision is None or occasion.occurred_at >= state.decision.at


@rules.forbids("T1", IssueDisposal)
def not_given_before_its_conditions(_command: IssueDisposal, state: DisposalState, occasion: Occasion) -> bool:
    """A disposal cannot have been given before its conditions were proposed: check the time.

    Source: rule T1 of this house; CDA 1998 s66B(6)
    """
    return all(condition.since <= occasion.occurred_at for condition in state.conditions.values())


@rules.forbids(
    "T1",
    ReferToYot,
    IssueWarning,
    RecordComplianceMeeting,
    VaryConditions,
    WithdrawConsent,
    RecordNonEngagement,
    ReferBreach,
    DecideBreach,
    InstituteProceedings,
)
def not_before_it_was_given(_command: Command, state: DisposalState, occasion: Occasion) -> bool:
    """What follows from the disposal cannot have happened before it was given: check the time.

    Source: rule T1 of this house; DPA 2018 s38 (accuracy)
    """
    return state.issue is None or occasion.occurred_at >= state.issue.at


def _conditions_of(command: Command) -> Iterator[UUID]:
    match command:
        case RecordConditionAttendance(status=AttendanceStatus.CANCELLED_BY_SERVICE):
            return  # a cancellation may be recorded at any time
        case (
            BookConditionSession(condition_id=condition_id)
            | RecordConditionAttendance(condition_id=condition_id)
            | CompleteCondition(condition_id=condition_id)
            | ExcuseCondition(condition_id=condition_id)
            | WithdrawCondition(condition_id=condition_id)
        ):
            yield condition_id
        case VaryConditions(changes=changes):
            yield from (change.condition_id for change in changes)
        case ReferBreach(condition_ids=condition_ids):
            yield from condition_ids
        case _:
            return


@rules.forbids(
    "T1",
    BookConditionSession,
    RecordConditionAttendance,
    CompleteCondition,
    ExcuseCondition,
    WithdrawCondition,
    VaryConditions,
    ReferBreach,
)
def not_before_the_condition(command: Command, state: DisposalState, occasion: Occasion) -> bool:
    """The condition did not bind the child yet at that time: check the time.

    Source: rule T1 of this house; DPA 2018 s38 (accuracy)
    """
    bound = (state.conditions.get(condition_id) for condition_id in _conditions_of(command))
    return all(condition is None or condition.since <= occasion.occurred_at for condition in bound)


@rules.forbids("T1", WithdrawAdmission, DecideAbsence, IssueWarning, DecideBreach, InstituteProceedings)
def not_before_what_it_answers(command: Command, state: DisposalState, occasion: Occasion) -> bool:
    """This answers something that had not happened by then: check the time.

    Source: rule T1 of this house; DPA 2018 s38 (accuracy)
    """
    answered = _answered(command, state)
    return answered is None or occasion.occurred_at >= answered


def _answered(command: Command, state: DisposalState) -> datetime | None:
    match command:
        case WithdrawAdmission():
            return state.admission.at if state.admission is not None else None
        case DecideAbsence(session_id=session_id):
            pending = state.pending_absence(session_id)
            return pending.at if pending is not None else None
        case IssueWarning(session_id=session_id):
            missed = state.last_attendance(session_id)
            return None if missed is None else missed.decided_at or missed.at
        case DecideBreach():
            return state.breach.at if state.breach is not None else None
        case InstituteProceedings():
            return state.breach.decided_at if state.breach is not None else None
        case _:
            return None
