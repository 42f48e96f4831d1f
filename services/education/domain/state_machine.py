"""The state machine of a session: the stages in which each command is allowed (rule S1)."""

from typing import Final

from services.education.domain import commands
from services.education.domain.state import Session, Stage
from services.trade.vocabulary import AttendanceStatus
from shared.domain.rules import Context
from shared.domain.state_machine import NOTHING_YET, AllowedStages

PLANNED: Final = frozenset({Stage.PLANNED})
DELIVERED: Final = frozenset({Stage.DELIVERED})

PRACTICE: Final = "team practice (states of a session)"


def _place_is_open(command: commands.CancelPlace, session: Session, _context: Context) -> bool:
    place = session.places.get(command.person_id)
    return place is not None and place.open


def _attendance_is_due(command: commands.RecordAttendance, session: Session, _context: Context) -> bool:
    # A place that the service takes back is recorded before the session too.
    taken_back = command.status is AttendanceStatus.CANCELLED_BY_SERVICE
    return command.person_id in session.places and (session.stage is Stage.DELIVERED or taken_back)


STATE_MACHINE: Final[tuple[AllowedStages[Session], ...]] = (
    AllowedStages(
        "planned_once",
        (commands.PlanSession,),
        NOTHING_YET,
        "This session is planned already: give a new session an id of its own.",
    ),
    AllowedStages(
        "place_may_be_booked",
        (commands.BookPlace,),
        PLANNED,
        "Places are booked in a planned session, one for each person.",
        condition=lambda command, session, _: command.person_id not in session.places,
        looks_at=("person_id",),
    ),
    AllowedStages(
        "place_may_be_cancelled",
        (commands.CancelPlace,),
        PLANNED,
        "Only a booked place in a session still to be held can be given back; afterwards record the attendance.",
        condition=_place_is_open,
        looks_at=("person_id",),
    ),
    AllowedStages(
        "still_planned",
        (commands.DeliverSession, commands.CancelSession),
        PLANNED,
        "A session is delivered or cancelled once, and not both.",
    ),
    AllowedStages(
        "attendance_may_be_taken",
        (commands.RecordAttendance,),
        PLANNED | DELIVERED,  # of a cancelled session rule E2 refuses it
        "Attendance is taken of a booked place, after the session was recorded as held.",
        condition=_attendance_is_due,
        looks_at=("person_id", "status"),
    ),
    AllowedStages(
        "feedback_of_what_was_held",
        (commands.RecordFeedback,),
        DELIVERED,
        "Feedback is kept of a session that was held.",
    ),
)

IN_EVERY_STAGE: Final = (commands.DecideAbsenceReason, commands.RecordContact, commands.CorrectRecord)
"""Commands about an absence or a person, and corrections: they go on after the session."""
