"""How a conference's events fold, and what is shown and counted of them."""

from pathlib import Path
from typing import Final

from services.rj_conference.access import ACCESS
from services.rj_conference.domain.decide import decider
from services.rj_conference.domain.duties import duties
from services.rj_conference.domain.state import Conference, Stage
from services.rj_conference.events import EVENTS
from services.rj_conference.summary import summary
from services.rj_conference.views import view
from services.trade.practitioners import as_policy
from services.trade.relations import KEPT_OF_RELATIONS
from shared.domain.policy import PolicyBook
from shared.domain.service import ReadModel

__all__ = ["READ_MODEL", "Conference"]

READ_MODEL: Final[ReadModel[Conference]] = ReadModel(
    collection="conferences",
    events=EVENTS,
    decider=decider,
    view=view,
    summary=summary,
    duties=duties,
    policy=PolicyBook.load(Path(__file__).parent / "domain" / "policy.toml", as_policy),
    access=ACCESS,
    keeps_of_people=KEPT_OF_RELATIONS,
    states=tuple(Stage),
    ended=frozenset({"CLOSED"}),
)
