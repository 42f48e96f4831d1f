"""The events of an accepted command: those that carry more than the command's own fields."""

from typing import Final

from services.panel.domain import commands
from services.panel.domain.corrections import decide_correction, of_considered
from services.panel.domain.evolve import evolve
from services.panel.domain.rules import rules
from services.panel.domain.state import Sitting
from services.panel.events import ActionCompleted, CaseAdjourned, CaseConsidered, CaseRemovedFromAgenda
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import Command, event_that_it_records, model_from
from shared.domain.rules import Context


def decide(command: Command, state: Sitting | None, context: Context) -> NewEvents:
    """Return the event of a command that no rule refuses, with the case that it is about."""
    if state is None:
        return [event_that_it_records(command)]
    match command:
        case commands.RemoveFromAgenda(disposal_id=disposal):
            return [model_from(CaseRemovedFromAgenda, command, case_id=state.agenda[disposal].case_id)]
        case commands.AdjournCase(disposal_id=disposal):
            return [model_from(CaseAdjourned, command, case_id=state.agenda[disposal].case_id)]
        case commands.ConsiderCase(disposal_id=disposal):
            item, copied = state.agenda[disposal], of_considered(state, context.occurred_at)
            return [model_from(CaseConsidered, command, case_id=item.case_id, person_id=item.person_id, **copied)]
        case commands.CompleteAction(action_id=action):
            return [model_from(ActionCompleted, command, case_id=state.actions[action].case_id)]
        case commands.CorrectRecord():
            return [decide_correction(command, state, context)]
        case _:
            return [event_that_it_records(command)]


decider: Final[Decider[Sitting]] = Decider(rules, decide, evolve)
