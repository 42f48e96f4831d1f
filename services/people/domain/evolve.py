"""The fold of a person: how each fact changes the state. It applies no rule."""

from typing import assert_never

from services.people import events
from services.people.domain.state import HistoryEntry, Person, RelationToChild, fits_its_kind
from shared.domain.corrections import PastFacts
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact
from shared.domain.states import replace


def evolve(state: Person | None, fact: Fact[events.PersonEvent]) -> Person:
    """Return the person after one more fact; raises `BrokenHistory` if the fact could not have happened."""
    before = state or Person(fact.stream_id)
    return replace(_state_after(before, fact), record=PastFacts(fact, before.record))


def _state_after(state: Person, fact: Fact[events.PersonEvent]) -> Person:
    event = fact.event
    match event:
        case events.PersonMerged(into=into):
            if state.merged_into is not None:
                raise BrokenHistory(fact, "it is merged already")
            return replace(state, merged_into=into, changed_at=fact.occurred_at)
        case events.PersonSeparated():
            if state.merged_into is None:
                raise BrokenHistory(fact, "it is not merged")
            return replace(state, merged_into=None, changed_at=fact.occurred_at)
        case events.HistoryRecorded():
            if event.entry_id in state.history:
                raise BrokenHistory(fact, "this entry is recorded already")
            return replace(state, history={**state.history, event.entry_id: HistoryEntry(event.kind, event.on)})
        case events.RelationRecorded():
            relation = RelationToChild(event.relation, event.contact, event.until, event.parental_responsibility)
            return replace(state, relations={**state.relations, event.child_id: relation})
        case events.CircumstanceRecorded():
            if not fits_its_kind(event):
                raise BrokenHistory(fact, "its fields do not fit its kind")
            return replace(state, circumstances={**state.circumstances, event.circumstance_id: event})
        case events.RecordCorrected():  # the corrected value already stands in its place
            return state
        case _:
            assert_never(event)
