"""What counts as an activity undertaken, on which outcome 22 rests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.disposal.domain.state import PRESENT, DisposalState


def activities(state: DisposalState) -> Sequence[datetime]:
    """Return when the child undertook an activity: by education's register, or at a session with compliance."""
    attended = (a.at for a in state.attendances if a.status in PRESENT and a.complied)
    return [*state.activities.values(), *attended]
