"""The letters that close a referral: one for each child concerned, none of which names another person."""

from collections.abc import Sequence
from typing import Any, Final

from services.referral.domain.state import Referral, Stage
from services.referral.events import PersonLinked, ReferralClosed
from services.trade.vocabulary import PersonRole
from shared.domain.documents import DocumentData, NotAvailable, latest, personal_value, value_if_open
from shared.domain.envelope import Fact

CONCERNED: Final = frozenset({PersonRole.HARMER, PersonRole.HARMED})
"""Who is written to; a parent or carer reads the child's letter, since nothing says whose parent somebody is."""


def closing_letter(state: Referral, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Return the data of a letter to each child concerned: one file, a page for each."""
    if state.stage is not Stage.CLOSED:
        return NotAvailable("This referral is open: close it before printing the closing letter.")
    people = {fact.event.person_id: fact.event for fact in facts if isinstance(fact.event, PersonLinked)}
    concerned = [person for person in people.values() if person.role in CONCERNED]
    if not concerned:
        return NotAvailable("Nobody is linked to whom the letter could go: link the children concerned first.")
    reason = next(fact.event.reason for fact in reversed(facts) if isinstance(fact.event, ReferralClosed))
    values = {
        "letters": [
            {"name": personal_value(person.details.name), "address": _address(state, person)} for person in concerned
        ],
        "happened_on": state.happened_on.isoformat(),
        "reason": reason,
        "reference": state.crime_number,
    }
    return DocumentData(values, latest(facts, ReferralClosed))


def _address(state: Referral, person: PersonLinked) -> Any:
    """Return an address for who may read it; that of somebody who was harmed only if the contact is marked as safe."""
    details = state.victim_details.get(person.person_id)
    safe = not person.is_harmed or (details is not None and details.contact_is_safe)
    return value_if_open(person.details.address) if safe else None
