"""The fold of a sitting: how each fact changes the state. It applies no rule."""

from typing import assert_never
from uuid import UUID

from services.panel import events
from services.panel.domain.state import AgendaItem, AgreedAction, ItemStatus, Membership, Sitting, Stage
from shared.domain.corrections import PastFacts
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact
from shared.domain.states import replace


def evolve(state: Sitting | None, fact: Fact[events.PanelEvent]) -> Sitting:
    """Return the sitting after one more fact; raises `BrokenHistory` if the fact could not have happened."""
    event = fact.event
    if isinstance(event, events.SittingPlanned):
        if state is not None:
            raise BrokenHistory(fact, "it was planned already")
        planned = Sitting(Stage.PLANNED, event.starts_at, event.chair)
        return replace(planned, record=PastFacts(fact))
    if state is None:
        raise BrokenHistory(fact, "the sitting was never planned")
    return replace(_state_after(state, fact, event), record=PastFacts(fact, state.record))


def _state_after(state: Sitting, fact: Fact, event: events.EventAfterPlanning) -> Sitting:
    at = fact.occurred_at
    match event:
        case events.CaseAddedToAgenda():
            if event.disposal_id in state.agenda:
                raise BrokenHistory(fact, "the case is on the agenda already")
            item = AgendaItem(event.case_id, event.person_id, ItemStatus.TO_CONSIDER, at, fact.version)
            return replace(state, agenda={**state.agenda, event.disposal_id: item})
        case events.CaseRemovedFromAgenda(disposal_id=disposal):
            _item(state, fact, disposal)
            agenda = {other: item for other, item in state.agenda.items() if other != disposal}
            return replace(state, agenda=agenda, removed={**state.removed, disposal: at})
        case events.MembersRecorded(members=members):
            in_order = tuple(
                sorted((*state.memberships, Membership(at, members)), key=lambda membership: membership.at)
            )
            began = any(member.present for member in members)
            return replace(state, memberships=in_order, stage=Stage.SITTING if began else state.stage)
        case events.CaseConsidered():
            return _considered(state, fact, event)
        case events.CaseAdjourned(disposal_id=disposal):
            return _with(state, fact, disposal, ItemStatus.ADJOURNED)
        case events.ActionCompleted(action_id=action_id):
            action = state.actions.get(action_id)
            if action is None or action.done_on is not None:
                raise BrokenHistory(fact, "no such action is open")
            return replace(state, actions={**state.actions, action_id: replace(action, done_on=fact.day)})
        case events.SittingClosed():
            return replace(state, stage=Stage.CLOSED)
        case events.SittingCancelled():
            return replace(state, stage=Stage.CANCELLED)
        case events.RecordCorrected():  # the corrected value already stands in its place
            return state
        case _:
            assert_never(event)


def _item(state: Sitting, fact: Fact, disposal: UUID) -> AgendaItem:
    item = state.agenda.get(disposal)
    if item is None or item.status is ItemStatus.CONSIDERED:
        raise BrokenHistory(fact, "the case does not wait to be considered")
    return item


def _with(state: Sitting, fact: Fact, disposal: UUID, status: ItemStatus) -> Sitting:
    item = replace(_item(state, fact, disposal), status=status, since=fact.occurred_at, version=fact.version)
    return replace(state, agenda={**state.agenda, disposal: item})


def _considered(state: Sitting, fact: Fact, event: events.CaseConsidered) -> Sitting:
    agreed = {
        action.action_id: AgreedAction(event.case_id, fact.occurred_at, fact.day, action.due)
        for action in event.actions or ()
    }
    if agreed.keys() & state.actions.keys():
        raise BrokenHistory(fact, "one of its actions was agreed already")
    after = _with(state, fact, event.disposal_id, ItemStatus.CONSIDERED)
    return replace(after, stage=Stage.SITTING, actions={**state.actions, **agreed})
