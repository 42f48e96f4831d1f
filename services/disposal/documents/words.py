"""What several documents say of a case: the child, the offence, the conditions, as values for a layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.state import ConditionStatus, DisposalState
from services.disposal.events import Condition
from shared.printing.documents import AWAITING, pounds, shown

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
        "name": shown(details.name),
        "date_of_birth": shown(details.date_of_birth),
        "address": shown(details.address),
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
        "payee": shown(terms.payee),
        "method": None if terms.method is None else terms.method.value,
        "detail": shown(terms.detail),
    }


def conditions(state: DisposalState) -> list[dict[str, Any]]:
    """Return the conditions that were given or are proposed, in the order of their proposal."""
    return [condition(held.terms) for held in state.conditions.values() if held.standing in UNTOUCHED]
