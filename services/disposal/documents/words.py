"""What several documents say of a case: the child, the offence, the conditions, as values for a layout."""

from __future__ import annotations

from typing import Any, Final

from services.disposal.domain.state import ConditionStatus, DisposalState
from services.disposal.events import Condition
from shared.printing.documents import pounds, shown

UNTOUCHED: Final = frozenset(ConditionStatus) - {ConditionStatus.OMITTED}
"""A condition is part of what was given, whatever became of it, unless a variation took it out."""


def child(state: DisposalState) -> dict[str, Any]:
    """Who the child is, without what a document has no need of."""
    details = state.opened.details
    return {
        "name": shown(details.name),
        "date_of_birth": shown(details.date_of_birth),
        "address": shown(details.address),
    }


def offence(state: DisposalState) -> dict[str, Any]:
    """What the child is said to have done."""
    opened = state.opened
    return {
        "title": opened.offence.title,
        "code": opened.offence.code,
        "date": opened.offence.date.isoformat(),
        "crime_number": opened.crime_number,
    }


def condition(terms: Condition) -> dict[str, Any]:
    """What one condition asks: for money its amount, payee and method (SI 2013/608)."""
    return {
        "type": terms.type.value,
        "object": terms.object.value,
        "due": terms.due.isoformat(),
        "hours": None if terms.hours is None else f"{terms.hours.normalize():f}",
        "amount": pounds(terms.amount),
        "payee": shown(terms.payee),
        "method": None if terms.method is None else terms.method.value,
        "detail": shown(terms.detail),
    }


def conditions(state: DisposalState) -> list[dict[str, Any]]:
    """The conditions that were given or are proposed, in the order in which they came."""
    return [condition(held.terms) for held in state.conditions.values() if held.standing in UNTOUCHED]
