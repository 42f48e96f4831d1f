"""The letters of a referral to one victim."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.referral.domain.state import Referral
from services.referral.events import CrimeOutcomeAssigned, PersonLinked, VictimDetailsRecorded
from services.referral.policy import POLICY
from services.trade.victims.letters import Suspect, letter_about_each
from shared.domain.dates import age_on, local_day
from shared.domain.documents import DocumentData, NotAvailable, latest, personal_value, value_if_open
from shared.domain.envelope import Fact, has_event


def facts_of_victim(facts: Sequence[Fact], person: UUID) -> Sequence[Fact]:
    """Return the facts without who else was harmed and how they are reached; none if the person was not, as last linked."""
    links = {fact.event.person_id: fact.event for fact in facts if has_event(fact, PersonLinked)}
    if person not in links or not links[person].is_harmed:
        return []
    others = {other for other, link in links.items() if link.is_harmed} - {person}
    # Anything else about them stays: what ends later, such as an alert, has begun.
    return [
        fact
        for fact in facts
        if not (isinstance(fact.event, (PersonLinked, VictimDetailsRecorded)) and fact.event.person_id in others)
    ]


def victim_information(state: Referral, facts: Sequence[Fact]) -> DocumentData:
    """Fill the letter about restorative justice to the one victim of these facts."""
    on = latest(facts, PersonLinked)
    return DocumentData(_to_victim(state, facts, on), on)


def victim_decision(state: Referral, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the letter about the outcome of each suspect to the one victim of these facts."""
    if not state.assigned:
        return NotAvailable("No outcome is assigned yet: assign it, or print the letter of the disposal case.")
    on = latest(facts, CrimeOutcomeAssigned)
    values = letter_about_each(
        _suspects(state), may_have_admitted=state.may_have_been_admitted, **_to_victim(state, facts, on)
    )
    return DocumentData(values, on)


def _suspects(state: Referral) -> Sequence[Suspect]:
    """Return every suspect with the outcome; one of the crime itself counts for all."""
    outcomes = state.outcomes(POLICY.on)
    if set(outcomes) == {state.referral_id}:
        return [Suspect(outcomes[state.referral_id], is_child=None)]
    people = dict.fromkeys(suspect for suspect in (*outcomes, *state.suspects) if suspect != state.referral_id)
    return [Suspect(outcomes.get(person), _is_child(state, person)) for person in people]


def _is_child(state: Referral, person: UUID) -> bool:
    part = state.people.get(person)
    return part is None or part.child_at_report is not False


def _to_victim(state: Referral, facts: Sequence[Fact], on: datetime) -> dict[str, Any]:
    """Return to whom a letter of that time goes: an address only if the contact is marked as safe, for who may read it.

    It goes to the parents of who is too young to be told themselves.
    """
    victim = state.victims[0]
    linked = next(
        fact.event for fact in reversed(facts) if has_event(fact, PersonLinked) and fact.event.person_id == victim
    )
    details = state.victim_details.get(victim)
    safe = details is not None and details.contact_is_safe
    born = None if linked.details.date_of_birth is None else linked.details.date_of_birth.or_else(None)
    day = local_day(on)
    return {
        "name": personal_value(linked.details.name),
        "young": born is not None and age_on(born, day) < POLICY.on(day).number("victim_told_themselves_age"),
        "address": value_if_open(linked.details.address) if safe else None,
        "happened_on": state.happened_on.isoformat(),
        "reference": state.crime_number,
    }
