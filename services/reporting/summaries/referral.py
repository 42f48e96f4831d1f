"""The summary of a referral."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from services.referral.events import EVENTS, ReferralAllocated, ReferralReceived, ReferralTriaged
from services.reporting.summaries.summary import Summary, SummaryType, common_fields
from services.vocabulary import TriageOutcome
from shared.domain.dates import local_day
from shared.domain.envelope import Fact


class ReferralSummary(Summary):
    """The days on which an incident was reported and first triaged. A reopened referral keeps its first triage."""

    reported_on: date
    triaged_on: date | None = None
    triage_outcome: TriageOutcome | None = None

    @property
    def counted_days(self) -> list[date]:
        """The day of the first triage, and those on which duties lapsed."""
        return [*super().counted_days, *([] if self.triaged_on is None else [self.triaged_on])]


def referral_summary(history: Sequence[Fact]) -> ReferralSummary | None:
    """Summarise a history; None if the referral had not been received."""
    received = next((fact.event for fact in history if isinstance(fact.event, ReferralReceived)), None)
    if received is None:
        return None
    triages = [fact for fact in history if isinstance(fact.event, ReferralTriaged)]
    last = triages[-1].event if triages else None
    officers = [fact.event.officer_id for fact in history if isinstance(fact.event, ReferralAllocated)]
    return ReferralSummary(
        **common_fields(history),
        officer=officers[-1] if officers else None,
        cases=(received.case_id,),
        reported_on=local_day(received.reported_at),
        triaged_on=triages[0].day if triages else None,
        triage_outcome=last.outcome if isinstance(last, ReferralTriaged) else None,
    )


REFERRAL: Final = SummaryType(EVENTS.service, ReferralSummary, referral_summary)
