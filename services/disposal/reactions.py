"""What other services' facts make happen in a disposal case. Pure: only clear fields are seen."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
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
    RecordPanelRecommendation,
)
from services.disposal.events import CancellationReason
from services.education import events as education
from services.panel import events as panel
from services.rj_conference import events as conference
from services.trade.vocabulary import AttendanceStatus
from shared.domain.envelope import Fact
from shared.domain.messages import model_from
from shared.domain.service import CommandFor, ReactionsTo, reaction_command_id

to_education = ReactionsTo("education")
to_conference = ReactionsTo("rj_conference")
to_panel = ReactionsTo("panel")

LOST: Final = {
    conference.NotProceedingReason.HARMED_WITHDREW: CancellationReason.HARMED_WITHDREW,
    conference.NotProceedingReason.HARMED_ABSENT: CancellationReason.HARMED_ABSENT,
}
"""Conferences that a harmed person lost: never the child's failure (C7)."""

NO_HOURS: Final = Decimal(0)

CONFERENCE_OF_DIVERSION: Final = "conference-of-disposal"
CORRECTION_OF_PLACE: Final = "correction-of-place"
CORRECTION_OF_CONFERENCE: Final = "correction-of-conference"
RECOMMENDATION: Final = "recommendation-of-panel"
CORRECTION_OF_RECOMMENDATION: Final = "correction-of-recommendation"


Ended = conference.ConferenceHeld | conference.ConferenceDidNotProceed
Serving = education.PlaceBooked | education.Booking | conference.ConferenceHeld | conference.ConferenceDidNotProceed
"""What may serve a condition: `disposal_id` and `condition_id` name it."""


def _about(fact: Fact, place: Serving) -> dict[str, UUID]:
    """Name the child whom a place is for, and the case, which a place may leave open; a conference stands in its case."""
    if isinstance(place, conference.ConferenceHeld | conference.ConferenceDidNotProceed):
        # The disposal of a further harmer may stand in a case of its own.
        of_the_case = all(place.condition_id != of.condition_id for of in place.serves or ())
        return {"person_id": place.harmer, **({"case_id": fact.envelope.home} if of_the_case else {})}
    return {"person_id": place.person_id, **({} if place.case_id is None else {"case_id": place.case_id})}


def _offered(
    fact: Fact,
    place: Serving,
    starts_at: datetime | None,
    hours: Decimal | None,
    item: str = "",
    superseded: tuple[UUID, ...] = (),
) -> Iterator[CommandFor]:
    """Offer a session to the condition that it serves; earlier events gave neither start nor length, and no offer."""
    if place.disposal_id is None or place.condition_id is None or starts_at is None or hours is None:
        return
    command = OfferSession(
        occurred_at=fact.occurred_at,
        condition_id=place.condition_id,
        session_id=fact.stream_id,
        starts_at=starts_at,
        hours=hours,
    )
    yield CommandFor(place.disposal_id, command, item, superseded, about=_about(fact, place))


def _recorded(
    fact: Fact,
    place: Serving,
    status: AttendanceStatus,
    *,
    hours: Decimal = NO_HOURS,
    complied: bool = False,
    because: CancellationReason | None = None,
    item: str = "",
) -> Iterator[CommandFor]:
    """Record how a session ended for the condition that it serves, if it serves one."""
    if place.disposal_id is None or place.condition_id is None:
        return
    command = RecordConditionAttendance(
        occurred_at=fact.occurred_at,
        condition_id=place.condition_id,
        session_id=fact.stream_id,
        status=status,
        hours_credited=hours,
        complied=complied,
        because=because,
    )
    yield CommandFor(place.disposal_id, command, item, about=_about(fact, place))


def _each_served(event: Ended) -> Iterator[tuple[Ended, str]]:
    """Yield an end of a conference as each condition that it serves sees it, with the item of its command."""
    yield event, ""
    for of in event.serves or ():
        ids = {"disposal_id": of.disposal_id, "condition_id": of.condition_id, "harmer": of.person_id}
        yield event.model_copy(update=ids), str(of.condition_id)


@to_education(
    education.PlaceBooked, "booking-of-condition", "the place booked on {day} has not been taken up by the condition"
)
def booking_is_offered_to_the_condition(fact: Fact[education.PlaceBooked]) -> Iterator[CommandFor]:
    """Offer the session of a place that serves a condition: one that cannot count there is seen before it is held."""
    return _offered(fact, fact.event, fact.event.starts_at, fact.event.hours)


@to_education(
    education.AttendanceRecorded, "attendance-of-condition", "the attendance of {day} has not reached the condition"
)
def register_reaches_the_condition(fact: Fact[education.AttendanceRecorded]) -> Iterator[CommandFor]:
    """Record the attendance at a place that serves a condition."""
    event = fact.event
    return _recorded(fact, event.booking, event.status, hours=event.hours_credited, complied=event.complied)


@to_education(
    education.AbsenceReasonDecided,
    "absence-from-condition",
    "the decision of {day} on an absence has not reached the condition",
)
def reason_reaches_the_condition(fact: Fact[education.AbsenceReasonDecided]) -> Iterator[CommandFor]:
    """Decide an absence from a condition's session as education decided its reason."""
    event, booking = fact.event, fact.event.booking
    if booking.disposal_id is not None and booking.condition_id is not None:
        command = DecideAbsence(occurred_at=fact.occurred_at, session_id=fact.stream_id, acceptable=event.acceptable)
        yield CommandFor(booking.disposal_id, command, about=_about(fact, booking))


@to_education(
    education.SessionCancelled,
    "cancellation-of-session",
    "the cancellation of a session on {day} has not reached the condition",
)
def cancellation_reaches_each_condition(fact: Fact[education.SessionCancelled]) -> Iterator[CommandFor]:
    """Record a cancelled session for each place that served a condition; nothing changes for the child."""
    cancelled, because = AttendanceStatus.CANCELLED_BY_SERVICE, CancellationReason.SERVICE
    for booking in fact.event.bookings:
        yield from _recorded(fact, booking, cancelled, because=because, item=str(booking.condition_id))


@to_education(
    education.AttendanceRecorded, "activity-of-disposal", "the activity of {day} has not reached the disposal"
)
def activity_reaches_the_disposal(fact: Fact[education.AttendanceRecorded]) -> Iterator[CommandFor]:
    """Record an activity at a place that serves a diversion and no condition: outcome 22 may rest on it."""
    booking = fact.event.booking
    if fact.event.activity and booking.disposal_id is not None and booking.condition_id is None:
        command = RecordActivityUndertaken(occurred_at=fact.occurred_at, session_id=fact.stream_id)
        yield CommandFor(booking.disposal_id, command, about=_about(fact, booking))


@to_conference(
    conference.ConferenceHeld, "conference-of-condition", "the conference held on {day} has not reached the condition"
)
def conference_reaches_the_condition(fact: Fact[conference.ConferenceHeld]) -> Iterator[CommandFor]:
    """Record the attendance at a conference for each condition that it serves: it was held with each child (C8)."""
    attended = AttendanceStatus.ATTENDED
    for place, item in _each_served(fact.event):
        yield from _recorded(fact, place, attended, hours=fact.event.hours, complied=True, item=item)


@to_conference(
    conference.ConferenceHeld, CONFERENCE_OF_DIVERSION, "the conference held on {day} has not reached the disposal"
)
def conference_reaches_the_diversion(fact: Fact[conference.ConferenceHeld]) -> Iterator[CommandFor]:
    """Record a conference that serves a diversion and no condition: outcome 22 may rest on it."""
    if fact.event.disposal_id is not None and fact.event.condition_id is None:
        command = RecordActivityUndertaken(occurred_at=fact.occurred_at, session_id=fact.stream_id)
        yield CommandFor(fact.event.disposal_id, command, about=_about(fact, fact.event))


@to_conference(
    conference.ConferenceDidNotProceed,
    "conference-not-held",
    "the conference that did not proceed on {day} has not reached the condition",
)
def failed_conference_reaches_the_condition(fact: Fact[conference.ConferenceDidNotProceed]) -> Iterator[CommandFor]:
    """Record a conference that did not proceed: only the child's own absence waits for a reason."""
    why = fact.event.why
    for place, item in _each_served(fact.event):
        if why is conference.NotProceedingReason.HARMER_ABSENT:
            yield from _recorded(fact, place, AttendanceStatus.DNA_PENDING, item=item)
        elif why in LOST:
            yield from _recorded(fact, place, AttendanceStatus.CANCELLED_BY_SERVICE, because=LOST[why], item=item)


@to_education(
    education.RecordCorrected,
    CORRECTION_OF_PLACE,
    "the correction of {day} in the register has not reached the condition",
)
def correction_reaches_the_condition(fact: Fact[education.RecordCorrected]) -> Iterator[CommandFor]:
    """Move the attendance at a place whose booking is corrected, wherever it was counted or waits; or correct it there."""
    place = fact.event.place
    if place is None:
        return
    superseded = _superseded(
        place.told_by,
        place.before.disposal_id,
        {
            "booking-of-condition": ("",),
            "attendance-of-condition": ("",),
            "absence-from-condition": ("",),
            "cancellation-of-session": (str(place.before.condition_id),),
            "activity-of-disposal": ("",),
            CORRECTION_OF_PLACE: ("", "leaves", "activity", "offer"),
        },
    )
    if place.before == place.after:
        yield from _corrected(fact, place, superseded)
    else:
        yield from _moved_place(fact, place, superseded)


def _superseded(events: Iterable[UUID], disposal: UUID | None, items: Mapping[str, Iterable[str]]) -> tuple[UUID, ...]:
    """List the commands that reactions sent to a case for earlier events; `items` are those of each reaction."""
    if disposal is None:
        return ()
    named = [(reaction, item) for reaction, of_it in items.items() for item in of_it]
    return tuple(reaction_command_id(event, reaction, disposal, item) for event in events for reaction, item in named)


def _corrected(
    fact: Fact[education.RecordCorrected], place: education.CorrectedPlace, superseded: tuple[UUID, ...]
) -> Iterator[CommandFor]:
    """Correct how a place ended; an activity that was none before is recorded."""
    served, attendance = place.after, place.attendance
    if served.disposal_id is None or attendance is None:
        return
    if served.condition_id is not None:
        because = CancellationReason.SERVICE if attendance.status is AttendanceStatus.CANCELLED_BY_SERVICE else None
        correction = model_from(
            CorrectConditionAttendance,
            attendance,
            occurred_at=fact.occurred_at,
            condition_id=served.condition_id,
            session_id=fact.stream_id,
            because=because,
            recorded_at=attendance.occurred_at,
        )
        yield CommandFor(served.disposal_id, correction, "", superseded, about=_about(fact, served))
    elif fact.event.becomes_activity:
        undertaken = RecordActivityUndertaken(occurred_at=attendance.occurred_at, session_id=fact.stream_id)
        yield CommandFor(served.disposal_id, undertaken, "activity", superseded, about=_about(fact, served))


@to_conference(
    conference.RecordCorrected,
    CORRECTION_OF_CONFERENCE,
    "the correction of {day} in the conference has not reached the condition",
)
def correction_of_conference_reaches_the_condition(fact: Fact[conference.RecordCorrected]) -> Iterator[CommandFor]:
    """Move what a conference counted to each condition that it serves, or correct it there."""
    for corrected in (fact.event.conference, *(fact.event.further or ())):
        if corrected is not None:
            # The disposal of a further harmer may stand in a case of its own.
            about = {"case_id": fact.envelope.home} if corrected is fact.event.conference else {}
            yield from _corrected_conference(fact, corrected, about)


def _corrected_conference(
    fact: Fact, corrected: conference.CorrectedConference, about: Mapping[str, UUID]
) -> Iterator[CommandFor]:
    old, new = corrected.before, corrected.after
    numbers = [str(number) for number in range(len(corrected.ends))]
    at_once = ("", str(old.condition_id))
    superseded = _superseded(
        corrected.told_by,
        old.disposal_id,
        {
            "conference-of-condition": at_once,
            CONFERENCE_OF_DIVERSION: ("",),
            "conference-not-held": at_once,
            CORRECTION_OF_CONFERENCE: (*numbers, *(f"leaves-{number}" for number in numbers)),
        },
    )
    arriving: type[CorrectConditionAttendance | MoveConditionAttendance] = (
        CorrectConditionAttendance if old == new else MoveConditionAttendance
    )
    for number, end in zip(numbers, corrected.ends, strict=True):
        ended = _ended(fact, end)
        if new.disposal_id is not None and new.condition_id is not None:
            command = arriving(condition_id=new.condition_id, **ended)
            yield CommandFor(new.disposal_id, command, number, superseded, about=about)
        elif new.disposal_id is not None and end.why is None:
            undertaken = RecordActivityUndertaken(occurred_at=end.occurred_at, session_id=fact.stream_id)
            yield CommandFor(new.disposal_id, undertaken, number, superseded, about=about)
        if old.disposal_id is not None and old.condition_id is not None and old.disposal_id != new.disposal_id:
            leaving = MoveConditionAttendance(condition_id=None, **ended)
            yield CommandFor(old.disposal_id, leaving, f"leaves-{number}", superseded, if_begun=True, about=about)


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


def _moved_place(fact: Fact, place: education.CorrectedPlace, superseded: tuple[UUID, ...]) -> Iterator[CommandFor]:
    old, new, attendance = place.before, place.after, place.attendance
    arrives = new.disposal_id is not None and new.condition_id is not None and attendance is not None
    stays_in_the_case = arrives and old.disposal_id == new.disposal_id
    if old.disposal_id is not None and old.condition_id is not None and not stays_in_the_case:
        leaving = _move(fact, None, attendance)
        yield CommandFor(old.disposal_id, leaving, "leaves", superseded, if_begun=True, about=_about(fact, old))
    if new.disposal_id is None:
        return
    if attendance is None:
        yield from _offered(fact, new, place.starts_at, place.hours, "offer", superseded)
    elif new.condition_id is not None:
        moving = _move(fact, new.condition_id, attendance)
        yield CommandFor(new.disposal_id, moving, "", superseded, about=_about(fact, new))
    elif attendance.activity:
        undertaken = RecordActivityUndertaken(occurred_at=attendance.occurred_at, session_id=fact.stream_id)
        yield CommandFor(new.disposal_id, undertaken, "activity", superseded, about=_about(fact, new))


def _move(
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


@to_panel(panel.CaseConsidered, RECOMMENDATION, "the panel's recommendation of {day} has not reached the disposal")
def recommendation_reaches_the_disposal(fact: Fact[panel.CaseConsidered]) -> Iterator[CommandFor]:
    """Record what the members recommended who were present and did not abstain."""
    event = fact.event
    about = {"case_id": event.case_id, "person_id": event.person_id}
    yield CommandFor(event.disposal_id, _recommended(fact, event), about=about)


@to_panel(
    panel.RecordCorrected,
    CORRECTION_OF_RECOMMENDATION,
    "the correction of {day} in the panel's record has not reached the disposal",
)
def correction_of_recommendation_reaches_the_disposal(fact: Fact[panel.RecordCorrected]) -> Iterator[CommandFor]:
    """Record what the panel recommended instead, in the place of what waits."""
    reactions = {RECOMMENDATION: ("",), CORRECTION_OF_RECOMMENDATION: ("",)}
    about = {} if fact.event.case_id is None else {"case_id": fact.event.case_id}
    for corrected in fact.event.recommendations:
        superseded = _superseded(corrected.told_by, corrected.disposal_id, reactions)
        yield CommandFor(corrected.disposal_id, _recommended(fact, corrected), supersedes=superseded, about=about)


def _recommended(fact: Fact, what: panel.CaseConsidered | panel.CorrectedRecommendation) -> RecordPanelRecommendation:
    return RecordPanelRecommendation(occurred_at=fact.occurred_at, recommended=what.recommended, attendees=what.voting)


REACTIONS: Final = (*to_education.reactions, *to_conference.reactions, *to_panel.reactions)
"""Every reaction of this service; the names are part of derived command ids and never change."""
