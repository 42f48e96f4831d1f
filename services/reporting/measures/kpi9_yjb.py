"""KPI 9 in the inclusion of the Youth Justice Board: serious violence, and its rate."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from services.disposal.summary import COLUMN, DisposalSummary
from services.reporting.measures.definition import Dataset, Measure, count_by_age, words_of
from services.reporting.measures.interventions import given_on
from services.reporting.measures.kpi9 import select_cautions
from services.reporting.measures.period import Period
from services.trade.vocabulary import Disposal

YEAR: Final = timedelta(days=365)


def select_offences(dataset: Dataset, period: Period) -> list[DisposalSummary]:
    """Select the offences with a caution in the period, of children of these ages then: each once of a child."""
    policy = dataset.policy.on(period.last)
    youngest, oldest = policy.number("child_age_from"), policy.number("child_age_to")
    cautions = policy.codes("serious_violence_disposals")
    return list(
        {
            (row.subject, row.referral_id or row.stream, row.offence.code, row.offence.on): row
            for row in sorted(dataset.all_of(DisposalSummary), key=lambda row: str(row.stream))
            if row.given is not None and row.given.on in period and row.given.disposal in cautions
            if youngest <= row.age_at_offence <= oldest
        }.values()
    )


def _aggregate(rows: Sequence[DisposalSummary], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count the serious ones, also in all ways in which the Board does, and their rate if the population is loaded."""
    policy, serious = dataset.policy.on(period.last), select_cautions(Dataset(rows, policy=dataset.policy), period)
    before = dataset.policy.on(period.last - YEAR).number("children_10_17")
    orders = [given.disposal for row in serious if (given := row.given)]
    scores = [row.yjb_score for row in serious]
    return {
        "offences": len(serious),
        "all_offences": len(rows),
        "children": len({row.subject for row in serious}),
        "rate": round(10_000 * len(serious) / before, 1) if before else None,
        "by_category": {
            name: sum(row.offence.category == name for row in serious)
            for name in sorted(policy.codes("serious_violence_categories"))
        },
        "by_score": {str(score): scores.count(score) for score in range(policy.number("serious_violence_score"), 9)},
        "by_order": {
            COLUMN[Disposal(name)]: orders.count(Disposal(name))
            for name in sorted(policy.codes("serious_violence_disposals"))
        },
        "by_age": count_by_age(policy.table("age_bands"), serious, lambda row: row.age_at_offence),
    }


MEASURE: Final = Measure(
    **words_of("kpi9_yjb"),
    reads=frozenset({"disposal"}),
    days=given_on,
    select=select_offences,
    aggregate=_aggregate,
    # The population is that of the whole partnership, so that the rate of a part would be wrong.
    groupings={},
)
