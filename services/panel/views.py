"""What is shown of a sitting: the catalogue's state, in clear JSON values."""

from uuid import UUID

from typing_extensions import TypedDict

from services.panel.domain.state import AgendaItem, ItemStatus, Sitting
from shared.domain.members import described, shown


@described
class AgendaCase(TypedDict):
    """A case on the agenda."""

    disposal_id: str
    case_id: str
    person_id: str
    status: str
    dealt_with_at: str | None
    """When it was considered or adjourned last."""
    told_by: int | None
    """The version of the event that says what the panel said of it then."""


@described
class MemberView(TypedDict):
    """A member of the panel."""

    officer_id: str
    kind: str
    organisation: str
    present: bool


@described
class SittingView(TypedDict):
    """What is shown of a sitting."""

    state: str
    agenda: dict[str, str]
    """By disposal: TO_CONSIDER, CONSIDERED or ADJOURNED."""
    actions: dict[str, str]
    """By agreed action: OPEN or DONE."""
    starts_at: str
    chair: str
    members: list[MemberView]
    """As recorded last, present or not."""
    cases: list[AgendaCase]
    """The agenda in the order in which it was filled."""


def view(sitting: Sitting) -> SittingView:
    return shown(
        SittingView,
        sitting,
        state=sitting.stage,
        agenda={disposal: item.status for disposal, item in sitting.agenda.items()},
        actions={id_: "OPEN" if action.done_on is None else "DONE" for id_, action in sitting.actions.items()},
        members=[shown(MemberView, one) for one in (sitting.memberships[-1].members if sitting.memberships else ())],
        cases=[_case(disposal, item) for disposal, item in sitting.agenda.items()],
    )


def _case(disposal: UUID, item: AgendaItem) -> AgendaCase:
    waits = item.status is ItemStatus.TO_CONSIDER
    dealt_with_at, told_by = (None, None) if waits else (item.since, item.version)
    return shown(AgendaCase, item, disposal_id=disposal, dealt_with_at=dealt_with_at, told_by=told_by)
