"""The rules of a conference: what practice asks, what must have happened before, and the state machine.

C7 is the disposal's to enforce: here a harmed party's withdrawal only becomes a fact that carries its own reason.
C11 is kept by the shape of the events: there is no field for what was said.
"""

from services.rj_conference.domain.rules import (
    chronology,
    corrections,
    practice,
    state_machine,
)
from services.rj_conference.domain.rules.rulebook import rules

__all__ = ["chronology", "corrections", "practice", "rules", "state_machine"]
