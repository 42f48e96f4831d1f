"""The commands of a conference. A command without `roles` is open to `DEFAULT_ROLES`."""

from datetime import date
from typing import Annotated, ClassVar, Final, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.rj_conference import events
from services.trade.vocabulary import (
    ADULTS,
    OTHERS,
    ChildId,
    ConferenceCategory,
    ConferenceMode,
    FieldCorrection,
    NotTheChildId,
    OfficerId,
    Role,
    not_for,
)
from shared.domain.messages import Command, FreeText, SessionHours, Timestamp, Version, commands_in, require_each_once
from shared.domain.sealing import OwnedBy, Sealed

DEFAULT_ROLES: Final = frozenset({Role.RJ_FACILITATOR.value, Role.SAFE_SCHOOLS_OFFICER.value, Role.SUPERVISOR.value})
"""Who facilitates: an officer of the team who is trained in restorative justice does as well."""

WITH_VICTIM_WORKER: Final = frozenset({Role.RJ_FACILITATOR.value, Role.VICTIM_WORKER.value, Role.SUPERVISOR.value})
WITH_REACTIONS: Final = frozenset({Role.RJ_FACILITATOR.value, Role.SUPERVISOR.value, Role.SYSTEM.value})


class ProposeConference(Command):
    """Propose a conference between a child who caused harm and those harmed.

    A disposal proposes one itself for a condition of that type.
    """

    roles: ClassVar[frozenset[str] | None] = WITH_REACTIONS
    opens: ClassVar[bool] = True
    records = events.ConferenceProposed

    case_id: UUID
    referral_id: UUID | None = None
    disposal_id: UUID | None = None
    condition_id: UUID | None = None
    category: ConferenceCategory
    sensitive: events.Sensitivity
    harmer: ChildId
    harmer_age: Annotated[int, Field(ge=0, le=120)]
    """In years."""
    deciding_officer: UUID | None = None


class AddParticipant(Command):
    """Invite somebody beside the first harmer: a further harmer (role HARMER) is asked all that the first one is.

    Each needs a preparation meeting; a harmed person must consent (rules C2 and C3). If the case holds the date of
    birth, the age is computed from it, and an answer given here is not looked at.
    """

    makes = (events.ParticipantAdded,)

    person_id: UUID
    role: events.ParticipantRole
    under_16: bool | None = None
    serves: events.ConditionOfDisposal | None = None
    of_whom: UUID | None = None

    @model_validator(mode="after")
    def _serves_a_harmer(self) -> Self:
        if self.serves is not None and self.role is not events.ParticipantRole.HARMER:
            raise ValueError("serves: only a further harmer has a condition that the conference meets")
        return self


class RecordResponsibility(Command):
    """Record whether the harmer accepts responsibility, and whether they dispute the core facts.

    The conference is scheduled only after they accept and dispute nothing (rule C1).
    """

    records = events.ResponsibilityRecorded

    person_id: ChildId | None = None
    accepts: bool
    facts_disputed: bool


class InformVictim(Command):
    """Record that a harmed person was told what restorative justice is, and that nobody needs to take part.

    Only a consent after that counts (rule C2).
    """

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIM_WORKER
    records = events.VictimInformed

    person_id: NotTheChildId


class GiveConsent(Command):
    """Record a party's own consent: to which modes, on which wording, until when.

    The harmer and each harmed person must consent for themselves (rule C2).
    """

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIM_WORKER
    records = events.ConsentGiven

    person_id: UUID
    consent_version: Version
    scope: Annotated[tuple[ConferenceMode, ...], Field(min_length=1, max_length=4), require_each_once()]
    parental_agreement: bool | None = None
    valid_until: date | None = None
    meets: Annotated[
        Annotated[tuple[UUID, ...], Field(max_length=20), require_each_once()] | None, not_for(ADULTS | OTHERS)
    ] = None
    interpreter: bool | None = None


class WithdrawConsent(Command):
    """Record that a party withdraws consent; no reason is asked.

    No conference is held until they consent anew (rules C2 and C6).
    """

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIM_WORKER
    records = events.ConsentWithdrawn

    person_id: UUID


class AssignFacilitator(Command):
    """Say who leads the conference: somebody trained, and accredited for a sensitive case (rule C5).

    A later assignment replaces them.
    """

    records = events.FacilitatorAssigned

    facilitator_id: OfficerId
    rj_trained: bool
    sensitive_accredited: bool


class AssessRisk(Command):
    """Record the risks of the conference, and the plan to reduce them.

    Each assessment needs its own approval (rule C4).
    """

    records = events.RiskAssessed

    level: events.RiskLevel
    plan: Sealed[FreeText]


class ApproveRisk(Command):
    """Approve the current risk assessment; a supervisor approves a high risk.

    The approval counts for a limited number of days (rule C4).
    """

    roles: ClassVar[frozenset[str] | None] = frozenset({Role.SUPERVISOR.value, Role.RJ_FACILITATOR.value})
    records = events.RiskApproved


class HoldPreparation(Command):
    """Record a preparation meeting with one participant.

    Everyone needs one before the conference is scheduled, supporters included (rule C3).
    """

    records = events.PreparationHeld

    person_id: UUID


class ScheduleConference(Command):
    """Fix the mode, the start, the length in hours and the place.

    Responsibility, consents, preparation, risk and facilitator must be in order (rules C1 to C5).
    """

    records = events.ConferenceScheduled

    mode: ConferenceMode
    starts_at: Timestamp
    hours: SessionHours
    place: Sealed[FreeText]


class RecordConferenceHeld(Command):
    """Record that the conference took place, and who took part: harmer, harmed side and facilitator at least (rule C8).

    A condition that it serves counts its hours.
    """

    makes = (events.ConferenceHeld,)

    present: Annotated[tuple[events.Present, ...], Field(max_length=50), require_each_once("person_id")]
    facilitator_attended: bool


class RecordDidNotProceed(Command):
    """Record why the scheduled conference did not take place. It can be scheduled again, converted or closed.

    A harmed person's absence never counts against the child (rule C7).
    """

    makes = (events.ConferenceDidNotProceed,)

    why: events.NotProceedingReason


class ConvertToIndirect(Command):
    """Go on without a meeting face to face.

    The harmer and each harmed party must have consented anew to that mode (rule C6).
    """

    records = events.ConvertedToIndirect

    mode: events.IndirectMode


class SignAgreement(Command):
    """Record what was agreed, with a due day for each term, and who signed it (rule C9)."""

    records = events.AgreementSigned

    terms: Annotated[tuple[events.Term, ...], Field(max_length=50), require_each_once("term_id")]
    signed_by: Annotated[tuple[UUID, ...], Field(max_length=50), require_each_once()]
    signatories: (
        Annotated[tuple[events.Signatory, ...], Field(max_length=50), require_each_once("person_id")] | None
    ) = None
    """The names of those who signed. The conference knows its people by their ids alone, so the agreement prints these."""

    @model_validator(mode="after")
    def _names_only_who_signed(self) -> Self:
        if any(signatory.person_id not in self.signed_by for signatory in self.signatories or ()):
            raise ValueError("signatories: name only people who have signed, or add who is missing to those who have")
        return self


class CorrectRecord(FieldCorrection):
    """Say what a field of an earlier event should have been, and why (DPA 2018 s46).

    The original stays visible beside it.
    """

    makes = (events.RecordCorrected,)


class RecordNoAgreement(Command):
    """Record that the conference ended without an agreement, which is a valid end. The follow-up begins."""

    records = events.NoAgreementReached


class CompleteTerm(Command):
    """Record that a term of the agreement was kept. The follow-up begins once no term is open."""

    records = events.TermCompleted

    term_id: UUID


class FailTerm(Command):
    """Record that a term of the agreement was not kept and will not be, and why."""

    records = events.TermNotCompleted

    term_id: UUID
    why: Sealed[FreeText]


class RecordFollowUp(Command):
    """Record how the conference was for a participant: satisfaction from 0 (low) to 10.

    The harmer and each harmed person who took part are asked in time (rule C10).
    """

    records = events.FollowUpCompleted

    person_id: UUID
    satisfaction: Annotated[int, Field(ge=0, le=10)]
    comment: Annotated[Sealed[FreeText] | None, OwnedBy("person_id")] = None


class CloseConference(Command):
    """End the conference: nothing more is recorded in it, save corrections. No term may be open (rule C12)."""

    roles: ClassVar[frozenset[str] | None] = WITH_REACTIONS
    makes = (events.ConferenceClosed,)


COMMANDS: Final = commands_in(__name__)
