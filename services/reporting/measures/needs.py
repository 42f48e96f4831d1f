"""What the children of the population needed, were offered and attended: the measures of mental health and of substances."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from services.reporting.measures.circumstances import Standing, by_order, measure_of
from services.reporting.measures.definition import WORDS, Dataset, Measure
from services.reporting.measures.period import Period


@dataclass(frozen=True, slots=True)
class Need:
    """A need of a child: whether it was treated when the programme started, and which types were offered in it, and attended."""

    treated: bool
    offered: Collection[str]
    attended: Collection[str]


def _needs(kind: str, types: Collection[str], rows: Iterable[Standing]) -> Iterator[Need]:
    for row in rows:
        start, end = row.programme.starts_on, row.programme.ended_on
        items = [item for item in row.items if item.kind == kind]
        begun = [(item.attended_from, item.attended_until or date.max) for item in items if item.attended_from]
        treated = any(first <= start <= last for first, last in begun)
        if treated or any(item.screened_on and item.screened_on <= end for item in items):
            offers = [
                (item.mental_health_intervention or item.substances_intervention, item.attended_from or date.max)
                for item in items
                if item.offered_on and start <= item.offered_on <= end
            ]
            offered = {type_ for type_, _ in offers if type_ and type_ in types}
            yield Need(treated, offered, {type_ for type_, began in offers if type_ in offered and began <= end})


def _aggregate(kind: str, rows: Sequence[Standing], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count who has a need and of these who was offered something or in treatment, also by order; what was offered by its type."""
    types = dataset.policy.on(period.last).table("intervention_types")[kind]

    def count(rows: Sequence[Standing]) -> dict[str, int]:
        found = list(_needs(kind, types, rows))
        return {
            "children": len(rows),
            "need": len(found),
            "in_treatment_at_start": sum(need.treated for need in found),
            "offered": sum(bool(need.offered) for need in found),
            "offered_or_in_treatment": sum(need.treated or bool(need.offered) for need in found),
        }

    needs = list(_needs(kind, types, rows))
    offered = Counter(type_ for need in needs for type_ in need.offered)
    attended = Counter(type_ for need in needs for type_ in need.attended)
    return {
        **count(rows),
        "by_type": {
            type_: {
                "offered": offered[type_],
                "attended": attended[type_],
                "not_attended": offered[type_] - attended[type_],
            }
            for type_ in types
        },
        "by_order": by_order(count, rows),
    }


def needs_of(kind: str, **more: Any) -> Measure[Standing]:
    return measure_of("kind", partial(_aggregate, kind), columns=WORDS["circumstances"]["of_needs"], **more)
