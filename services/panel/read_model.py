"""How a sitting's events fold, and what is shown and counted of them."""

from pathlib import Path
from typing import Final

from services.panel.access import ACCESS
from services.panel.domain.decide import decider
from services.panel.domain.duties import duties
from services.panel.domain.state import Sitting, Stage
from services.panel.events import EVENTS
from services.panel.summary import summary
from services.panel.views import view
from services.trade.partnership import as_policy
from shared.domain.policy import PolicyBook
from shared.domain.service import ReadModel

READ_MODEL: Final[ReadModel[Sitting]] = ReadModel(
    collection="sittings",
    events=EVENTS,
    decider=decider,
    view=view,
    summary=summary,
    duties=duties,
    policy=PolicyBook.load(
        Path(__file__).parent / "domain" / "policy.toml", lambda: as_policy("panel_organisations", "organisations")
    ),
    access=ACCESS,
    states=tuple(Stage),
    ended=frozenset({"CLOSED", "CANCELLED"}),
)
