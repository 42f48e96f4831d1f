"""What has happened in a disposal case: the contract, the only module of this service that others may import.

Beyond its command's fields an event carries what others need to react and to count without asking back. Ages are whole
years on Europe/London days, hours are hours, amounts are pence. What stands in `Sealed` is opened only in memory.
"""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, model_validator

from services.trade.vocabulary import (
    LAW_ENFORCEMENT,
    RECORD_IDS,
    WORDS,
    AppropriateAdultKind,
    AttendanceStatus,
    BreachDecision,
    ConditionObject,
    ConditionType,
    CrimeNumber,
    Disposal,
    Flags,
    MemberKind,
    OffenceCategory,
    OffenceCode,
    OffenceTitle,
    OutcomeCode,
    Personal,
    PersonDetails,
    Recommendation,
    Reference,
    TrialMode,
)
from shared.domain.dates import local_day
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import (
    Added,
    Correction,
    Digest,
    Event,
    FreeText,
    Hours,
    Pence,
    ShortText,
    Timestamp,
    ValueObject,
    Version,
    require_each_once,
)
from shared.domain.permissions import Hold
from shared.domain.sealing import FieldClass, OwnedBy, Sealed
from shared.domain.texts import Code

# --- words of this service alone ----------------------------------------------------------------


class TimeLimit(StrEnum):
    """What ends the time for prosecuting a summary offence: six months from the offence (MCA 1980 s127), or from knowledge
    of it (Communications Act 2003 s127(5), at most three years), or from the report of a domestic assault (CJA 1988 s39A,
    at most two years).
    """

    SIX_MONTHS = "SIX_MONTHS"
    FROM_KNOWLEDGE = "FROM_KNOWLEDGE"
    DOMESTIC_ASSAULT = "DOMESTIC_ASSAULT"


class PaymentMethod(StrEnum):
    """How a financial penalty or compensation is paid (SI 2013/608 asks that it be stated)."""

    CARD = "CARD"
    BANK_TRANSFER = "BANK_TRANSFER"
    CASH = "CASH"
    OTHER = "OTHER"


class ChangeAction(StrEnum):
    """What a variation does to a condition (CDA 1998 s66D)."""

    ADD = "ADD"
    MODIFY = "MODIFY"
    OMIT = "OMIT"


class EvidenceStandard(StrEnum):
    """What the evidence suffices for: to charge, or to show that the offence occurred (rule R3)."""

    CHARGE = "CHARGE"
    OFFENCE_OCCURRED = "OFFENCE_OCCURRED"


class Direction(StrEnum):
    """Where a factor moves the gravity score: up if it aggravates, down if it mitigates."""

    UP = "UP"
    DOWN = "DOWN"


class AssessmentTool(StrEnum):
    """The tool with which a child is assessed: the Prevention and Diversion Assessment Tool, AssetPlus, or another."""

    PDAT = "PDAT"
    ASSET_PLUS = "ASSET_PLUS"
    OTHER = "OTHER"


class AdmissionTaker(StrEnum):
    """Who heard the admission: a constable (CDA 1998 s66ZA(1)(b)), an authorised person (s66B(3)), or somebody else."""

    CONSTABLE = "CONSTABLE"
    AUTHORISED_PERSON = "AUTHORISED_PERSON"
    OTHER = "OTHER"


class Interview(StrEnum):
    """Where the child was asked: at a voluntary interview, in custody, or in the community."""

    VOLUNTARY = "VOLUNTARY"
    CUSTODY = "CUSTODY"
    COMMUNITY = "COMMUNITY"


class LegalAdvice(StrEnum):
    """Whether the child had legal advice before the admission."""

    TAKEN = "TAKEN"
    DECLINED = "DECLINED"
    NOT_OFFERED = "NOT_OFFERED"


class ProsecutorDecision(StrEnum):
    """The answers of the Crown Prosecution Service."""

    YCC = "YCC"
    CHARGE = "CHARGE"
    NO_PROSECUTION = "NO_PROSECUTION"
    RETURN_TO_POLICE = "RETURN_TO_POLICE"


class CancellationReason(StrEnum):
    """Why a session was lost that the child did not miss. None of these counts against the child (rules C7 and D2)."""

    SERVICE = "SERVICE"
    HARMED_WITHDREW = "HARMED_WITHDREW"
    HARMED_ABSENT = "HARMED_ABSENT"


class PlanStepKind(StrEnum):
    """The kinds of steps in the plan of a deferred prosecution."""

    MENTORING = "MENTORING"
    THERAPY = "THERAPY"
    EDUCATION_TRAINING = "EDUCATION_TRAINING"
    HEALTH = "HEALTH"
    REPARATION = "REPARATION"
    RJ_CONFERENCE = "RJ_CONFERENCE"
    WORKSHOP = "WORKSHOP"
    OTHER = "OTHER"


class StepResult(StrEnum):
    """How a step of the plan went. One that is done or excused is settled; a missed one can still be done."""

    DONE = "DONE"
    MISSED = "MISSED"
    EXCUSED = "EXCUSED"


class DeferralEndReason(StrEnum):
    """Why a deferral ends without a completed plan."""

    NOT_ENGAGED = "NOT_ENGAGED"
    WITHDRAWN = "WITHDRAWN"
    NEW_OFFENCE = "NEW_OFFENCE"
    RISK = "RISK"


class AfterDeferral(StrEnum):
    """What follows a deferral that ended without a completed plan: the prosecution, or no proceedings."""

    PROSECUTE = "PROSECUTE"
    NO_PROCEEDINGS = "NO_PROCEEDINGS"


class DeferralReviewOutcome(StrEnum):
    """What a review of a deferral comes to: it goes on, or the police decide whether to end it."""

    GOES_ON = "GOES_ON"
    TO_BE_DECIDED = "TO_BE_DECIDED"


class AnnulledBy(StrEnum):
    """Whose decision annuls a disposal: a court's, on appeal, a chief officer's, or the prosecutor's."""

    COURT = "COURT"
    APPEAL = "APPEAL"
    CHIEF_OFFICER = "CHIEF_OFFICER"
    PROSECUTOR = "PROSECUTOR"


class WithdrawalReason(StrEnum):
    """Why a case should never have been opened."""

    ERROR = "ERROR"
    DUPLICATE = "DUPLICATE"
    WRONG_CHILD = "WRONG_CHILD"


class MoveKind(StrEnum):
    """How another area holds a case: it takes care of the child for a while, or has the case itself."""

    CARETAKING = "CARETAKING"
    TRANSFER = "TRANSFER"


class Residence(StrEnum):
    """Whether the child lived in the area on the day of the legal outcome (YJB: others are not counted)."""

    LOCAL = "LOCAL"
    OTHER = "OTHER"


class AfterDiversion(StrEnum):
    """What follows a diversion that ended before outcome 22: the case is decided anew, or no further action is taken."""

    DECIDE_AGAIN = "DECIDE_AGAIN"
    NO_FURTHER_ACTION = "NO_FURTHER_ACTION"


class EndedDisposal(StrEnum):
    """What ended without completion: a disposal that was given, or the deferral of a prosecution."""

    YRD = "YRD"
    YC = "YC"
    YCC = "YCC"
    DEFERRED_PROSECUTION = "DEFERRED_PROSECUTION"


class ContactMeans(StrEnum):
    """The ways in which somebody tried to reach a person."""

    PHONE = "PHONE"
    VISIT = "VISIT"
    LETTER = "LETTER"
    EMAIL = "EMAIL"


# --- shapes that commands and events share ------------------------------------------------------


Day: TypeAlias = date  # a class with a field `date` needs another name for the type


class Offence(ValueObject):
    """The offence of which the child is suspected. `date` is its Europe/London day.

    `known_on` is the day from which a `time_limit` counts that runs from knowledge or from the report; null: `reported_at`.
    """

    code: OffenceCode
    title: OffenceTitle
    date: date
    trial_mode: TrialMode
    recordable: bool
    low_value_shoplifting: bool | None = None
    category: OffenceCategory
    time_limit: Added[TimeLimit] = None
    known_on: Added[Day] = None


class PriorRecord(ValueObject):
    """What was recorded against the child before: the number of disposals of each kind, and of convictions."""

    yc: Annotated[int, Field(ge=0, le=1000)]
    ycc: Annotated[int, Field(ge=0, le=1000)]
    convictions: Annotated[int, Field(ge=0, le=1000)]
    yrd: Annotated[int, Field(ge=0, le=1000)]


class ConditionTerms(ValueObject):
    """The clear part of a condition, by which other services react and count.

    `hours` are those asked in all, `amount` is in pence.
    """

    condition_id: UUID
    type: ConditionType
    object: ConditionObject
    due: date
    hours: Hours | None = None
    amount: Pence | None = None


class Condition(ConditionTerms):
    """A condition of a conditional caution (CDA 1998 s66A), or an agreed action of a youth restorative disposal."""

    payee: Annotated[Sealed[FreeText] | None, Personal.CONDITIONS] = None
    method: PaymentMethod | None = None
    detail: Annotated[Sealed[FreeText] | None, Personal.CONDITIONS] = None
    place: Annotated[Added[Sealed[FreeText]], Personal.CONDITIONS] = None
    """Where the child has to be for it, such as the address of the workshop."""
    starts_at: Added[Timestamp] = None
    """When the child has to be there first; later sessions are booked."""

    @model_validator(mode="after")
    def _starts_by_its_due_date(self) -> Self:
        if self.starts_at is not None and local_day(self.starts_at) > self.due:
            raise ValueError(
                "starts_at: the child has to be there by the due date; give an earlier time, or a later due"
            )
        return self

    @property
    def terms(self) -> ConditionTerms:
        """The clear part of the condition, without texts and place."""
        return ConditionTerms(**{name: getattr(self, name) for name in ConditionTerms.model_fields})


class Change(ValueObject):
    """One change of a variation (CDA 1998 s66D).

    `condition` is the whole condition after it, and null if it is omitted.
    """

    action: ChangeAction
    condition_id: UUID
    condition: Condition | None = None


class PlanStep(ValueObject):
    """A step of the plan that the child agrees to while the prosecution is deferred. `due` is its last day."""

    step_id: UUID
    kind: PlanStepKind
    text: Annotated[Sealed[FreeText], Personal.CONDITIONS]
    due: date


class OmittedCondition(ValueObject):
    """A condition that a variation omitted, with its type."""

    condition_id: UUID
    type: ConditionType


class RetypedCondition(ValueObject):
    """A condition whose type a variation changed, with both types."""

    condition_id: UUID
    before: ConditionType
    after: ConditionType


Victims = Annotated[tuple[UUID, ...], Field(max_length=100)]
InPlaceOf = Annotated[tuple[UUID, ...], Field(max_length=20)]
"""The victims in whose place their parent is told: none, if all are old enough to be told themselves."""
Factors = Annotated[tuple[FreeText, ...], Field(max_length=50)]
_WORD_OF_MATRIX = (
    "AGGRAVATING|ALCOHOL|APOLOGY|ARSON|ASSAULT|BURGLARY|COERCION|DAMAGE|DRUGS?|FACTOR|FEAR|FIRST|GROUP|HATE|HIGH|IMAGE"
    "|IMPULSIVE|INJURY|KNIFE|LOW|MINOR|MITIGATING|MOTIVE|OFFENCE|ORDER|PLANNED|PREMEDITATED|PRESSURE|PROVOCATION|PUBLIC"
    "|REMORSE|REPEATED|ROBBERY|SCHOOL|SERIOUS|SHOP|STAFF|THEFT|THREATS?|USED|VALUE|VICTIM|VIOLENCE|VULNERABLE|WEAPON|YOUNG"
)
MatrixCode = Annotated[
    ShortText,
    Code(
        rf"[A-Z]{{0,4}}[_-]?[0-9]{{1,6}}[A-Z]{{0,2}}([/.-][0-9]{{1,4}}[A-Z]?){{0,3}}"
        rf"|({_WORD_OF_MATRIX})([_-]({_WORD_OF_MATRIX})){{0,4}}([_-][0-9]{{1,3}})?",
        "give the code as the matrix has it, a few letters and a number, or words such as these: TH68010, A1, WEAPON_USED",
    ),
]
"""The code of an offence, or of a factor, in a gravity matrix: a number, or words of the matter; no name fits it."""


class Factor(ValueObject):
    """A factor of a line of the gravity matrix that applies, and the direction in which it moves the score."""

    code: MatrixCode
    direction: Direction


TickedFactors = Annotated[tuple[Factor, ...], Field(max_length=50), require_each_once("code")]
Plan = Annotated[tuple[PlanStep, ...], Field(max_length=50)]


class ChildEvent(Event):
    """An event that names the child, as a pseudonym, and the case: who reads it alone must know whom it concerns."""

    person_id: UUID
    case_id: UUID
    referral_id: UUID | None = None


# --- before the decision ------------------------------------------------------------------------


class DisposalCaseOpened(Event):
    """A case was opened for one child and one offence; no other may be live for both (rule R28).

    It opens a duty to inform each victim of restorative justice. `age_at_offence` is in whole years;
    `prosecution_time_limit` is the last day to prosecute a summary offence (rule R21), else null.
    """

    sentence = (
        "Disposal case opened: {offence.title}, {offence.date}, crime number {crime_number}; the child was "
        "{age_at_offence}[; prosecution by {prosecution_time_limit}][; flags: {flags}]"
    )

    case_id: UUID
    referral_id: UUID | None = None
    person_id: UUID
    details: Annotated[PersonDetails, OwnedBy("person_id")]
    crime_number: CrimeNumber
    offence: Offence
    investigating_officer: UUID | None = None
    reported_at: Timestamp
    victims: Victims | None = None
    victims_with_enhanced_rights: Victims | None = None
    flags: Added[Flags] = None
    prior: PriorRecord | None = None
    age_at_offence: int
    prosecution_time_limit: date | None = None
    victims_under_age: Added[Victims] = None
    """Those victims who were under age on the day of the report, as the referral said: by law they have enhanced rights."""
    school_age_until: Added[date] = None
    """The last day on which the child is of compulsory school age."""


class AdmissionRecorded(Event):
    """The child was asked, and accepted the facts or did not.

    Without an admission no disposal is decided or issued (rule R4); for a restorative disposal an appropriate adult
    must have been present (rule R6), and for a caution it must have been taken as rule R4A asks.
    """

    sentence = (
        "The child {facts_accepted?admitted the facts|did not admit the facts}, "
        "{appropriate_adult_present?with|without} an appropriate adult[, to: {taken_by}][; interview: {interview}]"
        "[; legal advice: {legal_advice}][; {interpreter?with|without} an interpreter]"
    )

    appropriate_adult_present: bool
    facts_accepted: bool
    taken_by: Added[AdmissionTaker] = None
    interview: Added[Interview] = None
    legal_advice: Added[LegalAdvice] = None
    interpreter: Added[bool] = None


class AdmissionWithdrawn(Event):
    """The child took the admission back. No disposal can be decided or issued until the child admits anew (rule R4)."""

    sentence = "The child withdrew the admission"


class EvidenceSufficiencyDecided(Event):
    """A police decision-maker judged the evidence.

    A caution needs evidence sufficient to charge; a restorative disposal needs evidence that the offence occurred (rule
    R3).
    """

    sentence = "Evidence found {sufficient?sufficient|not sufficient}, standard: {standard}"

    sufficient: bool
    standard: EvidenceStandard


class GravityScored(Event):
    """The offence was scored by the gravity matrix of the day: by itself, and after its factors (rules G1, G2).

    From 1 to 5 since October 2023 (NPCC), from 1 to 4 before (ACPO). `line` is the code of the offence in the matrix and
    `factors` are those of that line that apply; `aggravating` and `mitigating` are others, in words. Both are null if the
    score was read from a matrix on paper, as in every event of version 1.

    `yjb_seriousness_score` is on the YJB's other scale, which KPI 9 uses.
    """

    version: ClassVar[int] = 2
    sentence = (
        "Gravity scored {final_score} (offence {offence_score}[, line {line}]), matrix version {matrix_version}[; youth "
        "justice seriousness {yjb_seriousness_score}]"
    )

    offence_score: int
    final_score: int
    line: MatrixCode | None = None
    factors: TickedFactors | None = None
    aggravating: Annotated[Sealed[Factors], Personal.NARRATIVE]
    mitigating: Annotated[Sealed[Factors], Personal.NARRATIVE]
    matrix_version: Version
    yjb_seriousness_score: int | None = None


class VictimViewSought(Event):
    """A victim was asked for their view, or it is recorded that none was sought.

    The view informs the decision and does not bind it; KPI 10 counts it. `case_id` and `child_id` say whose case it is.
    """

    sentence = (
        "View of a victim {sought?sought|not sought}, {before_decision?before|after} the decision[; "
        "{wants_rj?wants|does not want} restorative justice][; {consents_to_contact?agrees|does not agree} to "
        "contact]"
    )

    person_id: UUID
    sought: bool
    view: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.VICTIM_VIEW] = None
    wants_rj: bool | None = None
    consents_to_contact: bool | None = None
    before_decision: bool
    child_id: UUID
    case_id: UUID


class VictimInformedOfRestorativeJustice(Event):
    """A victim was told of restorative justice (Victims' Code 3.4 to 3.6).

    This meets the duty `VICTIM_RJ_INFORMATION`, which is due earlier for a victim with enhanced rights.
    """

    sentence = "Victim informed of restorative justice{enhanced_rights?, with enhanced rights|}"

    person_id: UUID
    enhanced_rights: bool
    case_id: UUID
    in_place_of: Added[InPlaceOf] = None


class VictimTold(Event):
    """A victim was told what was decided (Victims' Code, right 6). This meets the duty `VICTIM_TOLD`."""

    sentence = (
        "Victim told by {means}, {reasons_given?with|without} the reasons; how to ask for a review was "
        "{review_explained?explained|not explained}"
    )

    person_id: UUID
    means: ContactMeans
    reasons_given: bool
    review_explained: bool
    in_place_of: Added[InPlaceOf] = None


class AssessmentRequested(Event):
    """The youth justice service was asked to assess the child with this tool. This opens the duty `ASSESSMENT`."""

    sentence = "Assessment requested: {tool}"

    tool: AssessmentTool


class AssessmentCompleted(Event):
    """The youth justice service assessed the child.

    A programme is planned, or a reason says why one would be inappropriate (CDA 1998 s66ZB(2)-(3)).
    """

    sentence = "Assessment completed: {tool}, {programme_plan?a programme is planned|no programme is planned}"

    person_id: UUID
    tool: AssessmentTool
    programme_plan: bool
    programme_inappropriate_reason: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.REASONS] = None


class PanelRecommended(Event):
    """The joint decision-making panel recommended a disposal, with police and youth justice service present (rule P1).

    The police decide; another decision than this needs a reason (rule PD1).
    """

    sentence = "Panel recommended: {recommended}[; present: {attendees}]"

    recommended: Recommendation
    attendees: Annotated[tuple[MemberKind, ...], Field(max_length=20)]


class ProsecutorDecisionRecorded(Event):
    """The Crown Prosecution Service answered, having been sent the child information form (rule R19).

    A conditional caution for an indictable-only offence needs its decision (rule R18).
    """

    sentence = "Prosecutor decided: {decision}, reference {reference}"

    reference: Reference
    decision: ProsecutorDecision
    child_information_form: bool


class DisposalDecided(Event):
    """A police decision-maker decided what is done, and why; no system decides (rule R26).

    A disposal is now prepared and issued, and the plan of a deferred prosecution agreed; a charge, outcome 21, no further
    action or the process for adults ends the case, and outcome 22 diverts the child. `age` is the child's in whole years on that day, null if it can no longer be known.
    """

    sentence = "Decided: {decision}[; the child was {age}]"

    decision: Recommendation
    rationale_text: Annotated[Sealed[FreeText], Personal.REASONS]
    public_interest: Annotated[Sealed[FreeText], Personal.REASONS]
    prosecution_inappropriate: bool | None = None
    ycc_inappropriate: bool | None = None
    person_id: UUID
    case_id: UUID
    referral_id: UUID | None = None
    age: int | None = None


# --- from the decision to the issue -------------------------------------------------------------


class ConditionProposed(Event):
    """A condition of a conditional caution was proposed, or an agreed action of a restorative disposal.

    It binds nobody before the disposal is issued; a document signed before it no longer suffices (rule R9).
    """

    sentence = (
        "Condition proposed: {condition.type}, {condition.object}, due {condition.due}[, {condition.hours#hour|hours}]"
    )

    condition: Condition


class ConditionWithdrawn(Event):
    """A proposed condition was taken back before the disposal was issued.

    A document signed before that no longer suffices (rule R9).
    """

    sentence = "Proposed condition withdrawn"

    condition_id: UUID


class AppropriateAdultConfirmed(Event):
    """Somebody was confirmed as the child's appropriate adult (CDA 1998 s66ZA(7)).

    They are 18 or over, no police officer or employee, and have no other part in the case (rule R7). A caution needs
    this on the day of its issue (rule R6). `others_unavailable`: no parent, guardian or social worker could come.
    """

    sentence = "Appropriate adult confirmed: {kind}"

    person_id: UUID
    kind: AppropriateAdultKind
    adult: bool
    police_employee: bool
    involved_in_case: Added[bool] = None
    received_admission: Added[bool] = None
    others_unavailable: Added[bool] = None
    child_objects: Added[bool] = None
    """Whether the child objects to an estranged parent."""


class EffectExplained(Event):
    """The effect of the disposal was explained to the child and the appropriate adult.

    A caution needs this in ordinary language; a conditional caution needs the warning of prosecution too (rule R8; CDA
    1998 ss66B(4), 66ZA(3)).
    """

    sentence = (
        "Effect explained {to_child?to the child|not to the child} and {to_appropriate_adult?to the appropriate "
        "adult|not to the appropriate adult}[, {interpreter?with|without} an interpreter]"
    )

    to_child: bool
    to_appropriate_adult: bool
    ordinary_language: bool
    warned_of_prosecution: bool
    interpreter: Added[bool] = None


class DocumentSigned(Event):
    """The child signed the document with this SHA-256, and consented (rule R9; CDA 1998 s66B(6)).

    `printed_here` says whether it is the document that this system printed at that time, in one of its languages; null
    in events from before that field.
    """

    sentence = (
        "Document signed, {signed_by_child?by the child|not by the child}, "
        "{consent?with consent|without consent}[, {printed_here?as printed here|not as printed here}]"
    )

    document_sha256: Digest
    consent: bool
    signed_by_child: bool
    printed_here: Added[bool] = None


class DisposalIssued(ChildEvent):
    """The disposal was issued by the police, with all that other services need to react to it, monitor it and count it.

    Its conditions bind the child from now on. Ages are in whole years; `ends_on` is the latest due date of its
    conditions; `spent_on` is the day on which it becomes spent (ROA 1974 sch 2 para 1), null for a restorative
    disposal.
    """

    sentence = (
        "Issued: {disposal}[ with {conditions#condition|conditions}], the child was {age_at_issue}[, until {ends_on}]"
    )

    disposal: Disposal
    issued_on: date
    age_at_offence: int
    age_at_issue: int
    conditions: Annotated[tuple[ConditionTerms, ...], Field(max_length=100)]
    ends_on: date | None = None
    spent_on: date | None = None
    offence_code: ShortText
    offence_category: OffenceCategory
    offence_date: date
    trial_mode: TrialMode
    recordable: bool
    gravity_score: int | None = None
    yjb_seriousness_score: int | None = None
    prior: PriorRecord | None = None
    victims: Victims = ()
    deciding_officer: UUID
    investigating_officer: UUID | None = None
    spent_by_statute: Added[date] = None
    """The latest day on which it becomes spent as the statute reads; `spent_on` is the calculator's (rule R24)."""


class YotReferred(Event):
    """The child was referred to the youth offending team, as a caution requires (CDA 1998 s66A(6A), s66ZB).

    This meets the duty `YOT_REFERRAL` (rule R12).
    """

    sentence = "Child referred to the youth offending team"


# --- deferred prosecution -----------------------------------------------------------------------


class ProsecutionDeferred(ChildEvent):
    """The decision to prosecute is on hold while the child completes the agreed plan; no admission is needed.

    It opens the duties `DEFERRAL_STEP`, for each step, and `DEFERRAL_REVIEW`. `age` is the child's in whole years on that
    day. Scores and offence are those of the case at that time.
    """

    sentence = "Prosecution deferred: a plan of {plan#step|steps}, review on {review_on}; the child was {age}"

    plan: Plan
    review_on: date
    child_agrees: bool
    appropriate_adult_present: bool
    age: int
    age_at_offence: int
    offence_category: OffenceCategory
    trial_mode: TrialMode
    gravity_score: int | None = None
    yjb_seriousness_score: int | None = None


class DeferralStepRecorded(Event):
    """A step of the plan was done, missed, or excused. One that is done meets its duty `DEFERRAL_STEP`."""

    sentence = "Step of the plan: {result}"

    person_id: UUID
    step_id: UUID
    result: StepResult
    note: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class DeferralReviewed(Event):
    """Somebody reviewed whether the deferral goes on: after a later offence of the child, or a missed step in a knife case.

    It meets the duties `DEFERRAL_RECONSIDERED` and `DEFERRAL_STEP_MISSED`.
    """

    sentence = "Deferral reviewed: {outcome}"

    person_id: UUID
    outcome: DeferralReviewOutcome
    note: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class DeferralCompleted(ChildEvent):
    """Every step of the plan is done or excused (rule DP4): no further action, and outcome 23 follows by itself."""

    sentence = "Deferred prosecution completed on {completed_on}"

    rationale_text: Annotated[Sealed[FreeText], Personal.REASONS]
    deferred_on: date
    completed_on: date


class DeferralEnded(ChildEvent):
    """The deferral ended without a completed plan: the decision to prosecute stands, or nothing more is done.

    After `PROSECUTE`, proceedings may be instituted (rule D4). A later event of this type replaces what was to follow.
    """

    sentence = "Deferral ended on {ended_on}: {why}; then {then}"

    why: DeferralEndReason
    then: AfterDeferral
    rationale_text: Annotated[Sealed[FreeText], Personal.REASONS]
    deferred_on: date
    ended_on: date


# --- monitoring ---------------------------------------------------------------------------------


class ConditionSessionBooked(Event):
    """A session that lasts `hours` was booked for a condition.

    Its attendance is due to be recorded after it (duty `ATTENDANCE_RECORDED`).
    """

    sentence = "Session booked for a condition: {starts_at}, {hours#hour|hours}"

    condition_id: UUID
    session_id: UUID
    starts_at: Timestamp
    hours: Hours


class RecordOfSession(Event):
    """How a session of a condition ended for the child, in the fields of each event that says so."""

    person_id: UUID
    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: CancellationReason | None = None
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ConditionAttended(RecordOfSession):
    """The child came to a session of a condition, also if late, gone early or excluded for conduct.

    `hours_credited` count towards the hours of the condition.
    """

    sentence = "Session of a condition attended: {status}, {hours_credited#hour|hours} credited"


class ConditionMissed(RecordOfSession):
    """The child did not come to a session of a condition.

    Unless the reason is acceptable already, somebody must contact the child (duty `MISSED_CONTACT`), and a pending
    reason must be decided (duty `ABSENCE_REASON`).
    """

    sentence = "Session of a condition missed: {status}"


class ConditionSessionCancelled(RecordOfSession):
    """A session of a condition was lost through no fault of the child.

    Nothing changes for the child, and it is no ground for breach (rules C7 and D2).
    """

    sentence = "Session of a condition cancelled[: {because}]"


class AbsenceDecided(Event):
    """Somebody decided whether the pending reason for an absence is acceptable.

    An acceptable absence leads to neither a warning nor a breach.
    """

    sentence = "Absence found {acceptable?acceptable|not acceptable}"

    person_id: UUID
    session_id: UUID
    acceptable: bool
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ContactRecorded(Event):
    """Somebody tried to reach a person; `reached` says whether they did.

    After a missed session even an attempt that fails meets the duty `MISSED_CONTACT`, unless the person is a victim.
    `with_victim`: it was with one, so that anyone who works for victims may read the note.
    """

    sentence = "Contact by {means}: the person was {reached?reached|not reached}"

    person_id: UUID
    means: ContactMeans
    reached: bool
    note: Annotated[Added[Sealed[FreeText]], OwnedBy("person_id"), Personal.NARRATIVE] = None
    with_victim: Added[bool] = None


class CaseHandedOver(Event):
    """A supervisor, or the officer who had the case, gave it to another officer: `to` has the work from now on."""

    sentence = "Case handed over to another officer"

    to: UUID
    why: Annotated[Sealed[FreeText] | None, Personal.REASONS] = None


class WarningIssued(Event):
    """The child was warned in writing for an unacceptable absence from this session, or for being excluded from it."""

    sentence = "Written warning issued for an absence"

    session_id: UUID


class ComplianceMeetingRecorded(Event):
    """A meeting about compliance was held, or was arranged and missed, with the child and a parent.

    By local policy it precedes the referral of a breach.
    """

    sentence = (
        "Compliance meeting: the child {attended?attended|did not attend}, a parent was "
        "{parent_present?present|not present}"
    )

    attended: bool
    parent_present: bool


class ConditionCompleted(Event):
    """A condition was completed on the Europe/London day `completed_on`, by its attendance or as an officer recorded.

    A letter of apology is complete once its quality is checked (rule D1). `conference` says whether it was a conference,
    which may have been met by another one than was proposed for it.
    """

    sentence = "Condition completed on {completed_on}[, {quality_checked?checked|not checked}]"

    person_id: UUID
    condition_id: UUID
    completed_on: date
    conference: Added[bool] = None
    quality_checked: bool | None = None
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ConditionRefused(Event):
    """The child refuses a condition of a conditional caution before its day. It is a ground of breach (rule D2) until varied."""

    sentence = "The child refuses a condition"

    person_id: UUID
    condition_id: UUID
    why: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.NARRATIVE]


class ConditionExcused(Event):
    """The child was released from a condition, for the reason given. It counts as done."""

    sentence = "Condition excused"

    condition_id: UUID
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class ConditionsVaried(Event):
    """Conditions were added, modified or omitted with the child's consent (rule R22; CDA 1998 s66D).

    `conditions` is the resulting set, without what was omitted; `ends_on` and `spent_on` follow from it. Conferences
    react to the changes: `omitted` and `retyped` name the type that a condition had before.
    """

    sentence = (
        "Conditions varied by {changes#change|changes}, {consent?with consent|without consent}[; until {ends_on}]"
    )

    changes: Annotated[tuple[Change, ...], Field(max_length=100)]
    consent: bool
    why: Annotated[Sealed[FreeText], Personal.REASONS]
    person_id: UUID
    case_id: UUID
    referral_id: UUID | None = None
    disposal: Disposal
    conditions: Annotated[tuple[ConditionTerms, ...], Field(max_length=200)]
    omitted: Annotated[tuple[OmittedCondition, ...], Field(max_length=100)] = ()
    retyped: Annotated[tuple[RetypedCondition, ...], Field(max_length=100)] = ()
    ends_on: date | None = None
    spent_on: date | None = None
    offence_category: OffenceCategory
    age_at_issue: int
    victims: Victims = ()
    deciding_officer: UUID


class ConsentWithdrawn(Event):
    """The child withdrew consent to the conditional caution, as a child may at any stage.

    Before the issue the signature no longer counts; afterwards the caution goes to breach review, which is no automatic
    prosecution.
    """

    sentence = "The child withdrew consent"


# --- the end ------------------------------------------------------------------------------------


class DisposalCompleted(ChildEvent):
    """Every condition is completed, excused or omitted, so the disposal is completed.

    `completed_on` is the latest of the Europe/London days that its conditions needed.
    """

    sentence = "Completed on {completed_on}: {disposal}"

    disposal: Disposal
    issued_on: date
    completed_on: date
    spent_on: date | None = None
    age_at_issue: int


class DisposalNotCompleted(ChildEvent):
    """The child did not take up a voluntary disposal or programme. This is never a breach.

    `disposal`, `issued_on` and `age_at_issue` are null for a diversion.
    """

    sentence = "Not completed, ended on {ended_on}[: {disposal}]"

    why: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.REASONS]
    disposal: Disposal | None = None
    issued_on: date | None = None
    ended_on: date
    age_at_issue: int | None = None


class BreachReferred(Event):
    """Conditions of a conditional caution were referred as broken, on the grounds of rule D2 (CDA 1998 s66E).

    The caution is under review until a decision-maker decides.
    """

    sentence = "Breach referred for decision: {condition_ids#condition|conditions}"

    condition_ids: Annotated[tuple[UUID, ...], Field(max_length=100)]
    grounds: Annotated[Sealed[FreeText], Personal.REASONS]


class BreachDecided(Event):
    """A police decision-maker decided on the breach (CDA 1998 s66E(1)).

    Excused, varied or extended, the caution goes on; without proceedings it closes; to prosecute, proceedings follow
    (rules R23 and D4).
    """

    sentence = "Breach decided: {decision}, {reasonable_excuse?with|without} reasonable excuse"

    reasonable_excuse: bool
    decision: BreachDecision
    rationale_text: Annotated[Sealed[FreeText], Personal.REASONS]


class ConditionFailed(Event):
    """A condition named in the breach referral was not complied with, without reasonable excuse (CDA 1998 s66E(1))."""

    sentence = "Condition failed without reasonable excuse"

    condition_id: UUID


class DisposalClosedWithoutProceedings(ChildEvent):
    """The conditional caution or the deferral failed, and a decision-maker decided against proceedings.

    `ended_on` is the day of the decision. Of a deferral, `issued_on` and `age_at_issue` are those of its agreement.
    """

    sentence = "Closed without proceedings on {ended_on}: {disposal}"

    disposal: EndedDisposal
    issued_on: date
    ended_on: date
    spent_on: date | None = None
    age_at_issue: int


class ProceedingsInstituted(Event):
    """Proceedings for the offence were instituted after a breach (CDA 1998 s66E), or after a deferral that failed.

    What was given ceases to have effect, and outcome 1 follows; it replaces outcome 2.
    """

    sentence = "Proceedings instituted, reference {reference}"

    reference: Reference


class DisposalCeased(ChildEvent):
    """The conditional caution ceased to have effect when proceedings were instituted (CDA 1998 s66E(3)); so a deferral.

    A caution is spent on that day if it was not before. Of a deferral, `issued_on` and `age_at_issue` are those of its
    agreement, and nothing is spent.
    """

    sentence = "Ceased to have effect on {ceased_on}: {disposal}"

    disposal: EndedDisposal
    issued_on: date
    ceased_on: date
    spent_on: date | None = None
    age_at_issue: int


class OutcomeAssigned(ChildEvent):
    """The crime has this Home Office outcome code; a referral that led to the case takes it over.

    `superseded` is the code that it replaces, and `age` the child's in whole years on that day. `activity_on` is the
    day of the last educational or diversionary activity, on which outcome 22 rests (rule O22).
    """

    sentence = "Outcome {code} assigned[: {disposal}][, in place of outcome {superseded}]"

    code: OutcomeCode
    rationale_text: Annotated[Sealed[FreeText] | None, Personal.REASONS] = None
    disposal: Disposal | None = None
    superseded: OutcomeCode | None = None
    age: int | None = None
    age_at_offence: int
    activity_on: date | None = None


class DisposalAnnulled(ChildEvent):
    """The disposal that was given is annulled: the child has it no more, and its outcome is withdrawn, here and in the referral.

    It opens the duties `VICTIM_TOLD` and `YJS_TOLD`, ends every other, and bars no other case of the child and offence.
    """

    sentence = (
        "Annulled: {disposal}, given on {issued_on}; by {by}, reference {reference}[; outcome {withdrawn} withdrawn]"
    )

    by: AnnulledBy
    reference: Reference
    why: Annotated[Sealed[FreeText], Personal.REASONS]
    disposal: Disposal
    issued_on: date
    age_at_issue: int
    withdrawn: OutcomeCode | None = None
    referral_id: UUID | None = None
    conferences: Annotated[Added[tuple[UUID, ...]], Field(max_length=200)] = None
    """The conditions that were still to be done and asked for a conference, which is closed unless it was held."""


class CaseWithdrawn(ChildEvent):
    """The case should never have been opened, and nothing was given in it: nobody is told of it, and nothing counts it."""

    sentence = "Case withdrawn: {reason}"

    reason: WithdrawalReason
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class CaseTransferred(Event):
    """Another area holds the case beside the one that opened it, in the place of any that held it so before."""

    sentence = "Case moved to another area: {kind}, to be reviewed on {review_on}"

    to_area: ShortText
    kind: MoveKind
    review_on: date
    ends: UUID | None
    """The event by which another area held it so until now."""
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class TransferEnded(Event):
    """The area that opened the case holds it alone again."""

    sentence = "Case back with the area that opened it"

    ends: UUID
    """The event by which the other area held it."""
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class OffenceReclassified(ChildEvent):
    """The offence is another one than the case was opened for, and nothing was given for it yet.

    Admission, panel, decision and preparation are void: they were of the other offence. Age and time limit follow anew.
    """

    sentence = (
        "Offence re-classified: {offence.title}, {offence.date}; the child was {age_at_offence}"
        "[; prosecution by {prosecution_time_limit}]"
    )

    offence: Offence
    why: Annotated[Sealed[FreeText], Personal.REASONS]
    age_at_offence: int
    prosecution_time_limit: date | None = None


class DiversionEnded(ChildEvent):
    """A diversion ended before outcome 22 could be assigned: KPI 6 counts it as not completed. `ended_on` is that day."""

    sentence = "Diversion ended on {ended_on}: {why}; {then}"

    why: DeferralEndReason
    then: AfterDiversion
    rationale_text: Annotated[Sealed[FreeText], Personal.REASONS]
    ended_on: date


class ActivityUndertaken(Event):
    """The child took part in this activity, and complied. Outcome 22 may rest on it (rule O22).

    `session_id` names the education session or the conference whose record says so; with a `provider`, an officer
    recorded work of another agency, and the id is that of this work alone.
    """

    sentence = "The child took part in an educational or diversionary activity"

    session_id: UUID
    provider: Annotated[Added[Sealed[FreeText]], Personal.NARRATIVE] = None


class ProgrammeRecorded(Event):
    """What is recorded of the programme, where no event tells it: a null field stands as it was said before.

    `age` is the child's in whole years on the first day of the programme; null if no day of it is said.
    """

    sentence = "Programme recorded[; it began on {starts_on}][; it ended on {ends_on}]"

    starts_on: date | None = None
    ends_on: date | None = None
    completed: bool | None = None
    residence: Residence | None = None
    age: int | None = None


class CorrectedOutcome(ValueObject):
    """The outcome code before and after its correction, for the referral to which it was carried."""

    referral_id: UUID
    person_id: UUID
    before: OutcomeCode
    after: OutcomeCode
    occurred_at: Timestamp
    """When it was assigned."""
    told_by: tuple[UUID, ...]
    """The events by which the referral had learned of it before: their reactions are superseded."""


class RecordCorrected(Correction):
    """A field of an earlier event of this case was wrong; this is its right value (DPA 2018 s46).

    The original event stays. A sealed value is encrypted with the key of the person `owner`, or of the case if that is
    null. `unlawful_by` names the rules by which the disposal could not have been issued, had this been known. It is
    null if that was not judged: nothing was issued, or the correction follows from another one. `outcome` tells the
    referral to which a corrected outcome was carried what to change.
    """

    owner: UUID | None = None
    unlawful_by: tuple[str, ...] | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("owner")] = None
    outcome: Added[CorrectedOutcome] = None


DisposalEvent: TypeAlias = (
    DisposalCaseOpened
    | AdmissionRecorded
    | AdmissionWithdrawn
    | EvidenceSufficiencyDecided
    | GravityScored
    | VictimViewSought
    | VictimInformedOfRestorativeJustice
    | VictimTold
    | AssessmentRequested
    | AssessmentCompleted
    | PanelRecommended
    | ProsecutorDecisionRecorded
    | DisposalDecided
    | ConditionProposed
    | ConditionWithdrawn
    | AppropriateAdultConfirmed
    | EffectExplained
    | DocumentSigned
    | DisposalIssued
    | YotReferred
    | ProsecutionDeferred
    | DeferralStepRecorded
    | DeferralReviewed
    | DeferralCompleted
    | DeferralEnded
    | ConditionSessionBooked
    | ConditionAttended
    | ConditionMissed
    | ConditionSessionCancelled
    | AbsenceDecided
    | ContactRecorded
    | CaseHandedOver
    | WarningIssued
    | ComplianceMeetingRecorded
    | ConditionCompleted
    | ConditionRefused
    | ConditionExcused
    | ConditionsVaried
    | ConsentWithdrawn
    | DisposalCompleted
    | DisposalNotCompleted
    | BreachReferred
    | BreachDecided
    | ConditionFailed
    | DisposalClosedWithoutProceedings
    | ProceedingsInstituted
    | DisposalCeased
    | OutcomeAssigned
    | DisposalAnnulled
    | CaseWithdrawn
    | CaseTransferred
    | TransferEnded
    | OffenceReclassified
    | DiversionEnded
    | ActivityUndertaken
    | ProgrammeRecorded
    | RecordCorrected
)
"""Every event of this service; mypy reports each one that `evolve` has no branch for."""


def _investigated(fact: Fact) -> Iterable[str]:
    """INVESTIGATES: who investigates it, as opened or as corrected."""
    match fact.event:
        case DisposalCaseOpened(investigating_officer=UUID() as officer):
            yield f"INVESTIGATES:{officer}"
        case RecordCorrected(field="investigating_officer", value=str() as officer):
            yield f"INVESTIGATES:{officer}"
        case _:
            pass


def _opened(fact: Fact) -> Iterable[str]:
    """OPENED: there is a disposal case. OPENER: who opened it."""  # noqa: D401  # the reference page reads it
    yield from ("OPENED", f"OPENER:{fact.actor.id}")
    yield from _investigated(fact)


def _taken_up(_fact: Fact) -> Iterable[str]:
    """TAKEN_UP: the police judged the evidence, or a supervisor handed the case over."""
    return ("TAKEN_UP",)


def _moved(fact: Fact) -> Iterable[str]:
    """HELD: another area holds the case, and leads or takes care. HELD_NO_MORE: it does not any more."""
    match fact.event:
        case CaseTransferred(to_area=area, kind=kind, ends=ends):
            return Hold.marks(fact.event_id, area, leads=kind is MoveKind.TRANSFER, ends=ends)
        case TransferEnded(ends=ends):
            return Hold.marks(None, "", leads=False, ends=ends)
        case _:
            return ()


def _decided(fact: Fact) -> Iterable[str]:
    """DECIDES: who took the decision."""  # the reference page reads it
    yield f"DECIDES:{fact.actor.id}"


def _of_the_harmed(event: Event, declared: FieldClass) -> FieldClass:
    """Give the note of a contact with somebody who was harmed the class of what they said (docs/reference/access.md)."""
    noted = isinstance(event, ContactRecorded) and event.with_victim and declared is Personal.NARRATIVE
    return Personal.VICTIM_VIEW if noted else declared


EVENTS = EventRegistry(
    "disposal",
    get_args(DisposalEvent),
    # Version 1 asked neither line nor factors.
    upcasters={"ooc.disposal.GravityScored.v1": lambda data: {**data, "line": None, "factors": None}},
    labels=lambda _cls: LAW_ENFORCEMENT,
    marks={
        DisposalCaseOpened: _opened,
        EvidenceSufficiencyDecided: _taken_up,
        CaseHandedOver: _taken_up,
        DisposalDecided: _decided,
        RecordCorrected: _investigated,
        CaseTransferred: _moved,
        TransferEnded: _moved,
    },
    holding=(CaseTransferred, TransferEnded),
    mentions=(
        "case_id",
        "referral_id",
        "person_id",
        "victims",
        "victims_with_enhanced_rights",
        "victims_under_age",
        "in_place_of",
    ),
    of_records=RECORD_IDS,
    words=WORDS,
    reasons=Personal.REASONS,
    narrowed=_of_the_harmed,
)
