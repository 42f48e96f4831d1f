"""Records: what measures count from, one for each stream, made from its facts alone and without any key.

A record holds days, codes, ages and ids as they follow from a history that has been cut by both times and has its
corrections in place (`shared.decider.cut`). It holds no counter: counting is done when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.reporting.records.conference import ConferenceRecord, conference_record
from services.reporting.records.disposal import DisposalRecord, disposal_record
from services.reporting.records.education import SessionRecord, session_record
from services.reporting.records.record import Record
from services.reporting.records.referral import ReferralRecord, referral_record
from shared.messages import Fact

RECORDS: Final[Mapping[str, type[Record]]] = {
    "referral": ReferralRecord,
    "education": SessionRecord,
    "disposal": DisposalRecord,
    "rj_conference": ConferenceRecord,
}
"""The class of record of each service."""

_MADE_BY: Final[Mapping[str, Callable[[Sequence[Fact]], Record | None]]] = {
    "referral": referral_record,
    "education": session_record,
    "disposal": disposal_record,
    "rj_conference": conference_record,
}


def record_of(service: str, history: Sequence[Fact]) -> Record | None:
    """The record of a cut history; None where nothing had begun."""
    return _MADE_BY[service](history)


__all__ = [
    "RECORDS",
    "ConferenceRecord",
    "DisposalRecord",
    "Record",
    "ReferralRecord",
    "SessionRecord",
    "record_of",
]
