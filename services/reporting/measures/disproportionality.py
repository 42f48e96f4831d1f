"""Disproportionality: disposals by ethnic group, against the population."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure
from services.reporting.measures.period import Period
from services.reporting.summaries import DisposalSummary
from services.reporting.summaries.disposal import SealedTexts
from shared.domain.policy import Policy

NOT_KNOWN: Final = "NOT_KNOWN"


def select_disposals(dataset: Dataset, period: Period) -> list[DisposalSummary]:
    """Select the disposals issued in the period."""
    return [
        summary
        for summary in dataset.all_of(DisposalSummary)
        if summary.given is not None and summary.given.on in period
    ]


def select_ethnicities(dataset: Dataset, period: Period) -> list[SealedTexts]:
    """Select the sealed ethnicities of the children of these disposals."""
    return [row.ethnicity for row in select_disposals(dataset, period) if row.ethnicity is not None]


def group_of(words: str | None, policy: Policy) -> str:
    """Return the ethnic group of a recorded text; NOT_KNOWN where none was recorded or opened, or it is unclear."""
    lowered = (words or "").casefold()
    return next((group for word, group in policy.value("ethnic_groups") if word in lowered), NOT_KNOWN)


def aggregate(rows: Sequence[DisposalSummary], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count disposals by group, with the rate per 1,000 children aged 10 to 17, and that rate over the reference group's.

    A count under the limit is null, and so is each number that would reveal it. Without a grant there are no groups.
    """
    if dataset.ethnicities is None:
        return {"groups": {}}
    policy = dataset.policy.on(period.last)
    words = [None if row.ethnicity is None else dataset.ethnicities.get(row.ethnicity) for row in rows]
    counts = Counter(group_of(word, policy) for word in words)
    unsuppressed = {group: n for group, n in counts.items() if n >= policy.number("suppress_below")}
    population = policy.table("population_10_17")
    rates = {
        group: Decimal(1000 * n) / Decimal(population[group])
        for group, n in unsuppressed.items()
        if population.get(group)
    }
    reference = rates.get(policy.value("reference_group"))
    groups = {
        group: {
            "disposals": unsuppressed.get(group),
            "rate": _rounded(rates.get(group)),
            "relative_rate_index": _rounded(rates[group] / reference if reference and group in rates else None),
        }
        for group in sorted(counts)
    }
    return {"groups": groups}


def _rounded(value: Decimal | None) -> float | None:
    return None if value is None else float(value.quantize(Decimal("0.01"), ROUND_HALF_UP))


MEASURE: Final = Measure(
    name="disproportionality",
    version="2",
    definition=(
        "Disposals given in the period by ethnic group, the rate per 1,000 children aged 10 to 17 of that group, and"
        " the relative rate index, the group's rate over the White rate. A count under five is null. Ethnicity is"
        " sealed: groups are empty unless the question comes with a grant of keys. A child counts as NOT_KNOWN if no"
        " ethnicity was recorded, if it is forgotten, or while the processing of the child's data is restricted on the"
        " day of the question."
    ),
    source="YJB disproportionality toolkit; relative rate index",
    reads=frozenset({"disposal"}),
    select=select_disposals,
    aggregate=aggregate,
    # Breaking small groups down further would only help to find a child.
    groupings={},
    sealed_texts=select_ethnicities,
    columns={
        "disposals": "disposals given, null under five",
        "rate": "per 1,000 children aged 10 to 17 of the group",
        "relative_rate_index": "the group's rate over the White rate",
    },
)
