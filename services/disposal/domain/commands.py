"""What may be asked of a disposal case. Each class says who may ask, and what is refused in domain/rules."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import Field

from services.disposal.events import (
    ActivityUndertaken,
    AdmissionRecorded,
    AdmissionWithdrawn,
    AppropriateAdultConfirmed,
    AssessmentRequested,
    AssessmentTool,
    BreachReferred,
    CancellationReason,
    Change,
    ComplianceMeetingRecorded,
    Condition,
    ConditionProposed,
    ConditionSessionBooked,
    ConditionWithdrawn,
    ConsentWithdrawn,
    ContactMeans,
    ContactRecorded,
    EffectExplained,
    EvidenceStandard,
    EvidenceSufficiencyDecided,
    Factors,
    GravityScored,
    Offence,
    PanelMember,
    PanelRecommended,
    PriorRecord,
    ProsecutorDecision,
    ProsecutorDecisionRecorded,
    Victims,
    WarningIssued,
    YotReferred,
)
from services.vocabulary import (
    AppropriateAdultKind,
    AttendanceStatus,
    BreachDecision,
    CrimeNumber,
    FieldCorrection,
    OutcomeCode,
    PersonDetails,
    Recommendation,
    Reference,
    Role,
)
from shared.domain.messages import (
    Command,
    Digest,
    FreeText,
    Hours,
    Timestamp,
    Version,
)
from shared.privacy.sealing import Sealed


def _roles(*roles: Role) -> frozenset[str]:
    return frozenset(roles)


DEFAULT_ROLES: Final = _roles(Role.YJS_CASE_MANAGER, Role.POLICE_DECISION_MAKER, Role.SUPERVISOR)
"""Who may send a command that names no roles of its own."""

POLICE: Final = _roles(Role.POLICE_DECISION_MAKER)
VICTIM_CONTACT: Final = _roles(Role.VICTIM_WORKER, Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER)
MONITORS: Final = _roles(Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER, Role.SUPERVISOR)
VARIERS: Final = _roles(Role.POLICE_DECISION_MAKER, Role.SUPERVISOR)


Score = Annotated[int, Field(ge=0, le=100)]
"""A score of a matrix. Which scores there are is for rule G1 to say; a longer number is none."""


# --- before the decision ------------------------------------------------------------------------


class OpenDisposalCase(Command):
    """Open a case for one child and one offence."""

    roles: ClassVar[frozenset[str] | None] = _roles(
        Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER, Role.POLICE_DECISION_MAKER, Role.SYSTEM
    )
    opens: ClassVar[bool] = True

    type: Literal["OpenDisposalCase"] = "OpenDisposalCase"
    case_id: UUID
    referral_id: UUID | None = None
    person_id: UUID
    details: PersonDetails
    crime_number: CrimeNumber
    offence: Offence
    investigating_officer: UUID | None = None
    reported_at: Timestamp
    victims: Victims | None = None
    victims_with_enhanced_rights: Victims | None = None
    prior: PriorRecord | None = None


class RecordAdmission(Command):
    """Record what the child said to the facts."""

    records = AdmissionRecorded

    type: Literal["RecordAdmission"] = "RecordAdmission"
    appropriate_adult_present: bool
    facts_accepted: bool


class WithdrawAdmission(Command):
    """Record that the child took the admission back."""

    records = AdmissionWithdrawn

    type: Literal["WithdrawAdmission"] = "WithdrawAdmission"


class DecideEvidence(Command):
    """Judge whether the evidence suffices, and to what standard."""

    roles: ClassVar[frozenset[str] | None] = POLICE
    records = EvidenceSufficiencyDecided

    type: Literal["DecideEvidence"] = "DecideEvidence"
    sufficient: bool
    standard: EvidenceStandard


class ScoreGravity(Command):
    """Score the offence by the NPCC child gravity matrix (1 to 5)."""

    records = GravityScored

    type: Literal["ScoreGravity"] = "ScoreGravity"
    offence_score: Score
    final_score: Score
    aggravating: Sealed[Factors]
    mitigating: Sealed[Factors]
    matrix_version: Version
    yjb_seriousness_score: Score | None = None


class RecordVictimView(Command):
    """Record that a victim's view was sought, and what it is."""

    roles: ClassVar[frozenset[str] | None] = VICTIM_CONTACT

    type: Literal["RecordVictimView"] = "RecordVictimView"
    person_id: UUID
    sought: bool
    view: Sealed[FreeText] | None = None
    wants_rj: bool | None = None
    consents_to_contact: bool | None = None
    before_decision: bool


class InformVictimOfRestorativeJustice(Command):
    """Record that a victim was told of restorative justice."""

    roles: ClassVar[frozenset[str] | None] = VICTIM_CONTACT

    type: Literal["InformVictimOfRestorativeJustice"] = "InformVictimOfRestorativeJustice"
    person_id: UUID
    enhanced_rights: bool


class RequestAssessment(Command):
    """Ask the youth justice service to assess the child."""

    roles: ClassVar[frozenset[str] | None] = _roles(
        Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER, Role.POLICE_DECISION_MAKER
    )
    records = AssessmentRequested

    type: Literal["RequestAssessment"] = "RequestAssessment"
    tool: AssessmentTool


class CompleteAssessment(Command):
    """Record the assessment, with a programme or the reason why one would be inappropriate."""

    roles: ClassVar[frozenset[str] | None] = _roles(Role.YJS_CASE_MANAGER)

    type: Literal["CompleteAssessment"] = "CompleteAssessment"
    tool: AssessmentTool
    programme_plan: bool
    programme_inappropriate_reason: Sealed[FreeText] | None = None


class RecordPanelRecommendation(Command):
    """Record what the panel recommends, and who sat on it."""

    records = PanelRecommended

    type: Literal["RecordPanelRecommendation"] = "RecordPanelRecommendation"
    recommended: Recommendation
    attendees: Annotated[tuple[PanelMember, ...], Field(max_length=20)]


class RecordProsecutorDecision(Command):
    """Record what the prosecutor answered."""

    records = ProsecutorDecisionRecorded

    type: Literal["RecordProsecutorDecision"] = "RecordProsecutorDecision"
    reference: Reference
    decision: ProsecutorDecision
    child_information_form: bool


class DecideDisposal(Command):
    """Decide what shall be done: a person decides, the system never."""

    roles: ClassVar[frozenset[str] | None] = POLICE

    type: Literal["DecideDisposal"] = "DecideDisposal"
    decision: Recommendation
    rationale_text: Sealed[FreeText]
    public_interest: Sealed[FreeText]
    prosecution_inappropriate: bool | None = None
    ycc_inappropriate: bool | None = None


# --- from the decision to the issue -------------------------------------------------------------


class ProposeCondition(Command):
    """Propose a condition of a conditional caution, or an agreed action of a restorative disposal."""

    records = ConditionProposed

    type: Literal["ProposeCondition"] = "ProposeCondition"
    condition: Condition


class WithdrawCondition(Command):
    """Take a proposed condition back."""

    records = ConditionWithdrawn

    type: Literal["WithdrawCondition"] = "WithdrawCondition"
    condition_id: UUID


class ConfirmAppropriateAdult(Command):
    """Confirm the appropriate adult who is present."""

    records = AppropriateAdultConfirmed

    type: Literal["ConfirmAppropriateAdult"] = "ConfirmAppropriateAdult"
    person_id: UUID
    kind: AppropriateAdultKind
    adult: bool
    police_employee: bool


class ExplainEffect(Command):
    """Record that it was explained what the disposal means."""

    records = EffectExplained

    type: Literal["ExplainEffect"] = "ExplainEffect"
    to_child: bool
    to_appropriate_adult: bool
    ordinary_language: bool
    warned_of_prosecution: bool


class SignDocument(Command):
    """Record the signature under the document with this SHA-256."""

    prints: ClassVar[bool] = True

    type: Literal["SignDocument"] = "SignDocument"
    document_sha256: Digest
    consent: bool
    signed_by_child: bool


class IssueDisposal(Command):
    """Give the disposal that was decided."""

    roles: ClassVar[frozenset[str] | None] = POLICE

    type: Literal["IssueDisposal"] = "IssueDisposal"


class ReferToYot(Command):
    """Refer the child to the youth offending team."""

    records = YotReferred

    type: Literal["ReferToYot"] = "ReferToYot"


# --- monitoring ---------------------------------------------------------------------------------


class BookConditionSession(Command):
    """Book a session for a condition."""

    records = ConditionSessionBooked

    type: Literal["BookConditionSession"] = "BookConditionSession"
    condition_id: UUID
    session_id: UUID
    starts_at: Timestamp
    hours: Hours


class OfferSession(Command):
    """Offer a session that is booked in education for a condition: nothing is recorded, and what cannot take it says so."""

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SYSTEM)

    type: Literal["OfferSession"] = "OfferSession"
    condition_id: UUID
    session_id: UUID
    starts_at: Timestamp
    hours: Hours


class RecordConditionAttendance(Command):
    """Record how a session of a condition ended for the child."""

    roles: ClassVar[frozenset[str] | None] = MONITORS | _roles(Role.SYSTEM)

    type: Literal["RecordConditionAttendance"] = "RecordConditionAttendance"
    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: CancellationReason | None = None
    evidence: Sealed[FreeText] | None = None


class MoveConditionAttendance(Command):
    """Put right to which condition a session counted, where education had it for another; none: for none of this case.

    The rest is how the session ended, for a case that the record of it had not reached.
    """

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SYSTEM)

    type: Literal["MoveConditionAttendance"] = "MoveConditionAttendance"
    condition_id: UUID | None
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: CancellationReason | None = None
    recorded_at: Timestamp


class CorrectConditionAttendance(Command):
    """Put right how a session of a condition ended, where the service that keeps its record has corrected it."""

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SYSTEM)

    type: Literal["CorrectConditionAttendance"] = "CorrectConditionAttendance"
    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: CancellationReason | None = None
    recorded_at: Timestamp


class DecideAbsence(Command):
    """Decide whether the reason for an absence is acceptable."""

    roles: ClassVar[frozenset[str] | None] = DEFAULT_ROLES | _roles(Role.SYSTEM)

    type: Literal["DecideAbsence"] = "DecideAbsence"
    session_id: UUID
    acceptable: bool
    evidence: Sealed[FreeText] | None = None


class RecordContact(Command):
    """Record that contact was sought."""

    roles: ClassVar[frozenset[str] | None] = MONITORS
    records = ContactRecorded

    type: Literal["RecordContact"] = "RecordContact"
    person_id: UUID
    means: ContactMeans
    reached: bool


class IssueWarning(Command):
    """Give a written warning for an unacceptable absence."""

    records = WarningIssued

    type: Literal["IssueWarning"] = "IssueWarning"
    session_id: UUID


class RecordComplianceMeeting(Command):
    """Record the meeting about compliance."""

    records = ComplianceMeetingRecorded

    type: Literal["RecordComplianceMeeting"] = "RecordComplianceMeeting"
    attended: bool
    parent_present: bool


class CompleteCondition(Command):
    """Record that a condition is completed."""

    type: Literal["CompleteCondition"] = "CompleteCondition"
    condition_id: UUID
    quality_checked: bool | None = None
    evidence: Sealed[FreeText] | None = None


class ExcuseCondition(Command):
    """Release the child from a condition."""

    roles: ClassVar[frozenset[str] | None] = VARIERS

    type: Literal["ExcuseCondition"] = "ExcuseCondition"
    condition_id: UUID
    why: Sealed[FreeText]


class VaryConditions(Command):
    """Add, modify or omit conditions."""

    roles: ClassVar[frozenset[str] | None] = VARIERS

    type: Literal["VaryConditions"] = "VaryConditions"
    changes: Annotated[tuple[Change, ...], Field(max_length=100)]
    consent: bool
    why: Sealed[FreeText]


class WithdrawConsent(Command):
    """Record that the child withdraws consent to the conditional caution."""

    records = ConsentWithdrawn

    type: Literal["WithdrawConsent"] = "WithdrawConsent"


class RecordNonEngagement(Command):
    """Record that a voluntary disposal or programme is not taken up: never a breach."""

    type: Literal["RecordNonEngagement"] = "RecordNonEngagement"
    why: Sealed[FreeText]


# --- breach and outcome -------------------------------------------------------------------------


class ReferBreach(Command):
    """Refer broken conditions to a decision-maker."""

    records = BreachReferred

    type: Literal["ReferBreach"] = "ReferBreach"
    condition_ids: Annotated[tuple[UUID, ...], Field(max_length=100)]
    grounds: Sealed[FreeText]


class DecideBreach(Command):
    """Decide on a breach."""

    roles: ClassVar[frozenset[str] | None] = POLICE

    type: Literal["DecideBreach"] = "DecideBreach"
    reasonable_excuse: bool
    decision: BreachDecision
    rationale_text: Sealed[FreeText]


class InstituteProceedings(Command):
    """Record that proceedings for the offence were instituted."""

    roles: ClassVar[frozenset[str] | None] = POLICE

    type: Literal["InstituteProceedings"] = "InstituteProceedings"
    reference: Reference


class AssignOutcome(Command):
    """Give the crime its Home Office outcome code."""

    type: Literal["AssignOutcome"] = "AssignOutcome"
    code: OutcomeCode
    rationale_text: Sealed[FreeText] | None = None


class RecordActivityUndertaken(Command):
    """Record a diversionary or educational activity of the child's."""

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SYSTEM)
    records = ActivityUndertaken

    type: Literal["RecordActivityUndertaken"] = "RecordActivityUndertaken"
    session_id: UUID


class CorrectRecord(FieldCorrection):
    """Say what a field of an earlier event should have been. The original stays visible beside it."""

    prints: ClassVar[bool] = True

    type: Literal["CorrectRecord"] = "CorrectRecord"


DisposalCommand: TypeAlias = (
    OpenDisposalCase
    | RecordAdmission
    | WithdrawAdmission
    | DecideEvidence
    | ScoreGravity
    | RecordVictimView
    | InformVictimOfRestorativeJustice
    | RequestAssessment
    | CompleteAssessment
    | RecordPanelRecommendation
    | RecordProsecutorDecision
    | DecideDisposal
    | ProposeCondition
    | WithdrawCondition
    | ConfirmAppropriateAdult
    | ExplainEffect
    | SignDocument
    | IssueDisposal
    | ReferToYot
    | BookConditionSession
    | OfferSession
    | RecordConditionAttendance
    | MoveConditionAttendance
    | CorrectConditionAttendance
    | DecideAbsence
    | RecordContact
    | IssueWarning
    | RecordComplianceMeeting
    | CompleteCondition
    | ExcuseCondition
    | VaryConditions
    | WithdrawConsent
    | RecordNonEngagement
    | ReferBreach
    | DecideBreach
    | InstituteProceedings
    | AssignOutcome
    | RecordActivityUndertaken
    | CorrectRecord
)
"""Every command of this service."""

COMMANDS: Final[tuple[type[Command], ...]] = get_args(DisposalCommand)
