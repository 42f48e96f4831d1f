"""KPI 9: serious violence."""

from collections.abc import Sequence
from typing import Any, Final

from services.disposal.summary import DisposalSummary
from services.reporting.measures.definition import Dataset, Measure, count_by_age, words_of
from services.reporting.measures.interventions import given_on
from services.reporting.measures.period import Period


def select_cautions(dataset: Dataset, period: Period) -> list[DisposalSummary]:
    """Select the cautions issued in the period for an offence of these categories with a high enough YJB score."""
    policy = dataset.policy.on(period.last)
    categories, disposals = policy.codes("serious_violence_categories"), policy.codes("serious_violence_disposals")
    score = policy.number("serious_violence_score")
    return [
        summary
        for summary in dataset.all_of(DisposalSummary)
        if summary.given is not None
        and summary.given.on in period
        and summary.given.disposal in disposals
        and summary.offence.category in categories
        and summary.yjb_score is not None
        and summary.yjb_score >= score
    ]


def aggregate(rows: Sequence[DisposalSummary], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count the cautions by category of offence, and by the child's age in years at issue."""
    policy = dataset.policy.on(period.last)
    by_category = dict.fromkeys(sorted(policy.codes("serious_violence_categories")), 0)
    for row in rows:
        by_category[row.offence.category] += 1
    ages = [row.given.age for row in rows if row.given is not None]
    by_age = count_by_age(policy.table("age_bands"), ages, int)
    return {"cases": len(rows), "by_category": by_category, "by_age": by_age}


MEASURE: Final = Measure(
    **words_of("kpi9"),
    reads=frozenset({"disposal"}),
    days=given_on,
    select=select_cautions,
    aggregate=aggregate,
    groupings={"area": lambda row: row.counted_in},
)
