"""The events of an accepted command: its fields, and the id of the person."""

from dataclasses import replace
from typing import Final

from services.people.domain import commands
from services.people.domain.corrections import decide_correction
from services.people.domain.evolve import evolve
from services.people.domain.rules import rules
from services.people.domain.state import Person
from services.people.events import (
    CircumstanceRecorded,
    HistoryRecorded,
    PersonMerged,
    PersonSeparated,
    RelationRecorded,
)
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import Command, model_from
from shared.domain.rules import Context


def decide(command: Command, state: Person | None, context: Context) -> NewEvents:
    """Return the event of a command that no rule refuses."""
    person = context.stream
    match command:
        case commands.MergePerson():
            return [model_from(PersonMerged, command, person_id=person)]
        case commands.RecordHistory():
            return [model_from(HistoryRecorded, command, person_id=person)]
        case commands.RecordRelation():
            return [model_from(RelationRecorded, command, person_id=person)]
        case commands.RecordCircumstance():
            event = model_from(CircumstanceRecorded, command, person_id=person)
            known = None if state is None else state.circumstances.get(event.circumstance_id)
            return [] if event == known else [event]
        case commands.SeparatePerson() if state is not None:
            return [model_from(PersonSeparated, command, person_id=person, into=state.merged_into)]
        case commands.CorrectRecord() if state is not None:
            return [decide_correction(command, state, context)]
        case _:
            raise TypeError(f"{command.type} begins no record of a person")


decider: Final[Decider[Person]] = Decider(
    rules, decide, evolve, completed=lambda state, known: replace(state, known=known)
)
