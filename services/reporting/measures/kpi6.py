"""KPI 6: out-of-court interventions that ended, and whether the children completed them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure
from services.reporting.measures.interventions import Intervention, ended
from services.reporting.period import Period

COLUMNS: Final = (
    "community_resolution",
    "outcome_22",
    "outcome_22_deferred",
    "outcome_20_21",
    "youth_caution",
    "youth_conditional_caution",
)


def aggregate(rows: Sequence[Intervention], _book: Dataset, _period: Period) -> dict[str, Any]:
    """For each kind: how many ended, how many of these were completed, how many were not."""
    columns = {column: {"ended": 0, "completed": 0, "not_completed": 0} for column in COLUMNS}
    for row in rows:
        columns[row.column]["ended"] += 1
        columns[row.column]["completed" if row.completed else "not_completed"] += 1
    return {"columns": columns}


KPI6: Final = Measure(
    name="kpi6",
    version="1",
    definition=(
        "Children whose intervention ended in the period, by kind, and whether they completed it. The period is that of"
        " the actual end: completion, ceasing, closing without proceedings or non-engagement; a youth caution ends when"
        " it is given, outcomes 20, 21 and 22 on the day on which the code is assigned, or a diversion on the day on"
        " which the child left it. Aged 10 to 17 at the start; one"
        " row for each child and offence, the most serious, then the latest. A deferred outcome 22 cannot be told apart"
        " by anything that is recorded, so its column stays empty."
    ),
    source="YJB key performance indicator 6, from 1 April 2023; KPI inclusion",
    reads=frozenset({"disposal"}),
    rows=ended,
    count=aggregate,
    groupings={"area": lambda row: row.record.area},
    columns={
        "ended": "children whose intervention ended in the period",
        "completed": "of these, who completed it",
        "not_completed": "of these, who did not",
    },
)
