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
from shared.domain.messages import Correction, Event, FreeText
from shared.domain.persons import Merging, Separation
from shared.domain.sealing import OwnedBy, Sealed

Relation = Literal["PARENT", "CARER", "GUARDIAN", "LOCAL_AUTHORITY", "OTHER"]


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


class RecordCorrected(Correction):
    """A field of an earlier event of this person was wrong; this is its right value (DPA 2018 s46).

    The original event stays. `child_id` is the child of a corrected relation.
    """

    why: Annotated[Sealed[FreeText], OwnedBy("person_id")]
    person_id: UUID | None = None
    child_id: UUID | None = None
    owner: UUID | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("owner")] = None


PersonEvent: TypeAlias = PersonMerged | PersonSeparated | HistoryRecorded | RelationRecorded | RecordCorrected
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
    RecordCorrected: ("person_id", "child_id"),
}
"""Each event -> its fields with the persons whom it is about (`Service.keeps_of_people`)."""
