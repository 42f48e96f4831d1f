"""What is shown of a referral: the catalogue's state, in clear JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.referral.domain.state import Alert, Referral


def view(state: Referral) -> Mapping[str, Any]:
    """Return the state of a referral; people by id and category only."""
    return {
        "state": state.stage.value,
        "incident_type": state.incident_type.value,
        "crime_number": state.crime_number,
        "triage_outcome": None if state.triage_outcome is None else state.triage_outcome.value,
        "outcome": None if state.outcome is None else state.outcome.value,
        "people": {str(person_id): person.category.value for person_id, person in state.people.items()},
        "alerts": {str(alert_id): _alert(alert) for alert_id, alert in state.open_alerts.items()},
        "mash_decision": state.mash_decision,
        "advice_given": state.advice_given,
    }


def _alert(alert: Alert) -> dict[str, str]:
    return {
        "person_id": str(alert.person_id),
        "kind": alert.kind.value,
        "review_on": alert.review_on.isoformat(),
    }
