"""S1: what the state machine of a referral allows, and what a correction may point at."""

from __future__ import annotations

from typing import Final

from services.referral.domain.ages import born_on
from services.referral.domain.commands import (
    AcknowledgeReferral,
    AllocateReferral,
    AssignCrimeOutcome,
    AttachDocument,
    CloseReferral,
    CompleteNudesScreening,
    ConfirmSchoolLedOutcome,
    CorrectReferral,
    GiveAdvice,
    LinkPerson,
    OverrideSafeguardingHold,
    RaiseSafeguardingConcern,
    ReceiveReferral,
    RecordCrime,
    RecordMashReferral,
    RecordVictimPreference,
    ReopenReferral,
    TriageReferral,
)
from services.referral.domain.corrections import CORRECTIONS
from services.referral.domain.rules.rulebook import rules
from services.referral.domain.state import Referral, Stage
from shared.domain.corrections import Uncorrectable
from shared.domain.dates import BeyondCalendar, add_working_days, local_day
from shared.domain.decider import BrokenHistory
from shared.domain.messages import Command
from shared.domain.rules import Context

BEFORE_TRIAGE: Final = frozenset({Stage.RECEIVED, Stage.ACKNOWLEDGED, Stage.SAFEGUARDING_HOLD})
WITH_AN_OFFICER: Final = frozenset({Stage.TRIAGED, Stage.ALLOCATED, Stage.IN_PROGRESS})


@rules.allowed_in(ReceiveReferral)
def received_once(_command: ReceiveReferral, state: Referral | None, _occasion: Context) -> bool:
    """This referral was received already: give a new one an id of its own.

    Source: team practice (states of a referral)
    """
    return state is None


@rules.allowed_in(ReceiveReferral)
def within_the_calendar(command: ReceiveReferral, _state: Referral | None, context: Context) -> bool:
    """The report lies outside the years whose bank holidays are known: check its date.

    Source: gov.uk/bank-holidays (England and Wales), as vendored
    """
    try:
        add_working_days(local_day(command.reported_at), context.policy.number("close_working_days"))
    except BeyondCalendar:
        return False
    return True


@rules.allowed_in(
    LinkPerson,
    RaiseSafeguardingConcern,
    RecordMashReferral,
    CompleteNudesScreening,
    RecordCrime,
    RecordVictimPreference,
    AttachDocument,
    GiveAdvice,
    AssignCrimeOutcome,
)
def not_closed(_command: Command, state: Referral, _occasion: Context) -> bool:
    """The referral is closed: a supervisor must open it again first.

    Source: team practice (states of a referral)
    """
    return state.stage is not Stage.CLOSED


@rules.allowed_in(AcknowledgeReferral)
def acknowledged_once(_command: AcknowledgeReferral, state: Referral, _occasion: Context) -> bool:
    """A referral is acknowledged once, before it is triaged.

    Source: team practice (states of a referral)
    """
    return state.acknowledged_on is None and state.stage in BEFORE_TRIAGE


@rules.allowed_in(OverrideSafeguardingHold)
def a_hold_to_lift(_command: OverrideSafeguardingHold, state: Referral, _occasion: Context) -> bool:
    """No safeguarding concern holds this referral.

    Source: team practice (states of a referral)
    """
    return state.on_hold


@rules.allowed_in(RecordCrime)
def crime_recorded_once(_command: RecordCrime, state: Referral, _occasion: Context) -> bool:
    """The crime has a number already: correct it, do not record another.

    Source: Home Office Counting Rules
    """
    return state.crime_number is None


@rules.allowed_in(TriageReferral)
def ready_for_triage(_command: TriageReferral, state: Referral, _occasion: Context) -> bool:
    """A referral is triaged once it is acknowledged, and again after it was opened again or held.

    Source: team practice (states of a referral)
    """
    return state.stage is Stage.ACKNOWLEDGED or (state.stage is Stage.TRIAGED and state.reopened)


@rules.allowed_in(AllocateReferral)
def triaged_for_an_officer(_command: AllocateReferral, state: Referral, _occasion: Context) -> bool:
    """Only a triaged referral is allocated, and not one that went to others.

    Source: team practice (states of a referral)
    """
    return state.stage in WITH_AN_OFFICER


@rules.allowed_in(ConfirmSchoolLedOutcome)
def left_to_the_school(_command: ConfirmSchoolLedOutcome, state: Referral, _occasion: Context) -> bool:
    """The school confirms once what it did, about an incident that was left to it.

    Source: Home Office Counting Rules, Schools Protocol
    """
    return state.stage is Stage.SCHOOL_LED and not state.school_confirmed


@rules.allowed_in(CloseReferral)
def triaged_before_closing(_command: CloseReferral, state: Referral, _occasion: Context) -> bool:
    """Only a triaged referral can be closed, and only once.

    Source: team practice (states of a referral)
    """
    return state.stage not in BEFORE_TRIAGE | {Stage.CLOSED}


@rules.allowed_in(ReopenReferral)
def closed_before_reopening(_command: ReopenReferral, state: Referral, _occasion: Context) -> bool:
    """Only a closed referral can be opened again.

    Source: team practice (states of a referral)
    """
    return state.stage is Stage.CLOSED


CORRECTIONS.guard(rules, CorrectReferral)


@rules.allowed_in(CorrectReferral)
def corrects_to_a_time_that_can_be(command: CorrectReferral, state: Referral, _occasion: Context) -> bool:
    """With this date somebody would be born after the incident, or it reported before it happened: check the date.

    Source: DPA 2018 s38 (accuracy)
    """
    try:
        correction = CORRECTIONS.correction(command, state)
        after = CORRECTIONS.applied(state, [correction])
    except (Uncorrectable, BrokenHistory):
        return True  # another of these functions says so
    if correction.field not in {"details.date_of_birth", "reported_at", "happened_at"}:
        return True
    births = [born_on(person.date_of_birth) for person in after.people.values()]
    ordered = after.happened_at <= after.reported_at <= after.received_at
    return ordered and all(born <= after.happened_on for born in births if born is not None)
