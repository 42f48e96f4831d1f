"""The measures, by name, and their answers. A measure is one module here: its API, CSV and reference page follow."""

from collections.abc import Mapping
from datetime import date
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

from services.reporting.measures.definition import NOT_RECORDED, Dataset, Measure, WorkItem
from services.reporting.measures.period import BadQuestion, Period
from services.trade.summary import Summary


def _find_measures() -> dict[str, Measure[Any]]:
    """Import the modules of this package; each that defines `MEASURE` is a measure, by its name."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    measures: list[Measure[Any]] = [module.MEASURE for module in modules if hasattr(module, "MEASURE")]
    return {measure.name: measure for measure in sorted(measures, key=lambda measure: measure.name)}


MEASURES: Final[Mapping[str, Measure[Any]]] = _find_measures()


def counted_days(summary: Summary) -> list[date]:
    return [day for measure in MEASURES.values() for day in measure.days(summary) if day is not None]


def measure_named(name: str) -> Measure[Any]:
    """Return a measure by its name; raises `BadQuestion`."""
    if name not in MEASURES:
        raise BadQuestion(f"there is no measure {name!r}: ask for one of {', '.join(MEASURES)}")
    return MEASURES[name]


def answer(
    measure: Measure[Any], dataset: Dataset, period: Period, positions: Mapping[str, int], group_by: str | None = None
) -> dict[str, Any]:
    """Answer a question: the columns, with the definition's version and the positions that the count rests on.

    With `group_by` the same columns are given again under `by_<group_by>` for each group. Raises `BadQuestion`.
    """
    if group_by is not None and group_by not in measure.groupings:
        groupings = ", ".join(measure.groupings) or "nothing"
        raise BadQuestion(f"{measure.name} cannot be grouped by {group_by!r}, only by: {groupings}")
    rows = measure.rows(dataset, period)
    answered = {
        "measure": measure.name,
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "definition_version": measure.version,
        "positions": dict(positions),
        **measure.aggregate(rows, dataset, period),
    }
    if group_by is not None and f"by_{group_by}" not in answered:
        groups: dict[str, list[Any]] = {}
        for row in rows:
            groups.setdefault(measure.groupings[group_by](row) or NOT_RECORDED, []).append(row)
        answered[f"by_{group_by}"] = {
            group: measure.aggregate(groups[group], dataset, period) for group in sorted(groups)
        }
    return answered


__all__ = ["MEASURES", "Dataset", "Measure", "WorkItem", "answer", "counted_days", "measure_named"]
