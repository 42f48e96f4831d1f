"""Workload: what was open at the end of the period, where it stood, and who had it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure, WorkItem
from services.reporting.period import Period

WORK: Final = frozenset({"referral", "disposal", "rj_conference"})
"""What is a piece of work: an education session belongs to no case, but its duties are somebody's."""


def work_items(book: Dataset, _period: Period) -> list[WorkItem]:
    """Everything, as it stood at the end of the period."""
    return list(book.standings)


def aggregate(rows: Sequence[WorkItem], _book: Dataset, period: Period) -> dict[str, Any]:
    """Open referrals, disposal cases and conferences, and the duties of all services that were overdue."""
    work = [row for row in rows if row.open and row.service in WORK]
    by_state = Counter(row.state for row in work)
    by_officer = Counter(str(row.record.officer) for row in work if row.record.officer is not None)
    return {
        "open": len(work),
        "by_state": dict(sorted(by_state.items())),
        "by_officer": dict(sorted(by_officer.items())),
        "overdue_duties": sum(
            duty.shown(period.last) and duty.overdue(period.last) for row in rows for duty in row.duties
        ),
    }


WORKLOAD: Final = Measure(
    name="workload",
    version="1",
    definition=(
        "Referrals, disposal cases and conferences that were open at the end of the period, by their state and by the"
        " officer who had them: whom the referral is allocated to, who opened the disposal case, the facilitator."
        " Overdue duties are those of all services that stood unmet after their due date at the end of the period."
    ),
    source="local measure",
    reads=frozenset({"referral", "education", "disposal", "rj_conference"}),
    rows=work_items,
    count=aggregate,
    groupings={"area": lambda row: row.record.area, "service": lambda row: row.service},
    standings=True,
    columns={
        "open": "pieces of work that were open",
        "by_state": "the same, by state",
        "by_officer": "the same, by officer; work that nobody has is left out",
        "overdue_duties": "duties that stood unmet after their due date",
    },
)
