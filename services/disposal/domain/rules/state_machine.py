"""S1, the state machine: registers each line of its table as a rule, asked only when no other rule refuses."""

from __future__ import annotations

from services.disposal.domain.commands import CorrectRecord
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState
from services.disposal.domain.state_machine import STATE_MACHINE, AllowedCommands
from shared.domain.messages import Command
from shared.domain.rules import Context


def _register(line: AllowedCommands) -> None:
    """Register a line as a rule, which has the line's name, text and source."""

    def is_allowed(command: Command, state: DisposalState | None, context: Context) -> bool:
        return line.allows(command, state, context)

    is_allowed.__name__ = line.name
    is_allowed.__doc__ = f"{line.text}\n\nSource: {line.source}"
    rules.allowed_in(*line.commands)(is_allowed)


for line in STATE_MACHINE:
    _register(line)
CORRECTIONS.guard(rules, CorrectRecord)
