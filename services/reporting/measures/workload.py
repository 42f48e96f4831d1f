"""Workload: the open work at the end of the period, by state and officer."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from services.reporting.measures.definition import EVERY_SERVICE, Dataset, Measure, WorkItem, words_of
from services.reporting.measures.period import Period


def select_work(dataset: Dataset, _period: Period) -> list[WorkItem]:
    return list(dataset.work_items)


def aggregate(rows: Sequence[WorkItem], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count the open pieces of work of all cases, and the duties of all services that were overdue."""
    work = [row for row in rows if row.open and row.is_work]
    by_state, by_officer = Counter[str](), Counter[str]()
    for row in work:
        by_state[row.state] += row.streams
        if row.officer is not None:
            by_officer[str(row.officer)] += row.streams
    return {
        "open": by_state.total(),
        "by_state": dict(sorted(by_state.items())),
        "by_officer": dict(sorted(by_officer.items())),
        "overdue_duties": sum(row.overdue for row in rows),
    }


MEASURE: Final = Measure(
    **words_of("workload"),
    reads=EVERY_SERVICE,
    days=lambda _summary: (),
    select=select_work,
    aggregate=aggregate,
    groupings={"area": lambda row: row.area, "service": lambda row: row.service},
    needs_work_items=True,
)
