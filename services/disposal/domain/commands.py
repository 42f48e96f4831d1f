"""What may be asked of a disposal case. Each class says who may ask, and what is refused in domain/rules."""

from datetime import date
from typing import Annotated, ClassVar, Final, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.disposal import events
from services.trade.vocabulary import (
    ADULTS,
    CHILDREN,
    OTHERS,
    AppropriateAdultKind,
    AttendanceStatus,
    BreachDecision,
    ChildId,
    CrimeNumber,
    FieldCorrection,
    Flags,
    MemberKind,
    NotTheChildId,
    OfficerId,
    OutcomeCode,
    PersonDetails,
    Recommendation,
    Reference,
    Role,
    not_for,
)
from shared.domain.messages import (
    Asked,
    Command,
    Digest,
    FreeText,
    Hours,
    SessionHours,
    ShortText,
    Timestamp,
    Version,
    commands_in,
)
from shared.domain.sealing import Sealed


def _roles(*roles: Role) -> frozenset[str]:
    return frozenset(roles)


DEFAULT_ROLES: Final = _roles(Role.YJS_CASE_MANAGER, Role.POLICE_DECISION_MAKER, Role.SUPERVISOR)
"""Who may send a command that names no roles of its own."""

OFFICERS: Final = DEFAULT_ROLES | _roles(Role.SAFE_SCHOOLS_OFFICER)
"""Who leads on a disposal from the admission to its end, short of deciding."""

POLICE: Final = _roles(Role.POLICE_DECISION_MAKER)
VICTIM_CONTACT: Final = _roles(Role.VICTIM_WORKER, Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER)
MONITORS: Final = _roles(Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER, Role.SUPERVISOR)
VARIERS: Final = _roles(Role.POLICE_DECISION_MAKER, Role.SUPERVISOR)


_SESSION_ENDS: Final = (
    *(events.ConditionAttended, events.ConditionMissed, events.ConditionSessionCancelled),
    *(events.ConditionCompleted, events.DisposalCompleted),
)
"""What the end of a session may give."""

Score = Annotated[int, Field(ge=0, le=100)]
"""A score of a matrix. Which scores there are is for rule G1 to say; a longer number is none."""


# --- before the decision ------------------------------------------------------------------------


class OpenDisposalCase(Command):
    """Open a case for one child and one offence. The same child and offence can have one live case only (rule R28).

    Without details or flags the case takes those of the referral in which the child is linked.
    """

    roles: ClassVar[frozenset[str] | None] = _roles(
        Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER, Role.POLICE_DECISION_MAKER, Role.SYSTEM
    )
    opens: ClassVar[bool] = True
    makes = (events.DisposalCaseOpened,)

    case_id: UUID
    referral_id: UUID | None = None
    person_id: ChildId
    details: PersonDetails | None = None
    crime_number: CrimeNumber
    offence: events.Offence
    investigating_officer: UUID | None = None
    reported_at: Timestamp
    victims: Annotated[events.Victims | None, not_for(CHILDREN | ADULTS)] = None
    victims_with_enhanced_rights: Annotated[events.Victims | None, not_for(CHILDREN | ADULTS)] = None
    flags: Flags | None = None
    prior: events.PriorRecord | None = None


class RecordAdmission(Command):
    """Record whether the child accepts the facts. No disposal is decided or issued without an admission (rule R4), and
    no caution unless a constable or authorised person took it, with an appropriate adult and legal advice offered (rule
    R4A).
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.AdmissionRecorded

    appropriate_adult_present: bool
    facts_accepted: bool
    taken_by: Asked[events.AdmissionTaker] = None
    interview: Asked[events.Interview] = None
    legal_advice: Asked[events.LegalAdvice] = None
    interpreter: bool | None = None


class WithdrawAdmission(Command):
    """Record that the child took the admission back. No disposal is issued until they admit anew (rule R4)."""

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.AdmissionWithdrawn


class DecideEvidence(Command):
    """Decide whether there is enough evidence, and by which standard. A caution needs enough to charge. A restorative
    disposal needs evidence that the offence took place (rule R3).
    """

    roles: ClassVar[frozenset[str] | None] = POLICE
    records = events.EvidenceSufficiencyDecided

    sufficient: bool
    standard: events.EvidenceStandard


class ScoreGravity(Command):
    """Score the offence by the gravity matrix of the day, before and after its factors. Pick the line of the offence and
    tick the factors that apply: they move the score by one step at most (rules G1, G2).
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.GravityScored

    line: events.MatrixCode | None = None
    factors: events.TickedFactors | None = None
    offence_score: Score
    final_score: Score
    aggravating: Sealed[events.Factors]
    mitigating: Sealed[events.Factors]
    matrix_version: Version
    yjb_seriousness_score: Score | None = None


class RecordVictimView(Command):
    """Record whether a victim was asked for their view, and what it is. It informs the decision but does not bind."""

    roles: ClassVar[frozenset[str] | None] = VICTIM_CONTACT
    makes = (events.VictimViewSought,)

    person_id: NotTheChildId
    sought: bool
    view: Sealed[FreeText] | None = None
    wants_rj: bool | None = None
    consents_to_contact: bool | None = None
    before_decision: bool


class InformVictimOfRestorativeJustice(Command):
    """Record that a victim was told of restorative justice. Enhanced rights make it due earlier (Victims' Code 3.6)."""

    roles: ClassVar[frozenset[str] | None] = VICTIM_CONTACT
    makes = (events.VictimInformedOfRestorativeJustice,)
    by_any_holder = True

    person_id: NotTheChildId
    enhanced_rights: bool


class TellVictim(Command):
    """Record that a victim was told what was decided and how to ask for a review (Victims' Code, right 6).

    Each decision is told within days, also when the case has ended.
    """

    roles: ClassVar[frozenset[str] | None] = VICTIM_CONTACT | _roles(Role.SUPERVISOR)
    makes = (events.VictimTold,)
    by_any_holder = True

    person_id: NotTheChildId
    means: events.ContactMeans
    reasons_given: bool
    review_explained: bool


class RequestAssessment(Command):
    """Ask the youth justice service to assess the child. The time limit for the assessment counts from here."""

    roles: ClassVar[frozenset[str] | None] = _roles(
        Role.SAFE_SCHOOLS_OFFICER, Role.YJS_CASE_MANAGER, Role.POLICE_DECISION_MAKER
    )
    records = events.AssessmentRequested

    tool: events.AssessmentTool


class CompleteAssessment(Command):
    """Record that the child was assessed, with a programme or why one is inappropriate (CDA 1998 s66ZB(2)-(3))."""

    roles: ClassVar[frozenset[str] | None] = _roles(Role.YJS_CASE_MANAGER)
    makes = (events.AssessmentCompleted,)

    tool: events.AssessmentTool
    programme_plan: bool
    programme_inappropriate_reason: Sealed[FreeText] | None = None


class RecordPanelRecommendation(Command):
    """Record what the panel recommends, with police and youth justice service present (rule P1). The police decide.

    A sitting of the panel records it itself, for the members who did not abstain.
    """

    roles: ClassVar[frozenset[str] | None] = DEFAULT_ROLES | _roles(Role.SYSTEM)
    records = events.PanelRecommended

    recommended: Recommendation
    attendees: Annotated[tuple[MemberKind, ...], Field(max_length=20)]


class RecordProsecutorDecision(Command):
    """Record what the Crown Prosecution Service decided, having had the child information form (rule R19)."""

    records = events.ProsecutorDecisionRecorded

    reference: Reference
    decision: events.ProsecutorDecision
    child_information_form: bool


class DecideDisposal(Command):
    """Decide what is done about the offence, and why: a person decides, never the system (rule R26). A charge, outcome
    21, no further action or the process for adults ends the case; outcome 22 diverts the child; a deferred prosecution
    needs a plan (rule DP1).
    """

    roles: ClassVar[frozenset[str] | None] = POLICE
    makes = (events.DisposalDecided,)

    decision: Recommendation
    rationale_text: Sealed[FreeText]
    public_interest: Sealed[FreeText]
    prosecution_inappropriate: bool | None = None
    ycc_inappropriate: bool | None = None


# --- from the decision to the issue -------------------------------------------------------------


class ProposeCondition(Command):
    """Propose a condition of a conditional caution, or an agreed action of a restorative disposal. It binds the child
    once the disposal is issued; the document must be signed after it (rule R9).
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.ConditionProposed

    condition: events.Condition


class WithdrawCondition(Command):
    """Take a proposed condition back before the issue. The document must be signed after that (rule R9)."""

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.ConditionWithdrawn

    condition_id: UUID


class ConfirmAppropriateAdult(Command):
    """Confirm the child's appropriate adult on the day of issue: 18 or over, not of the police, not otherwise involved
    (rules R6 and R7).
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.AppropriateAdultConfirmed

    person_id: Annotated[UUID, not_for(CHILDREN | OTHERS)]
    kind: AppropriateAdultKind
    adult: bool
    police_employee: bool
    involved_in_case: Asked[bool] = None
    received_admission: Asked[bool] = None
    others_unavailable: Asked[bool] = None
    child_objects: bool | None = None


class ExplainEffect(Command):
    """Record that the effect of the disposal was explained to the child and the appropriate adult. A conditional
    caution needs the warning of prosecution too (rule R8).
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.EffectExplained

    to_child: bool
    to_appropriate_adult: bool
    ordinary_language: bool
    warned_of_prosecution: bool
    interpreter: bool | None = None


class SignDocument(Command):
    """Record that the child signed the document with this SHA-256, and consented (rule R9)."""

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    prints: ClassVar[bool] = True
    makes = (events.DocumentSigned,)

    document_sha256: Digest
    consent: bool
    signed_by_child: bool


class IssueDisposal(Command):
    """Issue the disposal that was decided. Its conditions bind the child from now on. A case manager who is named has the case then."""

    roles: ClassVar[frozenset[str] | None] = POLICE | _roles(Role.SAFE_SCHOOLS_OFFICER)
    makes = (events.DisposalIssued, events.CaseHandedOver)
    unrecorded = frozenset({"case_manager_id"})

    case_manager_id: OfficerId | None = None


class ReferToYot(Command):
    """Record the referral to the youth offending team after a caution (rule R12; CDA 1998 ss66A(6A), 66ZB(1))."""

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.YotReferred


# --- deferred prosecution -----------------------------------------------------------------------


class AgreeDeferral(Command):
    """Agree the plan of a deferred prosecution with the child, before an appropriate adult (rules DP2 and DP3). The child
    need not admit the offence. The plan can then be printed and signed.
    """

    roles: ClassVar[frozenset[str] | None] = _roles(Role.POLICE_DECISION_MAKER, Role.YJS_CASE_MANAGER)
    makes = (events.ProsecutionDeferred,)

    plan: events.Plan
    review_on: date
    child_agrees: bool
    appropriate_adult_present: bool


class RecordDeferralStep(Command):
    """Record how a step of the plan went. A missed one can still be done or excused."""

    roles: ClassVar[frozenset[str] | None] = MONITORS
    makes = (events.DeferralStepRecorded,)

    step_id: UUID
    result: events.StepResult
    note: Sealed[FreeText] | None = None


class RecordDeferralReview(Command):
    """Record whether a deferral goes on, after a later offence of the child or a missed step in a knife case. To end it, end
    the deferral.
    """

    makes = (events.DeferralReviewed,)

    outcome: events.DeferralReviewOutcome
    note: Sealed[FreeText] | None = None


class CompleteDeferral(Command):
    """End a deferral whose steps are all done or excused (rule DP4): no further action, and outcome 23 by itself."""

    roles: ClassVar[frozenset[str] | None] = POLICE
    makes = (events.DeferralCompleted, events.OutcomeAssigned)

    rationale_text: Sealed[FreeText]


class EndDeferral(Command):
    """End a deferral whose plan will not be completed. Then the child is prosecuted, which upholds the decision, or no
    proceedings are taken. Until proceedings are instituted this may be decided anew.
    """

    roles: ClassVar[frozenset[str] | None] = POLICE
    makes = (events.DeferralEnded, events.DisposalClosedWithoutProceedings)

    why: events.DeferralEndReason
    then: events.AfterDeferral
    rationale_text: Sealed[FreeText]


# --- monitoring ---------------------------------------------------------------------------------


class BookConditionSession(Command):
    """Book a session for a condition, with its length in hours. How it ended is to be recorded afterwards."""

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.ConditionSessionBooked

    condition_id: UUID
    session_id: UUID
    starts_at: Timestamp
    hours: SessionHours


class OfferSession(Command):
    """Ask whether a session booked in education can count for a condition. A reaction sends it. Nothing is recorded if
    it can; otherwise the refused reaction is parked, and shown in both services.
    """

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SYSTEM)
    happens: ClassVar[bool] = False

    condition_id: UUID
    session_id: UUID
    starts_at: Timestamp
    hours: Hours


class RecordConditionAttendance(Command):
    """Record how a session of a condition ended for the child, and how many hours count. The condition is completed
    when no more sessions are needed, and the disposal with its last condition.
    """

    roles: ClassVar[frozenset[str] | None] = MONITORS | _roles(Role.SYSTEM)
    makes = _SESSION_ENDS
    by_any_holder = True

    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: events.CancellationReason | None = None
    evidence: Sealed[FreeText] | None = None


class MoveConditionAttendance(Command):
    """Move the attendance at a session to the condition that it serves; null: to none of this case. A reaction sends it
    when the booking or the conference is corrected. The other fields say how the session ended, for a case that has no
    record of it.
    """

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SYSTEM)
    makes = (*_SESSION_ENDS, events.RecordCorrected)
    unrecorded = frozenset({"recorded_at"})

    condition_id: UUID | None
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: events.CancellationReason | None = None
    recorded_at: Timestamp


class CorrectConditionAttendance(Command):
    """Correct how a session of a condition ended, as the service with its record corrected it. A reaction sends it."""

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SYSTEM)
    makes = (*_SESSION_ENDS, events.RecordCorrected)
    unrecorded = frozenset({"recorded_at"})

    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: events.CancellationReason | None = None
    recorded_at: Timestamp


class DecideAbsence(Command):
    """Decide whether the reason for an absence is acceptable. If so, neither warning nor breach follows from it."""

    roles: ClassVar[frozenset[str] | None] = DEFAULT_ROLES | _roles(Role.SYSTEM)
    makes = (events.AbsenceDecided,)

    session_id: UUID
    acceptable: bool
    evidence: Sealed[FreeText] | None = None


class RecordContact(Command):
    """Record that somebody tried to reach a person. After a missed session a failed attempt meets the limit too."""

    roles: ClassVar[frozenset[str] | None] = MONITORS | _roles(Role.VICTIM_WORKER)
    makes = (events.ContactRecorded,)
    by_any_holder = True

    person_id: UUID
    means: events.ContactMeans
    reached: bool
    note: Sealed[FreeText] | None = None


class HandOverCase(Command):
    """Give the case to another officer, who has the work from now on. A deferral, caution or diversion goes with it."""

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SUPERVISOR)
    records = events.CaseHandedOver

    to: OfficerId
    why: Sealed[FreeText] | None = None


class HandOnCase(Command):
    """Hand on a case that you have to another officer, and say why (rule HO1)."""

    roles: ClassVar[frozenset[str] | None] = MONITORS - {Role.SUPERVISOR} | POLICE
    records = events.CaseHandedOver

    to: OfficerId
    why: Sealed[FreeText]


class IssueWarning(Command):
    """Record the written warning for an unacceptable absence from a session, or for being excluded from it."""

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.WarningIssued

    session_id: UUID


class RecordComplianceMeeting(Command):
    """Record the meeting about compliance, held or missed. By local policy it precedes the referral of a breach."""

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.ComplianceMeetingRecorded

    attended: bool
    parent_present: bool


class CompleteCondition(Command):
    """Record that a condition is completed. A letter of apology must have been checked, and all hours credited (rule
    D1). The disposal is completed with its last condition.
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    makes = (events.ConditionCompleted, events.DisposalCompleted)

    condition_id: UUID
    quality_checked: bool | None = None
    evidence: Sealed[FreeText] | None = None


class RecordRefusal(Command):
    """Record that the child refuses one condition before its day. Offer a variation first; if it is not varied, its breach
    may be referred (rule D2).
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    makes = (events.ConditionRefused,)

    condition_id: UUID
    why: Sealed[FreeText]


class ExcuseCondition(Command):
    """Release the child from a condition, and say why. It then counts as done."""

    roles: ClassVar[frozenset[str] | None] = VARIERS
    makes = (events.ConditionExcused, events.DisposalCompleted)

    condition_id: UUID
    why: Sealed[FreeText]


class VaryConditions(Command):
    """Add, modify or omit conditions with the child's consent; all limits apply anew (rule R22; CDA 1998 s66D)."""

    roles: ClassVar[frozenset[str] | None] = VARIERS
    makes = (events.ConditionsVaried, events.DisposalCompleted)

    changes: Annotated[tuple[events.Change, ...], Field(max_length=100)]
    consent: bool
    why: Sealed[FreeText]


class WithdrawConsent(Command):
    """Record that the child takes back their consent. Before the caution is given, the signature counts no more. After it,
    the breach is reviewed: nobody is charged for that alone.
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.ConsentWithdrawn


class RecordNonEngagement(Command):
    """Record that the child does not take up a voluntary disposal or programme. This is never a breach."""

    makes = (events.DisposalNotCompleted,)

    why: Sealed[FreeText]


# --- breach and outcome -------------------------------------------------------------------------


class ReferBreach(Command):
    """Refer broken conditions of a conditional caution for a decision on the breach. The grounds are an unacceptable
    absence, a date that has passed, a refusal, or withdrawn consent (rule D2).
    """

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    records = events.BreachReferred

    condition_ids: Annotated[tuple[UUID, ...], Field(max_length=100)]
    grounds: Sealed[FreeText]


class DecideBreach(Command):
    """Decide whether there was a reasonable excuse, and what follows. Excused, varied or extended, the caution goes on;
    without proceedings it closes; prosecution needs a failure without excuse (rule R23).
    """

    roles: ClassVar[frozenset[str] | None] = POLICE
    makes = (events.BreachDecided, events.ConditionFailed, events.DisposalClosedWithoutProceedings)

    reasonable_excuse: bool
    decision: BreachDecision
    rationale_text: Sealed[FreeText]


class InstituteProceedings(Command):
    """Record that proceedings for the offence were instituted after the decision to prosecute (rule D4). A caution
    ceases to have effect, and outcome 1 replaces outcome 2.
    """

    roles: ClassVar[frozenset[str] | None] = POLICE
    makes = (events.ConditionFailed, events.ProceedingsInstituted, events.DisposalCeased, events.OutcomeAssigned)

    reference: Reference


class AssignOutcome(Command):
    """Give the crime its Home Office outcome code, which the referral takes over. It is 2 or 2A after a caution and 8
    after a restorative disposal; other codes are for cases in which nothing was issued (rule O3).
    """

    makes = (events.OutcomeAssigned,)

    code: OutcomeCode
    rationale_text: Sealed[FreeText] | None = None


class AnnulDisposal(Command):
    """Annul what was given: a court quashed it, or it should not stand. Its outcome is withdrawn, nothing counts it any
    more, and the victim and the youth justice service are to be told. Another case for the offence may be opened.
    """

    roles: ClassVar[frozenset[str] | None] = VARIERS
    makes = (events.DisposalAnnulled,)

    by: events.AnnulledBy
    reference: Reference
    why: Sealed[FreeText]


class WithdrawCase(Command):
    """Take back a case that should never have been opened, such as one of the wrong child: it counts nowhere, and no victim
    is told of a decision.
    """

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SUPERVISOR)
    makes = (events.CaseWithdrawn,)

    reason: events.WithdrawalReason
    why: Sealed[FreeText]


class TransferCase(Command):
    """Let another area hold the case beside yours: as a caretaker, or as its own. It takes the place of any area that held
    it so before.
    """

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SUPERVISOR)
    makes = (events.CaseTransferred,)

    to_area: ShortText
    kind: events.MoveKind
    review_on: date
    why: Sealed[FreeText]


class EndTransfer(Command):
    """Take the case back from the area that holds it beside the one that opened it."""

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SUPERVISOR)
    makes = (events.TransferEnded,)
    by_any_holder = True

    why: Sealed[FreeText]


class ReclassifyOffence(Command):
    """Record that the offence is another one, before anything is given for it. Admission, panel, decision and preparation
    are void, and the rules are judged anew. A slip of the pen is corrected instead.
    """

    roles: ClassVar[frozenset[str] | None] = POLICE
    makes = (events.OffenceReclassified,)

    offence: events.Offence
    why: Sealed[FreeText]


class EndDiversion(Command):
    """End a diversion that does not work out, until outcome 22 is assigned. Then the case is decided anew, or closed."""

    roles: ClassVar[frozenset[str] | None] = POLICE
    makes = (events.DiversionEnded,)

    why: events.DeferralEndReason
    then: events.AfterDiversion
    rationale_text: Sealed[FreeText]


class RecordActivityUndertaken(Command):
    """Record an activity of the child, on which outcome 22 may rest (rule O22): the work of another agency by its
    provider. A reaction records sessions of education, and conferences.
    """

    roles: ClassVar[frozenset[str] | None] = _roles(Role.SYSTEM, Role.YJS_CASE_MANAGER, Role.SAFE_SCHOOLS_OFFICER)
    makes = (events.ActivityUndertaken,)

    session_id: UUID | None = None
    provider: Sealed[FreeText] | None = None


class RecordProgramme(Command):
    """Record when the programme began and ended, and whether the child completed it, where no event tells it: of a
    youth caution, outcomes 20 to 22, and a restorative disposal without conditions. What is left out stays as it was.
    """

    roles: ClassVar[frozenset[str] | None] = MONITORS
    makes = (events.ProgrammeRecorded,)

    starts_on: date | None = None
    ends_on: date | None = None
    completed: bool | None = None
    residence: events.Residence | None = None

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if self.ends_on is None and self.completed is not None:
            raise ValueError("ends_on: say on which day the programme ended, or leave open whether it was completed")
        if self.starts_on is not None and self.ends_on is not None and self.ends_on < self.starts_on:
            raise ValueError("ends_on: the programme cannot have ended before it began; give a later day")
        return self


class CorrectRecord(FieldCorrection):
    """Say what a field of an earlier event should have been, and why (DPA 2018 s46). The original stays beside it."""

    roles: ClassVar[frozenset[str] | None] = OFFICERS
    prints: ClassVar[bool] = True
    makes = (events.RecordCorrected,)


COMMANDS: Final = commands_in(__name__)
