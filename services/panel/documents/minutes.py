"""The minutes of a sitting. A sitting knows children and officers by their ids alone: the case is named by its reference."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.panel.domain.state import Sitting, Stage
from services.panel.events import ActionCompleted, CaseAddedToAgenda, CaseAdjourned, CaseConsidered, SittingPlanned
from shared.domain.documents import DocumentData, NotAvailable, clock_of, day_of, personal_value
from shared.domain.envelope import Fact, has_event


def facts_of_case(facts: Sequence[Fact], disposal: UUID) -> Sequence[Fact]:
    """Return the facts of the sitting as such and of one case on its agenda; none if the case is on no agenda."""
    listed = (fact.event for fact in facts if isinstance(fact.event, CaseAddedToAgenda))
    case = next((event.case_id for event in listed if event.disposal_id == disposal), None)
    return [] if case is None else [fact for fact in facts if getattr(fact.event, "case_id", None) in {None, case}]


def minutes(state: Sitting, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Return what a closed sitting recorded: who was there, and what it said of each case."""
    if state.stage is not Stage.CLOSED:
        return NotAvailable("The sitting is not closed: consider or adjourn each case, close it, and print then.")
    planned = next(fact.event for fact in facts if has_event(fact, SittingPlanned))
    done = {fact.event.action_id: fact for fact in facts if has_event(fact, ActionCompleted)}
    members = state.memberships[-1].members if state.memberships else ()
    values = {
        "held_on": day_of(state.starts_at),
        "begins": clock_of(state.starts_at),
        "place": personal_value(planned.place),
        "members": [
            {"kind": member.kind.value, "organisation": member.organisation, "present": member.present}
            for member in members
        ],
        "cases": [
            _case(fact, done)
            for fact in facts
            if isinstance(fact.event, CaseConsidered | CaseAdjourned) and _stands(fact, facts)
        ],
    }
    return DocumentData(values, max(fact.occurred_at for fact in facts))


def _stands(fact: Fact, facts: Sequence[Fact]) -> bool:
    """Whether this is the last that the sitting said of its case: an adjourned one may be considered afterwards."""
    last = [
        other
        for other in facts
        if isinstance(other.event, CaseConsidered | CaseAdjourned)
        and isinstance(fact.event, CaseConsidered | CaseAdjourned)
        and other.event.disposal_id == fact.event.disposal_id
    ][-1]
    return last is fact


def _case(fact: Fact, done: dict[UUID, Fact[ActionCompleted]]) -> dict[str, Any]:
    event = fact.event
    assert isinstance(event, CaseConsidered | CaseAdjourned)
    case = {
        "reference": str(event.case_id)[:8].upper(),
        "on": day_of(fact.occurred_at),
        "at": clock_of(fact.occurred_at),
        # A place on the site that serves the paper: there it opens the case as it was known then.
        "known": f"/cases/{event.case_id}?known_at={fact.occurred_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    if isinstance(event, CaseAdjourned):
        return {**case, "adjourned": personal_value(event.why)}
    kinds = {member.officer_id: member.kind.value for member in event.present}
    return {
        **case,
        "recommended": event.recommended.value,
        "voting": [kind.value for kind in event.voting],
        "abstaining": [kinds[member] for member in event.abstaining or () if member in kinds],
        "reasons": personal_value(event.reasons),
        "child_view": personal_value(event.child_view),
        "no_child_view_because": personal_value(event.no_child_view_because),
        "parent_view": personal_value(event.parent_view),
        "dissent": personal_value(event.dissent),
        "actions": [
            {
                "text": personal_value(action.text),
                "due": action.due.isoformat(),
                "done_on": day_of(done[action.action_id].occurred_at) if action.action_id in done else None,
            }
            for action in event.actions or ()
        ],
    }
