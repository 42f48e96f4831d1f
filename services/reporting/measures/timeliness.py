"""Timeliness: the length of four intervals of a case, how many were in target, and the duties that lapsed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any, Final

from services.disposal.summary import DisposalSummary, End
from services.referral.summary import ReferralSummary
from services.reporting.measures.definition import EVERY_SERVICE, Dataset, Measure, words_of
from services.reporting.measures.period import Period
from services.trade.summary import Summary
from shared.domain.dates import add_working_days

INTERVALS: Final = ("report_to_triage", "referral_to_assessment", "offence_to_disposal", "issue_to_completion")


@dataclass(frozen=True, slots=True)
class Interval:
    """Two days, and the last day on which the second would have been in target."""

    name: str
    summary: Summary
    start: date
    end: date
    target: date


@dataclass(frozen=True, slots=True)
class Lapse:
    """A duty that lapsed because its stream was closed before it was met."""

    duty: str
    summary: Summary


def select_intervals_and_lapses(dataset: Dataset, period: Period) -> list[Interval | Lapse]:
    lapses = [
        Lapse(lapsed.duty, summary) for summary in dataset.summaries for lapsed in summary.lapsed if lapsed.on in period
    ]
    return [*select_intervals(dataset, period), *lapses]


def last_days(summary: Summary) -> list[date | None]:
    """Return the days on which intervals of a summary may end, and those on which duties lapsed."""
    days: list[date | None] = [lapsed.on for lapsed in summary.lapsed]
    match summary:
        case ReferralSummary():
            days += [summary.triaged_on]
        case DisposalSummary():
            days += [summary.assessed_on, *(end.on for end in (summary.given, summary.ended) if end is not None)]
        case _:
            pass
    return days


def select_intervals(dataset: Dataset, period: Period) -> list[Interval]:
    """Select the intervals that ended in the period; each target is that of the day on which it began."""
    intervals: list[Interval] = []

    def working(name: str, summary: Summary, start: date, end: date | None) -> None:
        if end is not None and end in period:
            days = dataset.policy.on(start).number(f"{name}_working_days")
            intervals.append(Interval(name, summary, start, end, add_working_days(start, days)))

    for referral in dataset.all_of(ReferralSummary):
        working("report_to_triage", referral, referral.reported_on, referral.triaged_on)
    for case in dataset.all_of(DisposalSummary):
        requested_on = case.assessment_asked_on or case.opened_on
        working("referral_to_assessment", case, requested_on, case.assessed_on)
        if case.given is None:
            continue
        working("offence_to_disposal", case, case.offence.on, case.given.on)
        if case.ended is not None and case.ended.how is End.COMPLETED and case.ended.on in period:
            weeks = dataset.policy.on(case.given.on).number("issue_to_completion_weeks")
            target = case.given.on + timedelta(weeks=weeks)
            intervals.append(Interval("issue_to_completion", case, case.given.on, case.ended.on, target))
    return intervals


def aggregate(rows: Sequence[Interval | Lapse], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """For each stretch: how many, the median in calendar days, and how many were in target; and each duty's lapses."""
    answer: dict[str, Any] = {}
    for name in INTERVALS:
        intervals = [row for row in rows if isinstance(row, Interval) and row.name == name]
        days = [(row.end - row.start).days for row in intervals]
        answer[name] = {
            "n": len(intervals),
            "median_days": float(median(days)) if days else None,
            "in_target": sum(row.end <= row.target for row in intervals),
        }
    lapsed = Counter(row.duty for row in rows if isinstance(row, Lapse))
    return answer | {"lapsed": dict(sorted(lapsed.items()))}


MEASURE: Final = Measure(
    **words_of("timeliness"),
    reads=EVERY_SERVICE,
    days=last_days,
    select=select_intervals_and_lapses,
    aggregate=aggregate,
    groupings={"area": lambda row: row.summary.counted_in},
)
