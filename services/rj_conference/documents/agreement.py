"""The agreement of a conference: a form to fill in at the table, and afterwards what was signed (C9).

A conference knows its people by pseudonym and part only, so they write their own names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.rj_conference.domain.state import Conference
from services.rj_conference.events import AgreementSigned, ConferenceHeld, NoAgreementReached, PresentRole
from shared.domain.envelope import Fact
from shared.printing.documents import (
    DocumentData,
    NotAvailable,
    day_of,
    shown,
)

SIGNING = frozenset({PresentRole.HARMER, PresentRole.HARMED, PresentRole.REPRESENTATIVE})
"""Who may sign: the harmer, and the harmed or whoever came for them."""


def conference_agreement(state: Conference, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Return the terms that were signed, or none while the parties are still agreeing."""
    held = next((fact for fact in facts if isinstance(fact.event, ConferenceHeld)), None)
    if held is None or state.held is None:
        return NotAvailable("The conference was not held yet: record that it was held before printing its agreement.")
    if any(isinstance(fact.event, NoAgreementReached) for fact in facts):
        return NotAvailable("The conference ended without an agreement, which is a valid end: there is none to print.")
    signed = next((fact for fact in facts if isinstance(fact.event, AgreementSigned)), None)
    values = {
        "held_on": state.held.on.isoformat(),
        "mode": None if state.mode is None else state.mode.value,
        "terms": None if signed is None else _terms(signed),
        "people": _people(held, signed),
    }
    return DocumentData(values, held.occurred_at if signed is None else signed.occurred_at)


def _terms(signed: Fact) -> list[dict[str, Any]]:
    assert isinstance(signed.event, AgreementSigned)
    return [
        {"text": shown(term.text), "due": None if term.due is None else term.due.isoformat()}
        for term in signed.event.terms
    ]


def _people(held: Fact, signed: Fact | None) -> list[dict[str, Any]]:
    """Those who took part and may sign, by their part; `signed_on` where the record says that they did."""
    assert isinstance(held.event, ConferenceHeld)
    by = frozenset(signed.event.signed_by) if signed and isinstance(signed.event, AgreementSigned) else frozenset()
    return [
        {
            "role": one.role.value,
            "signed_on": day_of(signed.occurred_at) if signed is not None and one.person_id in by else None,
        }
        for one in held.event.present
        if one.attended and one.role in SIGNING
    ]
