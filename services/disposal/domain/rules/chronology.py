"""T1: nothing is recorded as having happened before the fact that it depends on."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.disposal.domain import commands
from services.disposal.domain.activity import activities
from services.disposal.domain.rules.breach import broken_since, is_past_due
from services.disposal.domain.rules.issuing import explains
from services.disposal.domain.rules.outcomes import CAUTIONED
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState
from services.trade.vocabulary import AttendanceStatus, Disposal, OutcomeCode, Recommendation
from shared.domain.dates import BeyondCalendar, add_months, is_working_day, local_day
from shared.domain.messages import Command
from shared.domain.rules import Context


@rules.forbids("T1", commands.OpenDisposalCase, looks_at=("offence", "reported_at"))
def opened_after_the_report(command: commands.OpenDisposalCase, _state: DisposalState | None, context: Context) -> bool:
    """A case is opened after the offence and its report: check the times."""
    return command.reported_at <= context.occurred_at and command.offence.date <= context.day


@rules.forbids("T1", commands.ReclassifyOffence, looks_at=("offence",))
def reclassified_after_the_offence(
    command: commands.ReclassifyOffence, _state: DisposalState, context: Context
) -> bool:
    """An offence is re-classified after it took place: check the day."""
    return command.offence.date <= context.day


@rules.forbids("T1", commands.OpenDisposalCase, commands.ReclassifyOffence, looks_at=("offence",))
def known_after_the_offence(
    command: commands.OpenDisposalCase | commands.ReclassifyOffence, _state: DisposalState | None, context: Context
) -> bool:
    """An offence becomes known on its own day or later, and before the case is opened: check the day."""
    known_on = command.offence.known_on
    return known_on is None or command.offence.date <= known_on <= context.day


@rules.forbids("T1", commands.OpenDisposalCase, looks_at=("reported_at",))
def report_is_within_the_calendar(
    command: commands.OpenDisposalCase, _state: DisposalState | None, _context: Context
) -> bool:
    """The report lies outside the years whose bank holidays are known, so that no due date can be told: check the year.

    Source: rule T1 of this house; Banking and Financial Dealings Act 1971
    """
    try:
        is_working_day(local_day(command.reported_at))
    except BeyondCalendar:
        return False
    return True


@rules.forbids(
    "T1",
    commands.DecideDisposal,
    commands.ProposeCondition,
    commands.WithdrawCondition,
    commands.ConfirmAppropriateAdult,
    commands.ExplainEffect,
    commands.SignDocument,
    commands.IssueDisposal,
    commands.AgreeDeferral,
    commands.ReclassifyOffence,
    commands.EndDiversion,
    commands.WithdrawCase,
)
def not_before_the_decision(state: DisposalState, context: Context) -> bool:
    """What follows from the decision cannot have happened before it: check the time.

    Source: rule T1 of this house; CDA 1998 ss66A, 66ZA
    """
    return state.decision is None or context.occurred_at >= state.decision.at


DEFERRED: Final = Recommendation.DEFERRED_PROSECUTION


def _rests_on(decision: Recommendation | Disposal, state: DisposalState) -> Iterator[datetime]:
    """When the evidence and the admission were recorded on which a decision for a disposal, and its giving, rest."""
    if decision not in {*Disposal.__members__, DEFERRED}:
        return
    if state.evidence is not None and state.evidence.sufficient:
        yield state.evidence.at
    if decision != DEFERRED and state.admitted_at is not None:
        yield state.admitted_at


@rules.forbids("T1", commands.DecideDisposal, looks_at=("decision",))
def not_decided_before_what_it_rests_on(
    command: commands.DecideDisposal, state: DisposalState, context: Context
) -> bool:
    """A disposal cannot have been decided before the evidence was judged and the offence admitted: check the time.

    Source: rule T1 of this house; CDA 1998 ss66B(2)-(3), 66ZA(1)
    """
    return all(at <= context.occurred_at for at in _rests_on(command.decision, state))


@rules.forbids("T1", commands.AgreeDeferral)
def not_agreed_before_what_it_rests_on(state: DisposalState, context: Context) -> bool:
    """A deferral cannot have been agreed before the evidence was judged: check the time.

    Source: rule T1 of this house; Home Office outcome 23
    """
    return all(at <= context.occurred_at for at in _rests_on(DEFERRED, state))


@rules.forbids(
    "T1",
    commands.SignDocument,
    commands.RecordDeferralStep,
    commands.RecordDeferralReview,
    commands.CompleteDeferral,
    commands.EndDeferral,
)
def not_before_the_agreement(state: DisposalState, context: Context) -> bool:
    """What follows from the deferral cannot have happened before it was agreed: check the time."""
    return state.deferral is None or context.occurred_at >= state.deferral.at


@rules.forbids("T1", commands.TransferCase, commands.EndTransfer)
def not_before_the_last_transfer(state: DisposalState, context: Context) -> bool:
    """The areas that hold a case change in the order in which it happens: check the time."""
    return not state.transfers or context.occurred_at >= (state.transfers[-1].ended_at or state.transfers[-1].at)


@rules.forbids("TR1", commands.TransferCase, looks_at=("review_on",))
def transfer_is_reviewed_soon(command: commands.TransferCase, _state: DisposalState, context: Context) -> bool:
    """A transfer is reviewed within three months, and not before it begins: set another day.

    Source: gov.uk, case management guidance, case responsibility; the months are local policy
    """
    last = add_months(context.day, context.policy.number("transfer_review_months"))
    return context.day <= command.review_on <= last


@rules.forbids("TR1", commands.TransferCase, looks_at=("to_area",))
def transfer_is_to_another_area(command: commands.TransferCase, state: DisposalState, _context: Context) -> bool:
    """The case was opened in this area: name the other one.

    Source: gov.uk, case management guidance, case responsibility
    """
    return command.to_area != state.area


@rules.forbids("TR1", commands.TransferCase, looks_at=("to_area",), since=date(2013, 4, 8))
def transfer_is_to_an_area_of_the_list(command: commands.TransferCase, _s: DisposalState, context: Context) -> bool:
    """The partnership has no area of this name: choose one of its list, which `GET /v1/policy` has as transfer_areas.

    Source: local policy: the partnership's own file
    """
    return command.to_area in (context.policy.values.get("transfer_areas") or [command.to_area])


@rules.forbids("HO1", commands.HandOnCase, lifted_by=(commands.HandOverCase,), since=date(2013, 4, 8))
def is_handed_on_by_its_officer(state: DisposalState, context: Context) -> bool:
    """Another officer has this case: ask them, or a supervisor, to hand it on.

    Source: local policy
    """
    return context.actor.id == state.officer_id


@rules.forbids("T1", commands.CompleteDeferral)
def not_before_its_steps(state: DisposalState, context: Context) -> bool:
    """A deferral cannot have been completed before its steps were: check the time."""
    steps = () if state.deferral is None else state.deferral.steps.values()
    return all(step.recorded_at is None or step.recorded_at <= context.occurred_at for step in steps)


def _prepared_by(disposal: Disposal, state: DisposalState, day: date) -> Iterator[datetime]:
    """When adult, explanation and signature were there, as far as the disposal needs them and they are recorded."""
    adults = [at for at in state.adults_at if local_day(at) == day]
    if disposal is not Disposal.YRD and adults:
        yield min(adults)
    explanations = [at for at, explanation in state.explanations if explains(explanation, disposal)]
    if disposal is not Disposal.YRD and explanations:
        yield min(explanations)
    if disposal is not Disposal.YC and state.signed_at is not None:
        yield state.signed_at


@rules.forbids("T1", commands.IssueDisposal)
def not_given_before_it_was_prepared(state: DisposalState, context: Context) -> bool:
    """A disposal cannot have been given before admission, adult, explanation and signature: check the time.

    Source: rule T1 of this house; CDA 1998 ss66B, 66ZA
    """
    disposal = state.to_be_issued
    if disposal is None:
        return True
    needed = (*_rests_on(disposal, state), *_prepared_by(disposal, state, context.day))
    return all(at <= context.occurred_at for at in needed)


@rules.forbids("T1", commands.IssueDisposal)
def not_given_before_its_conditions(state: DisposalState, context: Context) -> bool:
    """A disposal cannot have been given before its conditions were proposed: check the time.

    Source: rule T1 of this house; CDA 1998 s66B(6)
    """
    return all(condition.since <= context.occurred_at for condition in state.conditions.values())


@rules.forbids(
    "T1",
    commands.ReferToYot,
    commands.IssueWarning,
    commands.RecordComplianceMeeting,
    commands.VaryConditions,
    commands.WithdrawConsent,
    commands.RecordNonEngagement,
    commands.ReferBreach,
    commands.DecideBreach,
    commands.InstituteProceedings,
    commands.AnnulDisposal,
)
def not_before_it_was_given(state: DisposalState, context: Context) -> bool:
    """What follows from the disposal cannot have happened before it was given: check the time."""
    return state.issue is None or context.occurred_at >= state.issue.at


@rules.forbids("T1", commands.AssignOutcome, looks_at=("code",))
def not_before_what_the_outcome_says(command: commands.AssignOutcome, state: DisposalState, context: Context) -> bool:
    """The outcome says what had not been done by then: check the time.

    Source: rule T1 of this house; Home Office crime outcomes framework
    """
    done: Sequence[datetime] = ()
    if command.code in CAUTIONED | {OutcomeCode.C8} and state.issue is not None:
        done = [state.issue.at]
    elif command.code is OutcomeCode.C22:
        done = activities(state)
    return not done or min(done) <= context.occurred_at


@rules.forbids("T1", commands.ReferBreach, looks_at=("condition_ids",))
def not_before_the_breach(command: commands.ReferBreach, state: DisposalState, context: Context) -> bool:
    """The absence or the withdrawal that is referred had not happened by then: check the time.

    Source: rule T1 of this house; CDA 1998 s66E(1)
    """
    grounds = [broken_since(key, state) for key in command.condition_ids if not is_past_due(key, state, context)]
    return all(since is None or since <= context.occurred_at for since in grounds)


@rules.forbids("T1", commands.RecordProgramme, looks_at=("starts_on", "ends_on"), since=date(2013, 4, 8))
def programme_has_begun_and_ended(command: commands.RecordProgramme, _state: DisposalState, context: Context) -> bool:
    """A programme is recorded once it has begun, and its end once it has ended: check the days."""
    return max(command.starts_on or context.day, command.ends_on or context.day) <= context.day


def _conditions_of(command: Command) -> Iterator[UUID]:
    match command:
        case commands.RecordConditionAttendance(status=AttendanceStatus.CANCELLED_BY_SERVICE):
            return  # a cancellation may be recorded at any time
        case (
            commands.BookConditionSession(condition_id=condition_id)
            | commands.RecordConditionAttendance(condition_id=condition_id)
            | commands.CompleteCondition(condition_id=condition_id)
            | commands.RecordRefusal(condition_id=condition_id)
            | commands.ExcuseCondition(condition_id=condition_id)
            | commands.WithdrawCondition(condition_id=condition_id)
        ):
            yield condition_id
        case commands.VaryConditions(changes=changes):
            yield from (change.condition_id for change in changes)
        case commands.ReferBreach(condition_ids=condition_ids):
            yield from condition_ids
        case _:
            return


@rules.forbids(
    "T1",
    commands.BookConditionSession,
    commands.RecordConditionAttendance,
    commands.CompleteCondition,
    commands.RecordRefusal,
    commands.ExcuseCondition,
    commands.WithdrawCondition,
    commands.VaryConditions,
    commands.ReferBreach,
    looks_at=("condition_id", "status", "changes", "condition_ids"),
)
def not_before_the_condition(command: Command, state: DisposalState, context: Context) -> bool:
    """The condition did not bind the child yet at that time: check the time."""
    bound = (state.conditions.get(condition_id) for condition_id in _conditions_of(command))
    return all(condition is None or condition.since <= context.occurred_at for condition in bound)


@rules.forbids(
    "T1",
    commands.WithdrawAdmission,
    commands.WithdrawConsent,
    commands.DecideAbsence,
    commands.IssueWarning,
    commands.DecideBreach,
    commands.EndDeferral,
    commands.InstituteProceedings,
    looks_at=("session_id",),
)
def not_before_what_it_answers(command: Command, state: DisposalState, context: Context) -> bool:
    """This answers something that had not happened by then: check the time."""
    answered = _answered(command, state)
    return answered is None or context.occurred_at >= answered


def _answered(command: Command, state: DisposalState) -> datetime | None:
    answered: datetime | None = None
    match command:
        case commands.WithdrawAdmission() if state.admission is not None:
            answered = state.asked_at
        case commands.WithdrawConsent():
            answered = state.signed_at
        case commands.DecideAbsence(session_id=session_id) if pending := state.pending_absence(session_id):
            answered = pending.at
        case commands.IssueWarning(session_id=session_id) if missed := state.last_attendance(session_id):
            answered = missed.decided_at or missed.at
        case commands.DecideBreach() | commands.EndDeferral() if state.breach is not None:
            answered = state.breach.at
        case commands.InstituteProceedings() if state.breach is not None:
            answered = state.breach.decided_at
    return answered
