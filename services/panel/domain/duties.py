"""What is due after a sitting: its actions."""

from collections.abc import Sequence

from services.panel.domain.state import Sitting
from shared.domain.duties import Duty
from shared.domain.policy import PolicyOn


def duties(sitting: Sitting, _policy_on: PolicyOn) -> Sequence[Duty]:
    """List every duty that the sitting has opened. They outlive its closing.

    Duties:
        PANEL_ACTION: a case is considered, for each of its actions; the action's own date; the action is recorded as done.
    """
    return [
        Duty("PANEL_ACTION", action.agreed_on, action.due, met_on=action.done_on, item=str(action_id))
        for action_id, action in sitting.actions.items()
    ]
