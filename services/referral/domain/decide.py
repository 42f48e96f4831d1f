"""The events of an accepted command: those of its own fields, unless it has a branch."""

from __future__ import annotations

from typing import Final

from services.referral.domain.commands import (
    CorrectCarriedOutcome,
    CorrectReferral,
    LinkPerson,
    RecordContact,
    ReferralCommand,
    TriageReferral,
)
from services.referral.domain.corrections import decide_carried_outcome, decide_correction, of_triage
from services.referral.domain.evolve import evolve
from services.referral.domain.rules import people, rules
from services.referral.domain.state import Referral
from services.referral.events import (
    ContactRecorded,
    PersonLinked,
    ReferralTriaged,
)
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_from, event_that_it_records
from shared.domain.rules import Context


def decide(command: ReferralCommand, state: Referral | None, context: Context) -> NewEvents:
    """Return the events of a command that no rule refuses."""
    if state is None:
        return [event_that_it_records(command)]
    match command:
        case LinkPerson():
            return [event_from(PersonLinked, command, **people.of_age(command, state, context))]
        case RecordContact(person_id=person):
            return [event_from(ContactRecorded, command, with_victim=person in state.victims or None)]
        case TriageReferral():
            return [event_from(ReferralTriaged, command, **of_triage(state))]
        case CorrectCarriedOutcome():
            return decide_carried_outcome(command, state)
        case CorrectReferral():
            return [decide_correction(command, state, context)]
        case _:
            return [event_that_it_records(command)]


decider: Final[Decider[Referral]] = Decider(rules, decide, evolve)
