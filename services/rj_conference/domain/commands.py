"""The commands of a conference. A command without `roles` is open to facilitators and supervisors."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date
from typing import Annotated, ClassVar, Final, Literal, Self, TypeVar, get_args
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from services.rj_conference.events import (
    AgreementSigned,
    ConferenceProposed,
    ConferenceScheduled,
    ConsentGiven,
    ConsentWithdrawn,
    ConvertedToIndirect,
    FacilitatorAssigned,
    FollowUpCompleted,
    IndirectMode,
    NoAgreementReached,
    NotProceedingReason,
    ParticipantAdded,
    ParticipantRole,
    PreparationHeld,
    Present,
    ResponsibilityRecorded,
    RiskApproved,
    RiskAssessed,
    RiskLevel,
    Sensitivity,
    Signatory,
    Term,
    TermCompleted,
    TermNotCompleted,
    VictimInformed,
)
from services.vocabulary import ConferenceCategory, ConferenceMode, FieldCorrection, Role
from shared.domain.messages import (
    Command,
    FreeText,
    Hours,
    Timestamp,
    Version,
)
from shared.privacy.sealing import OwnedBy, Sealed

WITH_VICTIM_WORKER: Final = frozenset({Role.RJ_FACILITATOR.value, Role.VICTIM_WORKER.value, Role.SUPERVISOR.value})
WITH_REACTIONS: Final = frozenset({Role.RJ_FACILITATOR.value, Role.SUPERVISOR.value, Role.SYSTEM.value})

T = TypeVar("T", bound=Hashable)


def _once_each(items: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(items)) != len(items):
        raise ValueError("each may be named once only")
    return items


def _each_term_once(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    _once_each(tuple(term.term_id for term in terms))
    return terms


def _each_person_once(present: tuple[Present, ...]) -> tuple[Present, ...]:
    _once_each(tuple(one.person_id for one in present))
    return present


def _each_signatory_once(signatories: tuple[Signatory, ...]) -> tuple[Signatory, ...]:
    _once_each(tuple(one.person_id for one in signatories))
    return signatories


class ProposeConference(Command):
    """Propose a conference; a disposal's condition does so by itself."""

    roles: ClassVar[frozenset[str] | None] = WITH_REACTIONS
    opens: ClassVar[bool] = True
    records = ConferenceProposed

    type: Literal["ProposeConference"] = "ProposeConference"
    case_id: UUID
    referral_id: UUID | None = None
    disposal_id: UUID | None = None
    condition_id: UUID | None = None
    category: ConferenceCategory
    sensitive: Sensitivity
    harmer: UUID
    harmer_age: Annotated[int, Field(ge=0, le=120)]
    """In years."""
    deciding_officer: UUID | None = None


class AddParticipant(Command):
    """Invite somebody beside the harmer."""

    records = ParticipantAdded

    type: Literal["AddParticipant"] = "AddParticipant"
    person_id: UUID
    role: ParticipantRole
    under_16: bool


class RecordResponsibility(Command):
    """Record whether the harmer accepts responsibility and the core facts."""

    records = ResponsibilityRecorded

    type: Literal["RecordResponsibility"] = "RecordResponsibility"
    accepts: bool
    facts_disputed: bool


class InformVictim(Command):
    """Record that a harmed party was told what restorative justice is."""

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIM_WORKER
    records = VictimInformed

    type: Literal["InformVictim"] = "InformVictim"
    person_id: UUID


class GiveConsent(Command):
    """Record a party's own consent: to which modes, on which wording, until when."""

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIM_WORKER
    records = ConsentGiven

    type: Literal["GiveConsent"] = "GiveConsent"
    person_id: UUID
    consent_version: Version
    scope: Annotated[tuple[ConferenceMode, ...], Field(min_length=1, max_length=4), AfterValidator(_once_each)]
    parental_agreement: bool | None = None
    valid_until: date | None = None


class WithdrawConsent(Command):
    """Record that a party withdraws; no reason is asked."""

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIM_WORKER
    records = ConsentWithdrawn

    type: Literal["WithdrawConsent"] = "WithdrawConsent"
    person_id: UUID


class AssignFacilitator(Command):
    """Say who leads the conference; a later assignment replaces it."""

    records = FacilitatorAssigned

    type: Literal["AssignFacilitator"] = "AssignFacilitator"
    facilitator_id: UUID
    rj_trained: bool
    sensitive_accredited: bool


class AssessRisk(Command):
    """Record the risk assessment and its plan; a later one needs its own approval."""

    records = RiskAssessed

    type: Literal["AssessRisk"] = "AssessRisk"
    level: RiskLevel
    plan: Sealed[FreeText]


class ApproveRisk(Command):
    """Approve the current risk assessment."""

    roles: ClassVar[frozenset[str] | None] = frozenset({Role.SUPERVISOR.value, Role.RJ_FACILITATOR.value})
    records = RiskApproved

    type: Literal["ApproveRisk"] = "ApproveRisk"


class HoldPreparation(Command):
    """Record a preparation meeting with one participant."""

    records = PreparationHeld

    type: Literal["HoldPreparation"] = "HoldPreparation"
    person_id: UUID


class ScheduleConference(Command):
    """Fix mode, time and place."""

    records = ConferenceScheduled

    type: Literal["ScheduleConference"] = "ScheduleConference"
    mode: ConferenceMode
    starts_at: Timestamp
    hours: Hours
    place: Sealed[FreeText]


class RecordConferenceHeld(Command):
    """Record that the conference took place, and who took part."""

    type: Literal["RecordConferenceHeld"] = "RecordConferenceHeld"
    present: Annotated[tuple[Present, ...], Field(max_length=50), AfterValidator(_each_person_once)]
    facilitator_attended: bool


class RecordDidNotProceed(Command):
    """Record that the scheduled conference did not take place."""

    type: Literal["RecordDidNotProceed"] = "RecordDidNotProceed"
    why: NotProceedingReason


class ConvertToIndirect(Command):
    """Go on without a meeting face to face, with fresh consents."""

    records = ConvertedToIndirect

    type: Literal["ConvertToIndirect"] = "ConvertToIndirect"
    mode: IndirectMode


class SignAgreement(Command):
    """Record what was agreed and who signed it."""

    records = AgreementSigned

    type: Literal["SignAgreement"] = "SignAgreement"
    terms: Annotated[tuple[Term, ...], Field(max_length=50), AfterValidator(_each_term_once)]
    signed_by: Annotated[tuple[UUID, ...], Field(max_length=50), AfterValidator(_once_each)]
    signatories: Annotated[tuple[Signatory, ...], Field(max_length=50), AfterValidator(_each_signatory_once)] | None = (
        None
    )
    """The names of those who signed. The conference knows its people by their ids alone, so the agreement prints these."""

    @model_validator(mode="after")
    def _names_only_who_signed(self) -> Self:
        if any(one.person_id not in self.signed_by for one in self.signatories or ()):
            raise ValueError("signatories: name only people whose ids stand in signed_by, or add the id there")
        return self


class CorrectRecord(FieldCorrection):
    """Say what a field of an earlier event should have been. The original stays visible beside it."""

    type: Literal["CorrectRecord"] = "CorrectRecord"


class RecordNoAgreement(Command):
    """Record that nothing was agreed, which is a valid end."""

    records = NoAgreementReached

    type: Literal["RecordNoAgreement"] = "RecordNoAgreement"


class CompleteTerm(Command):
    """Record that a term was kept."""

    records = TermCompleted

    type: Literal["CompleteTerm"] = "CompleteTerm"
    term_id: UUID


class FailTerm(Command):
    """Record that a term was not kept and will not be."""

    records = TermNotCompleted

    type: Literal["FailTerm"] = "FailTerm"
    term_id: UUID
    why: Sealed[FreeText]


class RecordFollowUp(Command):
    """Record how it was for a participant: satisfaction from 0 (low) upwards, on the scale of the local form."""

    records = FollowUpCompleted

    type: Literal["RecordFollowUp"] = "RecordFollowUp"
    person_id: UUID
    satisfaction: Annotated[int, Field(ge=0, le=10)]
    comment: Annotated[Sealed[FreeText] | None, OwnedBy("person_id")] = None


class CloseConference(Command):
    """End the conference; a disposal that drops the condition does so by itself, unless it was held."""

    roles: ClassVar[frozenset[str] | None] = WITH_REACTIONS

    type: Literal["CloseConference"] = "CloseConference"


ConferenceCommand = (
    ProposeConference
    | AddParticipant
    | RecordResponsibility
    | InformVictim
    | GiveConsent
    | WithdrawConsent
    | AssignFacilitator
    | AssessRisk
    | ApproveRisk
    | HoldPreparation
    | ScheduleConference
    | RecordConferenceHeld
    | RecordDidNotProceed
    | ConvertToIndirect
    | SignAgreement
    | CorrectRecord
    | RecordNoAgreement
    | CompleteTerm
    | FailTerm
    | RecordFollowUp
    | CloseConference
)

COMMANDS: Final[tuple[type[Command], ...]] = get_args(ConferenceCommand)
"""Every command of a conference."""

LATER: Final = tuple(command for command in COMMANDS if not command.opens)
"""Those that need a conference."""
