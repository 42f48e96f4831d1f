"""Education: sessions delivered, the heads that were counted there, and advice to one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from services.education.summary import SessionSummary
from services.referral.summary import Advice, ReferralSummary
from services.reporting.measures.definition import Dataset, Grouping, Measure, words_of
from services.reporting.measures.period import Period
from services.trade.summary import Summary


@dataclass(frozen=True, slots=True)
class Advised:
    """Advice that was given in a referral."""

    summary: ReferralSummary
    advice: Advice


Row = SessionSummary | Advised


def select_education(dataset: Dataset, period: Period) -> list[Row]:
    """Select the sessions delivered, and the advice given, in the period."""
    sessions = [session for session in dataset.all_of(SessionSummary) if session.delivered_on in period]
    referrals = dataset.all_of(ReferralSummary)
    return [*sessions, *(Advised(one, given) for one in referrals for given in one.advice if given.on in period)]


def aggregate(found: Sequence[Row], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count sessions and heads, and both by topic; and advice. A head or minute that was not counted is not inferred."""
    by_topic: dict[str, dict[str, int]] = {}
    rows = [row for row in found if isinstance(row, SessionSummary)]
    advice = [row.advice for row in found if isinstance(row, Advised)]
    for row in sorted(rows, key=lambda row: row.topic):
        topic = by_topic.setdefault(row.topic.value, {"sessions": 0, "pupils": 0})
        topic["sessions"] += 1
        topic["pupils"] += row.pupils or 0
    return {
        "sessions": len(rows),
        "pupils": sum(row.pupils or 0 for row in rows),
        "staff": sum(row.staff or 0 for row in rows),
        "parents": sum(row.parents or 0 for row in rows),
        "by_topic": by_topic,
        "advice": len(advice),
        "advice_minutes": sum(given.minutes or 0 for given in advice),
    }


def _days(summary: Summary) -> list[date | None]:
    if isinstance(summary, ReferralSummary):
        return [given.on for given in summary.advice]
    return [summary.delivered_on] if isinstance(summary, SessionSummary) else []


def _of_session(name: str) -> Grouping:
    return lambda row: getattr(row, name) if isinstance(row, SessionSummary) else None


MEASURE: Final = Measure(
    **words_of("education"),
    reads=frozenset({"disposal", "education", "referral"}),
    days=_days,
    select=select_education,
    aggregate=aggregate,
    groupings={
        "area": lambda row: row.summary.counted_in if isinstance(row, Advised) else row.area,
        "topic": lambda row: (row.advice if isinstance(row, Advised) else row).topic.value,
        "key_stage": _of_session("key_stage"),
        "school": _of_session("school_urn"),
        "kind": _of_session("kind"),
    },
)
