"""The events of an accepted command: one function for each command that does more than record its own fields."""

from typing import Final

from services.rj_conference.domain import commands
from services.rj_conference.domain.closing import comes_too_late
from services.rj_conference.domain.corrections import decide_correction
from services.rj_conference.domain.derived import of_end, of_held
from services.rj_conference.domain.evolve import evolve
from services.rj_conference.domain.rules import rules
from services.rj_conference.domain.rules.consent import is_under_age
from services.rj_conference.domain.state import Conference
from services.rj_conference.events import ConferenceClosed, ConferenceDidNotProceed, ConferenceHeld, ParticipantAdded
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import Command, event_that_it_records, model_from
from shared.domain.rules import Context


def decide(command: Command, state: Conference | None, context: Context) -> NewEvents:
    """Return the event of a command that no rule refuses; none if a reaction's closing comes too late."""
    if state is None:
        return [event_that_it_records(command)]
    match command:
        case commands.AddParticipant(person_id=person, under_16=given):
            computed = is_under_age(state, person, context.day, context)
            return [model_from(ParticipantAdded, command, under_16=given if computed is None else computed)]
        case commands.RecordConferenceHeld():
            return [model_from(ConferenceHeld, command, **of_held(command.present, state, context.day, context.policy))]
        case commands.RecordDidNotProceed():
            return [model_from(ConferenceDidNotProceed, command, **of_end(state))]
        case commands.CorrectRecord():
            return [decide_correction(command, state, context)]
        case commands.CloseConference():
            return [] if comes_too_late(state, context) else [model_from(ConferenceClosed, command)]
        case _:
            return [event_that_it_records(command)]


decider: Final[Decider[Conference]] = Decider(rules, decide, evolve)
