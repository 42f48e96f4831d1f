"""The agreement of a conference: a form to fill in at the table, and afterwards what was signed (C9).

A conference knows its people by pseudonym and part only. On the form they write their own names; the record of what was
signed prints the names that were recorded with the signatures.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.rj_conference.domain.state import Conference
from services.rj_conference.events import AgreementSigned, ConferenceHeld, NoAgreementReached, PresentRole
from shared.domain.documents import DocumentData, NotAvailable, day_of, personal_value
from shared.domain.envelope import Fact, has_event

SIGNING = frozenset({PresentRole.HARMER, PresentRole.HARMED, PresentRole.REPRESENTATIVE})
"""Those who sign: the harmer, and the harmed or their representative. Others sign if they are named."""


def conference_agreement(state: Conference, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Return the terms that were signed, or none while the parties are still agreeing."""
    meeting = next((fact for fact in facts if has_event(fact, ConferenceHeld)), None)
    if meeting is None or state.held is None:
        return NotAvailable("The conference was not held yet: record that it was held before printing its agreement.")
    if any(isinstance(fact.event, NoAgreementReached) for fact in facts):
        return NotAvailable("The conference ended without an agreement, which is a valid end: there is none to print.")
    signed = next((fact for fact in facts if has_event(fact, AgreementSigned)), None)
    values = {
        "held_on": state.held.on.isoformat(),
        "mode": None if state.mode is None else state.mode.value,
        "terms": None if signed is None else _terms(signed),
        "people": _people(meeting, signed),
    }
    return DocumentData(values, meeting.occurred_at if signed is None else signed.occurred_at)


def _terms(signed: Fact[AgreementSigned]) -> list[dict[str, Any]]:
    return [
        {"text": personal_value(term.text), "due": None if term.due is None else term.due.isoformat()}
        for term in signed.event.terms
    ]


def _people(meeting: Fact[ConferenceHeld], signed: Fact[AgreementSigned] | None) -> list[dict[str, Any]]:
    """Return those who took part and may sign, or signed by name, by their part; with `signed_on` if they did."""
    by, named = frozenset[UUID](), dict[UUID, Any]()
    if signed is not None:
        by = frozenset(signed.event.signed_by)
        named = {person.person_id: personal_value(person.name) for person in signed.event.signatories or ()}
    return [
        {
            "role": person.role.value,
            "name": named.get(person.person_id) if person.person_id in by else None,
            "signed_on": day_of(signed.occurred_at) if signed is not None and person.person_id in by else None,
        }
        for person in meeting.event.present
        if person.attended and (person.role in SIGNING or person.person_id in named)
    ]
