"""S1, the state machine: registers each line of its table as a rule, asked only when no other rule refuses; and corrections."""

from typing import Final

from services.disposal import events
from services.disposal.domain.commands import (
    AgreeDeferral,
    AssignOutcome,
    CorrectRecord,
    DecideBreach,
    DecideDisposal,
    RecordConditionAttendance,
    VaryConditions,
)
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState, Stage
from services.disposal.domain.state_machine import SOURCE, STATE_MACHINE
from services.disposal.events import (
    ConditionsVaried,
    DisposalEvent,
    OutcomeAssigned,
    ProsecutionDeferred,
    RecordOfSession,
)
from services.vocabulary import Role
from shared.domain.corrections import OF_A_CORRECTION, Uncorrectable
from shared.domain.rules import Context
from shared.domain.state_machine import register

register(rules, STATE_MACHINE, SOURCE)
CORRECTIONS.guard(rules, CorrectRecord)


def _assigned(event: DisposalEvent, before: DisposalState) -> AssignOutcome | None:
    """Write the command of an outcome that a person assigned; one that came with proceedings or a completed deferral came by itself."""
    by_itself = before.proceedings_at is not None or (before.deferral is not None and before.stage is Stage.COMPLETED)
    return None if by_itself or not isinstance(event, OutcomeAssigned) else AssignOutcome(code=event.code)


CORRECTIONS.judge_again(rules, CorrectRecord, "code", AssignOutcome, _assigned)


def _varied(event: DisposalEvent, _before: DisposalState) -> VaryConditions | None:
    """Write the command of a variation."""
    if not isinstance(event, ConditionsVaried):
        return None
    return VaryConditions(changes=event.changes, consent=event.consent, why=event.why)


def _deferred(event: DisposalEvent, _before: DisposalState) -> AgreeDeferral | None:
    """Write the command by which a plan was agreed."""
    if not isinstance(event, ProsecutionDeferred):
        return None
    return AgreeDeferral(
        plan=event.plan,
        review_on=event.review_on,
        child_agrees=event.child_agrees,
        appropriate_adult_present=event.appropriate_adult_present,
    )


def _decided(event: DisposalEvent, _before: DisposalState) -> DecideDisposal | None:
    """Write the command of a decision."""
    if not isinstance(event, events.DisposalDecided):
        return None
    return DecideDisposal(
        decision=event.decision,
        rationale_text=event.rationale_text,
        public_interest=event.public_interest,
        prosecution_inappropriate=event.prosecution_inappropriate,
        ycc_inappropriate=event.ycc_inappropriate,
    )


def _breach_decided(event: DisposalEvent, _before: DisposalState) -> DecideBreach | None:
    """Write the command of a decision on a breach."""
    if not isinstance(event, events.BreachDecided):
        return None
    return DecideBreach(
        reasonable_excuse=event.reasonable_excuse, decision=event.decision, rationale_text=event.rationale_text
    )


CORRECTIONS.judge_again(rules, CorrectRecord, "decision", DecideDisposal, _decided)
CORRECTIONS.judge_again(rules, CorrectRecord, "decision", DecideBreach, _breach_decided)


def _attended(event: DisposalEvent, _before: DisposalState) -> RecordConditionAttendance | None:
    """Write the command by which the end of a session was recorded."""
    if not isinstance(event, RecordOfSession):
        return None
    return RecordConditionAttendance(
        condition_id=event.condition_id,
        session_id=event.session_id,
        status=event.status,
        hours_credited=event.hours_credited,
        complied=event.complied,
        because=event.because,
    )


CORRECTIONS.judge_again(rules, CorrectRecord, "hours_credited", RecordConditionAttendance, _attended)
CORRECTIONS.judge_again(rules, CorrectRecord, "status", RecordConditionAttendance, _attended)
CORRECTIONS.judge_again(rules, CorrectRecord, "changes", VaryConditions, _varied)
CORRECTIONS.judge_again(rules, CorrectRecord, "plan", AgreeDeferral, _deferred)
CORRECTIONS.judge_again(rules, CorrectRecord, "review_on", AgreeDeferral, _deferred)


@rules.forbids("E3", CorrectRecord, looks_at=OF_A_CORRECTION)
def a_register_credits_its_own_hours(command: CorrectRecord, state: DisposalState, _context: Context) -> bool:
    """The register of education or the record of the conference has credited these hours: correct them there.

    Source: local policy on registers
    """
    try:
        correction, fact = CORRECTIONS.correction(command, state), CORRECTIONS.target(command, state)
    except Uncorrectable:
        return True  # S1 says so
    return correction.field != "hours_credited" or fact.actor.role != Role.SYSTEM


_OF_THE_POLICE: Final = (
    events.EvidenceSufficiencyDecided,
    events.DisposalDecided,
    events.DisposalIssued,
    events.DeferralCompleted,
    events.DeferralEnded,
    events.CaseHandedOver,
    events.ConditionExcused,
    events.ConditionsVaried,
    events.BreachDecided,
    events.ProceedingsInstituted,
)
"""What a case manager may not record."""


@rules.allowed_in(CorrectRecord, looks_at=("corrects",))
def nobody_corrects_what_they_may_not_decide(command: CorrectRecord, state: DisposalState, context: Context) -> bool:
    """Ask the police or a supervisor to correct this: a case manager does not decide it.

    Source: state machine of a disposal case (rule S1)
    """
    try:
        event = CORRECTIONS.target(command, state).event
    except Uncorrectable:
        return True  # another of these functions says so
    return context.actor.role != Role.YJS_CASE_MANAGER or not isinstance(event, _OF_THE_POLICE)
