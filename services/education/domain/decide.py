"""What happens when a command is accepted: one function for each that needs more than its own fields."""

from __future__ import annotations

from typing import Final, assert_never

from services.education.domain.commands import (
    BookPlace,
    CancelPlace,
    CancelSession,
    DecideAbsenceReason,
    DeliverSession,
    EducationCommand,
    PlanSession,
    RecordAttendance,
    RecordContact,
    RecordFeedback,
)
from services.education.domain.rules import rules
from services.education.domain.state import Session, evolve
from services.education.events import (
    AbsenceReasonDecided,
    AttendanceRecorded,
    ContactRecorded,
    FeedbackRecorded,
    PlaceBooked,
    PlaceCancelled,
    SessionCancelled,
    SessionDelivered,
    SessionPlanned,
)
from shared.decider import Decider
from shared.messages import Decided, event_of
from shared.rules import Occasion


def decide(command: EducationCommand, state: Session | None, occasion: Occasion) -> Decided:
    """The events of a command that no rule refuses."""
    if isinstance(command, PlanSession):
        return [event_of(SessionPlanned, command)]
    assert state is not None
    match command:
        case BookPlace():
            return [event_of(PlaceBooked, command)]
        case CancelPlace():
            return [event_of(PlaceCancelled, command)]
        case DeliverSession():
            return [event_of(SessionDelivered, command)]
        case RecordAttendance():
            return _record_attendance(command, state, occasion)
        case DecideAbsenceReason():
            booking = state.places[command.person_id].booking
            return [event_of(AbsenceReasonDecided, command, booking=booking)]
        case CancelSession():
            return [event_of(SessionCancelled, command, bookings=state.open_bookings)]
        case RecordContact():
            return [event_of(ContactRecorded, command)]
        case RecordFeedback():
            return [FeedbackRecorded(score=command.score, giver=command.giver, comment=command.comment)]
        case _:
            assert_never(command)


def _record_attendance(command: RecordAttendance, state: Session, occasion: Occasion) -> Decided:
    taken_part = command.status.value in occasion.policy.words("statuses_of_an_activity")
    return [
        event_of(
            AttendanceRecorded,
            command,
            booking=state.places[command.person_id].booking,
            kind=state.kind,
            topic=state.topic,
            hours_scheduled=state.hours,
            activity=taken_part and command.complied,
        )
    ]


decider: Final[Decider[Session]] = Decider(rules, decide, evolve)
