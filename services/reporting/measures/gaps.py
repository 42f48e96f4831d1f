"""What is missing before a return can be made, by the child and by who can say it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from services.disposal.summary import DisposalSummary
from services.reporting.measures.circumstances import standings
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.interventions import given_on
from services.reporting.measures.period import Period
from services.reporting.measures.programmes import population, programme_ends
from services.trade.summary import Summary

_ASKED: Final = {
    ("accommodation", "start"): "accommodation_at_start",
    ("accommodation", "end"): "accommodation_at_end",
    ("provision", "start"): "education_or_work_at_start",
    ("provision", "end"): "education_or_work_at_end",
    ("identified", "end"): "special_needs",
}
ITEMS: Final = (*_ASKED.values(), "school_age", "completion", "seriousness", "earlier_record")


@dataclass(frozen=True, slots=True)
class Gap:
    """An item that nobody has recorded of a case."""

    summary: DisposalSummary
    item: str


def gap_days(summary: Summary) -> list[date]:
    return [*programme_ends(summary), *given_on(summary)]


def _of_programmes(dataset: Dataset, period: Period) -> Iterator[Gap]:
    for (field, moment), item in _ASKED.items():
        yield from (Gap(row.summary, item) for row in standings(field, dataset, period) if not row.at[moment].items)
    for programme in population(dataset, period):
        if programme.summary.school_age_until is None:
            yield Gap(programme.summary, "school_age")
        if programme.completed is None:
            yield Gap(programme.summary, "completion")


def _of_cautions(dataset: Dataset, period: Period) -> Iterator[Gap]:
    policy = dataset.policy.on(period.last)
    categories, cautions = policy.codes("serious_violence_categories"), policy.codes("serious_violence_disposals")
    for summary in dataset.all_of(DisposalSummary):
        given = summary.given
        if given is not None and given.on in period and given.disposal in cautions:
            if summary.yjb_score is None and summary.offence.category in categories:
                yield Gap(summary, "seriousness")
            if summary.prior_cautions is None:
                yield Gap(summary, "earlier_record")


def _count(rows: Sequence[Gap]) -> dict[str, int]:
    return {item: sum(row.item == item for row in rows) for item in ITEMS}


def _aggregate(rows: Sequence[Gap], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count the gaps, also by item, and by officer those that there are."""
    officers = sorted({row.summary.officer for row in rows if row.summary.officer is not None})

    def of(officer: UUID) -> dict[str, int]:
        counted = _count([row for row in rows if row.summary.officer == officer])
        return {item: number for item, number in counted.items() if number}

    return {
        "missing": len(rows),
        "by_item": _count(rows),
        "by_officer": {str(officer): of(officer) for officer in officers},
    }


MEASURE: Final = Measure(
    **words_of("gaps"),
    reads=frozenset({"disposal", "people"}),
    days=gap_days,
    select=lambda dataset, period: [*_of_programmes(dataset, period), *_of_cautions(dataset, period)],
    aggregate=_aggregate,
    needs_subjects=True,
    groupings={"area": lambda row: row.summary.counted_in},
)
