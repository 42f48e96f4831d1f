"""The summary of an education session."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from services.education.events import EVENTS, PlaceBooked, PlaceCancelled, SessionDelivered, SessionPlanned
from services.reporting.summaries.summary import SummaryType, first_fields
from services.trade.summary import CaseView, Summary
from services.trade.vocabulary import SessionKind, Topic
from shared.domain.envelope import Fact
from shared.domain.messages import Correction, Timestamp, ValueObject


class PlaceSummary(ValueObject):
    """The holder of a place, and the case that it serves."""

    person_id: UUID
    case_id: UUID | None = None


class SessionSummary(Summary):
    """A session: its topic and kind, its day of delivery, and the numbers of people; None if no number was given."""

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

    @property
    def counted_days(self) -> list[date]:
        """The day of its delivery, and those on which duties lapsed."""
        return [*super().counted_days, *([] if self.delivered_on is None else [self.delivered_on])]


def session_summary(history: Sequence[Fact]) -> SessionSummary | None:
    """Summarise a history; None if nothing had been planned. Who planned a session has the work."""
    planned: SessionPlanned | None = None
    delivered: SessionDelivered | None = None
    delivered_on: date | None = None
    places: dict[UUID, PlaceSummary] = {}
    for fact in history:
        match fact.event:
            case SessionPlanned() as event:
                planned = event
            case SessionDelivered() as event:
                delivered, delivered_on = event, fact.day
            case PlaceBooked() as event:
                places[event.person_id] = PlaceSummary(person_id=event.person_id, case_id=event.case_id)
            case PlaceCancelled(person_id=person_id):
                places.pop(person_id, None)
            case _:
                pass
    if planned is None:
        return None
    return SessionSummary(
        **first_fields(history),
        officer=history[0].actor.id,
        cases=tuple(dict.fromkeys(place.case_id for place in places.values() if place.case_id is not None)),
        topic=planned.topic,
        kind=planned.kind,
        starts_at=planned.starts_at,
        school_urn=planned.school_urn,
        key_stage=planned.key_stage,
        delivered_on=delivered_on,
        pupils=None if delivered is None else delivered.headcount,
        staff=None if delivered is None else delivered.staff,
        parents=None if delivered is None else delivered.parents,
        places=tuple(places.values()),
    )


def session_for_case(view: Mapping[str, Any], session: SessionSummary, case_id: UUID) -> CaseView:
    """Return the session as a case may see it: the register holds the places of this case alone."""
    people = frozenset(place.person_id for place in session.places if place.case_id == case_id)
    own = set(map(str, people))
    register: Mapping[str, str] = view["register"]
    own_fields = {
        "register": {person: status for person, status in register.items() if person in own},
        "starts_at": session.starts_at.isoformat(),
        "delivered_on": None if session.delivered_on is None else session.delivered_on.isoformat(),
    }
    return CaseView({**view, **own_fields}, frozenset(set(register) - own), people)


def session_events_for_case(history: Sequence[tuple[Fact, Fact]], case_id: UUID) -> Collection[UUID]:
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


SESSION: Final = SummaryType(EVENTS.service, SessionSummary, session_summary, session_for_case, session_events_for_case)
"""Summaries of sessions, which several cases share."""
