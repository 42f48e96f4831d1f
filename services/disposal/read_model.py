"""How the events of a disposal fold, and what is shown and counted of them; projections read by this alone."""

from pathlib import Path
from typing import Final

from services.disposal import matrices
from services.disposal.access import ACCESS
from services.disposal.domain.decide import decider
from services.disposal.domain.duties import duties
from services.disposal.domain.history import KEPT_OF_CHILDREN
from services.disposal.domain.state import DisposalState, Stage
from services.disposal.events import EVENTS
from services.disposal.summary import summary
from services.disposal.views import view
from services.trade.partnership import as_policy
from services.trade.victims.informed import KEPT_OF_VICTIMS
from shared.domain.policy import PolicyBook
from shared.domain.service import ReadModel

__all__ = ["READ_MODEL", "DisposalState"]

READ_MODEL: Final[ReadModel[DisposalState]] = ReadModel(
    collection="disposals",
    events=EVENTS,
    decider=decider,
    view=view,
    summary=summary,
    duties=duties,
    policy=PolicyBook.load(
        Path(__file__).parent / "domain" / "policy.toml",
        lambda: [*matrices.as_policy(), *as_policy("transfer_areas", "areas")],
    ),
    access=ACCESS,
    keeps_of_people={**KEPT_OF_CHILDREN, **KEPT_OF_VICTIMS},
    states=tuple(Stage),
    ended=frozenset(
        {"COMPLETED", "NOT_COMPLETED", "CEASED", "CLOSED_NO_PROCEEDINGS", "RECORDED", "CHARGED", "CLOSED"}
        | {"ANNULLED", "WITHDRAWN"}
    ),
    # A diversion waits for its crime outcome.
    ended_with={"DIVERTED": "outcome"},
)
