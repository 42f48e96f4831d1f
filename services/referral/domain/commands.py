"""The commands of referral, and the roles that may send each. Names and fields are those of the catalogue."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self, get_args
from uuid import UUID

from pydantic import StringConstraints, model_validator

from services.referral.events import (
    ActivityUndertaken,
    AdviceGiven,
    AdviceTo,
    ClosingReason,
    ContactRecorded,
    CrimeOutcomeAssigned,
    CrimeRecorded,
    DocumentAttached,
    Flags,
    MashReferralMade,
    Means,
    NudesScreeningCompleted,
    Preference,
    PreferenceGiver,
    ReferralAcknowledged,
    ReferralAllocated,
    ReferralClosed,
    ReferralReceived,
    ReferralReopened,
    SafeguardingConcernRaised,
    SafeguardingHoldOverridden,
    SchoolLedOutcomeConfirmed,
    Setting,
    Source,
    VictimPreferenceRecorded,
)
from services.vocabulary import (
    Category,
    CrimeNumber,
    FieldCorrection,
    IncidentType,
    LawfulBasis,
    MediaType,
    OutcomeCode,
    PersonDetails,
    PersonRole,
    Reference,
    Role,
    SchoolUrn,
    Topic,
    TriageOutcome,
)
from shared.domain.messages import (
    Command,
    Digest,
    FreeText,
    Timestamp,
)
from shared.domain.texts import Visible
from shared.privacy.sealing import OwnedBy, Sealed

DEFAULT_ROLES: Final = frozenset({Role.SAFE_SCHOOLS_OFFICER, Role.INTERNET_SAFETY_OFFICER, Role.SUPERVISOR})
"""Who may send a command that names no roles of its own."""

Rationale = Annotated[str, StringConstraints(max_length=20_000), Visible()]
"""Why an outcome is right. Where a rule asks for it, it may come empty: the rule then refuses by its name."""

_SUPERVISOR: Final = frozenset({Role.SUPERVISOR})
_SYSTEM: Final = frozenset({Role.SYSTEM})


class ReceiveReferral(Command):
    """Take in what a school, the police or another agency reports."""

    opens: ClassVar[bool] = True
    roles: ClassVar[frozenset[str] | None] = DEFAULT_ROLES | {Role.SCHOOL}
    records = ReferralReceived

    type: Literal["ReceiveReferral"] = "ReceiveReferral"
    case_id: UUID
    source: Source
    reported_at: Timestamp
    incident_type: IncidentType
    happened_at: Timestamp
    setting: Setting
    school_urn: SchoolUrn | None = None
    on_premises: bool
    in_school_hours: bool
    flags: Flags
    narrative: Sealed[FreeText]
    assessment: Sealed[FreeText] | None = None
    lawful_basis: LawfulBasis


class LinkPerson(Command):
    """Say who had which part in the incident; a person linked again has the newer part."""

    type: Literal["LinkPerson"] = "LinkPerson"
    person_id: UUID
    role: PersonRole
    category: Category
    details: Annotated[PersonDetails, OwnedBy("person_id")]


class AcknowledgeReferral(Command):
    """Tell whoever reported it that it has arrived."""

    records = ReferralAcknowledged

    type: Literal["AcknowledgeReferral"] = "AcknowledgeReferral"


class RaiseSafeguardingConcern(Command):
    """Say that a child may be at risk; everything else waits."""

    records = SafeguardingConcernRaised

    type: Literal["RaiseSafeguardingConcern"] = "RaiseSafeguardingConcern"
    concern: Sealed[FreeText]
    dsl_informed: bool


class RecordMashReferral(Command):
    """Say that the multi-agency safeguarding hub was told; lifts a hold."""

    records = MashReferralMade

    type: Literal["RecordMashReferral"] = "RecordMashReferral"
    mash_ref: Reference


class OverrideSafeguardingHold(Command):
    """Lift a hold without MASH, and say why."""

    roles: ClassVar[frozenset[str] | None] = _SUPERVISOR
    records = SafeguardingHoldOverridden

    type: Literal["OverrideSafeguardingHold"] = "OverrideSafeguardingHold"
    reason: Sealed[FreeText]


class CompleteNudesScreening(Command):
    """Answer the five questions on a nude image that a child shared. A Yes stands until it is corrected."""

    records = NudesScreeningCompleted

    type: Literal["CompleteNudesScreening"] = "CompleteNudesScreening"
    adult_involved: bool
    coercion: bool
    atypical_or_violent: bool
    under_13_sexual_act: bool
    immediate_risk: bool


class RecordCrime(Command):
    """Say under which number the incident was recorded as a crime."""

    records = CrimeRecorded

    type: Literal["RecordCrime"] = "RecordCrime"
    crime_number: CrimeNumber


class RecordVictimPreference(Command):
    """Keep what a harmed person, or a parent for them, would have done."""

    records = VictimPreferenceRecorded

    type: Literal["RecordVictimPreference"] = "RecordVictimPreference"
    person_id: UUID
    preference: Preference
    given_by: PreferenceGiver


class AttachDocument(Command):
    """Add a document to the referral, by its digest."""

    records = DocumentAttached

    type: Literal["AttachDocument"] = "AttachDocument"
    document_id: UUID
    media_type: MediaType
    sha256: Digest
    title: Sealed[FreeText]


class TriageReferral(Command):
    """Decide where the referral goes."""

    type: Literal["TriageReferral"] = "TriageReferral"
    outcome: TriageOutcome
    rationale_text: Sealed[FreeText]
    supervisor_reviewed: bool | None = None


class AllocateReferral(Command):
    """Give the referral to an officer."""

    roles: ClassVar[frozenset[str] | None] = _SUPERVISOR
    records = ReferralAllocated

    type: Literal["AllocateReferral"] = "AllocateReferral"
    officer_id: UUID


class GiveAdvice(Command):
    """Say that advice was given."""

    records = AdviceGiven

    type: Literal["GiveAdvice"] = "GiveAdvice"
    to: AdviceTo
    person_id: UUID | None = None
    topic: Topic


class RecordContact(Command):
    """Say that somebody tried to reach a person, and whether they did."""

    records = ContactRecorded

    type: Literal["RecordContact"] = "RecordContact"
    person_id: UUID
    means: Means
    reached: bool


class ConfirmSchoolLedOutcome(Command):
    """Say what the school did about an incident that was left to it."""

    roles: ClassVar[frozenset[str] | None] = frozenset({Role.SCHOOL, Role.SAFE_SCHOOLS_OFFICER, Role.SUPERVISOR})
    records = SchoolLedOutcomeConfirmed

    type: Literal["ConfirmSchoolLedOutcome"] = "ConfirmSchoolLedOutcome"
    action: Sealed[FreeText]


class AssignCrimeOutcome(Command):
    """Give the crime its Home Office outcome."""

    roles: ClassVar[frozenset[str] | None] = DEFAULT_ROLES | {Role.POLICE_DECISION_MAKER, Role.SYSTEM}
    records = CrimeOutcomeAssigned

    type: Literal["AssignCrimeOutcome"] = "AssignCrimeOutcome"
    code: OutcomeCode
    person_id: UUID | None = None
    named_suspect: bool
    rationale_text: Sealed[Rationale]
    victim_informed: bool
    parent_informed: bool

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        """Refuse an empty rationale as malformed, save for outcome 21: there rule O21 says so."""
        if not self.rationale_text.value and self.code is not OutcomeCode.C21:
            raise ValueError("rationale_text: write why this outcome is right")
        return self


class RecordActivityUndertaken(Command):
    """A child took part in a session that serves this referral: by reaction to education."""

    roles: ClassVar[frozenset[str] | None] = _SYSTEM
    records = ActivityUndertaken

    type: Literal["RecordActivityUndertaken"] = "RecordActivityUndertaken"
    session_id: UUID
    person_id: UUID


class CarryOutcome(Command):
    """Carry over the outcome that a disposal assigned and judged: by reaction to disposal."""

    roles: ClassVar[frozenset[str] | None] = _SYSTEM
    records = CrimeOutcomeAssigned

    type: Literal["CarryOutcome"] = "CarryOutcome"
    code: OutcomeCode
    disposal_id: UUID
    person_id: UUID


class CorrectCarriedOutcome(Command):
    """Put right the outcome that a disposal assigned, where it was corrected there: by reaction to disposal."""

    roles: ClassVar[frozenset[str] | None] = _SYSTEM

    type: Literal["CorrectCarriedOutcome"] = "CorrectCarriedOutcome"
    code: OutcomeCode
    was: OutcomeCode
    disposal_id: UUID
    person_id: UUID
    assigned_at: Timestamp


class CorrectReferral(FieldCorrection):
    """Say what a field of an earlier event should have been; `field` is a dotted path."""

    type: Literal["CorrectReferral"] = "CorrectReferral"


class CloseReferral(Command):
    """Say that nothing more is to be done, and why."""

    records = ReferralClosed

    type: Literal["CloseReferral"] = "CloseReferral"
    reason: ClosingReason


class ReopenReferral(Command):
    """Open a closed referral again, and say why."""

    roles: ClassVar[frozenset[str] | None] = _SUPERVISOR
    records = ReferralReopened

    type: Literal["ReopenReferral"] = "ReopenReferral"
    why: Sealed[FreeText]


ReferralCommand = (
    ReceiveReferral
    | LinkPerson
    | AcknowledgeReferral
    | RaiseSafeguardingConcern
    | RecordMashReferral
    | OverrideSafeguardingHold
    | CompleteNudesScreening
    | RecordCrime
    | RecordVictimPreference
    | AttachDocument
    | TriageReferral
    | AllocateReferral
    | GiveAdvice
    | RecordContact
    | ConfirmSchoolLedOutcome
    | AssignCrimeOutcome
    | RecordActivityUndertaken
    | CarryOutcome
    | CorrectCarriedOutcome
    | CorrectReferral
    | CloseReferral
    | ReopenReferral
)

COMMANDS: Final[tuple[type[Command], ...]] = get_args(ReferralCommand)
"""Every command of referral."""
