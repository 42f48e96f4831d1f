"""Summaries: the data from which measures count, one for each stream, computed from its facts without keys.

A summary holds days, codes, ages and ids as they follow from a history as of both times, with its corrections in place
(`shared.domain.decider.history_at`). It holds no counter: counting is done when a question is asked. A service without
a module here is summarised plainly: stream, home and area are enough for the case list.
"""

from collections.abc import Mapping
from typing import Any, Final

from services.reporting.summaries.disposal import DISPOSAL, DisposalSummary
from services.reporting.summaries.referral import REFERRAL, ReferralSummary
from services.reporting.summaries.summary import SummaryType

_TYPES: Final[Mapping[str, SummaryType[Any]]] = {kind.service: kind for kind in (REFERRAL, DISPOSAL)}


def summary_type(service: str) -> SummaryType[Any] | None:
    return _TYPES.get(service)


__all__ = [
    "DisposalSummary",
    "ReferralSummary",
    "summary_type",
]
