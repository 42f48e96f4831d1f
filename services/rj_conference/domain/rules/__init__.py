"""The rules of a conference: what practice asks, what must have happened before, and the state machine.

C7 is the disposal's to enforce: here a harmed party's withdrawal only becomes a fact that carries its own reason.
C11 is kept by the shape of the events: there is no field for what was said.

The order of the imports is the order of the rules, and so of their ids in an event's envelope.
"""

from services.rj_conference.domain.rules import chronology, corrections, people, practice, stages
from services.rj_conference.domain.rules.rulebook import rules

__all__ = ["chronology", "corrections", "people", "practice", "rules", "stages"]
