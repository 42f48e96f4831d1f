"""What is shown of a conference: the catalogue's state, clear values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.rj_conference.domain.state import Conference


def view(conference: Conference) -> Mapping[str, Any]:
    """Return the state as the catalogue names it; `consents` has everybody who ever gave or withdrew one."""
    conference_held = conference.held
    return {
        "state": conference.stage.value,
        "condition_id": None if conference.condition_id is None else str(conference.condition_id),
        "starts_at": None if conference.schedule is None else conference.schedule.starts_at.isoformat(),
        "mode": None if conference.mode is None else conference.mode.value,
        "held_on": None if conference_held is None else conference_held.on.isoformat(),
        "consents": {str(person): conference.consent_of(person) is not None for person in conference.consents},
        "terms": {str(term_id): term.status.value for term_id, term in conference.terms.items()},
        "follow_up_due": None if conference_held is None else conference_held.follow_up_due.isoformat(),
    }
