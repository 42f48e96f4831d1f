"""What happens on a correction."""

from __future__ import annotations

from services.disposal.domain.case import DisposalState
from services.disposal.domain.commands import CorrectRecord
from services.disposal.domain.correction import correction_of, following, target_of
from shared.messages import Decided
from shared.rules import Occasion


def corrected(command: CorrectRecord, state: DisposalState, occasion: Occasion) -> Decided:
    """The correction, and those of what had been computed from the corrected field."""
    first = correction_of(target_of(command, state), command.field, command.value, command.why)
    return (first, *following(state, first, occasion.policy))
