"""What is counted and listed of a session, and the part of it that each case with a place sees."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from services.education.domain.state import Session
from services.education.events import PlaceBooked
from services.trade.summary import CaseView, Summary, common_fields
from services.trade.vocabulary import SessionKind, Topic
from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.messages import Correction, Timestamp, ValueObject


class PlaceSummary(ValueObject):
    """The holder of a place, and the case that it serves."""

    person_id: UUID
    case_id: UUID | None = None


class SessionSummary(Summary):
    """A session: its topic and kind, its day of delivery, and the numbers of people; None if no number was given."""

    is_shared: ClassVar[bool] = True

    topic: Topic
    kind: SessionKind
    starts_at: Timestamp
    school_urn: str | None = None
    key_stage: str | None = None
    delivered_on: date | None = None
    pupils: int | None = None
    staff: int | None = None
    parents: int | None = None
    places: tuple[PlaceSummary, ...] = ()

    def view_for_case(self, view: Mapping[str, Any], case_id: UUID) -> CaseView:
        """Return the session as a case may see it: the register holds the places of this case alone."""
        people = frozenset(place.person_id for place in self.places if place.case_id == case_id)
        own = set(map(str, people))
        register: Mapping[str, str] = view["register"]
        own_fields = {
            "register": {person: status for person, status in register.items() if person in own},
            "booked_for": {person: str(case_id) for person in register if person in own},
            "serves": {person: served for person, served in view["serves"].items() if person in own},
            "starts_at": self.starts_at.isoformat(),
            "delivered_on": None if self.delivered_on is None else self.delivered_on.isoformat(),
        }
        return CaseView({**view, **own_fields}, frozenset(set(register) - own), people)

    @classmethod
    def events_for_case(cls, history: Sequence[tuple[Fact, Fact]], case_id: UUID) -> Collection[UUID]:
        """Return the ids of the events that concern a case: those of its places, and those of the session as such.

        A place belongs to the case for which it was booked, as recorded or as corrected. Empty if no place ever did.
        """
        concerns: dict[UUID, bool] = {}
        booked_for: dict[UUID, bool] = {}
        for recorded, corrected in history:
            match recorded.event:
                case PlaceBooked(person_id=person_id) as booking:
                    booked_for[person_id] = case_id in {booking.case_id, getattr(corrected.event, "case_id", None)}
                    concerns[recorded.event_id] = booked_for[person_id]
                case Correction(corrects=target):
                    concerns[recorded.event_id] = concerns[target]
                case event:
                    person = getattr(event, "person_id", None)
                    concerns[recorded.event_id] = person is None or booked_for.get(person, False)
        return {event_id for event_id, own in concerns.items() if own} if any(booked_for.values()) else ()


def summary(state: Session, first: Fact) -> SessionSummary:
    """Summarise a session. Who planned it has the work."""
    bookings = [place.booking for place in state.places.values()]
    return SessionSummary(
        **common_fields(first),
        officer=first.actor.id,
        cases=tuple(dict.fromkeys(booking.case_id for booking in bookings if booking.case_id is not None)),
        topic=state.topic,
        kind=state.kind,
        starts_at=state.starts_at,
        school_urn=state.school_urn,
        key_stage=state.key_stage,
        delivered_on=None if state.delivered_at is None else local_day(state.delivered_at),
        pupils=state.headcount,
        staff=state.staff,
        parents=state.parents,
        places=tuple(PlaceSummary(person_id=booking.person_id, case_id=booking.case_id) for booking in bookings),
    )
