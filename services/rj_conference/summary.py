"""What is counted and listed of a conference."""

from datetime import date
from uuid import UUID

from services.rj_conference.domain.state import Conference
from services.trade.summary import Summary, common_fields
from shared.domain.envelope import Fact


class ConferenceSummary(Summary):
    """The harmer of a conference, and the harmed parties who took part in it, in any mode. The facilitator has the work."""

    harmer: UUID
    disposal_id: UUID | None = None
    held_on: date | None = None
    took_part: tuple[UUID, ...] = ()

    @property
    def subject(self) -> UUID:
        return self.kept(self.harmer)


def summary(state: Conference, first: Fact) -> ConferenceSummary:
    """Summarise a conference. A victim takes part for themselves, or by a representative of the store or school."""
    held = state.held
    return ConferenceSummary(
        **common_fields(first),
        officer=None if state.facilitator is None else state.facilitator.facilitator_id,
        cases=(first.envelope.home,),
        harmer=state.harmer,
        disposal_id=state.disposal_id,
        held_on=None if held is None else held.on,
        took_part=() if held is None else tuple(sorted(held.harmed | held.signatories)),
    )
