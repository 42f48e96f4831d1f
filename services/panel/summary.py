"""What is counted and listed of a sitting, and the part of it that each case on its agenda sees."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from services.panel.domain.state import Sitting
from services.trade.summary import CaseView, Summary, common_fields
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

    is_shared: ClassVar[bool] = True

    starts_at: Timestamp
    agenda: tuple[AgendaSummary, ...] = ()

    def view_for_case(self, view: Mapping[str, Any], case_id: UUID) -> CaseView:
        """Return the sitting as a case may see it: agenda and actions of this case alone."""
        own = [item for item in self.agenda if item.case_id == case_id]
        disposals = {str(item.disposal_id) for item in own}
        actions = {str(action) for item in own for action in item.actions}
        own_fields = {
            "agenda": {disposal: status for disposal, status in view["agenda"].items() if disposal in disposals},
            "actions": {action: status for action, status in view["actions"].items() if action in actions},
            # A row of an earlier release has none.
            "cases": [item for item in view.get("cases", ()) if item["disposal_id"] in disposals],
            "starts_at": self.starts_at.isoformat(),
        }
        people = frozenset(item.person_id for item in own)
        return CaseView({**view, **own_fields}, frozenset(set(view["actions"]) - actions), people)

    @classmethod
    def events_for_case(cls, history: Sequence[tuple[Fact, Fact]], case_id: UUID) -> Collection[UUID]:
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


def summary(state: Sitting, first: Fact) -> SittingSummary:
    agenda = tuple(
        AgendaSummary(
            disposal_id=disposal,
            case_id=item.case_id,
            person_id=item.person_id,
            actions=tuple(key for key, action in state.actions.items() if action.case_id == item.case_id),
        )
        for disposal, item in state.agenda.items()
    )
    return SittingSummary(
        **common_fields(first),
        officer=state.chair,
        cases=tuple(dict.fromkeys(item.case_id for item in agenda)),
        starts_at=state.starts_at,
        agenda=agenda,
    )
