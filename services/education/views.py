"""What is shown of a session: the catalogue's state, in clear JSON values."""

from typing_extensions import TypedDict

from services.education.domain.state import Session
from shared.domain.members import described, shown


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
    places = state.places.items()
    return shown(
        SessionView,
        state,
        state=state.stage,
        register={person: place.status or "BOOKED" for person, place in places},
        booked_for={person: place.booking.case_id for person, place in places},
        serves={person: place.booking.condition_id for person, place in places},
    )
