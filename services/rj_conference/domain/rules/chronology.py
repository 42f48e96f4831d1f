"""What must have happened before (rules T1 and E1)."""

from typing import Final

from services.rj_conference.domain import commands
from services.rj_conference.domain.closing import comes_too_late
from services.rj_conference.domain.rules.rulebook import rules
from services.rj_conference.domain.state import Conference, Stage
from services.rj_conference.events import NotProceedingReason
from shared.domain.rules import Context

ABSENCES: Final = frozenset({NotProceedingReason.HARMER_ABSENT, NotProceedingReason.HARMED_ABSENT})


@rules.forbids("T1", commands.ScheduleConference)
def scheduled_after_what_it_needs(conference: Conference, context: Context) -> bool:
    """A conference is scheduled after the harmer's responsibility, the facilitator and the approved risk were recorded."""
    facts = (*conference.responsibilities.values(), conference.facilitator)
    moments = [fact.at for fact in facts if fact is not None]
    if conference.risk is not None and conference.risk.approved_at is not None:
        moments.append(conference.risk.approved_at)
    return all(moment <= context.occurred_at for moment in moments)


@rules.forbids(
    "T1",
    commands.ScheduleConference,
    commands.RecordDidNotProceed,
    commands.ConvertToIndirect,
    commands.SignAgreement,
    commands.RecordNoAgreement,
)
def after_the_step_before(conference: Conference, context: Context) -> bool:
    """This cannot have happened before the step that led to where the conference stands: check the time that you give."""
    return context.occurred_at >= conference.since


@rules.forbids("T1", commands.RecordConferenceHeld)
def held_after_it_was_scheduled(conference: Conference, context: Context) -> bool:
    """A conference cannot have been held before it was scheduled: check the time that you give."""
    # Before its start rule E1 speaks alone.
    return not conference.has_begun(context.occurred_at) or context.occurred_at >= conference.since


@rules.forbids("T1", commands.RecordDidNotProceed, looks_at=("why",))
def absent_after_the_start(command: commands.RecordDidNotProceed, conference: Conference, context: Context) -> bool:
    """Nobody can have been absent before the conference was to begin: give a time after its start."""
    return command.why not in ABSENCES or conference.has_begun(context.occurred_at)


@rules.forbids("T1", commands.ApproveRisk)
def approved_after_it_was_assessed(conference: Conference, context: Context) -> bool:
    """A risk assessment cannot have been approved before it was made: check the time that you give."""
    return conference.risk is None or context.occurred_at >= conference.risk.assessed_at


@rules.forbids("T1", commands.WithdrawConsent, looks_at=("person_id",))
def withdrawn_after_it_was_given(command: commands.WithdrawConsent, conference: Conference, context: Context) -> bool:
    """A consent cannot have been withdrawn before it was given: check the time that you give."""
    consent = conference.consent_of(command.person_id)
    return consent is None or context.occurred_at >= consent.at


@rules.forbids("T1", commands.CompleteTerm, commands.FailTerm, looks_at=("term_id",))
def settled_after_the_agreement(
    command: commands.CompleteTerm | commands.FailTerm, conference: Conference, context: Context
) -> bool:
    """A term cannot have been kept or failed before it was agreed: check the time that you give."""
    term = conference.terms.get(command.term_id)
    return term is None or context.occurred_at >= term.agreed_at


@rules.forbids("T1", commands.RecordFollowUp)
def followed_up_after_it_was_held(conference: Conference, context: Context) -> bool:
    """A follow-up cannot have taken place before the conference: check the time that you give."""
    return conference.held is None or context.occurred_at >= conference.held.at


@rules.forbids("T1", commands.CloseConference)
def closed_after_its_last_step(conference: Conference, context: Context) -> bool:
    """A conference that was held cannot have been closed before its last step: check the time that you give."""
    in_order = conference.held is None or context.occurred_at >= conference.since
    return in_order or comes_too_late(conference, context)


@rules.forbids("E1", commands.RecordConferenceHeld)
def the_conference_has_begun(conference: Conference, context: Context) -> bool:
    """The conference has not begun yet, so nothing can be recorded of it: give the time at which it took place.

    Source: rule E1 of this house; DPA 2018 s38 (accuracy)
    """
    return conference.stage is not Stage.SCHEDULED or conference.has_begun(context.occurred_at)
