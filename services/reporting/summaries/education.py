"""The record of an education session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from services.education.events import PlaceBooked, PlaceCancelled, SessionDelivered, SessionPlanned
from services.reporting.summaries.summary import Summary, head
from services.vocabulary import SessionKind, Topic
from shared.domain.messages import Fact, Timestamp, ValueObject


class PlaceSummary(ValueObject):
    """Who has a place, and for which case."""

    person_id: UUID
    case_id: UUID | None = None


class SessionSummary(Summary):
    """What a session was, when it was delivered, and the heads that were counted: none where none was given."""

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


def session_summary(history: Sequence[Fact]) -> SessionSummary | None:
    """The record of a cut history; None where nothing had been planned. Who planned a session has the work."""
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
        **head(history),
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
