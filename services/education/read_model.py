"""The reading face of education: how its events fold, and what is shown and counted of them. Reporting may import it."""

from pathlib import Path
from typing import Final

from services.education.access import ACCESS
from services.education.domain.decide import decider
from services.education.domain.duties import duties
from services.education.domain.state import Session, Stage
from services.education.events import EVENTS
from services.education.summary import summary
from services.education.views import view
from shared.domain.policy import PolicyBook
from shared.domain.service import ReadModel

__all__ = ["READ_MODEL", "Session"]

READ_MODEL: Final[ReadModel[Session]] = ReadModel(
    collection="sessions",
    events=EVENTS,
    decider=decider,
    view=view,
    summary=summary,
    duties=duties,
    policy=PolicyBook.load(Path(__file__).parent / "domain" / "policy.toml"),
    access=ACCESS,
    states=tuple(Stage),
    ended=frozenset({"DELIVERED", "CANCELLED"}),
)
