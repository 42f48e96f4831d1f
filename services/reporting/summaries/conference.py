"""The summary of a restorative justice conference."""

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from services.reporting.summaries.summary import Summary, SummaryType, common_fields
from services.rj_conference.events import EVENTS, ConferenceHeld, ConferenceProposed, FacilitatorAssigned, PresentRole
from shared.domain.envelope import Fact

HARMED: Final = frozenset({PresentRole.HARMED, PresentRole.REPRESENTATIVE})
"""As whom a victim takes part: for themselves, or for the store or school that was harmed."""


class ConferenceSummary(Summary):
    """The harmer of a conference, and the harmed parties who took part in it, in any mode."""

    harmer: UUID
    disposal_id: UUID | None = None
    held_on: date | None = None
    took_part: tuple[UUID, ...] = ()

    @property
    def counted_days(self) -> list[date]:
        """The day of the conference, and those on which duties lapsed."""
        return [*super().counted_days, *([] if self.held_on is None else [self.held_on])]

    @property
    def subject(self) -> UUID:
        """The child that did the harm."""
        return self.harmer


def conference_summary(history: Sequence[Fact]) -> ConferenceSummary | None:
    """Summarise a history; None if nothing had been proposed."""
    proposed: ConferenceProposed | None = None
    facilitator: UUID | None = None
    held_on: date | None = None
    took_part: dict[UUID, None] = {}
    for fact in history:
        match fact.event:
            case ConferenceProposed() as event:
                proposed = event
            case FacilitatorAssigned(facilitator_id=facilitator_id):
                facilitator = facilitator_id
            case ConferenceHeld() as event:
                held_on = fact.day
                took_part |= dict.fromkeys(event.harmed_ids)
                took_part |= {p.person_id: None for p in event.present if p.attended and p.role in HARMED}
            case _:
                pass
    if proposed is None:
        return None
    return ConferenceSummary(
        **common_fields(history),
        officer=facilitator,
        cases=(proposed.case_id,),
        harmer=proposed.harmer,
        disposal_id=proposed.disposal_id,
        held_on=held_on,
        took_part=tuple(took_part),
    )


CONFERENCE: Final = SummaryType(EVENTS.service, ConferenceSummary, conference_summary)
