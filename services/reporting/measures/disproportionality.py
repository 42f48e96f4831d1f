"""Disproportionality: disposals by ethnic group, against the population."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from services.disposal.summary import DisposalSummary, SealedTexts
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.disclosure import Counted, shown_counts
from services.reporting.measures.interventions import given_on
from services.reporting.measures.period import Period, year_of
from services.trade.vocabulary import ETHNIC_GROUPS
from shared.domain.policy import Policy

NOT_KNOWN: Final = "NOT_KNOWN"
_IN_WORDS: Final = {group.partition(" ")[0]: group for group in ETHNIC_GROUPS}
"""The code of each of the 18+1 groups, such as W1, with its words."""


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
    """Return the ethnic group of a recorded text, or code of the 18+1; NOT_KNOWN if none was recorded or opened, or it is unclear."""
    recorded = (words or "").strip()
    lowered = _IN_WORDS.get(recorded.upper(), recorded).casefold()
    return next((group for word, group in policy.value("ethnic_groups") if word in lowered), NOT_KNOWN)


def counts(dataset: Dataset, period: Period) -> Mapping[str, int]:
    """Return the counts that may be shown, by group: those that were published, else by the grant of keys; without one none."""
    published = next((table.shown for table in dataset.published if table.period == period), None)
    if published is not None or dataset.ethnicities is None:
        return published or {}
    policy = dataset.policy.on(period.last)
    year = select_disposals(dataset, year_of(period.first))
    counted = [_counted(row, dataset.ethnicities, policy) for row in year]
    return shown_counts(counted, period, _groups(policy), dataset.published, policy.number("suppress_below"))


def aggregate(_rows: Sequence[DisposalSummary], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count disposals by group, with the rate per 1,000 children aged 10 to 17, and that rate over the reference group's.

    A count that may not be shown is null, and so is each number that would reveal it.
    """
    policy = dataset.policy.on(period.last)
    population = policy.table("population_10_17")
    shown = counts(dataset, period)
    rates = {
        group: Decimal(1000 * n) / Decimal(population[group]) for group, n in shown.items() if population.get(group)
    }
    reference = rates.get(policy.value("reference_group"))
    return {
        "groups": {
            group: {
                "disposals": shown.get(group),
                "rate": _rounded(rates.get(group)),
                "relative_rate_index": _rounded(rates[group] / reference if reference and group in rates else None),
            }
            for group in sorted(_groups(policy))
        }
    }


def _groups(policy: Policy) -> frozenset[str]:
    return frozenset(group for _, group in policy.value("ethnic_groups")) | {NOT_KNOWN}


def _counted(row: DisposalSummary, ethnicities: Mapping[SealedTexts, str], policy: Policy) -> Counted:
    assert row.given is not None
    words = None if row.ethnicity is None else ethnicities.get(row.ethnicity)
    return Counted(row.subject, row.given.on, group_of(words, policy))


def _rounded(value: Decimal | None) -> float | None:
    return None if value is None else float(value.quantize(Decimal("0.01"), ROUND_HALF_UP))


MEASURE: Final = Measure(
    **words_of("disproportionality"),
    reads=frozenset({"disposal"}),
    days=given_on,
    select=select_disposals,
    aggregate=aggregate,
    # Breaking small groups down further would only help to find a child.
    groupings={},
    sealed_texts=select_ethnicities,
    counts=counts,
    withheld=frozenset({"1", "2"}),
)
