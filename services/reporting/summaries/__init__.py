"""Summaries: the data from which measures count, one for each stream, computed from its facts without keys.

A summary holds days, codes, ages and ids as they follow from a history as of both times, with its corrections in place
(`shared.domain.decider.history_at`). It holds no counter: counting is done when a question is asked. A service without
a module here is summarised plainly: stream, home and area are enough for the case list.
"""

from collections.abc import Mapping
from typing import Any, Final

from services.reporting.summaries.conference import CONFERENCE, ConferenceSummary
from services.reporting.summaries.disposal import DISPOSAL, DisposalSummary
from services.reporting.summaries.education import SESSION, SessionSummary
from services.reporting.summaries.referral import REFERRAL, ReferralSummary
from services.reporting.summaries.sitting import SITTING, SittingSummary
from services.reporting.summaries.summary import LapsedDuty, Summary, SummaryType, plain_summary

_TYPES: Final[Mapping[str, SummaryType[Any]]] = {
    kind.service: kind for kind in (REFERRAL, SESSION, DISPOSAL, CONFERENCE, SITTING)
}

_SERVICES: Final[Mapping[type[Summary], str]] = {kind.model: service for service, kind in _TYPES.items()}


def summary_type(service: str) -> SummaryType[Any]:
    """Return how a service's streams are summarised: plainly if reporting knows none of its events."""
    return _TYPES.get(service) or SummaryType(service, Summary, plain_summary)


def service_of(summary: Summary) -> str | None:
    """Return the service whose stream a summary is of; None for a plain one, which does not tell."""
    return _SERVICES.get(type(summary))


__all__ = [
    "ConferenceSummary",
    "DisposalSummary",
    "LapsedDuty",
    "ReferralSummary",
    "SessionSummary",
    "SittingSummary",
    "Summary",
    "service_of",
    "summary_type",
]
