"""The commands of referral, and the roles that may send each. Names and fields are those of the catalogue."""

from datetime import date
from typing import Annotated, ClassVar, Final, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from services.referral import events
from services.trade.vocabulary import (
    ADULTS,
    AlertKind,
    Category,
    Channel,
    CrimeNumber,
    FieldCorrection,
    Flags,
    IncidentType,
    Language,
    LawfulBasis,
    MediaType,
    MessageTemplate,
    Minutes,
    NotTheChildId,
    OfficerId,
    OutcomeCode,
    PartyDetails,
    PersonRole,
    Reference,
    Role,
    SchoolUrn,
    Topic,
    TriageOutcome,
    not_for,
)
from shared.domain.messages import Command, Digest, FreeText, Timestamp, commands_in, require_each_once
from shared.domain.sealing import OwnedBy, Sealed
from shared.domain.texts import Visible

DEFAULT_ROLES: Final = frozenset({Role.SAFE_SCHOOLS_OFFICER, Role.INTERNET_SAFETY_OFFICER, Role.SUPERVISOR})
"""Who may send a command that names no roles of its own."""

Rationale = Annotated[str, StringConstraints(max_length=20_000), Visible()]
"""Why an outcome is right. If a rule asks for it, it may come empty: the rule then refuses by its name."""

WITH_VICTIMS: Final = DEFAULT_ROLES | {Role.VICTIM_WORKER}

_WHO_WORK_WITH_CHILDREN: Final = DEFAULT_ROLES | {Role.YJS_CASE_MANAGER}
_SUPERVISOR: Final = frozenset({Role.SUPERVISOR})
_SYSTEM: Final = frozenset({Role.SYSTEM})
_MESSENGER: Final = frozenset({Role.MESSENGER})


class ReceiveReferral(Command):
    """Take in what a school, the police, another agency or anybody else reports, and begin a referral.

    The time limits count working days from the time of the report.
    """

    opens: ClassVar[bool] = True
    roles: ClassVar[frozenset[str] | None] = DEFAULT_ROLES | {Role.SCHOOL, Role.AGENCY, Role.INVITED}
    records = events.ReferralReceived
    dated_by: ClassVar[str | None] = "reported_at"

    case_id: UUID
    source: events.Source
    reported_at: Timestamp
    incident_type: IncidentType
    happened_at: Timestamp
    setting: events.Setting
    school_urn: SchoolUrn | None = None
    on_premises: bool
    in_school_hours: bool
    flags: Flags
    narrative: Sealed[FreeText]
    assessment: Sealed[FreeText] | None = None
    lawful_basis: LawfulBasis


class LinkPerson(Command):
    """Say who had which part in the incident, and their category in data protection law (DPA 2018 s38(3)).

    A person linked again has the newer part.
    """

    makes = (events.PersonLinked,)

    person_id: UUID
    role: PersonRole
    category: Category
    details: Annotated[PartyDetails, OwnedBy("person_id")]
    parent_of: Annotated[Annotated[events.ParentOf, require_each_once()] | None, not_for(ADULTS)] = None


class ComparePerson(Command):
    """Say that a person is another than one of the same name and birth date, and why. If they are one, merge them."""

    records = events.PersonCompared

    person_id: UUID
    another_than: UUID
    why: Sealed[FreeText]


class AcknowledgeReferral(Command):
    """Record that the person who reported the incident was told that the report has arrived. Triage can follow."""

    records = events.ReferralAcknowledged


class RaiseSafeguardingConcern(Command):
    """Say that a child may be at risk.

    Triage and crime outcomes wait until the multi-agency safeguarding hub is told, or a supervisor lifts the hold (rule
    B1).
    """

    roles: ClassVar[frozenset[str] | None] = DEFAULT_ROLES | {Role.SCHOOL}
    records = events.SafeguardingConcernRaised

    concern: Sealed[FreeText]
    dsl_informed: bool


class RecordMashReferral(Command):
    """Record that the multi-agency safeguarding hub was told, with its reference.

    This lifts a safeguarding hold (rule B1).
    """

    records = events.MashReferralMade

    mash_ref: Reference


class RecordMashDecision(Command):
    """Record how the local authority answered the referral to the safeguarding hub, due within a working day."""

    records = events.MashDecisionRecorded

    decision: events.MashDecision


class ReferToNrm(Command):
    """Refer a child who may be exploited to the National Referral Mechanism (MSA 2015 s52), as police or local authority."""

    records = events.NrmReferred

    reference: Reference
    first_responder: Literal["POLICE", "LOCAL_AUTHORITY"]


class RecordNrmDecision(Command):
    """Record what the competent authority decided, on reasonable grounds first and then on conclusive grounds."""

    records = events.NrmDecisionRecorded

    stage: events.NrmStage
    positive: bool


class OverrideSafeguardingHold(Command):
    """Lift a safeguarding hold without telling the multi-agency safeguarding hub, and say why (rule B1)."""

    roles: ClassVar[frozenset[str] | None] = _SUPERVISOR
    records = events.SafeguardingHoldOverridden

    reason: Sealed[FreeText]


class CompleteNudesScreening(Command):
    """Answer the five questions on a nude image that a child shared (UKCIS, Sharing nudes and semi-nudes, 2024).

    A Yes stands until it is corrected: the referral then goes to the safeguarding hub or to the investigation (rule
    B4).
    """

    records = events.NudesScreeningCompleted

    adult_involved: bool
    coercion: bool
    atypical_or_violent: bool
    under_13_sexual_act: bool
    immediate_risk: bool


class ReferToYjs(Command):
    """Record that the youth justice service was told of the child. A knife makes it due within a working day."""

    records = events.YjsReferred


class RecordCrime(Command):
    """Record the number under which the police recorded the incident as a crime. An outcome needs one (rule O1)."""

    records = events.CrimeRecorded

    crime_number: CrimeNumber


class RecordVictimPreference(Command):
    """Record how a harmed person, or a parent for them, would like the incident to be dealt with.

    It may be left to the school only if they prefer that (rule B7).
    """

    records = events.VictimPreferenceRecorded

    person_id: NotTheChildId
    preference: events.Preference
    given_by: events.PreferenceGiver


class RecordVictimDetails(Command):
    """Record how and when it is safe to reach a harmed person, and what they want to hear of.

    A contact that is not marked as safe is never used. Support that is wanted is due within days of the report.
    """

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIMS
    records = events.VictimDetailsRecorded

    person_id: NotTheChildId
    enhanced_rights: bool | None = None
    contact: Sealed[FreeText] | None = None
    contact_is_safe: bool
    safe_times: Sealed[FreeText] | None = None
    language: Sealed[FreeText] | None = None
    wants_updates: bool
    wants_support: bool


class InformVictimOfRestorativeJustice(Command):
    """Record that a harmed person was told of restorative justice (Victims' Code, right 3)."""

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIMS
    makes = (events.VictimInformedOfRestorativeJustice,)
    by_any_holder = True

    person_id: NotTheChildId


class ReferVictimToSupport(Command):
    """Record that a harmed person was referred to a service that supports victims (Victims' Code, right 4)."""

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIMS - {Role.INTERNET_SAFETY_OFFICER}
    records = events.VictimReferredToSupport

    person_id: NotTheChildId
    service: Sealed[FreeText]


class TellVictim(Command):
    """Record that a harmed person was told what was decided and how to ask for a review (Victims' Code, right 6)."""

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIMS
    makes = (events.VictimTold,)
    by_any_holder = True

    person_id: NotTheChildId
    means: events.Means
    reasons_given: bool
    review_explained: bool


class AttachDocument(Command):
    """Add a document to the referral. The file stays where it is stored: its fingerprint is recorded.

    Nothing may be attached where a nude image of a child is involved (rule B5).
    """

    records = events.DocumentAttached

    document_id: UUID
    media_type: MediaType
    sha256: Digest
    title: Sealed[FreeText]


class TriageReferral(Command):
    """Decide what happens with the referral, and say why. A safeguarding concern comes first (rule B1)."""

    makes = (events.ReferralTriaged,)

    outcome: TriageOutcome
    rationale_text: Sealed[FreeText]
    supervisor_reviewed: bool | None = None


class AllocateReferral(Command):
    """Give a triaged referral to an officer. A later allocation replaces the officer."""

    roles: ClassVar[frozenset[str] | None] = _SUPERVISOR
    records = events.ReferralAllocated

    officer_id: OfficerId


class GiveAdvice(Command):
    """Record that a child, a parent or a professional was advised. Outcome 22 cannot rest on that alone (rule O22)."""

    records = events.AdviceGiven

    to: events.AdviceTo
    person_id: UUID | None = None
    topic: Topic
    text: Sealed[FreeText] | None = None
    minutes: Minutes | None = None


class RecordContact(Command):
    """Record that somebody tried to reach a person, and whether they did.

    The first contact that reaches anybody meets its time limit.
    """

    makes = (events.ContactRecorded,)
    by_any_holder = True

    person_id: UUID
    means: events.Means
    reached: bool
    note: Sealed[FreeText] | None = None
    interpreter: bool | None = None


class RecordPreferences(Command):
    """Say whether somebody wants to be written to, how, and in which language. A later record counts instead."""

    roles: ClassVar[frozenset[str] | None] = WITH_VICTIMS
    records = events.PreferencesRecorded

    person_id: UUID
    messages_wanted: bool
    preferred_channel: Channel | None = None
    language: Language | None = None


class WriteToPerson(Command):
    """Have somebody written to, in words that name no reason. It goes in open hours, by the way that they prefer."""

    roles: ClassVar[frozenset[str] | None] = _WHO_WORK_WITH_CHILDREN | {Role.VICTIM_WORKER}
    records = events.MessageRequested

    person_id: UUID
    template: events.WrittenByHand


class RecordMessage(Command):
    """Record a message that was sent, with its text. The program that writes to people sends this."""

    roles: ClassVar[frozenset[str] | None] = _MESSENGER
    makes = (events.MessageSent,)

    message_id: UUID
    person_id: UUID
    about: UUID
    channel: events.MessageChannel
    template: MessageTemplate
    template_version: events.TemplateVersion
    text: Annotated[Sealed[FreeText], OwnedBy("person_id")]


class RecordMessageFailure(Command):
    """Record that a message could not be sent: somebody rings instead. The program that writes to people sends this."""

    roles: ClassVar[frozenset[str] | None] = _MESSENGER
    records = events.MessageFailed

    message_id: UUID
    person_id: UUID
    about: UUID
    channel: events.MessageChannel
    template: MessageTemplate
    template_version: events.TemplateVersion
    why: events.WhyMessageFailed


class RecordMessageDelivery(Command):
    """Record whether a message that was sent arrived. The program that writes to people sends this.

    One that did not arrive has failed: somebody rings instead.
    """

    roles: ClassVar[frozenset[str] | None] = _MESSENGER
    makes = (events.MessageFailed, events.MessageDelivered)
    unrecorded = frozenset({"outcome"})

    message_id: UUID
    outcome: Literal["DELIVERED", "NOT_DELIVERED"]


class AnnounceAbsence(Command):
    """Record that somebody cannot come, as they said on the page of their appointment: somebody rings them."""

    roles: ClassVar[frozenset[str] | None] = frozenset({Role.INVITED})
    records = events.AbsenceAnnounced

    person_id: UUID
    about: UUID


class RaiseAlert(Command):
    """Say what anyone who works with a person must know before they meet. Every case of the person shows it until it is
    ended. An alert of the same kind takes the place of the earlier one, which counts as reviewed.
    """

    roles: ClassVar[frozenset[str] | None] = _WHO_WORK_WITH_CHILDREN
    records = events.AlertRaised

    alert_id: UUID
    person_id: UUID
    kind: AlertKind
    note: Sealed[FreeText] | None = None
    review_on: date


class EndAlert(Command):
    """End an alert that no longer holds, and say why. No case of the person shows it any more, and its review is met."""

    roles: ClassVar[frozenset[str] | None] = _WHO_WORK_WITH_CHILDREN
    records = events.AlertEnded

    alert_id: UUID
    why: Sealed[FreeText]


class RecordFeedback(Command):
    """Record a complaint, a compliment or a comment on how the case was handled. A complaint is answered."""

    # `from` is a keyword of Python, so the field is called `giver` here.
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    roles: ClassVar[frozenset[str] | None] = _WHO_WORK_WITH_CHILDREN | {Role.VICTIM_WORKER}
    records = events.FeedbackRecorded

    feedback_id: UUID
    kind: events.FeedbackKind
    giver: Annotated[events.FeedbackGiver, Field(alias="from")]
    text: Sealed[FreeText]
    wants_answer: bool


class AnswerFeedback(Command):
    """Record the answer that was given to who complained, or asked for one (duty `FEEDBACK_ANSWERED`)."""

    roles: ClassVar[frozenset[str] | None] = _SUPERVISOR
    records = events.FeedbackAnswered

    feedback_id: UUID
    answer: Sealed[FreeText]


class ConfirmSchoolLedOutcome(Command):
    """Record what the school did about an incident that triage left to it (HOCR Schools Protocol)."""

    roles: ClassVar[frozenset[str] | None] = frozenset({Role.SCHOOL, Role.SAFE_SCHOOLS_OFFICER, Role.SUPERVISOR})
    records = events.SchoolLedOutcomeConfirmed

    action: Sealed[FreeText]


class AssignCrimeOutcome(Command):
    """Give one suspect of the recorded crime their Home Office outcome. The crime itself has the highest of them.

    Outcomes 2, 2A, 8 and 23 come from the disposal case, and are carried here from it.
    """

    roles: ClassVar[frozenset[str] | None] = DEFAULT_ROLES | {Role.POLICE_DECISION_MAKER, Role.SYSTEM}
    records = events.CrimeOutcomeAssigned

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
    """Record that a child took part in a session that serves this referral, and complied (rule O22).

    A reaction sends it when education records the attendance, or a conference is held.
    """

    roles: ClassVar[frozenset[str] | None] = _SYSTEM
    records = events.ActivityUndertaken

    session_id: UUID
    person_id: UUID


class CarryOutcome(Command):
    """Carry over the crime outcome that a disposal assigned, whose rules have judged it. A reaction sends it."""

    roles: ClassVar[frozenset[str] | None] = _SYSTEM
    records = events.CrimeOutcomeAssigned

    code: OutcomeCode
    disposal_id: UUID
    person_id: UUID


class WithdrawOutcome(Command):
    """Withdraw the crime outcome that a disposal carried here, because it was annulled. A reaction sends it."""

    roles: ClassVar[frozenset[str] | None] = _SYSTEM
    records = events.CrimeOutcomeWithdrawn

    disposal_id: UUID
    person_id: UUID


class CorrectCarriedOutcome(Command):
    """Replace the carried outcome `was` by `code`, to which the disposal has corrected it. A reaction sends it.

    An outcome that had not arrived is recorded as of `assigned_at`.
    """

    roles: ClassVar[frozenset[str] | None] = _SYSTEM
    makes = (events.CrimeOutcomeAssigned, events.ReferralCorrected)
    unrecorded = frozenset({"was", "assigned_at"})

    code: OutcomeCode
    was: OutcomeCode
    disposal_id: UUID
    person_id: UUID
    assigned_at: Timestamp


class CorrectReferral(FieldCorrection):
    """Say what a field of an earlier event should have been, and why (DPA 2018 s46).

    The original stays visible beside it.
    """

    makes = (events.ReferralCorrected,)


class CloseReferral(Command):
    """Record that nothing more is to be done about the incident, and why. Only a supervisor can open it again."""

    records = events.ReferralClosed

    reason: events.ClosingReason


class ReopenReferral(Command):
    """Open a closed referral again, and say why. It may then be triaged again."""

    roles: ClassVar[frozenset[str] | None] = _SUPERVISOR
    records = events.ReferralReopened

    why: Sealed[FreeText]


COMMANDS: Final = commands_in(__name__)
