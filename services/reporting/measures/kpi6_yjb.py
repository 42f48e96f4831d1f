"""KPI 6 in the inclusion of the Youth Justice Board: programmes that ended, and whether the children completed them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.disposal.summary import DEFERRED
from services.reporting.measures.definition import Dataset, Measure, count_by_age, words_of
from services.reporting.measures.kpi6 import COLUMNS
from services.reporting.measures.period import Period
from services.reporting.measures.programmes import Programme, programme_ends, select_programmes


def _count(rows: Iterable[Programme]) -> dict[str, int]:
    """Count distinct children, and of these those who completed a programme and those who did not."""
    found = [(row.summary.subject, row.completed) for row in rows]
    children = {"children": len({child for child, _ in found})}
    ways = {"completed": True, "not_completed": False}
    return children | {name: len({child for child, how in found if how is way}) for name, way in ways.items()}


def aggregate(rows: Sequence[Programme], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count children and programmes; the children also by column, and by age in years at the start. Deferrals count beside."""
    bands = dataset.policy.on(period.last).table("programme_age_bands")
    counted = [row for row in rows if row.column != DEFERRED]
    return {
        **_count(counted),
        "programmes": len(counted),
        "programmes_completed": sum(row.completed is True for row in counted),
        "columns": {column: _count(row for row in counted if row.column == column) for column in COLUMNS},
        "by_age": count_by_age(bands, counted, lambda row: row.age_at_start, _count),
        "outcome_23": _count(row for row in rows if row.column == DEFERRED),
    }


MEASURE: Final = Measure(
    **words_of("kpi6_yjb"),
    reads=frozenset({"disposal"}),
    days=programme_ends,
    select=select_programmes,
    aggregate=aggregate,
    groupings={"area": lambda row: row.summary.counted_in},
)
