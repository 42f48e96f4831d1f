"""The summary of a referral."""

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from services.referral import events
from services.reporting.summaries.summary import SummaryType, first_fields
from services.trade.summary import Summary
from services.trade.vocabulary import TriageOutcome
from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.messages import ValueObject


class VictimWishes(ValueObject):
    """What a victim wanted last, and what was done: of updates on progress, and of support."""

    person_id: UUID
    wants_updates: bool = False
    wants_support: bool = False
    told: bool = False
    supported: bool = False


class ReferralSummary(Summary):
    """The days on which an incident was reported and first triaged. A reopened referral keeps its first triage."""

    reported_on: date
    triaged_on: date | None = None
    triage_outcome: TriageOutcome | None = None
    victims: tuple[VictimWishes, ...] = ()

    @property
    def counted_days(self) -> list[date]:
        """The day of the first triage, and those on which duties lapsed."""
        return [*super().counted_days, *([] if self.triaged_on is None else [self.triaged_on])]


def referral_summary(history: Sequence[Fact]) -> ReferralSummary | None:
    """Summarise a history; None if the referral had not been received."""
    received = next((fact.event for fact in history if isinstance(fact.event, events.ReferralReceived)), None)
    if received is None:
        return None
    triages = [fact for fact in history if isinstance(fact.event, events.ReferralTriaged)]
    last = triages[-1].event if triages else None
    officers = [fact.event.officer_id for fact in history if isinstance(fact.event, events.ReferralAllocated)]
    return ReferralSummary(
        **first_fields(history),
        officer=officers[-1] if officers else None,
        cases=(received.case_id,),
        reported_on=local_day(received.reported_at),
        triaged_on=triages[0].day if triages else None,
        triage_outcome=last.outcome if isinstance(last, events.ReferralTriaged) else None,
        victims=_victims(history),
    )


def _victims(history: Sequence[Fact]) -> tuple[VictimWishes, ...]:
    """Return what is recorded of each victim: by the latest details, and by what was ever done."""
    victims: dict[UUID, VictimWishes] = {}

    def set_(person: UUID, **changes: bool) -> None:
        victims[person] = victims.get(person, VictimWishes(person_id=person)).model_copy(update=changes)

    for fact in history:
        match fact.event:
            case events.VictimDetailsRecorded(person_id=person, wants_updates=updates, wants_support=support):
                set_(person, wants_updates=updates, wants_support=support)
            case events.VictimTold(person_id=person):
                set_(person, told=True)
            case events.VictimReferredToSupport(person_id=person):
                set_(person, supported=True)
            case _:
                pass
    return tuple(victims.values())


REFERRAL: Final = SummaryType(events.EVENTS.service, ReferralSummary, referral_summary)
