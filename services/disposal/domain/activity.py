"""What counts as an activity undertaken, on which outcome 22 rests."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.disposal.domain.commands import RecordActivityUndertaken
from services.disposal.domain.state import PRESENT, DisposalState
from shared.domain.ids import derived_uuid
from shared.domain.rules import Context


def activity_id(command: RecordActivityUndertaken, context: Context) -> UUID:
    """Return the id under which an activity is kept: that of its session, or one of this case and time."""
    return command.session_id or derived_uuid("activity", context.stream, context.occurred_at.isoformat())


def activities(state: DisposalState) -> Sequence[datetime]:
    """Return when the child undertook an activity: by a register, a conference or another agency, or at a session with compliance."""
    attended = (a.at for a in state.attendances if a.status in PRESENT and a.complied)
    return [*state.activities.values(), *attended]
