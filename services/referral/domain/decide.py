"""What happens when a command is accepted: one function for each that needs more than its own fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final, assert_never
from uuid import UUID

from services.referral.domain.ages import born_on
from services.referral.domain.commands import (
    AcknowledgeReferral,
    AllocateReferral,
    AssignCrimeOutcome,
    AttachDocument,
    CarryOutcome,
    CloseReferral,
    CompleteNudesScreening,
    ConfirmSchoolLedOutcome,
    CorrectReferral,
    GiveAdvice,
    LinkPerson,
    OverrideSafeguardingHold,
    RaiseSafeguardingConcern,
    ReceiveReferral,
    RecordActivityUndertaken,
    RecordContact,
    RecordCrime,
    RecordMashReferral,
    RecordVictimPreference,
    ReferralCommand,
    ReopenReferral,
    TriageReferral,
)
from services.referral.domain.corrections import CORRECTIONS
from services.referral.domain.rules import people, rules
from services.referral.domain.state import Referral, evolve
from services.referral.events import (
    ActivityUndertaken,
    AdviceGiven,
    ContactRecorded,
    CrimeOutcomeAssigned,
    CrimeRecorded,
    DocumentAttached,
    MashReferralMade,
    NudesScreeningCompleted,
    PersonLinked,
    ReferralAcknowledged,
    ReferralAllocated,
    ReferralClosed,
    ReferralCorrected,
    ReferralReceived,
    ReferralReopened,
    ReferralTriaged,
    SafeguardingConcernRaised,
    SafeguardingHoldOverridden,
    SchoolLedOutcomeConfirmed,
    VictimPreferenceRecorded,
)
from services.vocabulary import Category
from shared.domain.corrections import facts_of
from shared.domain.dates import age_on
from shared.domain.decider import Decider
from shared.domain.messages import DerivedCorrection, NewEvents, event_from
from shared.domain.rules import Context


def decide(command: ReferralCommand, state: Referral | None, context: Context) -> NewEvents:
    """The events of a command that no rule refuses."""
    if isinstance(command, ReceiveReferral):
        return [event_from(ReferralReceived, command)]
    assert state is not None
    match command:
        case LinkPerson():
            return [event_from(PersonLinked, command, age_at_incident=people.age_at_incident(command, state))]
        case AcknowledgeReferral():
            return [ReferralAcknowledged()]
        case RaiseSafeguardingConcern():
            return [event_from(SafeguardingConcernRaised, command)]
        case RecordMashReferral():
            return [event_from(MashReferralMade, command)]
        case OverrideSafeguardingHold():
            return [event_from(SafeguardingHoldOverridden, command)]
        case CompleteNudesScreening():
            return [event_from(NudesScreeningCompleted, command)]
        case RecordCrime():
            return [event_from(CrimeRecorded, command)]
        case RecordVictimPreference():
            return [event_from(VictimPreferenceRecorded, command)]
        case AttachDocument():
            return [event_from(DocumentAttached, command)]
        case TriageReferral():
            return [_triaged(command, state)]
        case AllocateReferral():
            return [event_from(ReferralAllocated, command)]
        case GiveAdvice():
            return [event_from(AdviceGiven, command)]
        case RecordContact():
            return [event_from(ContactRecorded, command)]
        case ConfirmSchoolLedOutcome():
            return [event_from(SchoolLedOutcomeConfirmed, command)]
        case AssignCrimeOutcome() | CarryOutcome():
            return [event_from(CrimeOutcomeAssigned, command)]
        case RecordActivityUndertaken():
            return [event_from(ActivityUndertaken, command)]
        case CorrectReferral():
            return [_corrected(command, state, context)]
        case CloseReferral():
            return [event_from(ReferralClosed, command)]
        case ReopenReferral():
            return [event_from(ReferralReopened, command)]
        case _:
            assert_never(command)


def _triaged(command: TriageReferral, state: Referral) -> ReferralTriaged:
    # Others count by these without asking back.
    flags = tuple(sorted(state.flags))
    return event_from(ReferralTriaged, command, incident_type=state.incident_type, setting=state.setting, flags=flags)


def _corrected(command: CorrectReferral, state: Referral, context: Context) -> ReferralCorrected:
    """The correction asked for, with what was computed from the corrected field."""
    correction = CORRECTIONS.correction(command, state)
    return correction.model_copy(update={"also": tuple(_computed(correction, state, context))})


def _computed(correction: ReferralCorrected, state: Referral, context: Context) -> Iterator[DerivedCorrection]:
    """What had been computed from the corrected field, computed again."""
    after = CORRECTIONS.applied(state, [correction])
    linked = {fact.event_id: fact.event for fact in facts_of(after) if isinstance(fact.event, PersonLinked)}
    if correction.field == "details.date_of_birth":
        yield from _ages({correction.corrects: linked[correction.corrects]}, after.happened_on, context)
    if correction.field == "happened_at":
        yield from _ages(linked, after.happened_on, context)


def _ages(linked: Mapping[UUID, PersonLinked], happened_on: date, context: Context) -> Iterator[DerivedCorrection]:
    """What another birth date or another day of the incident changes: ages, and who was under ten after all."""
    for event_id, event in linked.items():
        born = born_on(event.details.date_of_birth)
        if born is None:
            continue
        age = age_on(born, happened_on)
        if age != event.age_at_incident:
            yield DerivedCorrection(corrects=event_id, field="age_at_incident", value=age)
        # A child who was under ten is never a suspect (B8).
        under_ten = age < context.policy.number("age_of_criminal_responsibility")
        if under_ten and event.category in people.OF_AN_OFFENDER:
            yield DerivedCorrection(corrects=event_id, field="category", value=Category.CHILD_UNDER_10.value)


decider: Final[Decider[Referral]] = Decider(rules, decide, evolve)
