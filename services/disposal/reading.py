"""How the events of a disposal fold, and what is shown of them; projections read by this alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.disposal.domain.case import DisposalState
from services.disposal.domain.decide import decide
from services.disposal.domain.duties import duties
from services.disposal.domain.rules import rules
from services.disposal.domain.state import evolve
from services.disposal.events import EVENTS
from services.disposal.views import view
from shared.decider import Decider
from shared.policy import PolicyBook
from shared.service import Reading

POLICY: Final = PolicyBook.load(Path(__file__).parent / "domain" / "policy.toml")
"""The dated values of this service."""

READING: Final[Reading[DisposalState]] = Reading(
    service="disposal",
    collection="disposals",
    events=EVENTS,
    decider=Decider(rules=rules, decide=decide, evolve=evolve),
    view=view,
    duties=duties,
    policy=POLICY,
)
"""The public reading face of disposals."""
