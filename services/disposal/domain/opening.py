"""Opens a case: what is computed once and then stays in clear."""

from __future__ import annotations

from services.disposal.domain.commands import OpenDisposalCase
from services.disposal.domain.time_limit import prosecution_time_limit
from services.disposal.events import DisposalCaseOpened
from shared.domain.dates import age_on
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_from
from shared.domain.rules import Context


def decide_opening(command: OpenDisposalCase, context: Context) -> NewEvents:
    """Open the case with the age at the offence (whole years) and the time limit for prosecution."""
    age = age_on(command.details.date_of_birth.value, command.offence.date)
    limit = prosecution_time_limit(command.offence, context.policy)
    return (event_from(DisposalCaseOpened, command, age_at_offence=age, prosecution_time_limit=limit),)
