"""The fold of a session: how each fact changes the state. It applies no rule."""

from typing import assert_never
from uuid import UUID

from services.education import events
from services.education.domain.state import MISSED, Absence, Contact, GivenBack, Place, Session, Stage
from services.trade.vocabulary import AttendanceStatus
from shared.domain.corrections import PastFacts
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact
from shared.domain.messages import model_from
from shared.domain.states import replace


def evolve(state: Session | None, fact: Fact[events.EducationEvent]) -> Session:
    """Return the session after one more fact; raises `BrokenHistory` if the fact could not have happened."""
    event = fact.event
    if isinstance(event, events.SessionPlanned):
        return replace(_planned(state, fact, event), record=PastFacts(fact))
    if state is None:
        raise BrokenHistory(fact, "the session was never planned")
    return replace(_state_after(state, fact, event), record=PastFacts(fact, state.record))


def _state_after(state: Session, fact: Fact, event: events.EventAfterPlanning) -> Session:
    match event:
        case events.PlaceBooked():
            return _booked(state, fact, event)
        case events.PlaceCancelled():
            return _given_back(state, fact, event)
        case events.SessionDelivered():
            return replace(
                state,
                stage=Stage.DELIVERED,
                headcount=event.headcount,
                staff=event.staff,
                parents=event.parents,
                delivered_at=fact.occurred_at,
            )
        case events.AttendanceRecorded():
            return _attended(state, fact, event)
        case events.AbsenceReasonDecided():
            return _decided(state, fact, event)
        case events.SessionCancelled():
            return _cancelled(state, fact)
        case events.ContactRecorded():
            return replace(state, contacts=(*state.contacts, Contact(event.person_id, fact.day)))
        case events.RecordCorrected(field="starts_at"):
            return replace(state, moved_by=fact.version)
        case events.FeedbackRecorded() | events.RecordCorrected():  # a corrected value already stands in its place
            return state
        case _:
            assert_never(event)


def _planned(state: Session | None, fact: Fact, event: events.SessionPlanned) -> Session:
    if state is not None:
        raise BrokenHistory(fact, "the session is planned already")
    return Session(
        stage=Stage.PLANNED,
        kind=event.kind,
        topic=event.topic,
        planned_at=fact.occurred_at,
        starts_at=event.starts_at,
        hours=event.hours,
        school_urn=event.school_urn,
        key_stage=event.key_stage,
    )


def _place(state: Session, fact: Fact, person_id: UUID) -> Place:
    if person_id not in state.places:
        raise BrokenHistory(fact, "this person has no place in the session")
    return state.places[person_id]


def _with(state: Session, place: Place) -> Session:
    return replace(state, places={**state.places, place.booking.person_id: place})


def _booked(state: Session, fact: Fact, event: events.PlaceBooked) -> Session:
    if event.person_id in state.places:
        raise BrokenHistory(fact, "this person has a place already")
    return _with(state, Place(model_from(events.Booking, event), fact.occurred_at, fact.version))


def _given_back(state: Session, fact: Fact, event: events.PlaceCancelled) -> Session:
    given_back = GivenBack(_place(state, fact, event.person_id).booking, fact.occurred_at, event.why, fact.version)
    return replace(
        state,
        places={person: place for person, place in state.places.items() if person != event.person_id},
        given_back={**state.given_back, event.person_id: given_back},
    )


def _attended(state: Session, fact: Fact, event: events.AttendanceRecorded) -> Session:
    place = _place(state, fact, event.person_id)
    if not place.open:
        raise BrokenHistory(fact, "attendance is recorded already")
    pending = event.status is AttendanceStatus.DNA_PENDING
    absence = Absence(fact.day, pending) if event.status in MISSED else None
    ended = replace(place, status=event.status, recorded_at=fact.occurred_at, absence=absence, version=fact.version)
    return _with(state, ended)


def _decided(state: Session, fact: Fact, event: events.AbsenceReasonDecided) -> Session:
    place = _place(state, fact, event.person_id)
    if not place.waits_for_reason or place.absence is None:
        raise BrokenHistory(fact, "no absence waits for a reason")
    status = AttendanceStatus.DNA_ACCEPTABLE if event.acceptable else AttendanceStatus.DNA_UNACCEPTABLE
    return _with(state, replace(place, status=status, absence=replace(place.absence, decided_on=fact.day)))


def _cancelled(state: Session, fact: Fact) -> Session:
    places = {
        person: replace(place, status=AttendanceStatus.CANCELLED_BY_SERVICE, version=fact.version)
        if place.open
        else place
        for person, place in state.places.items()
    }
    return replace(state, stage=Stage.CANCELLED, cancelled_at=fact.occurred_at, places=places)
