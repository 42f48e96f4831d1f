"""Projected first-time entrants to the youth justice system."""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from services.disposal.summary import DisposalSummary
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.interventions import given_on
from services.reporting.measures.period import Period, quarter


def first_cautions(
    dataset: Dataset, period: Period, counts: Callable[[DisposalSummary], bool]
) -> list[DisposalSummary]:
    """Return the first caution of each child, of those that count, if it was given in the period."""
    disposals = dataset.policy.on(period.last).codes("first_time_entrant_disposals")
    cautions = [
        (summary.given.at, summary.stream, summary)
        for summary in dataset.all_of(DisposalSummary)
        if summary.given is not None and summary.given.disposal in disposals and counts(summary)
    ]
    first: dict[UUID, DisposalSummary] = {}
    for *_, summary in sorted(cautions, key=itemgetter(0, 1)):
        first.setdefault(summary.subject, summary)
    return [summary for summary in first.values() if summary.given is not None and summary.given.on in period]


def select_entrants(dataset: Dataset, period: Period) -> list[DisposalSummary]:
    """Select the first recordable caution of each child that was issued in the period and has no known predecessor."""
    policy = dataset.policy.on(period.last)
    youngest, oldest = policy.number("child_age_from"), policy.number("child_age_to")
    return [
        summary
        for summary in first_cautions(dataset, period, lambda summary: summary.offence.recordable)
        if summary.given is not None and youngest <= summary.given.age <= oldest and summary.prior_cautions in {0, None}
    ]


def aggregate(rows: Sequence[DisposalSummary], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count the cautions and those of each quarter; apart from them, those of which nothing is known before."""
    entrants = [row for row in rows if row.prior_cautions is not None]
    return {"count": len(entrants), "unknown": len(rows) - len(entrants), "by_quarter": count_by_quarter(entrants)}


def count_by_quarter(rows: Sequence[DisposalSummary]) -> dict[str, int]:
    quarters = Counter(quarter(row.given.on) for row in rows if row.given is not None)
    return dict(sorted(quarters.items()))


MEASURE: Final = Measure(
    **words_of("fte"),
    reads=frozenset({"disposal"}),
    days=given_on,
    select=select_entrants,
    aggregate=aggregate,
    needs_subjects=True,
    groupings={"area": lambda row: row.counted_in},
)
