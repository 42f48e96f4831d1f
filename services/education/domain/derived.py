"""What the events about a place hold of the plan and of its booking: copied when they are made, and again after a correction."""

from collections.abc import Mapping
from typing import Any, Final

from services.education.domain.commands import RecordAttendance
from services.education.domain.state import Session
from services.education.events import AbsenceReasonDecided, AttendanceRecorded, PlaceBooked, SessionCancelled
from shared.domain.envelope import Fact
from shared.domain.policy import Policy
from shared.domain.rules import Context

_PLAN: Final = "the plan of the session"
_BOOKING: Final = "the booking of the place"

SOURCES: Final[Mapping[str, str]] = {
    "starts_at": _PLAN,
    "hours": _PLAN,
    "kind": _PLAN,
    "topic": _PLAN,
    "hours_scheduled": _PLAN,
    "booking": _BOOKING,
    "bookings": _BOOKING,
    "activity": "how the place ended, and whether the person complied",
}
"""Derived field -> what it follows from: that is to be corrected (rule COR1)."""


def of_place(state: Session) -> dict[str, Any]:
    return {"starts_at": state.starts_at, "hours": state.hours}


def of_attendance(of: RecordAttendance | AttendanceRecorded, state: Session, policy: Policy) -> dict[str, Any]:
    """Return the values of the booking and of the plan that readers count by."""
    return {
        "booking": state.places[of.person_id].booking,
        "kind": state.kind,
        "topic": state.topic,
        "hours_scheduled": state.hours,
        # Whether somebody took part, and complied (rule O22).
        "activity": of.complied and of.status.value in policy.codes("statuses_of_an_activity"),
    }


def derived_fields(fact: Fact[Any], state: Session | None, context: Context) -> Mapping[str, Any]:
    if state is None:
        return {}
    match fact.event:
        case PlaceBooked():
            return of_place(state)
        case AttendanceRecorded() as event:
            return of_attendance(event, state, context.policy)
        case AbsenceReasonDecided(person_id=person_id):
            return {"booking": state.places[person_id].booking}
        case SessionCancelled():
            return {"bookings": state.open_bookings}
        case _:
            return {}
