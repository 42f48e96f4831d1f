"""A sitting is shared by the cases on its agenda: each learns of its own part alone."""

import json
from functools import cache
from uuid import UUID

from services.panel.events import CaseAddedToAgenda, CaseConsidered
from services.panel.read_model import READ_MODEL
from services.panel.summary import SittingSummary
from services.reporting.projection.fold import fold
from shared.domain.decider import history_at
from shared.domain.envelope import Fact
from tests.in_memory_reporting import play


@cache
def history() -> list[Fact]:
    """Return the longer of the two sittings of the story."""
    return max(play("84-a-sitting-of-three-cases.yaml").of("panel"), key=len)


def summary_of(facts: list[Fact]) -> SittingSummary:
    folded = fold(facts)
    assert folded is not None
    assert isinstance(folded.summary, SittingSummary)
    return folded.summary


def test_a_sitting_belongs_to_the_cases_on_its_agenda() -> None:
    """Given a sitting, then three cases share it, the one taken off does not, and the chair has the work."""
    summary = summary_of(history())
    assert len(summary.cases) == len(summary.agenda) == 3
    assert not summary.is_work
    assert summary.officer is not None
    assert summary.officer == history()[0].actor.id


def test_a_case_sees_its_own_part_of_a_sitting() -> None:
    """Given a sitting of three cases, when one of them is shown, then no other case's item, action or event is in it."""
    facts = history()
    summary = summary_of(facts)
    view = READ_MODEL.view_of(facts)
    assert view is not None
    considered = next(fact.event for fact in facts if isinstance(fact.event, CaseConsidered))
    part = summary.view_for_case(view, considered.case_id)
    assert set(part.view["agenda"]) == {str(considered.disposal_id)}
    assert len(part.view["actions"]) == 1
    others = {item.case_id for item in summary.agenda} - {considered.case_id}
    assert not [case_id for case_id in others if str(case_id) in json.dumps(part.view)]
    assert part.hidden_items == frozenset()
    (other, *_) = (item for item in summary.agenda if item.case_id != considered.case_id)
    assert summary.view_for_case(view, other.case_id).hidden_items == set(part.view["actions"])
    pairs = list(zip(facts, history_at(facts), strict=True))
    for case_id in summary.cases:
        own = [fact.event for fact in facts if fact.event_id in SittingSummary.events_for_case(pairs, case_id)]
        assert {getattr(event, "case_id", None) for event in own} <= {case_id, None}
        assert any(isinstance(event, CaseAddedToAgenda) for event in own)
    assert not SittingSummary.events_for_case(pairs, UUID(int=1))
