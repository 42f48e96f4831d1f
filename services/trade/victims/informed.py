"""Which victims were told of restorative justice, in whatever record of a case: each is told once (Victims' Code 2021, right 3)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from services.disposal import events as disposal
from services.referral import events as referral
from services.rj_conference.events import VictimInformed
from services.trade.victims import told_persons
from shared.domain.messages import Event
from shared.domain.persons import Known

KEPT_OF_VICTIMS: Final[Mapping[type[Event], tuple[str, ...]]] = {
    disposal.VictimInformedOfRestorativeJustice: ("person_id", "in_place_of"),
    referral.VictimInformedOfRestorativeJustice: ("person_id", "in_place_of"),
    VictimInformed: ("person_id",),
}
"""The events by which a record knows that a victim of its own was told in another (`Service.keeps_of_people`)."""


def informed_elsewhere(known: Known, case: UUID) -> Mapping[UUID, datetime]:
    """Return when each victim was first told of restorative justice in any record of a case, under every id of theirs."""
    found: dict[UUID, datetime] = {}
    for fact in known.facts:
        if type(fact.event) in KEPT_OF_VICTIMS and fact.envelope.home == case:
            for person in (same for told in told_persons(fact.event) for same in known.same_as(told)):
                found[person] = min(found.get(person, fact.occurred_at), fact.occurred_at)
    return found
