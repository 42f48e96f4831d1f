"""What has happened to referrals: the contract that other services may import.

The home of a referral is the case that its first event names. Narrative is sealed under the case's key, a person's
details under that person's own.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import ConfigDict, Field

from services.trade.vocabulary import (
    LAW_ENFORCEMENT,
    RECORD_IDS,
    WORDS,
    AlertKind,
    Category,
    Channel,
    CrimeNumber,
    Flags,
    IncidentType,
    Language,
    LawfulBasis,
    MediaType,
    MessageTemplate,
    Minutes,
    OutcomeCode,
    PartyDetails,
    Personal,
    PersonRole,
    Reference,
    SchoolUrn,
    Topic,
    TriageOutcome,
)
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Added, Correction, Digest, Event, FreeText, Timestamp
from shared.domain.sealing import FieldClass, OwnedBy, Sealed

Source = Literal["SCHOOL", "POLICE_101", "POLICE_ONLINE", "OFFICER", "OTHER_AGENCY", "PUBLIC"]
Setting = Literal["SCHOOL", "ONLINE", "COMMUNITY"]
Preference = Literal["SCHOOL_LED", "POLICE", "RESTORATIVE", "NO_ACTION"]
PreferenceGiver = Literal["VICTIM", "PARENT"]
AdviceTo = Literal["CHILD", "PARENT_CARER", "PROFESSIONAL"]
Means = Literal["PHONE", "VISIT", "LETTER", "EMAIL"]
MashDecision = Literal["NO_FURTHER_ACTION", "EARLY_HELP", "ASSESSMENT", "STRATEGY_DISCUSSION"]
NrmStage = Literal["REASONABLE_GROUNDS", "CONCLUSIVE_GROUNDS"]
MessageChannel = Literal["EMAIL", "SMS", "LETTER"]
WrittenByHand = Literal[MessageTemplate.PLEASE_RING, MessageTemplate.TRIED_TO_RING, MessageTemplate.PAPERS_SENT]
WhyMessageFailed = Literal["NO_ADDRESS", "ADDRESS_REFUSED", "NO_ANSWER", "NOT_DELIVERED"]
TemplateVersion = Annotated[int, Field(ge=1, le=1_000)]
"""Which edition of a template was used; the first is 1."""
ClosingReason = Literal[
    "INTERVENTION_COMPLETE", "ADVICE_GIVEN", "SCHOOL_LED", "DISPOSED", "REFERRED_ON", "REJECTED", "DUPLICATE"
]
OF_AN_OFFENDER: Final = frozenset({Category.SUSPECT, Category.CONVICTED, Category.DISPOSED_OOC})
"""Categories that a child under ten can never have."""

Years = Annotated[int, Field(ge=0)]
"""An age in whole years."""


class ReferralReceived(Event):
    """A school, the police, another agency or anybody else reported an incident, and a referral began.

    Its duties count working days from `reported_at`. What happened (`narrative`) is kept apart from how the reporter
    judges it (`assessment`), as DPA 2018 s38 asks.
    """

    sentence = "Referral received, source {source}: {incident_type}, happened on {happened_at}[; flags: {flags}]"

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
    narrative: Annotated[Sealed[FreeText], Personal.NARRATIVE]
    assessment: Annotated[Sealed[FreeText] | None, Personal.NARRATIVE] = None
    lawful_basis: LawfulBasis


ParentOf = Annotated[tuple[UUID, ...], Field(max_length=20)]
"""The children of the case whose parent or carer somebody is."""


InPlaceOf = ParentOf
"""The victims in whose place their parent is told: none, if all are old enough to be told themselves."""


class PersonLinked(Event):
    """A person has a part in the incident, and a category in data protection law (DPA 2018 s38(3)).

    A later link of the same person replaces the earlier one. An organisation, such as a shop, is linked as well: it has no
    date of birth and no age, and is never a harmer. `age_at_incident` is in whole years on the Europe/London
    day of the incident.
    """

    sentence = "Person linked as {role}, category {category}[, aged {age_at_incident} at the incident]"

    person_id: UUID
    role: PersonRole
    category: Category
    details: Annotated[PartyDetails, OwnedBy("person_id")]
    age_at_incident: Years | None
    child_at_report: Added[bool] = None
    """Whether the person was under age on the day of the report: who was harmed then has enhanced rights."""
    parent_of: Added[ParentOf] = None
    """Whose parent or carer the person is: they are told of these alone. None: that is not said."""
    resembles: Added[Annotated[tuple[UUID, ...], Field(max_length=1_000)]] = None
    """Persons of the same name and birth date whom the sender could not find: somebody who may compares them."""

    @property
    def is_harmed(self) -> bool:
        return not self.did_harm and (self.role is PersonRole.HARMED or self.category is Category.VICTIM)

    @property
    def did_harm(self) -> bool:
        """Whether the person is said to have done harm, by part or by category."""
        return self.role is PersonRole.HARMER or self.category in OF_AN_OFFENDER


class PersonCompared(Event):
    """Somebody compared a person with another one of the same name and birth date: they are two, for the reason given.

    This meets the duty `PERSON_COMPARED`, as merging the two does.
    """

    sentence = "Person compared with another of the same name and birth date: they are two"

    person_id: UUID
    another_than: UUID
    why: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.REASONS]


class ReferralAcknowledged(Event):
    """The person who reported the incident was told that the report has arrived. This meets the duty `REFERRAL_ACKNOWLEDGED`.

    Triage follows, unless a safeguarding hold stands.
    """

    sentence = "Referral acknowledged"


class SafeguardingConcernRaised(Event):
    """A child may be at risk, and a safeguarding hold begins (rule B1).

    Triage and crime outcomes are refused until the multi-agency safeguarding hub (MASH) is told, or a supervisor lifts
    the hold.
    """

    sentence = "Safeguarding concern raised; the designated safeguarding lead was {dsl_informed?informed|not informed}"

    concern: Annotated[Sealed[FreeText], Personal.NARRATIVE]
    dsl_informed: bool


class MashReferralMade(Event):
    """The multi-agency safeguarding hub (MASH) was told, and gave this reference.

    That lifts a safeguarding hold and meets the duty `MASH_REFERRED` (rule B1). It opens the duty `MASH_DECISION`.
    """

    sentence = "Referred to the multi-agency safeguarding hub, reference {mash_ref}"

    mash_ref: Reference


class MashDecisionRecorded(Event):
    """The local authority answered the referral to MASH. This meets the duty `MASH_DECISION` of each that waited."""

    sentence = "The local authority answered: {decision}"

    decision: MashDecision


class NrmReferred(Event):
    """A possible victim of modern slavery was referred to the National Referral Mechanism (MSA 2015 s52).

    This meets the duty `NRM_REFERRAL`, and opens the duty `NRM_DECISION`.
    """

    sentence = "Referred to the National Referral Mechanism, reference {reference}, by the {first_responder}"

    reference: Reference
    first_responder: Literal["POLICE", "LOCAL_AUTHORITY"]


class NrmDecisionRecorded(Event):
    """The competent authority decided on reasonable or conclusive grounds whether the child is a victim of modern slavery.

    A decision on reasonable grounds meets the duty `NRM_DECISION`. The disposal of the case looks at it (rules NR1, NR2).
    """

    sentence = "National Referral Mechanism decided on {stage}: {positive?positive|negative}"

    stage: NrmStage
    positive: bool


class SafeguardingHoldOverridden(Event):
    """A supervisor lifted the safeguarding hold without telling MASH, and gave the reason.

    That too meets the duty `MASH_REFERRED` (rule B1).
    """

    sentence = "Safeguarding hold lifted by a supervisor"

    reason: Annotated[Sealed[FreeText], Personal.REASONS]


class NudesScreeningCompleted(Event):
    """The five questions on a nude image of a child were answered (UKCIS, Sharing nudes and semi-nudes, 2024).

    A Yes stands until it is corrected: then triage may only refer to MASH or to the investigation (rule B4), and
    outcome 21 is refused (rule B6).
    """

    sentence = (
        "Screening of nude images completed: an adult is {adult_involved?involved|not involved}, coercion "
        "{coercion?yes|no}, atypical or violent {atypical_or_violent?yes|no}, sexual act under 13 "
        "{under_13_sexual_act?yes|no}, immediate risk {immediate_risk?yes|no}"
    )

    adult_involved: bool
    coercion: bool
    atypical_or_violent: bool
    under_13_sexual_act: bool
    immediate_risk: bool


class YjsReferred(Event):
    """The youth justice service was told of the child, as the guidance on knives asks within a working day.

    This meets the duty `YJS_REFERRAL`. Case managers may read the referral from now on.
    """

    sentence = "Referred to the youth justice service"


class CrimeRecorded(Event):
    """The police recorded the incident as a crime under this number (Home Office Counting Rules).

    Without it no outcome can be assigned (rule O1).
    """

    sentence = "Crime recorded, number {crime_number}"

    crime_number: CrimeNumber


class VictimPreferenceRecorded(Event):
    """A harmed person, or a parent for them, said how the incident should be dealt with.

    Triage may leave it to the school only if they prefer `SCHOOL_LED` (rule B7).
    """

    sentence = "Preference of the harmed person recorded: {preference}, given by the {given_by}"

    person_id: UUID
    preference: Preference
    given_by: PreferenceGiver


class VictimDetailsRecorded(Event):
    """How and when it is safe to reach somebody who was harmed, and what they want to hear of. The latest counts.

    `wants_support` opens the duty `VICTIM_SUPPORT_REFERRAL`. Nothing goes to a contact that is not marked as safe.
    """

    sentence = (
        "Victim's details recorded: the contact is {contact_is_safe?safe|not safe}; {wants_updates?wants|does not want} "
        "updates, {wants_support?wants|does not want} support[; {enhanced_rights?enhanced rights|no enhanced rights}]"
    )

    person_id: UUID
    enhanced_rights: bool | None = None
    contact: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.VICTIM_CONTACT] = None
    contact_is_safe: bool
    safe_times: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.VICTIM_CONTACT] = None
    language: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.VICTIM_CONTACT] = None
    wants_updates: bool
    wants_support: bool


class VictimInformedOfRestorativeJustice(Event):
    """Somebody who was harmed was told of restorative justice (Victims' Code, right 3).

    This meets the duty `VICTIM_RJ_INFORMATION`.
    """

    sentence = "Victim informed of restorative justice"

    person_id: UUID
    in_place_of: Added[InPlaceOf] = None


class VictimReferredToSupport(Event):
    """Somebody who was harmed was referred to a service that supports victims (Victims' Code, right 4).

    This meets the duty `VICTIM_SUPPORT_REFERRAL`.
    """

    sentence = "Victim referred to support"

    person_id: UUID
    service: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.VICTIM_VIEW]


class VictimTold(Event):
    """Somebody who was harmed was told what was decided (Victims' Code, right 6). This meets the duty `VICTIM_TOLD`."""

    sentence = (
        "Victim told by {means}, {reasons_given?with|without} the reasons; how to ask for a review was "
        "{review_explained?explained|not explained}"
    )

    person_id: UUID
    means: Means
    reasons_given: bool
    review_explained: bool
    in_place_of: Added[InPlaceOf] = None


class DocumentAttached(Event):
    """A document belongs to the referral. Its bytes are stored outside this system and recognised by their SHA-256.

    No document is attached where a nude image is involved (rule B5).
    """

    sentence = "Document attached, {media_type}"

    document_id: UUID
    media_type: MediaType
    sha256: Digest
    title: Annotated[Sealed[FreeText], Personal.NARRATIVE]


class ReferralTriaged(Event):
    """An officer decided what happens with the referral, and why.

    Incident type, setting and flags are those of the referral at that time, so that readers count without another
    query.
    """

    sentence = "Triaged: {outcome}[, {supervisor_reviewed?reviewed by a supervisor|not reviewed by a supervisor}]"

    outcome: TriageOutcome
    rationale_text: Annotated[Sealed[FreeText], Personal.REASONS]
    supervisor_reviewed: bool | None = None
    incident_type: IncidentType
    setting: Setting
    flags: Flags


class ReferralAllocated(Event):
    """A supervisor gave the referral to an officer. A later allocation replaces the officer."""

    sentence = "Referral allocated to an officer"

    officer_id: UUID


class AdviceGiven(Event):
    """A child, a parent or carer, or a professional was advised on a topic.

    Advice is not an activity, so outcome 22 cannot rest on it (rule O22).
    """

    sentence = "Advice given to the {to}: {topic}"

    to: AdviceTo
    person_id: UUID | None = None
    topic: Topic
    text: Annotated[Added[Sealed[FreeText]], Personal.NARRATIVE] = None
    minutes: Added[Minutes] = None


class ContactRecorded(Event):
    """Somebody tried to reach a person; `reached` says whether they did.

    The first contact that reaches anybody meets the duty `FIRST_CONTACT`. `with_victim`: it was with somebody harmed, so
    that anyone who works for victims may read the note. `interpreter`: somebody interpreted.
    """

    sentence = (
        "Contact by {means}: the person was {reached?reached|not reached}[, {interpreter?with|without} an interpreter]"
    )

    person_id: UUID
    means: Means
    reached: bool
    note: Annotated[Added[Sealed[FreeText]], OwnedBy("person_id"), Personal.NARRATIVE] = None
    with_victim: Added[bool] = None
    interpreter: Added[bool] = None


class PreferencesRecorded(Event):
    """Whether somebody wants to be written to, how, and in which language. The latest counts."""

    sentence = "Preferences recorded: messages are {messages_wanted?wanted|not wanted}[, by {preferred_channel}][, in {language}]"

    person_id: UUID
    messages_wanted: bool
    preferred_channel: Channel | None = None
    language: Language | None = None


class MessageRequested(Event):
    """Somebody asked that a person be written to. It is sent in open hours, if the person may still be told."""

    sentence = "Message asked for: {template}"

    person_id: UUID
    template: WrittenByHand


class MessageSent(Event):
    """A message was handed to the service that carries it, because of the event `about`.

    `with_victim`: it went to somebody harmed, so that anyone who works for victims may read it.
    """

    sentence = "Message sent by {channel}: {template}"

    message_id: UUID
    person_id: UUID
    about: UUID
    channel: MessageChannel
    template: MessageTemplate
    template_version: TemplateVersion
    text: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.NARRATIVE]
    with_victim: bool


class MessageFailed(Event):
    """A message could not be sent, or did not arrive. This opens the duty `RING_INSTEAD`."""

    sentence = "Message by {channel} failed: {template}, {why}"

    message_id: UUID
    person_id: UUID
    about: UUID
    channel: MessageChannel
    template: MessageTemplate
    template_version: TemplateVersion
    why: WhyMessageFailed


class MessageDelivered(Event):
    """The service that carried a message says that it reached the person's telephone, mailbox or door; nobody has to ring."""

    sentence = "Message delivered"

    message_id: UUID
    person_id: UUID


class AbsenceAnnounced(Event):
    """Somebody said beforehand that they cannot come to what the event `about` asks them to.

    This opens the duty `ANSWER_ABSENCE`.
    """

    sentence = "Somebody said that they cannot come to an appointment"

    person_id: UUID
    about: UUID


class AlertRaised(Event):
    """Anyone who works with this person must know something before they meet, as every case of the person shows.

    It stays open after the referral is closed, and is to be reviewed by `review_on` (duty `ALERT_REVIEW`). An earlier
    alert of the same kind on the person ends with it.
    """

    sentence = "Alert raised: {kind}, to be reviewed on {review_on}"

    alert_id: UUID
    person_id: UUID
    kind: AlertKind
    note: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None
    review_on: date


class AlertEnded(Event):
    """An alert no longer holds, for the reason given. This meets its duty `ALERT_REVIEW`."""

    sentence = "Alert ended"

    alert_id: UUID
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class FeedbackKind(StrEnum):
    """What somebody says of how the case was handled."""

    COMPLAINT = "COMPLAINT"
    COMPLIMENT = "COMPLIMENT"
    COMMENT = "COMMENT"


class FeedbackGiver(StrEnum):
    """Who says it."""

    CHILD = "CHILD"
    PARENT = "PARENT"
    VICTIM = "VICTIM"
    SCHOOL = "SCHOOL"
    OTHER = "OTHER"


class FeedbackRecorded(Event):
    """Somebody said how the case was handled. A complaint, or who wants an answer, opens the duty `FEEDBACK_ANSWERED`."""

    sentence = "Feedback recorded: {kind} by {giver}"

    # `from` is a keyword of Python, so the field is called `giver` here.
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    feedback_id: UUID
    kind: FeedbackKind
    giver: Annotated[FeedbackGiver, Field(alias="from")]
    text: Annotated[Sealed[FreeText], Personal.NARRATIVE]
    wants_answer: bool


class FeedbackAnswered(Event):
    """Feedback was answered. This meets its duty `FEEDBACK_ANSWERED`."""

    sentence = "Feedback answered"

    feedback_id: UUID
    answer: Annotated[Sealed[FreeText], Personal.REASONS]


class SchoolLedOutcomeConfirmed(Event):
    """The school said what it did about an incident that triage left to it (HOCR Schools Protocol)."""

    sentence = "School-led outcome confirmed"

    action: Annotated[Sealed[FreeText], Personal.NARRATIVE]


class CrimeOutcomeAssigned(Event):
    """A suspect of the crime, or without one the crime itself, has a Home Office outcome.

    The crime's own is the highest of them (Home Office Counting Rules, section H). An officer assigned it here, or it was carried over from the disposal that `disposal_id` names, whose rules have
    judged it. The answers on suspect, victim and parent, and the rationale, are null if it was carried over.
    """

    sentence = (
        "Outcome {code} assigned to the crime[; the victim was {victim_informed?informed|not informed}][; the "
        "parent was {parent_informed?informed|not informed}]"
    )

    code: OutcomeCode
    person_id: UUID | None = None
    named_suspect: bool | None = None
    rationale_text: Annotated[Sealed[FreeText] | None, Personal.REASONS] = None
    victim_informed: bool | None = None
    parent_informed: bool | None = None
    disposal_id: UUID | None = None


class CrimeOutcomeWithdrawn(Event):
    """The outcome that a disposal carried to the crime counts no more, because the disposal was annulled.

    Other suspects keep theirs; the crime has the highest of those.
    """

    sentence = "Outcome withdrawn: its disposal was annulled"

    disposal_id: UUID
    person_id: UUID


class ActivityUndertaken(Event):
    """A child took part in a session or a conference that serves this referral, and complied (rule O22).

    Recorded by reaction to the register of education, or to a conference that was held; it meets the duty `INTERVENTION_DELIVERED`, and outcome 22 may
    rest on it.
    """

    sentence = "The child took part in an activity for this referral"

    session_id: UUID
    person_id: UUID


class ReferralCorrected(Correction):
    """A field of an earlier event of this referral was wrong; this is its right value (DPA 2018 s46).

    The original event stays. A sealed value is encrypted with the key of that field's owner: the person `person_id`, or
    the case if that is null.
    """

    person_id: UUID | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("person_id")] = None


class ReferralClosed(Event):
    """Nothing more is to be done about the incident, for the reason given. This meets the duty `REFERRAL_CLOSED`."""

    sentence = "Referral closed: {reason}"

    reason: ClosingReason


class ReferralReopened(Event):
    """A supervisor opened a closed referral again, and said why. It counts as triaged, and may be triaged again."""

    sentence = "Referral reopened"

    why: Annotated[Sealed[FreeText], Personal.REASONS]


ReferralEvent: TypeAlias = (
    ReferralReceived
    | PersonLinked
    | PersonCompared
    | ReferralAcknowledged
    | SafeguardingConcernRaised
    | MashReferralMade
    | MashDecisionRecorded
    | NrmReferred
    | NrmDecisionRecorded
    | SafeguardingHoldOverridden
    | NudesScreeningCompleted
    | YjsReferred
    | CrimeRecorded
    | VictimPreferenceRecorded
    | VictimDetailsRecorded
    | VictimInformedOfRestorativeJustice
    | VictimReferredToSupport
    | VictimTold
    | DocumentAttached
    | ReferralTriaged
    | ReferralAllocated
    | AdviceGiven
    | ContactRecorded
    | PreferencesRecorded
    | MessageRequested
    | MessageSent
    | MessageFailed
    | MessageDelivered
    | AbsenceAnnounced
    | AlertRaised
    | AlertEnded
    | FeedbackRecorded
    | FeedbackAnswered
    | SchoolLedOutcomeConfirmed
    | CrimeOutcomeAssigned
    | CrimeOutcomeWithdrawn
    | ActivityUndertaken
    | ReferralCorrected
    | ReferralClosed
    | ReferralReopened
)
"""Every event of a referral; mypy reports each one that `evolve` has no branch for."""

ACCEPTED: Final = frozenset({TriageOutcome.ACCEPT_INTERVENTION, TriageOutcome.REFER_DISPOSAL_PANEL})
"""Outcomes of triage by which the partnership takes a referral on."""


def _online(fact: Fact) -> Iterable[str]:
    match fact.event:
        case ReferralReceived(setting="ONLINE"):
            yield "ONLINE"
        case ReferralCorrected(field="setting", value="ONLINE"):
            yield "ONLINE"
        case _:
            pass


def _received(fact: Fact) -> Iterable[str]:
    """REPORTED_BY:{organisation}: whose report it is."""  # the reference page reads it
    yield f"REPORTED_BY:{fact.envelope.actor.organisation}"
    yield from _online(fact)


def _accepted(fact: Fact) -> Iterable[str]:
    """ACCEPTED: triage decided ACCEPT_INTERVENTION or REFER_DISPOSAL_PANEL, whatever came later."""  # noqa: D401  # the reference page reads it
    match fact.event:
        case ReferralTriaged(outcome=outcome) | ReferralCorrected(field="outcome", value=outcome) if (
            outcome in ACCEPTED
        ):
            yield "ACCEPTED"
        case _:
            pass


def _corrected(fact: Fact) -> Iterable[str]:
    """ONLINE: it happened online, as received or as corrected."""
    yield from (*_online(fact), *_accepted(fact))


def _yjs_referred(_fact: Fact) -> Iterable[str]:
    """YJS_REFERRED: the youth justice service was told of the child."""
    return ("YJS_REFERRED",)


_OF_THE_HARMED: Final[Mapping[FieldClass, FieldClass]] = {
    Personal.IDENTITY: Personal.VICTIM_IDENTITY,
    Personal.CONTACT: Personal.VICTIM_CONTACT,
}


def _of_the_harmed(event: Event, declared: FieldClass) -> FieldClass:
    """Who was harmed, how they are reached, and what they said are classes of their own (docs/reference/access.md)."""
    match event:
        case PersonLinked() if event.is_harmed:
            return _OF_THE_HARMED.get(declared, declared)
        case ContactRecorded(with_victim=True) | MessageSent(with_victim=True) if declared is Personal.NARRATIVE:
            return Personal.VICTIM_VIEW
        case _:
            return declared


EVENTS: Final = EventRegistry(
    "referral",
    get_args(ReferralEvent),
    labels=lambda _cls: LAW_ENFORCEMENT,
    marks={
        ReferralReceived: _received,
        ReferralCorrected: _corrected,
        ReferralTriaged: _accepted,
        YjsReferred: _yjs_referred,
    },
    mentions=("case_id", "person_id", "parent_of", "disposal_id", "in_place_of"),
    of_records=RECORD_IDS,
    words=WORDS,
    reasons=Personal.REASONS,
    narrowed=_of_the_harmed,
)
