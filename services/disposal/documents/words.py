"""What several documents say of a case: the child, the offence, the conditions, as values for a layout."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.state import ConditionStatus, DisposalState
from services.disposal.events import Condition
from shared.domain.documents import clock_of, day_of, personal_value, pounds
from shared.printing.documents import AWAITING

UNTOUCHED: Final = frozenset(ConditionStatus) - {ConditionStatus.OMITTED}
"""A condition is part of what was given, whatever became of it, unless a variation took it out."""


def condition_texts(language: str) -> Mapping[str, str]:
    """Return the texts of the types of condition in a language (ISO 639-1), by the keys that the layouts look up."""
    return {
        f"condition.{code}": definition.english if language == "en" else definition.welsh or AWAITING
        for code, definition in DEFINITIONS.items()
    }


def child(state: DisposalState) -> dict[str, Any]:
    """Return the child's name, date of birth and address, as a document needs them."""
    details = state.opened.details
    return {
        "name": personal_value(details.name),
        "date_of_birth": personal_value(details.date_of_birth),
        "address": personal_value(details.address),
    }


def offence(state: DisposalState) -> dict[str, Any]:
    """Return the offence: title, code, day (ISO 8601) and crime number."""
    opened = state.opened
    return {
        "title": opened.offence.title,
        "code": opened.offence.code,
        "date": opened.offence.date.isoformat(),
        "crime_number": opened.crime_number,
    }


def condition(terms: Condition) -> dict[str, Any]:
    """Return what one condition asks: for money its amount in pounds, payee and method (SI 2013/608)."""
    return {
        "type": terms.type.value,
        "object": terms.object.value,
        "due": terms.due.isoformat(),
        "hours": None if terms.hours is None else f"{terms.hours.normalize():f}",
        "amount": pounds(terms.amount),
        "payee": personal_value(terms.payee),
        "method": None if terms.method is None else terms.method.value,
        "detail": personal_value(terms.detail),
        "attendance": DEFINITIONS[terms.type].attendance,
        "place": personal_value(terms.place),
        "starts_at": None if terms.starts_at is None else moment(terms.starts_at),
    }


def moment(at: datetime) -> dict[str, str]:
    """Return the Europe/London day (ISO 8601) and time of day of a timestamp."""
    return {"day": day_of(at), "time": clock_of(at)}


def conditions(state: DisposalState, *, sessions: bool = False) -> list[dict[str, Any]]:
    """Return the conditions that were given or are proposed, in the order of their proposal.

    With `sessions`, each has the times of its booked sessions of which no attendance is recorded yet.
    """
    return [
        condition(condition_state.terms) | ({"sessions": _sessions(state, key)} if sessions else {})
        for key, condition_state in state.conditions.items()
        if condition_state.standing in UNTOUCHED
    ]


def _sessions(state: DisposalState, condition_id: UUID) -> list[dict[str, str]]:
    bookings = (booking for booking in state.bookings.values() if booking.condition_id == condition_id)
    ahead = (booking.starts_at for booking in bookings if not state.last_attendance(booking.session_id))
    return [moment(at) for at in sorted(ahead)]
