"""What is shown of a session: the catalogue's state, in clear JSON values."""

from typing_extensions import TypedDict

from services.education.domain.state import Session
from shared.domain.members import described


@described
class SessionView(TypedDict):
    """What is shown of a session."""

    state: str
    topic: str
    kind: str
    """For whom it is held."""
    starts_at: str
    headcount: int | None
    """How many were there, from the delivery on, if nobody is named."""
    register: dict[str, str]
    """By person: BOOKED, or the attendance as last recorded."""
    hours: int | float
    """How long it lasts, as planned."""
    delivered_at: str | None
    booked_for: dict[str, str | None]
    """By person of the register: the case for which the place is booked."""
    serves: dict[str, str | None]
    """By person of the register: the condition of a disposal for which the place is booked."""


def view(state: Session) -> SessionView:
    """Return the state of a session; a place without an attendance reads BOOKED."""
    return {
        "state": state.stage.value,
        "topic": state.topic.value,
        "kind": state.kind.value,
        "starts_at": state.starts_at.isoformat(),
        "headcount": state.headcount,
        "register": {
            str(person): "BOOKED" if place.status is None else place.status.value
            for person, place in state.places.items()
        },
        "hours": int(state.hours) if state.hours == state.hours.to_integral_value() else float(state.hours),
        "delivered_at": None if state.delivered_at is None else state.delivered_at.isoformat(),
        "booked_for": {
            str(person): None if place.booking.case_id is None else str(place.booking.case_id)
            for person, place in state.places.items()
        },
        "serves": {
            str(person): None if place.booking.condition_id is None else str(place.booking.condition_id)
            for person, place in state.places.items()
        },
    }
