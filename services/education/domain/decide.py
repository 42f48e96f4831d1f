"""The events of an accepted command: one function for each command that does more than record its own fields."""

from typing import Final

from services.education.domain import commands
from services.education.domain.corrections import decide_correction
from services.education.domain.derived import of_attendance, of_place
from services.education.domain.evolve import evolve
from services.education.domain.rules import rules
from services.education.domain.state import Session
from services.education.events import AbsenceReasonDecided, AttendanceRecorded, PlaceBooked, SessionCancelled
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import Command, event_that_it_records, model_from
from shared.domain.rules import Context


def decide(command: Command, state: Session | None, context: Context) -> NewEvents:
    """Return the events of a command that no rule refuses."""
    if state is None:
        return [event_that_it_records(command)]
    match command:
        case commands.BookPlace():
            return [model_from(PlaceBooked, command, **of_place(state))]
        case commands.RecordAttendance():
            return [model_from(AttendanceRecorded, command, **of_attendance(command, state, context.policy))]
        case commands.DecideAbsenceReason():
            booking = state.places[command.person_id].booking
            return [model_from(AbsenceReasonDecided, command, booking=booking)]
        case commands.CancelSession():
            return [model_from(SessionCancelled, command, bookings=state.open_bookings)]
        case commands.CorrectRecord():
            return [decide_correction(command, state, context)]
        case _:
            return [event_that_it_records(command)]


decider: Final[Decider[Session]] = Decider(rules, decide, evolve)
