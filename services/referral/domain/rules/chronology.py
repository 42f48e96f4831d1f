"""T1: nothing before the fact that it depends on."""

from datetime import date, datetime

from services.referral.domain.commands import (
    AllocateReferral,
    AnswerFeedback,
    AssignCrimeOutcome,
    CloseReferral,
    ConfirmSchoolLedOutcome,
    EndAlert,
    OverrideSafeguardingHold,
    ReceiveReferral,
    RecordMashDecision,
    RecordMashReferral,
    RecordMessageDelivery,
    ReopenReferral,
    TriageReferral,
)
from services.referral.domain.rules.rulebook import rules
from services.referral.domain.rules.triage import TO_OTHERS
from services.referral.domain.state import Referral
from services.trade.vocabulary import OutcomeCode, TriageOutcome
from shared.domain.rules import Context


@rules.forbids("T1", ReceiveReferral, looks_at=("reported_at", "happened_at"))
def reported_before_received(command: ReceiveReferral, _state: Referral | None, context: Context) -> bool:
    """An incident happens, is reported, and is then taken in: give the three times in that order."""
    return command.happened_at <= command.reported_at <= context.occurred_at


@rules.forbids("T1", TriageReferral, AllocateReferral, ConfirmSchoolLedOutcome, CloseReferral, ReopenReferral)
def not_before_the_step_before(state: Referral, context: Context) -> bool:
    """This step follows the last one (acknowledged, triaged, allocated, closed): give a time after that."""
    return context.occurred_at >= state.since


@rules.forbids("T1", RecordMashReferral, OverrideSafeguardingHold)
def not_before_the_concern(state: Referral, context: Context) -> bool:
    """A hold is lifted after the concern was raised: give a time after that."""
    return all(context.occurred_at >= concern.raised_at for concern in state.concerns if not concern.answered_on)


@rules.forbids("T1", RecordMashDecision)
def not_before_mash_was_told(state: Referral, context: Context) -> bool:
    """The local authority answers after it was told: give a time after that."""
    return all(context.occurred_at >= referral.made_at for referral in state.unanswered)


@rules.forbids("T1", EndAlert, looks_at=("alert_id",))
def not_before_the_alert(command: EndAlert, state: Referral, context: Context) -> bool:
    """An alert ends after it was raised: give a time after that."""
    alert = state.open_alert(command.alert_id)
    return alert is None or context.occurred_at >= alert.raised_at


@rules.forbids("T1", AnswerFeedback, looks_at=("feedback_id",), since=date(2013, 4, 8))
def not_before_the_feedback(command: AnswerFeedback, state: Referral, context: Context) -> bool:
    """Feedback is answered after it was given: give a time after that."""
    said = state.unanswered_feedback.get(command.feedback_id)
    return said is None or context.occurred_at >= said.given_at


@rules.forbids("T1", RecordMessageDelivery, looks_at=("message_id",))
def not_before_it_was_sent(command: RecordMessageDelivery, state: Referral, context: Context) -> bool:
    """A message arrives after it was sent: give a time after that."""
    message = state.messages.get(command.message_id)
    return message is None or context.occurred_at >= message.at


@rules.forbids("T1", TriageReferral, looks_at=("outcome",))
def not_before_what_triage_rests_on(command: TriageReferral, state: Referral, context: Context) -> bool:
    """This outcome rests on a screening or a preference that was recorded later: give a time after it."""
    needed: list[datetime] = []
    if command.outcome is TriageOutcome.SCHOOL_LED:
        needed += [wish.recorded_at for wish in state.wishes.values()]
    if state.nude_imagery and state.screening is not None and command.outcome not in TO_OTHERS:
        needed.append(state.screening.completed_at)
    return all(context.occurred_at >= moment for moment in needed)


@rules.forbids("T1", AssignCrimeOutcome, looks_at=("code",))
def not_before_what_the_outcome_rests_on(command: AssignCrimeOutcome, state: Referral, context: Context) -> bool:
    """An outcome follows the record of the crime, and what that outcome rests on: give a time after them."""
    needed = [state.crime_recorded_at]
    if command.code is OutcomeCode.C22 and state.activities:
        needed.append(min(state.activities))
    if command.code is OutcomeCode.C21 and state.nude_imagery and state.screening is not None:
        needed.append(state.screening.completed_at)
    return all(context.occurred_at >= moment for moment in needed if moment is not None)
