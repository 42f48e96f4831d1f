"""First-time entrants in the inclusion of the Youth Justice Board, and their rate."""

from collections.abc import Sequence
from typing import Any, Final

from services.disposal.summary import DisposalSummary
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.fte import count_by_quarter, first_cautions
from services.reporting.measures.interventions import given_on
from services.reporting.measures.period import Period


def select_entrants(dataset: Dataset, period: Period) -> list[DisposalSummary]:
    """Select the first caution of each child, if it was given in the period to one who lived here and has none from elsewhere."""
    policy = dataset.policy.on(period.last)
    youngest, oldest = policy.number("child_age_from"), policy.number("child_age_to")

    def counts(summary: DisposalSummary) -> bool:
        return youngest <= summary.age_at_offence and summary.given is not None and summary.given.age <= oldest

    return [row for row in first_cautions(dataset, period, counts) if row.lived_here and not row.prior_cautions]


def aggregate(rows: Sequence[DisposalSummary], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count the children, also by quarter, and their rate if the population is loaded."""
    children = dataset.policy.on(period.last).number("children_10_17")
    return {
        "count": len(rows),
        "unknown": sum(row.prior_cautions is None for row in rows),
        "rate": round(100_000 * len(rows) / children, 1) if children else None,
        "by_quarter": count_by_quarter(rows),
    }


MEASURE: Final = Measure(
    **words_of("fte_yjb"),
    reads=frozenset({"disposal"}),
    days=given_on,
    select=select_entrants,
    aggregate=aggregate,
    needs_subjects=True,
    # The population is that of the whole partnership, so that the rate of a part would be wrong.
    groupings={},
)
