"""What happens when a command is accepted: one function for each that needs more than its own fields."""

from __future__ import annotations

from typing import Final, assert_never

from services.education.domain.activity import is_activity
from services.education.domain.commands import (
    BookPlace,
    CancelPlace,
    CancelSession,
    CorrectRecord,
    DecideAbsenceReason,
    DeliverSession,
    EducationCommand,
    PlanSession,
    RecordAttendance,
    RecordContact,
    RecordFeedback,
)
from services.education.domain.corrections import corrected
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
from shared.domain.decider import Decider
from shared.domain.messages import NewEvents, event_from
from shared.domain.rules import Context


def decide(command: EducationCommand, state: Session | None, context: Context) -> NewEvents:
    """The events of a command that no rule refuses."""
    if isinstance(command, PlanSession):
        return [event_from(SessionPlanned, command)]
    assert state is not None
    match command:
        case BookPlace():
            return [event_from(PlaceBooked, command, starts_at=state.starts_at, hours=state.hours)]
        case CancelPlace():
            return [event_from(PlaceCancelled, command)]
        case DeliverSession():
            return [event_from(SessionDelivered, command)]
        case RecordAttendance():
            return _record_attendance(command, state, context)
        case DecideAbsenceReason():
            booking = state.places[command.person_id].booking
            return [event_from(AbsenceReasonDecided, command, booking=booking)]
        case CancelSession():
            return [event_from(SessionCancelled, command, bookings=state.open_bookings)]
        case RecordContact():
            return [event_from(ContactRecorded, command)]
        case RecordFeedback():
            return [FeedbackRecorded(score=command.score, giver=command.giver, comment=command.comment)]
        case CorrectRecord():
            return [corrected(command, state, context)]
        case _:
            assert_never(command)


def _record_attendance(command: RecordAttendance, state: Session, context: Context) -> NewEvents:
    return [
        event_from(
            AttendanceRecorded,
            command,
            booking=state.places[command.person_id].booking,
            kind=state.kind,
            topic=state.topic,
            hours_scheduled=state.hours,
            activity=is_activity(command.status, context.policy, complied=command.complied),
        )
    ]


decider: Final[Decider[Session]] = Decider(rules, decide, evolve)
