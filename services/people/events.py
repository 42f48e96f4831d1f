"""What has happened to persons: the contract that other services may import.

A stream is a person, and its own home. Each event names the person in `person_id`, under whose key its texts are sealed.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

from services.trade.vocabulary import LAW_ENFORCEMENT, WORDS, GivenBy, Personal, Reference
from shared.domain.envelope import EventRegistry
from shared.domain.messages import Added, Correction, Event, FreeText, Hours
from shared.domain.persons import Merging, Separation
from shared.domain.sealing import OwnedBy, Sealed

Relation = Literal["PARENT", "CARER", "GUARDIAN", "LOCAL_AUTHORITY", "OTHER"]

CircumstanceKind = Literal["ACCOMMODATION", "ETE", "SEND", "MENTAL_HEALTH", "SUBSTANCES", "CARE"]
"""What is recorded of how a child lives. ETE: education, training or employment; SEND: special educational needs."""

_IN_A_HOME = Literal["LIVING_WITH_PARENT_S", "AT_HOME", "LIVING_WITH_FAMILY_NOT_PARENTS", "LIVING_WITH_FRIENDS"]
_IN_CARE = Literal["FOSTER_CARE_LA", "FOSTER_CARE_PRIVATE", "RESIDENTIAL_UNIT_LA", "RESIDENTIAL_UNIT_PRIVATE"]
_SECURE = Literal["RESIDENTIAL_UNIT_SECURE", "YOI", "STC", "SCH"]
_SUPPORTED = Literal["SUPPORTED_ACCOMMODATION_SUPPORTED_LODGINGS", "TEMPORARY_ACCOMMODATION", "BAIL_HOSTEL"]
_OTHERWISE = Literal["INDEPENDENT_LIVING", "HOSPITAL", "TRAVELLER_SITE", "BED_AND_BREAKFAST", "NO_FIXED_ABODE"]
Accommodation = Literal[_IN_A_HOME, _IN_CARE, _SUPPORTED, _SECURE, _OTHERWISE, "OTHER", "UNKNOWN"]
"""Where a child lives, in the codes of the Youth Justice Board (KPI 1)."""

_SCHOOL = Literal["MAINSTREAM_SCHOOL", "SCHOOL_FULL_TIME", "SCHOOL_PART_TIME", "ELECTIVELY_HOME_EDUCATED"]
_PRU = Literal["ALTERNATIVE_PROVISION_PRU_FULL_TIME", "ALTERNATIVE_PROVISION_PRU_PART_TIME", "PUPIL_REFERRAL_UNIT"]
_OTHER_PROVISION = Literal["ALTERNATIVE_PROVISION_OTHER_FULL_TIME", "ALTERNATIVE_PROVISION_OTHER_PART_TIME"]
_ALTERNATIVE = Literal["ALTERNATIVE_PROVISION", "ALTERNATIVE_PROVISION_ABOVE_SCHOOL_AGE", _OTHER_PROVISION]
_TRAINING = Literal["TRAINEESHIP", "TRAINING_COURSE_APPRENTICESHIP", "SUPPORTED_INTERNSHIP", "MENTORING_CIRCLE"]
_FURTHER = Literal["COLLEGE", "UNIVERSITY", "EDUCATION_RE_ENGAGEMENT_PROGRAMME", _TRAINING]
_WORK = Literal["EMPLOYMENT", "FULL_TIME_EMPLOYMENT", "PART_TIME_EMPLOYMENT", "SELF_EMPLOYMENT", "VOLUNTARY_WORK"]
Provision = Literal[_SCHOOL, _PRU, _ALTERNATIVE, _FURTHER, _WORK, "OTHER", "NONE"]
"""In what education, training or employment a child is, in the codes of the Youth Justice Board (KPI 2)."""

MentalHealthIntervention = Literal[
    "GETTING_ADVICE", "GETTING_HELP", "GETTING_ADDITIONAL_HELP", "GETTING_RISK_SUPPORT", "NO_INTERVENTION"
]
"""What is offered for a child's mental health, in the codes of the Youth Justice Board (KPI 4)."""

SubstancesIntervention = Literal[
    "TARGETED_INTERVENTION", "SPECIALIST_SUBSTANCE_MISUSE_TREATMENT", "COMPLEX_CARE", "NO_INTERVENTION"
]
"""What is offered for a child's use of substances, in the codes of the Youth Justice Board (KPI 5)."""

CareStatus = Literal["LOOKED_AFTER", "CHILD_PROTECTION_PLAN", "CHILD_IN_NEED", "EARLY_HELP_PLAN", "EARLY_HELP_REFERRAL"]
"""The status of a child with wider services (KPI 7); of a referral to Early Help, `since` is its day."""

Suitability = Literal["SUITABLE", "UNSUITABLE", "UNKNOWN"]


class HistoryKind(StrEnum):
    """What was given elsewhere."""

    YRD = "YRD"
    YC = "YC"
    YCC = "YCC"
    CONVICTION = "CONVICTION"
    OUTCOME_22 = "OUTCOME_22"
    OUTCOME_23 = "OUTCOME_23"


class Contact(StrEnum):
    """Whether an adult may be in contact with a child: NONE is the team's own decision, ORDER a court's."""

    ALLOWED = "ALLOWED"
    NONE = "NONE"
    ORDER = "ORDER"


class PersonMerged(Merging):
    """The person is the same as the one of the id `into`: both ids name one person from now on, in every service.

    The events that hold the one or the other id stay as they are.
    """

    sentence = "Merged: this person is the same as another one"

    why: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.REASONS]


class PersonSeparated(Separation):
    """The merging was wrong: the two ids name two persons again. `into` is the id into which it was merged."""

    sentence = "Separated: this person is not the same as the other one"

    why: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.REASONS]


class HistoryRecorded(Event):
    """Something was given to the child elsewhere. It counts as earlier wherever that is asked (R10, R13, first-time entrants)."""

    sentence = "Earlier history recorded: {kind}, {on}, by {by}[, reference {reference}]"

    person_id: UUID
    entry_id: UUID
    kind: HistoryKind
    on: date
    by: GivenBy
    reference: Reference | None = None


class RelationRecorded(Event):
    """An adult, the person of the stream, stands in this relation to a child. The latest counts.

    While contact is NONE or under ORDER, until the day `until`, nothing about the child goes to the adult (PR1, R7).
    """

    sentence = (
        "Relation to a child recorded: {relation}[, {parental_responsibility?with|without} parental responsibility]; "
        "contact: {contact}[, until {until}]"
    )

    person_id: UUID
    child_id: UUID
    relation: Relation
    parental_responsibility: bool | None = None
    contact: Contact
    order: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None
    until: date | None = None


class CircumstanceRecorded(Event):
    """How a child lives from a day, until another: an interval, as its latest event has it. Hours are those of a week.

    What returns count is coded and in clear; `description` says the rest.
    """

    sentence = (
        "Circumstance recorded: {kind}[, {accommodation}][, {provision}][, {suitable}]"
        "[, {identified?need identified|no need identified}][, {formal_plan?with|without} a formal plan]"
        "[, screened {screened_on}][, {mental_health_intervention}][, {substances_intervention}][, offered {offered_on}]"
        "[, attended from {attended_from}][, attended until {attended_until}][, {care_status}], from {since}[, until {until}]"
    )

    person_id: UUID
    circumstance_id: UUID
    kind: CircumstanceKind
    accommodation: Accommodation | None = None
    provision: Provision | None = None
    suitable: Suitability | None = None
    hours_offered: Hours | None = None
    hours_attended: Hours | None = None
    identified: Added[bool] = None
    formal_plan: Added[bool] = None
    screened_on: Added[date] = None
    mental_health_intervention: Added[MentalHealthIntervention] = None
    substances_intervention: Added[SubstancesIntervention] = None
    offered_on: Added[date] = None
    attended_from: Added[date] = None
    attended_until: Added[date] = None
    care_status: Added[CareStatus] = None
    description: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.CHARACTERISTICS] = None
    since: date
    until: date | None = None


class RecordCorrected(Correction):
    """A field of an earlier event of this person was wrong; this is its right value (DPA 2018 s46).

    The original event stays. `child_id` is the child of a corrected relation.
    """

    why: Annotated[Sealed[FreeText], OwnedBy("person_id")]
    person_id: UUID | None = None
    child_id: UUID | None = None
    owner: UUID | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("owner")] = None


PersonEvent: TypeAlias = (
    PersonMerged | PersonSeparated | HistoryRecorded | RelationRecorded | CircumstanceRecorded | RecordCorrected
)
"""Every event of a person; mypy reports each one that `evolve` has no branch for."""

EVENTS: Final = EventRegistry(
    "people",
    get_args(PersonEvent),
    labels=lambda _cls: LAW_ENFORCEMENT,
    mentions=("person_id", "into", "child_id"),
    words=WORDS,
    reasons=Personal.REASONS,
)

OF_PERSONS: Final[Mapping[type[Event], tuple[str, ...]]] = {
    PersonMerged: ("person_id", "into"),
    PersonSeparated: ("person_id", "into"),
    HistoryRecorded: ("person_id",),
    RelationRecorded: ("person_id", "child_id"),
    CircumstanceRecorded: ("person_id",),
    RecordCorrected: ("person_id", "child_id"),
}
"""Each event -> its fields with the persons whom it is about (`Service.keeps_of_people`)."""
