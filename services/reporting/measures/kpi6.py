"""KPI 6: out-of-court interventions that ended, and whether the children completed them."""

from collections.abc import Sequence
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure
from services.reporting.measures.interventions import Intervention, ended_on, select_interventions
from services.reporting.measures.period import Period

COLUMNS: Final = (
    "community_resolution",
    "outcome_22",
    "outcome_22_deferred",
    "outcome_20_21",
    "youth_caution",
    "youth_conditional_caution",
)


def aggregate(rows: Sequence[Intervention], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count by kind the interventions that ended, and of these the completed and the others."""
    columns = {column: {"ended": 0, "completed": 0, "not_completed": 0} for column in COLUMNS}
    for row in rows:
        columns[row.column]["ended"] += 1
        columns[row.column]["completed" if row.completed else "not_completed"] += 1
    return {"columns": columns}


MEASURE: Final = Measure(
    name="kpi6",
    version="2",
    definition=(
        "Children whose intervention ended in the period, by kind, and whether they completed it. The period is that of"
        " the actual end: completion, ceasing, closing without proceedings or non-engagement; a youth caution ends when"
        " it is given, outcomes 20, 21 and 22 on the day on which the code is assigned, or a diversion on the day on"
        " which the child left it. A youth caution, and outcomes 20 and 21, count only where the youth justice service"
        " planned a programme or an activity is recorded. Aged 10 to 17 at the start; one"
        " row for each child and offence, the most serious, then the latest. The deferred column holds deferred"
        " prosecutions: completed (outcome 23), or ended before that, whatever followed."
    ),
    source="YJB key performance indicator 6, from 1 April 2023; KPI inclusion",
    reads=frozenset({"disposal"}),
    days=ended_on,
    select=select_interventions,
    aggregate=aggregate,
    groupings={"area": lambda row: row.summary.counted_in},
    small_numbers="exact: the Youth Justice Board asks for these counts by team and quarter, and publishes them; kind and end of an intervention are in clear",
    columns={
        "ended": "children whose intervention ended in the period",
        "completed": "of these, who completed it",
        "not_completed": "of these, who did not",
    },
)
