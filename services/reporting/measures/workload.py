"""Workload: the open work at the end of the period, by state and officer."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from services.reporting.measures.definition import EVERY_SERVICE, Dataset, Measure, WorkItem
from services.reporting.measures.period import Period


def select_work(dataset: Dataset, _period: Period) -> list[WorkItem]:
    """Select all work items, as they were at the end of the period."""
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
    name="workload",
    version="2",
    definition=(
        "Referrals, disposal cases and conferences that were open at the end of the period, by their state and by the"
        " officer who had them: whom the referral is allocated to, to whom the disposal case was handed over, else who opened it,"
        " the facilitator."
        " Overdue duties are those of all services that stood unmet after their due date at the end of the period."
    ),
    source="local measure",
    reads=EVERY_SERVICE,
    days=lambda _summary: (),
    select=select_work,
    aggregate=aggregate,
    groupings={"area": lambda row: row.area, "service": lambda row: row.service},
    small_numbers="exact: open work is about officers and records; a supervisor needs each one",
    needs_work_items=True,
    columns={
        "open": "pieces of work that were open",
        "by_state": "the same, by state",
        "by_officer": "the same, by officer; work that nobody has is left out",
        "overdue_duties": "duties that stood unmet after their due date",
    },
)
