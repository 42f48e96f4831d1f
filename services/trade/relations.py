"""Relations of adults to children, and whether they may be in contact, for the rules of services (`Context.known`)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from services.people.events import OF_PERSONS, Contact, PersonMerged, PersonSeparated, RecordCorrected, RelationRecorded
from shared.domain.decider import versions_of
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import Event
from shared.domain.persons import Known

KEPT_OF_RELATIONS: Final[Mapping[type[Event], tuple[str, ...]]] = {
    cls: OF_PERSONS[cls] for cls in (PersonMerged, PersonSeparated, RelationRecorded, RecordCorrected)
}
"""The events of persons that say who is related to whom (`Service.keeps_of_people`)."""


@dataclass(frozen=True, slots=True)
class NoContact:
    """An adult who may have no contact with a child, and the last day of that; None: for good."""

    adult: UUID
    child: UUID
    why: Contact
    until: date | None

    def stands(self, day: date) -> bool:
        return self.until is None or day <= self.until


def related_on(adult: UUID, child: UUID, known: Known) -> date | None:
    """Return the first day on which somebody said in which relation an adult stands to a child; None if nobody has."""
    return min((fact.day for fact in _relations(adult, child, known)), default=None)


def barred(adult: UUID, child: UUID, known: Known, day: date) -> NoContact | None:
    """Return what keeps an adult from a child on a day, as it was recorded last; None if nothing does."""
    bar = last_bar(adult, child, known)
    return bar if bar is not None and bar.stands(day) else None


def is_barred_from_any(adult: UUID, others: Iterable[UUID], known: Known, day: date) -> bool:
    """Tell whether an adult may have no contact with one of these persons on a day: then nothing about a case of theirs goes there."""
    return any(barred(adult, other, known, day) is not None for other in others if other != adult)


def last_bar(adult: UUID, child: UUID, known: Known) -> NoContact | None:
    """Return what was recorded last to keep an adult from a child, on whatever day; None if contact is allowed."""
    latest = max(_relations(adult, child, known), key=lambda fact: (fact.occurred_at, fact.version), default=None)
    if latest is None or latest.event.contact is Contact.ALLOWED:
        return None
    return NoContact(adult, child, latest.event.contact, latest.event.until)


def _relations(adult: UUID, child: UUID, known: Known) -> Iterator[Fact[RelationRecorded]]:
    adults, children = known.same_as(adult), known.same_as(child)
    for versions in versions_of(known.facts).values():
        fact = versions[-1]
        if has_event(fact, RelationRecorded) and fact.event.person_id in adults and fact.event.child_id in children:
            yield fact
