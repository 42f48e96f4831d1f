"""The summary of a panel sitting."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from services.panel.events import EVENTS, CaseAddedToAgenda, CaseConsidered, CaseRemovedFromAgenda, SittingPlanned
from services.reporting.summaries.summary import SummaryType, first_fields
from services.trade.summary import CaseView, Summary
from shared.domain.envelope import Fact
from shared.domain.messages import Correction, Timestamp, ValueObject


class AgendaSummary(ValueObject):
    """A case on the agenda, with the actions that the panel agreed in it."""

    disposal_id: UUID
    case_id: UUID
    person_id: UUID
    actions: tuple[UUID, ...] = ()


class SittingSummary(Summary):
    """A sitting: when it begins, and the cases on its agenda. Who chairs it has the work."""

    starts_at: Timestamp
    agenda: tuple[AgendaSummary, ...] = ()


def sitting_summary(history: Sequence[Fact]) -> SittingSummary | None:
    """Summarise a history; None if nothing had been planned."""
    planned: SittingPlanned | None = None
    agenda: dict[UUID, AgendaSummary] = {}
    for fact in history:
        match fact.event:
            case SittingPlanned() as event:
                planned = event
            case CaseAddedToAgenda(disposal_id=disposal, case_id=case_id, person_id=person):
                agenda[disposal] = AgendaSummary(disposal_id=disposal, case_id=case_id, person_id=person)
            case CaseRemovedFromAgenda(disposal_id=disposal):
                agenda.pop(disposal, None)
            case CaseConsidered(disposal_id=disposal, actions=actions):
                agreed = tuple(action.action_id for action in actions or ())
                agenda[disposal] = agenda[disposal].model_copy(update={"actions": agreed})
            case _:
                pass
    if planned is None:
        return None
    return SittingSummary(
        **first_fields(history),
        officer=planned.chair,
        cases=tuple(dict.fromkeys(item.case_id for item in agenda.values())),
        starts_at=planned.starts_at,
        agenda=tuple(agenda.values()),
    )


def sitting_for_case(view: Mapping[str, Any], sitting: SittingSummary, case_id: UUID) -> CaseView:
    """Return the sitting as a case may see it: agenda and actions of this case alone."""
    own = [item for item in sitting.agenda if item.case_id == case_id]
    disposals = {str(item.disposal_id) for item in own}
    actions = {str(action) for item in own for action in item.actions}
    own_fields = {
        "agenda": {disposal: status for disposal, status in view["agenda"].items() if disposal in disposals},
        "actions": {action: status for action, status in view["actions"].items() if action in actions},
        "starts_at": sitting.starts_at.isoformat(),
    }
    people = frozenset(item.person_id for item in own)
    return CaseView({**view, **own_fields}, frozenset(set(view["actions"]) - actions), people)


def sitting_events_for_case(history: Sequence[tuple[Fact, Fact]], case_id: UUID) -> Collection[UUID]:
    """Return the ids of the events that concern a case: its own, and those of the sitting as such.

    Empty if the case never was on the agenda.
    """
    concerns: dict[UUID, bool] = {}
    listed = False
    for recorded, _ in history:
        match recorded.event:
            case Correction(corrects=target):
                concerns[recorded.event_id] = concerns[target]
            case event:
                about = getattr(event, "case_id", None)
                listed |= about == case_id
                concerns[recorded.event_id] = about in {None, case_id}
    return {event_id for event_id, own in concerns.items() if own} if listed else ()


SITTING: Final = SummaryType(EVENTS.service, SittingSummary, sitting_summary, sitting_for_case, sitting_events_for_case)
"""Summaries of sittings, which several cases share."""
