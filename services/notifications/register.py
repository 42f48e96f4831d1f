"""The register of a session by case: what is followed of it and concerns the places of one case, or the session as such."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.education.events import (
    AbsenceReasonDecided,
    AttendanceRecorded,
    Booking,
    PlaceBooked,
    PlaceCancelled,
    RecordCorrected,
)
from shared.domain.envelope import Fact


@dataclass
class Register:
    """The facts of a session by whom they are about, so that each case reads its own alone: a session has hundreds."""

    of_session: list[Fact] = field(default_factory=list)
    """What each case reads: the plan, its corrections, and the end."""
    of_person: dict[UUID, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    people: dict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    """Who has, or had, a place for each case."""

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Register:
        """Sort the facts of a session, in order of version."""
        register = cls()
        about: dict[UUID | None, frozenset[UUID]] = {}
        for fact in facts:
            corrected = fact.event.corrects if isinstance(fact.event, RecordCorrected) else None
            if corrected is not None and corrected not in about:
                continue  # of what nobody is told of
            about[fact.event_id] = people = register._book(fact) | about.get(corrected, frozenset())
            for person in people:
                register.of_person[person].append(fact)
            if not people:
                register.of_session.append(fact)
        return register

    def _book(self, fact: Fact) -> frozenset[UUID]:
        """Note the places that a fact names; return whom it is about: nobody, if it is about the session."""
        places: tuple[Booking | PlaceBooked, ...] = ()
        match fact.event:
            case PlaceBooked() as booked:
                places = (booked,)
            case RecordCorrected(place=place):
                places = () if place is None else (place.before, place.after)
            case (
                PlaceCancelled(person_id=person)
                | AttendanceRecorded(person_id=person)
                | AbsenceReasonDecided(person_id=person)
            ):
                return frozenset({person})
        for booking in places:
            if booking.case_id is not None:
                self.people[booking.case_id].add(booking.person_id)
        return frozenset(place.person_id for place in places)

    def of_case(self, case_id: UUID) -> Sequence[Fact]:
        """Return what concerns a case, in order of version."""
        own = (fact for person in self.people.get(case_id, ()) for fact in self.of_person[person])
        return sorted({fact.version: fact for fact in (*self.of_session, *own)}.values(), key=lambda fact: fact.version)

    def moved_by(self, versions: Collection[int]) -> set[UUID]:
        """Return the cases that some new facts concern."""
        if any(fact.version in versions for fact in self.of_session):
            return set(self.people)
        moved = {person for person, facts in self.of_person.items() if any(fact.version in versions for fact in facts)}
        return {case_id for case_id, people in self.people.items() if not moved.isdisjoint(people)}
