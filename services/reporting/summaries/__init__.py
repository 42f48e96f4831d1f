"""Records: what measures count from, one for each stream, made from its facts alone and without any key.

A record holds days, codes, ages and ids as they follow from a history that has been cut by both times and has its
corrections in place (`shared.domain.decider.cut`). It holds no counter: counting is done when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.reporting.summaries.conference import ConferenceSummary, conference_summary
from services.reporting.summaries.disposal import DisposalSummary, disposal_summary
from services.reporting.summaries.education import SessionSummary, session_summary
from services.reporting.summaries.referral import ReferralSummary, referral_summary
from services.reporting.summaries.summary import LapsedDuty, Summary
from shared.domain.messages import Fact

SUMMARIES: Final[Mapping[str, type[Summary]]] = {
    "referral": ReferralSummary,
    "education": SessionSummary,
    "disposal": DisposalSummary,
    "rj_conference": ConferenceSummary,
}
"""The class of record of each service."""

_MADE_BY: Final[Mapping[str, Callable[[Sequence[Fact]], Summary | None]]] = {
    "referral": referral_summary,
    "education": session_summary,
    "disposal": disposal_summary,
    "rj_conference": conference_summary,
}


def summary_of(service: str, history: Sequence[Fact]) -> Summary | None:
    """The record of a cut history; None where nothing had begun."""
    return _MADE_BY[service](history)


__all__ = [
    "SUMMARIES",
    "ConferenceSummary",
    "DisposalSummary",
    "LapsedDuty",
    "ReferralSummary",
    "SessionSummary",
    "Summary",
    "summary_of",
]
