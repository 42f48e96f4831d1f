"""The reading face of education: how its events fold, and what is shown of them. Reporting may import it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.education.domain.decide import decider
from services.education.domain.duties import duties
from services.education.domain.state import Session
from services.education.events import EVENTS
from services.education.views import view
from shared.policy import PolicyBook
from shared.service import Reading

READING: Final[Reading[Session]] = Reading(
    service="education",
    collection="sessions",
    events=EVENTS,
    decider=decider,
    view=view,
    duties=duties,
    policy=PolicyBook.load(Path(__file__).parent / "domain" / "policy.toml"),
)
"""How a session is read."""
