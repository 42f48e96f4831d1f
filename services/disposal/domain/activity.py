"""What counts as an activity undertaken, on which outcome 22 rests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.disposal.domain.state import PRESENT, DisposalState


def activities(state: DisposalState) -> Sequence[datetime]:
    """When the child undertook one: by a register of education, or at a session of a condition, with compliance."""
    attended = (a.at for a in state.attendances if a.status in PRESENT and a.complied)
    return [*state.activities.values(), *attended]


def last_activity(state: DisposalState, until: datetime) -> datetime | None:
    """When the child last undertook one by then."""
    return max((at for at in activities(state) if at <= until), default=None)
