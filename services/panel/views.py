"""What is shown of a sitting: the catalogue's state, in clear JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.panel.domain.state import Sitting


def view(sitting: Sitting) -> Mapping[str, Any]:
    """Return the state of a sitting."""
    return {
        "state": sitting.stage.value,
        "agenda": {str(disposal): item.status.value for disposal, item in sitting.agenda.items()},
        "actions": {
            str(action_id): "OPEN" if action.done_on is None else "DONE"
            for action_id, action in sitting.actions.items()
        },
    }
