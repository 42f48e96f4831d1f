"""The measures of the catalogue, by name, and the answer that each gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.reporting.measures.definition import (
    NOT_RECORDED,
    Dataset,
    Measure,
    WorkItem,
)
from services.reporting.measures.disproportionality import DISPROPORTIONALITY
from services.reporting.measures.education import EDUCATION
from services.reporting.measures.fte import FTE
from services.reporting.measures.kpi6 import KPI6
from services.reporting.measures.kpi9 import KPI9
from services.reporting.measures.kpi10 import KPI10
from services.reporting.measures.timeliness import TIMELINESS
from services.reporting.measures.workload import WORKLOAD
from services.reporting.period import BadQuestion, Period

MEASURES: Final[Mapping[str, Measure[Any]]] = {
    measure.name: measure for measure in (KPI6, KPI9, KPI10, FTE, TIMELINESS, EDUCATION, DISPROPORTIONALITY, WORKLOAD)
}
"""Every measure."""


def measure_named(name: str) -> Measure[Any]:
    """A measure by its name; raises `BadQuestion`."""
    if name not in MEASURES:
        raise BadQuestion(f"there is no measure {name!r}: ask for one of {', '.join(MEASURES)}")
    return MEASURES[name]


def answer(
    measure: Measure[Any], book: Dataset, period: Period, positions: Mapping[str, int], group_by: str | None = None
) -> dict[str, Any]:
    """What is answered: the columns, with the definition's version and the positions that the count rests on.

    With `group_by` the same columns stand again under `by_<group_by>` for each group. Raises `BadQuestion`.
    """
    if group_by is not None and group_by not in measure.groupings:
        known = ", ".join(measure.groupings) or "nothing"
        raise BadQuestion(f"{measure.name} cannot be grouped by {group_by!r}, only by: {known}")
    rows = measure.rows(book, period)
    answered = {
        "measure": measure.name,
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "definition_version": measure.version,
        "positions": dict(positions),
        **measure.count(rows, book, period),
    }
    if group_by is not None and f"by_{group_by}" not in answered:
        groups: dict[str, list[Any]] = {}
        for row in rows:
            groups.setdefault(measure.groupings[group_by](row) or NOT_RECORDED, []).append(row)
        answered[f"by_{group_by}"] = {group: measure.count(groups[group], book, period) for group in sorted(groups)}
    return answered


__all__ = ["MEASURES", "Dataset", "Measure", "WorkItem", "answer", "measure_named"]
