"""Which victims were told, in whatever record of a case: of restorative justice once (Victims' Code 2021, right 3), and of what was decided by then."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from services.disposal import events as disposal
from services.referral import events as referral
from services.rj_conference.events import VictimInformed
from services.trade.victims import INFORMED, TOLD, Elsewhere, told_persons
from shared.domain.messages import Event
from shared.domain.persons import Known

KEPT_OF_VICTIMS: Final[Mapping[type[Event], tuple[str, ...]]] = {
    disposal.VictimInformedOfRestorativeJustice: ("person_id", "in_place_of"),
    referral.VictimInformedOfRestorativeJustice: ("person_id", "in_place_of"),
    VictimInformed: ("person_id",),
    disposal.VictimTold: ("person_id", "in_place_of"),
    referral.VictimTold: ("person_id", "in_place_of"),
}
"""The events by which a record knows that a victim of its own was told in another (`Service.keeps_of_people`)."""


def told_elsewhere(known: Known, case: UUID) -> Elsewhere:
    """Return when each victim was told of restorative justice, and of a decision, in any record of a case, under every id of theirs."""
    found: Elsewhere = {INFORMED: {}, TOLD: {}}
    for fact in known.facts:
        if type(fact.event) in KEPT_OF_VICTIMS and fact.envelope.home == case:
            times = found[TOLD if fact.name == TOLD else INFORMED]
            for person in (same for told in told_persons(fact.event) for same in known.same_as(told)):
                times[person] = sorted([*times.get(person, ()), fact.occurred_at])
    return found
