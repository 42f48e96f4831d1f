"""Disproportionality: disposals by ethnic group, against the population."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure
from services.reporting.period import Period
from services.reporting.summaries import DisposalSummary
from shared.domain.policy import Policy

NOT_KNOWN: Final = "NOT_KNOWN"


def given(book: Dataset, period: Period) -> list[DisposalSummary]:
    """The disposals given in the period."""
    return [record for record in book.disposals if record.given is not None and record.given.on in period]


def group_of(words: str | None, policy: Policy) -> str:
    """The ethnic group of recorded words; NOT_KNOWN where nothing was recorded, or it is forgotten or unclear."""
    lowered = (words or "").casefold()
    return next((group for word, group in policy.value("ethnic_groups") if word in lowered), NOT_KNOWN)


def aggregate(rows: Sequence[DisposalSummary], book: Dataset, period: Period) -> dict[str, Any]:
    """For each group: disposals, rate per 1,000 children aged 10 to 17, and that rate over the reference group's.

    A count under the limit is null, and so is whatever would reveal it. Without a grant of keys there are no groups.
    """
    if book.ethnicities is None:
        return {"groups": {}}
    policy = book.on(period.last)
    words = [None if row.ethnicity is None else book.ethnicities.get(row.ethnicity) for row in rows]
    counts = Counter(group_of(word, policy) for word in words)
    shown = {group: n for group, n in counts.items() if n >= policy.number("suppress_below")}
    population = policy.table("population_10_17")
    rates = {
        group: Decimal(1000 * n) / Decimal(population[group]) for group, n in shown.items() if population.get(group)
    }
    reference = rates.get(policy.value("reference_group"))
    groups = {
        group: {
            "disposals": shown.get(group),
            "rate": _rounded(rates.get(group)),
            "relative_rate_index": _rounded(rates[group] / reference if reference and group in rates else None),
        }
        for group in sorted(counts)
    }
    return {"groups": groups}


def _rounded(value: Decimal | None) -> float | None:
    return None if value is None else float(value.quantize(Decimal("0.01"), ROUND_HALF_UP))


DISPROPORTIONALITY: Final = Measure(
    name="disproportionality",
    version="1",
    definition=(
        "Disposals given in the period by ethnic group, the rate per 1,000 children aged 10 to 17 of that group, and"
        " the relative rate index, the group's rate over the White rate. A count under five is null. Ethnicity is"
        " sealed: groups are empty unless the question comes with a grant of keys."
    ),
    source="YJB disproportionality toolkit; relative rate index",
    reads=frozenset({"disposal"}),
    rows=given,
    count=aggregate,
    # Breaking small groups down further would only help to find a child.
    groupings={},
    columns={
        "disposals": "disposals given, null under five",
        "rate": "per 1,000 children aged 10 to 17 of the group",
        "relative_rate_index": "the group's rate over the White rate",
    },
)
