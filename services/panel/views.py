"""What is shown of a sitting: the catalogue's state, in clear JSON values."""

from typing_extensions import TypedDict

from services.panel.domain.state import Sitting
from shared.domain.members import described


@described
class SittingView(TypedDict):
    """What is shown of a sitting."""

    state: str
    agenda: dict[str, str]
    """By disposal: TO_CONSIDER, CONSIDERED or ADJOURNED."""
    actions: dict[str, str]
    """By agreed action: OPEN or DONE."""


def view(sitting: Sitting) -> SittingView:
    return {
        "state": sitting.stage.value,
        "agenda": {str(disposal): item.status.value for disposal, item in sitting.agenda.items()},
        "actions": {
            str(action_id): "OPEN" if action.done_on is None else "DONE"
            for action_id, action in sitting.actions.items()
        },
    }
