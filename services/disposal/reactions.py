"""What other services' facts make happen in a disposal case. Pure: only clear fields are seen."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from services.disposal.domain.commands import (
    CorrectConditionAttendance,
    DecideAbsence,
    MoveConditionAttendance,
    OfferSession,
    RecordActivityUndertaken,
    RecordConditionAttendance,
)
from services.disposal.events import CancellationReason
from services.education import events as education
from services.rj_conference import events as conference
from services.vocabulary import AttendanceStatus
from shared.domain.envelope import Fact
from shared.domain.service import CommandFor, Reaction, reaction_command_id

LOST: Final = {
    conference.NotProceedingReason.HARMED_WITHDREW: CancellationReason.HARMED_WITHDREW,
    conference.NotProceedingReason.HARMED_ABSENT: CancellationReason.HARMED_ABSENT,
}
"""Conferences that a harmed person lost: never the child's failure (C7)."""

NO_HOURS: Final = Decimal(0)

CORRECTION_OF_PLACE: Final = "correction-of-place"
CORRECTION_OF_CONFERENCE: Final = "correction-of-conference"


def booking_is_offered_to_the_condition(fact: Fact) -> Iterator[CommandFor]:
    """Offer the session of a place that serves a condition: one that cannot count there is seen before it is held."""
    event = fact.event
    assert isinstance(event, education.PlaceBooked)
    if event.disposal_id is None or event.condition_id is None:
        return
    if event.starts_at is None or event.hours is None:
        return  # booked when no event said so much: it was never offered
    command = OfferSession(
        occurred_at=fact.occurred_at,
        condition_id=event.condition_id,
        session_id=fact.stream_id,
        starts_at=event.starts_at,
        hours=event.hours,
    )
    yield CommandFor(event.disposal_id, command)


def register_reaches_the_condition(fact: Fact) -> Iterator[CommandFor]:
    """Record the attendance at a place that serves a condition."""
    event = fact.event
    assert isinstance(event, education.AttendanceRecorded)
    booking = event.booking
    if booking.disposal_id is None or booking.condition_id is None:
        return
    command = RecordConditionAttendance(
        occurred_at=fact.occurred_at,
        condition_id=booking.condition_id,
        session_id=fact.stream_id,
        status=event.status,
        hours_credited=event.hours_credited,
        complied=event.complied,
    )
    yield CommandFor(booking.disposal_id, command)


def reason_reaches_the_condition(fact: Fact) -> Iterator[CommandFor]:
    """Decide an absence from a condition's session as education decided its reason."""
    event = fact.event
    assert isinstance(event, education.AbsenceReasonDecided)
    booking = event.booking
    if booking.disposal_id is None or booking.condition_id is None:
        return
    command = DecideAbsence(occurred_at=fact.occurred_at, session_id=fact.stream_id, acceptable=event.acceptable)
    yield CommandFor(booking.disposal_id, command)


def cancellation_reaches_each_condition(fact: Fact) -> Iterator[CommandFor]:
    """Record a cancelled session for each place that served a condition; nothing changes for the child."""
    event = fact.event
    assert isinstance(event, education.SessionCancelled)
    for booking in event.bookings:
        if booking.disposal_id is not None and booking.condition_id is not None:
            command = _cancelled_attendance(fact, booking.condition_id, CancellationReason.SERVICE)
            yield CommandFor(booking.disposal_id, command, str(booking.condition_id))


def activity_reaches_the_disposal(fact: Fact) -> Iterator[CommandFor]:
    """Record an activity at a place that serves a diversion and no condition: outcome 22 may rest on it."""
    event = fact.event
    assert isinstance(event, education.AttendanceRecorded)
    booking = event.booking
    if event.activity and booking.disposal_id is not None and booking.condition_id is None:
        command = RecordActivityUndertaken(occurred_at=fact.occurred_at, session_id=fact.stream_id)
        yield CommandFor(booking.disposal_id, command)


def conference_reaches_the_condition(fact: Fact) -> Iterator[CommandFor]:
    """Record the attendance at a conference that serves a condition and was held with the child (C8)."""
    event = fact.event
    assert isinstance(event, conference.ConferenceHeld)
    if event.disposal_id is None or event.condition_id is None:
        return
    command = RecordConditionAttendance(
        occurred_at=fact.occurred_at,
        condition_id=event.condition_id,
        session_id=fact.stream_id,
        status=AttendanceStatus.ATTENDED,
        hours_credited=event.hours,
        complied=True,
    )
    yield CommandFor(event.disposal_id, command)


def failed_conference_reaches_the_condition(fact: Fact) -> Iterator[CommandFor]:
    """Record a conference that did not proceed: only the child's own absence waits for a reason."""
    event = fact.event
    assert isinstance(event, conference.ConferenceDidNotProceed)
    if event.disposal_id is None or event.condition_id is None:
        return
    if event.why is conference.NotProceedingReason.HARMER_ABSENT:
        command = RecordConditionAttendance(
            occurred_at=fact.occurred_at,
            condition_id=event.condition_id,
            session_id=fact.stream_id,
            status=AttendanceStatus.DNA_PENDING,
            hours_credited=NO_HOURS,
            complied=False,
        )
        yield CommandFor(event.disposal_id, command)
    elif event.why in LOST:
        yield CommandFor(event.disposal_id, _cancelled_attendance(fact, event.condition_id, LOST[event.why]))


def correction_reaches_the_condition(fact: Fact) -> Iterator[CommandFor]:
    """Move the attendance at a place whose booking is corrected, wherever it was counted or waits; or correct it there."""
    event = fact.event
    assert isinstance(event, education.RecordCorrected)
    place = event.place
    if place is None:
        return
    superseded = tuple(_asked_before(place))
    if place.before == place.after:
        yield from _corrected(fact, event, place, superseded)
    else:
        yield from _put_right(fact, place, superseded)


def _corrected(
    fact: Fact, event: education.RecordCorrected, place: education.CorrectedPlace, superseded: tuple[UUID, ...]
) -> Iterator[CommandFor]:
    """Correct how a place ended; an activity that was none before is recorded."""
    served, attendance = place.after, place.attendance
    if served.disposal_id is None or attendance is None:
        return
    if served.condition_id is not None:
        because = CancellationReason.SERVICE if attendance.status is AttendanceStatus.CANCELLED_BY_SERVICE else None
        correction = CorrectConditionAttendance(
            occurred_at=fact.occurred_at,
            condition_id=served.condition_id,
            session_id=fact.stream_id,
            status=attendance.status,
            hours_credited=attendance.hours_credited,
            complied=attendance.complied,
            because=because,
            recorded_at=attendance.occurred_at,
        )
        yield CommandFor(served.disposal_id, correction, "", superseded)
    elif event.becomes_activity:
        undertaken = RecordActivityUndertaken(occurred_at=attendance.occurred_at, session_id=fact.stream_id)
        yield CommandFor(served.disposal_id, undertaken, "activity", superseded)


def correction_of_conference_reaches_the_condition(fact: Fact) -> Iterator[CommandFor]:
    """Move what a conference counted to the condition that it serves, or correct it there."""
    event = fact.event
    assert isinstance(event, conference.RecordCorrected)
    corrected = event.conference
    if corrected is None:
        return
    for number, end in enumerate(corrected.ends):
        yield from _end_put_right(fact, corrected, end, str(number))


def _end_put_right(
    fact: Fact, corrected: conference.CorrectedConference, end: conference.ConferenceEnd, item: str
) -> Iterator[CommandFor]:
    old, new = corrected.before, corrected.after
    superseded = tuple(_told_of_conference(corrected))
    ended = _ended(fact, end)
    if new.disposal_id is not None and new.condition_id is not None:
        if old == new:
            yield CommandFor(
                new.disposal_id, CorrectConditionAttendance(condition_id=new.condition_id, **ended), item, superseded
            )
        else:
            yield CommandFor(
                new.disposal_id, MoveConditionAttendance(condition_id=new.condition_id, **ended), item, superseded
            )
    if old.disposal_id is not None and old.condition_id is not None and old.disposal_id != new.disposal_id:
        leaving = MoveConditionAttendance(condition_id=None, **ended)
        yield CommandFor(old.disposal_id, leaving, f"leaves-{item}", superseded, if_begun=True)


def _ended(fact: Fact, end: conference.ConferenceEnd) -> dict[str, Any]:
    """Return what an end of a conference is to the child: attended, an absence, or lost through no doing of the child's."""
    took_place, absent = end.why is None, end.why is conference.NotProceedingReason.HARMER_ABSENT
    lost = AttendanceStatus.DNA_PENDING if absent else AttendanceStatus.CANCELLED_BY_SERVICE
    return {
        "occurred_at": fact.occurred_at,
        "session_id": fact.stream_id,
        "status": AttendanceStatus.ATTENDED if took_place else lost,
        "hours_credited": end.hours,
        "complied": took_place,
        "because": None if end.why is None else LOST.get(end.why),
        "recorded_at": end.occurred_at,
    }


def _told_of_conference(corrected: conference.CorrectedConference) -> Iterator[UUID]:
    """Return the ids of the commands that reactions sent while the conference seemed to serve something else."""
    disposal = corrected.before.disposal_id
    if disposal is None:
        return
    numbers = [str(number) for number in range(len(corrected.ends))]
    items = {
        "conference-of-condition": ("",),
        "conference-not-held": ("",),
        CORRECTION_OF_CONFERENCE: (*numbers, *(f"leaves-{number}" for number in numbers)),
    }
    for event in corrected.told_by:
        for reaction, of_it in items.items():
            yield from (reaction_command_id(event, reaction, disposal, item) for item in of_it)


def _put_right(fact: Fact, place: education.CorrectedPlace, superseded: tuple[UUID, ...]) -> Iterator[CommandFor]:
    """Move what a place counted to what it serves."""
    old, new, attendance = place.before, place.after, place.attendance
    arrives = new.disposal_id is not None and new.condition_id is not None and attendance is not None
    if old.disposal_id is not None and old.condition_id is not None:
        stays_in_the_case = arrives and old.disposal_id == new.disposal_id
        if not stays_in_the_case:
            leaving = _moved(fact, None, attendance)
            yield CommandFor(old.disposal_id, leaving, "leaves", superseded, if_begun=True)
    if new.disposal_id is None:
        return
    if attendance is None:
        if new.condition_id is not None and place.starts_at is not None and place.hours is not None:
            offer = OfferSession(
                occurred_at=fact.occurred_at,
                condition_id=new.condition_id,
                session_id=fact.stream_id,
                starts_at=place.starts_at,
                hours=place.hours,
            )
            yield CommandFor(new.disposal_id, offer, "offer", superseded)
    elif new.condition_id is not None:
        yield CommandFor(new.disposal_id, _moved(fact, new.condition_id, attendance), "", superseded)
    elif attendance.activity:
        undertaken = RecordActivityUndertaken(occurred_at=attendance.occurred_at, session_id=fact.stream_id)
        yield CommandFor(new.disposal_id, undertaken, "activity", superseded)


def _moved(
    fact: Fact, condition_id: UUID | None, attendance: education.AttendanceOfPlace | None
) -> MoveConditionAttendance:
    """Return the command to a case; a case that the place leaves is not told how the session ended."""
    status = AttendanceStatus.CANCELLED_BY_SERVICE if attendance is None else attendance.status
    return MoveConditionAttendance(
        occurred_at=fact.occurred_at,
        condition_id=condition_id,
        session_id=fact.stream_id,
        status=status,
        hours_credited=NO_HOURS if attendance is None else attendance.hours_credited,
        complied=attendance is not None and attendance.complied,
        because=CancellationReason.SERVICE if status is AttendanceStatus.CANCELLED_BY_SERVICE else None,
        recorded_at=fact.occurred_at if attendance is None else attendance.occurred_at,
    )


def _asked_before(place: education.CorrectedPlace) -> Iterator[UUID]:
    """Return the ids of the commands that reactions sent while the place seemed to serve something else."""
    disposal, condition = place.before.disposal_id, place.before.condition_id
    if disposal is None:
        return
    items = {
        "booking-of-condition": ("",),
        "attendance-of-condition": ("",),
        "absence-from-condition": ("",),
        "cancellation-of-session": (str(condition),),
        "activity-of-disposal": ("",),
        CORRECTION_OF_PLACE: ("", "leaves", "activity", "offer"),
    }
    for event in place.told_by:
        for reaction, of_it in items.items():
            yield from (reaction_command_id(event, reaction, disposal, item) for item in of_it)


def _cancelled_attendance(fact: Fact, condition_id: UUID, because: CancellationReason) -> RecordConditionAttendance:
    return RecordConditionAttendance(
        occurred_at=fact.occurred_at,
        condition_id=condition_id,
        session_id=fact.stream_id,
        status=AttendanceStatus.CANCELLED_BY_SERVICE,
        hours_credited=NO_HOURS,
        complied=False,
        because=because,
    )


REACTIONS: Final = (
    Reaction(
        "booking-of-condition",
        "education",
        education.PlaceBooked,
        booking_is_offered_to_the_condition,
        "the place booked on {day} has not been taken up by the condition",
    ),
    Reaction(
        "attendance-of-condition",
        "education",
        education.AttendanceRecorded,
        register_reaches_the_condition,
        "the attendance of {day} has not reached the condition",
    ),
    Reaction(
        "absence-from-condition",
        "education",
        education.AbsenceReasonDecided,
        reason_reaches_the_condition,
        "the decision of {day} on an absence has not reached the condition",
    ),
    Reaction(
        "cancellation-of-session",
        "education",
        education.SessionCancelled,
        cancellation_reaches_each_condition,
        "the cancellation of a session on {day} has not reached the condition",
    ),
    Reaction(
        "activity-of-disposal",
        "education",
        education.AttendanceRecorded,
        activity_reaches_the_disposal,
        "the activity of {day} has not reached the disposal",
    ),
    Reaction(
        CORRECTION_OF_PLACE,
        "education",
        education.RecordCorrected,
        correction_reaches_the_condition,
        "the correction of {day} in the register has not reached the condition",
    ),
    Reaction(
        "conference-of-condition",
        "rj_conference",
        conference.ConferenceHeld,
        conference_reaches_the_condition,
        "the conference held on {day} has not reached the condition",
    ),
    Reaction(
        "conference-not-held",
        "rj_conference",
        conference.ConferenceDidNotProceed,
        failed_conference_reaches_the_condition,
        "the conference that did not proceed on {day} has not reached the condition",
    ),
    Reaction(
        CORRECTION_OF_CONFERENCE,
        "rj_conference",
        conference.RecordCorrected,
        correction_of_conference_reaches_the_condition,
        "the correction of {day} in the conference has not reached the condition",
    ),
)
"""Every reaction of this service; the names are part of derived command ids and never change."""
