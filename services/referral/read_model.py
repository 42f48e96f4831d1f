"""The reading face of referral: how its events fold, and what is shown and counted of them. Reporting may import it."""

from typing import Final

from services.referral.access import ACCESS
from services.referral.domain.decide import decider
from services.referral.domain.duties import duties
from services.referral.domain.state import LinkedPerson, Preferences, Referral, Stage, VictimDetails
from services.referral.events import (
    EVENTS,
    ReferralAcknowledged,
    ReferralAllocated,
    ReferralClosed,
    ReferralReopened,
    ReferralTriaged,
)
from services.referral.policy import POLICY
from services.referral.summary import summary
from services.referral.views import view
from services.trade.relations import KEPT_OF_RELATIONS
from services.trade.victims.informed import KEPT_OF_VICTIMS
from shared.domain.service import ReadModel

__all__ = ["READ_MODEL", "TOLD_TO_AGENCIES", "LinkedPerson", "Preferences", "Referral", "VictimDetails"]

READ_MODEL: Final[ReadModel[Referral]] = ReadModel(
    collection="referrals",
    events=EVENTS,
    decider=decider,
    view=view,
    summary=summary,
    duties=duties,
    policy=POLICY,
    access=ACCESS,
    keeps_of_people={**KEPT_OF_RELATIONS, **KEPT_OF_VICTIMS},
    states=tuple(Stage),
    ended=frozenset({"CLOSED"}),
)

TOLD_TO_AGENCIES: Final = frozenset(
    event.__name__
    for event in (ReferralAcknowledged, ReferralTriaged, ReferralAllocated, ReferralClosed, ReferralReopened)
)
"""What others record of a report that its agency is told: how far it is, as in the API. None of these names a person."""
