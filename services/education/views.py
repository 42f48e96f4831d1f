"""What is shown of a session: the catalogue's state, in clear JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.education.domain.state import Session


def view(state: Session) -> Mapping[str, Any]:
    """Return the state of a session; a place without an attendance reads BOOKED."""
    return {
        "state": state.stage.value,
        "topic": state.topic.value,
        "kind": state.kind.value,
        "headcount": state.headcount,
        "register": {
            str(person): "BOOKED" if place.status is None else place.status.value
            for person, place in state.places.items()
        },
    }
