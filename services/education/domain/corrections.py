"""Corrections of a session: which fields may be corrected, and what follows in the register and for other services."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import dropwhile, takewhile
from typing import Final
from uuid import UUID

from services.education import events
from services.education.domain.commands import CorrectRecord
from services.education.domain.derived import SOURCES, derived_fields
from services.education.domain.evolve import evolve
from services.education.domain.state import Session
from services.trade.vocabulary import AttendanceStatus
from shared.domain.corrections import CorrectionEngine, facts_of
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import Event, model_from
from shared.domain.rules import Context

CORRECTIONS: Final[CorrectionEngine[events.RecordCorrected, Session]] = CorrectionEngine(
    events.RecordCorrected,
    evolve,
    fixed=frozenset(
        {
            # The person decides whose key seals the evidence.
            (events.AttendanceRecorded, "person_id"),
            (events.AbsenceReasonDecided, "person_id"),
        }
    ),
    derived_fields=derived_fields,
    sources=SOURCES,
)

NO_HOURS: Final = Decimal(0)

PUBLISHED: Final[Mapping[type[Event], frozenset[str]]] = {
    events.AttendanceRecorded: frozenset({"status", "hours_credited", "complied"}),
    events.AbsenceReasonDecided: frozenset({"acceptable"}),
}
"""The fields by which other services know how a place ended."""


def decide_correction(command: CorrectRecord, state: Session, context: Context) -> events.RecordCorrected:
    """Return the correction, with its consequences in the register and for the services that react to the place."""
    correction = CORRECTIONS.with_consequences(CORRECTIONS.correction(command, state), state, context)
    return correction.model_copy(update={"place": _corrected_place(correction, state)})


def _facts_about_place(booked: Fact[events.PlaceBooked], facts: Sequence[Fact]) -> Iterator[Fact]:
    """Yield the facts about a place, from its booking until it was given back."""
    person = booked.event.person_id
    since = dropwhile(lambda fact: fact.event_id != booked.event_id, facts)

    def still_booked(fact: Fact) -> bool:
        return not (isinstance(fact.event, events.PlaceCancelled) and fact.event.person_id == person)

    return (fact for fact in takewhile(still_booked, since) if _is_about_place(fact, person))


def _is_about_place(fact: Fact, person: UUID) -> bool:
    """Tell whether an event says how a person's place ended."""
    match fact.event:
        case events.AttendanceRecorded(person_id=person_id) | events.AbsenceReasonDecided(person_id=person_id):
            return person_id == person
        case events.SessionCancelled(bookings=bookings):
            return any(booking.person_id == person for booking in bookings)
        case _:
            return False


def _corrected_place(correction: events.RecordCorrected, state: Session) -> events.CorrectedPlace | None:
    """Return what services need that had counted the place; None if nothing changes that they were told."""
    facts = facts_of(CORRECTIONS.applied(state, correction))
    booked = _booking_of(correction, facts)
    if booked is None:
        return None
    after = model_from(events.Booking, booked.event)
    if booked.event_id == correction.corrects:
        bookings = (fact for fact in facts_of(state) if has_event(fact, events.PlaceBooked))
        before = model_from(
            events.Booking, next(fact.event for fact in bookings if fact.event_id == correction.corrects)
        )
        if before == after:
            return None
    else:
        before = after
        if before.disposal_id is None and before.referral_id is None:
            return None
    followed = list(_facts_about_place(booked, facts))
    of_the_place = {fact.event_id for fact in (booked, *followed)}
    earlier = [
        fact
        for fact in facts
        if isinstance(fact.event, events.RecordCorrected)
        and fact.event.place is not None
        and fact.event.corrects in of_the_place
    ]
    return events.CorrectedPlace(
        before=before,
        after=after,
        starts_at=booked.event.starts_at,
        hours=booked.event.hours,
        attendance=_attendance(followed),
        told_by=tuple(fact.event_id for fact in (booked, *followed, *earlier)),
    )


def _booking_of(correction: events.RecordCorrected, facts: Sequence[Fact]) -> Fact[events.PlaceBooked] | None:
    """Return the booking of the place that a correction concerns; None if it concerns none."""
    number = next(n for n, fact in enumerate(facts) if fact.event_id == correction.corrects)
    target = facts[number]
    if has_event(target, events.PlaceBooked):
        return target
    match target.event:
        case events.AttendanceRecorded(person_id=person) | events.AbsenceReasonDecided(person_id=person) if (
            correction.field in PUBLISHED[type(target.event)]
        ):
            bookings = (fact for fact in reversed(facts[:number]) if has_event(fact, events.PlaceBooked))
            return next(fact for fact in bookings if fact.event.person_id == person)
        case _:
            return None


def _attendance(followed: Sequence[Fact]) -> events.AttendanceOfPlace | None:
    """Return the attendance that the register has for the place; None if there is none yet."""
    attendance: events.AttendanceOfPlace | None = None
    for fact in followed:
        match fact.event:
            case events.AttendanceRecorded() as event:
                attendance = model_from(events.AttendanceOfPlace, event, occurred_at=fact.occurred_at)
            case events.AbsenceReasonDecided(acceptable=acceptable) if attendance is not None:
                decided = AttendanceStatus.DNA_ACCEPTABLE if acceptable else AttendanceStatus.DNA_UNACCEPTABLE
                attendance = attendance.model_copy(update={"status": decided})
            case events.SessionCancelled() if attendance is None:
                attendance = events.AttendanceOfPlace(
                    status=AttendanceStatus.CANCELLED_BY_SERVICE,
                    hours_credited=NO_HOURS,
                    complied=False,
                    activity=False,
                    occurred_at=fact.occurred_at,
                )
            case _:
                pass
    return attendance
