"""What counts as an activity undertaken, on which outcome 22 rests."""

from __future__ import annotations

from datetime import datetime

from services.disposal.domain.case import CAME, DisposalState


def last_activity(state: DisposalState, until: datetime) -> datetime | None:
    """When the child last undertook one: by a register of education, or at a session of a condition, with compliance."""
    attended = (a.at for a in state.attendances if a.status in CAME and a.complied)
    return max((at for at in (*state.activities.values(), *attended) if at <= until), default=None)
