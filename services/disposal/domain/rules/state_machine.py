"""S1, the state machine: registers each line of its table as a rule, asked only when no other rule refuses."""

from __future__ import annotations

from services.disposal.domain.commands import CorrectRecord
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state_machine import SOURCE, STATE_MACHINE
from shared.domain.state_machine import register

register(rules, STATE_MACHINE, SOURCE)
CORRECTIONS.guard(rules, CorrectRecord)
