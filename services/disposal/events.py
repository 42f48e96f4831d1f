"""What has happened in a disposal case: the contract, the only module of this service that others may import.

Beyond its command's fields an event carries what others need to react and to count without asking back. Ages are whole
years on Europe/London days, hours are hours, amounts are pence. What stands in `Sealed` is opened only in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, model_validator

from services.vocabulary import (
    WORDS,
    AppropriateAdultKind,
    AttendanceStatus,
    BreachDecision,
    ConditionObject,
    ConditionType,
    CrimeNumber,
    Disposal,
    OffenceCode,
    OffenceTitle,
    OutcomeCode,
    Personal,
    PersonDetails,
    Recommendation,
    Reference,
    Regime,
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
)
from shared.privacy.sealing import OwnedBy, Sealed

# --- words of this service alone ----------------------------------------------------------------


class OffenceCategory(StrEnum):
    """The kind of an offence, as the returns group it."""

    THEFT = "THEFT"
    DRUGS = "DRUGS"
    VIOLENCE = "VIOLENCE"
    ROBBERY = "ROBBERY"
    DAMAGE = "DAMAGE"
    SEXUAL = "SEXUAL"
    OTHER = "OTHER"


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
    """To what standard the evidence was found sufficient."""

    CHARGE = "CHARGE"
    OFFENCE_OCCURRED = "OFFENCE_OCCURRED"


class AssessmentTool(StrEnum):
    """With what a child is assessed: the Prevention and Diversion Assessment Tool, AssetPlus, or another."""

    PDAT = "PDAT"
    ASSET_PLUS = "ASSET_PLUS"
    OTHER = "OTHER"


class PanelMember(StrEnum):
    """Who sits on the weekly panel."""

    POLICE = "POLICE"
    YJS = "YJS"
    SSCT = "SSCT"
    HEALTH = "HEALTH"
    EDUCATION = "EDUCATION"
    SOCIAL_CARE = "SOCIAL_CARE"
    VICTIM_WORKER = "VICTIM_WORKER"


class ProsecutorDecision(StrEnum):
    """What the Crown Prosecution Service answered."""

    YCC = "YCC"
    CHARGE = "CHARGE"
    NO_PROSECUTION = "NO_PROSECUTION"
    RETURN_TO_POLICE = "RETURN_TO_POLICE"


class CancellationReason(StrEnum):
    """Why a session was lost that the child did not miss."""

    SERVICE = "SERVICE"
    HARMED_WITHDREW = "HARMED_WITHDREW"
    HARMED_ABSENT = "HARMED_ABSENT"


class ContactMeans(StrEnum):
    """How contact was sought."""

    PHONE = "PHONE"
    VISIT = "VISIT"
    LETTER = "LETTER"
    EMAIL = "EMAIL"


# --- shapes that commands and events share ------------------------------------------------------


class Offence(ValueObject):
    """What the child is said to have done. `date` is the Europe/London day of it."""

    code: OffenceCode
    title: OffenceTitle
    date: date
    trial_mode: TrialMode
    recordable: bool
    low_value_shoplifting: bool | None = None
    category: OffenceCategory


class PriorRecord(ValueObject):
    """What is recorded against the child before: how many of each."""

    yc: Annotated[int, Field(ge=0, le=1000)]
    ycc: Annotated[int, Field(ge=0, le=1000)]
    convictions: Annotated[int, Field(ge=0, le=1000)]
    yrd: Annotated[int, Field(ge=0, le=1000)]


class ConditionTerms(ValueObject):
    """What a condition asks, in clear: enough for others to react and to count."""

    condition_id: UUID
    type: ConditionType
    object: ConditionObject
    due: date
    hours: Hours | None = None
    amount: Pence | None = None


class Condition(ConditionTerms):
    """A condition of a caution, or an agreed action of a youth restorative disposal."""

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
        """The clear part."""
        return ConditionTerms(**{name: getattr(self, name) for name in ConditionTerms.model_fields})


class Change(ValueObject):
    """One change of a variation; `condition` is the whole condition as it shall be, none where it is omitted."""

    action: ChangeAction
    condition_id: UUID
    condition: Condition | None = None


class OmittedCondition(ValueObject):
    """A condition that a variation omitted, and of what type it was."""

    condition_id: UUID
    type: ConditionType


class RetypedCondition(ValueObject):
    """A condition that a variation made one of another type, with both types."""

    condition_id: UUID
    before: ConditionType
    after: ConditionType


Victims = Annotated[tuple[UUID, ...], Field(max_length=100)]
Factors = Annotated[tuple[FreeText, ...], Field(max_length=50)]


class ChildEvent(Event):
    """An event that names the child, as a pseudonym, and the case: who reads it alone must know whom it concerns."""

    person_id: UUID
    case_id: UUID
    referral_id: UUID | None = None


# --- before the decision ------------------------------------------------------------------------


class DisposalCaseOpened(Event):
    """A case was opened for one child and one offence. `prosecution_time_limit` binds summary offences only."""

    sentence = (
        "Disposal case opened: {offence.title}, {offence.date}, crime number {crime_number}; the child was "
        "{age_at_offence}[; prosecution by {prosecution_time_limit}]"
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
    prior: PriorRecord | None = None
    age_at_offence: int
    prosecution_time_limit: date | None = None


class AdmissionRecorded(Event):
    """The child was asked, and accepted the facts or did not."""

    sentence = (
        "The child {facts_accepted?admitted the facts|did not admit the facts}, "
        "{appropriate_adult_present?with|without} an appropriate adult"
    )

    appropriate_adult_present: bool
    facts_accepted: bool


class AdmissionWithdrawn(Event):
    """The child took the admission back."""

    sentence = "The child withdrew the admission"


class EvidenceSufficiencyDecided(Event):
    """A named decision-maker judged the evidence."""

    sentence = "Evidence found {sufficient?sufficient|not sufficient}, standard: {standard}"

    sufficient: bool
    standard: EvidenceStandard


class GravityScored(Event):
    """The offence was scored by the NPCC child gravity matrix (1 to 5), and by the YJB's other scale."""

    sentence = (
        "Gravity scored {final_score} (offence {offence_score}), matrix version {matrix_version}[; youth justice "
        "seriousness {yjb_seriousness_score}]"
    )

    offence_score: int
    final_score: int
    aggravating: Annotated[Sealed[Factors], Personal.NARRATIVE]
    mitigating: Annotated[Sealed[Factors], Personal.NARRATIVE]
    matrix_version: Version
    yjb_seriousness_score: int | None = None


class VictimViewSought(Event):
    """A victim's view was sought; `case_id` and `child_id` say in whose case."""

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
    """A victim was told of restorative justice (Victims' Code 3.4 to 3.6)."""

    sentence = "Victim informed of restorative justice{enhanced_rights?, with enhanced rights|}"

    person_id: UUID
    enhanced_rights: bool
    case_id: UUID


class AssessmentRequested(Event):
    """The youth justice service was asked to assess the child."""

    sentence = "Assessment requested: {tool}"

    tool: AssessmentTool


class AssessmentCompleted(Event):
    """The child was assessed. A programme is planned, or a reason is given why it would be inappropriate."""

    sentence = "Assessment completed: {tool}, {programme_plan?a programme is planned|no programme is planned}"

    person_id: UUID
    tool: AssessmentTool
    programme_plan: bool
    programme_inappropriate_reason: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.REASONS] = None


class PanelRecommended(Event):
    """The panel recommended; the police decide."""

    sentence = "Panel recommended: {recommended}[; present: {attendees}]"

    recommended: Recommendation
    attendees: Annotated[tuple[PanelMember, ...], Field(max_length=20)]


class ProsecutorDecisionRecorded(Event):
    """The prosecutor answered, having been sent the child information form."""

    sentence = "Prosecutor decided: {decision}, reference {reference}"

    reference: Reference
    decision: ProsecutorDecision
    child_information_form: bool


class DisposalDecided(Event):
    """The police decided what shall be done. `age` is the child's on that day, None where it can no longer be known."""

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
    """A condition was proposed."""

    sentence = (
        "Condition proposed: {condition.type}, {condition.object}, due {condition.due}[, {condition.hours#hour|hours}]"
    )

    condition: Condition


class ConditionWithdrawn(Event):
    """A proposed condition was taken back before it was given."""

    sentence = "Proposed condition withdrawn"

    condition_id: UUID


class AppropriateAdultConfirmed(Event):
    """An appropriate adult was confirmed (CDA 1998 s66ZA(7))."""

    sentence = "Appropriate adult confirmed: {kind}"

    person_id: UUID
    kind: AppropriateAdultKind
    adult: bool
    police_employee: bool


class EffectExplained(Event):
    """It was explained what the disposal means."""

    sentence = (
        "Effect explained {to_child?to the child|not to the child} and {to_appropriate_adult?to the appropriate "
        "adult|not to the appropriate adult}"
    )

    to_child: bool
    to_appropriate_adult: bool
    ordinary_language: bool
    warned_of_prosecution: bool


class DocumentSigned(Event):
    """The document with this SHA-256 was signed.

    `printed_here` says whether that is the document as this system printed it then, in one of its languages; None where
    the event is older than the question.
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
    """The disposal was given: all that others need to react to it, monitor it and count it."""

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


class YotReferred(Event):
    """The child was referred to the youth offending team (CDA 1998 s66A(6A), s66ZB)."""

    sentence = "Child referred to the youth offending team"


# --- monitoring ---------------------------------------------------------------------------------


class ConditionSessionBooked(Event):
    """A session was booked for a condition. Hours are those scheduled."""

    sentence = "Session booked for a condition: {starts_at}, {hours#hour|hours}"

    condition_id: UUID
    session_id: UUID
    starts_at: Timestamp
    hours: Hours


class ConditionAttended(Event):
    """The child came to a session of a condition."""

    sentence = "Session of a condition attended: {status}, {hours_credited#hour|hours} credited"

    person_id: UUID
    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: CancellationReason | None = None
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ConditionMissed(Event):
    """The child did not come to a session of a condition."""

    sentence = "Session of a condition missed: {status}"

    person_id: UUID
    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: CancellationReason | None = None
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ConditionSessionCancelled(Event):
    """A session was lost through no doing of the child's; nothing changes for the child."""

    sentence = "Session of a condition cancelled[: {because}]"

    person_id: UUID
    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    because: CancellationReason | None = None
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class AbsenceDecided(Event):
    """A missed session was found acceptable or not."""

    sentence = "Absence found {acceptable?acceptable|not acceptable}"

    person_id: UUID
    session_id: UUID
    acceptable: bool
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ContactRecorded(Event):
    """Contact was sought, and reached the person or did not."""

    sentence = "Contact by {means}: the person was {reached?reached|not reached}"

    person_id: UUID
    means: ContactMeans
    reached: bool


class WarningIssued(Event):
    """A written warning was given for an unacceptable absence."""

    sentence = "Written warning issued for an absence"

    session_id: UUID


class ComplianceMeetingRecorded(Event):
    """The meeting about compliance was held, with or without those invited."""

    sentence = (
        "Compliance meeting: the child {attended?attended|did not attend}, a parent was "
        "{parent_present?present|not present}"
    )

    attended: bool
    parent_present: bool


class ConditionCompleted(Event):
    """A condition was completed."""

    sentence = "Condition completed on {completed_on}[, {quality_checked?checked|not checked}]"

    person_id: UUID
    condition_id: UUID
    completed_on: date
    quality_checked: bool | None = None
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ConditionExcused(Event):
    """A condition need no longer be completed."""

    sentence = "Condition excused"

    condition_id: UUID
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class ConditionsVaried(Event):
    """Conditions were added, modified or omitted. `conditions` is the resulting set, without what was omitted.

    Beside the changes it carries what a conference needs: for a new one who, which case, which offence; for one whose
    condition is gone, of what type a condition was that was omitted (`omitted`) or made another (`retyped`).
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
    """The child withdrew consent to the conditional caution, as a child may at any stage."""

    sentence = "The child withdrew consent"


# --- the end ------------------------------------------------------------------------------------


class DisposalCompleted(ChildEvent):
    """Nothing is left to do: the last active condition was completed, excused or omitted."""

    sentence = "Completed on {completed_on}: {disposal}"

    disposal: Disposal
    issued_on: date
    completed_on: date
    spent_on: date | None = None
    age_at_issue: int


class DisposalNotCompleted(ChildEvent):
    """A voluntary disposal or programme was not taken up: recorded, and never a breach. None: a diversion."""

    sentence = "Not completed, ended on {ended_on}[: {disposal}]"

    why: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.REASONS]
    disposal: Disposal | None = None
    issued_on: date | None = None
    ended_on: date
    age_at_issue: int | None = None


class BreachReferred(Event):
    """Conditions were referred as broken, for a decision-maker to judge."""

    sentence = "Breach referred for decision: {condition_ids#condition|conditions}"

    condition_ids: Annotated[tuple[UUID, ...], Field(max_length=100)]
    grounds: Annotated[Sealed[FreeText], Personal.REASONS]


class BreachDecided(Event):
    """A decision-maker judged the breach."""

    sentence = "Breach decided: {decision}, {reasonable_excuse?with|without} reasonable excuse"

    reasonable_excuse: bool
    decision: BreachDecision
    rationale_text: Annotated[Sealed[FreeText], Personal.REASONS]


class ConditionFailed(Event):
    """A condition was not complied with, without reasonable excuse."""

    sentence = "Condition failed without reasonable excuse"

    condition_id: UUID


class DisposalClosedWithoutProceedings(ChildEvent):
    """The caution failed and nobody is prosecuted for it."""

    sentence = "Closed without proceedings on {ended_on}: {disposal}"

    disposal: Disposal
    issued_on: date
    ended_on: date
    spent_on: date | None = None
    age_at_issue: int


class ProceedingsInstituted(Event):
    """Proceedings for the offence were instituted after a breach (CDA 1998 s66E)."""

    sentence = "Proceedings instituted, reference {reference}"

    reference: Reference


class DisposalCeased(ChildEvent):
    """The conditional caution ceased to have effect (CDA 1998 s66E(3))."""

    sentence = "Ceased to have effect on {ceased_on}: {disposal}"

    disposal: Disposal
    issued_on: date
    ceased_on: date
    spent_on: date | None = None
    age_at_issue: int


class OutcomeAssigned(ChildEvent):
    """A Home Office outcome code was given; `superseded` is the code that it replaces. `age` is the child's that day.

    `activity_on` is the day of the last educational or diversionary activity undertaken, which outcome 22 rests on.
    """

    sentence = "Outcome {code} assigned[: {disposal}][, in place of outcome {superseded}]"

    code: OutcomeCode
    rationale_text: Annotated[Sealed[FreeText] | None, Personal.REASONS] = None
    disposal: Disposal | None = None
    superseded: OutcomeCode | None = None
    age: int | None = None
    age_at_offence: int
    activity_on: date | None = None


class ActivityUndertaken(Event):
    """The child undertook a diversionary or educational activity in this education session."""

    sentence = "The child took part in an educational or diversionary activity"

    session_id: UUID


class CorrectedOutcome(ValueObject):
    """The code of an outcome before and since its correction, for the referral to which it was carried."""

    referral_id: UUID
    person_id: UUID
    before: OutcomeCode
    after: OutcomeCode
    occurred_at: Timestamp
    """When it was assigned."""
    told_by: tuple[UUID, ...]
    """The events by which the referral had learned of it before: their reactions are superseded."""


class RecordCorrected(Correction):
    """A field of an earlier event was corrected. `owner` is whose key seals the value, where a person's does.

    `unlawful_by` names the rules by which the disposal could not have been given, had this been known; None where the
    correction was not judged, because nothing was given or it only follows from another one. `outcome` says what the
    referral needs to which the corrected outcome was carried.
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
    | ConditionSessionBooked
    | ConditionAttended
    | ConditionMissed
    | ConditionSessionCancelled
    | AbsenceDecided
    | ContactRecorded
    | WarningIssued
    | ComplianceMeetingRecorded
    | ConditionCompleted
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
    | ActivityUndertaken
    | RecordCorrected
)
"""Every event of this service; mypy reports each one that `evolve` has no branch for."""


def labels(_cls: type[Event]) -> Mapping[str, str]:
    """All that this service records is processed for law enforcement (DPA 2018 part 3)."""
    return {"regime": Regime.LE_PART3.value}


def _opened(_fact: Fact) -> Iterable[str]:
    """OPENED: there is a disposal case."""  # noqa: D401  # the reference page reads it
    return ("OPENED",)


EVENTS = EventRegistry(
    "disposal",
    get_args(DisposalEvent),
    labels=labels,
    marks={DisposalCaseOpened: _opened},
    mentions=("case_id", "referral_id", "person_id", "victims", "victims_with_enhanced_rights"),
    words=WORDS,
    reasons=Personal.REASONS,
)
"""The registry of this service's events."""
