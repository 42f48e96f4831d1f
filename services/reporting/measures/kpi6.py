"""KPI 6: out-of-court interventions that ended, and whether the children completed them."""

from collections.abc import Sequence
from typing import Any, Final

from services.disposal.summary import COLUMN, DEFERRED, OUTCOME_20_21, OUTCOME_22
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.interventions import Intervention, ended_on, select_interventions
from services.reporting.measures.period import Period
from services.trade.vocabulary import Disposal

COLUMNS: Final = (COLUMN[Disposal.YRD], OUTCOME_22, DEFERRED, OUTCOME_20_21, COLUMN[Disposal.YC], COLUMN[Disposal.YCC])


def aggregate(rows: Sequence[Intervention], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count by kind the interventions that ended, and of these the completed and the others."""
    columns = {column: {"ended": 0, "completed": 0, "not_completed": 0} for column in COLUMNS}
    for row in rows:
        columns[row.column]["ended"] += 1
        columns[row.column]["completed" if row.completed else "not_completed"] += 1
    return {"columns": columns}


MEASURE: Final = Measure(
    **words_of("kpi6"),
    reads=frozenset({"disposal"}),
    days=ended_on,
    select=select_interventions,
    aggregate=aggregate,
    groupings={"area": lambda row: row.summary.counted_in},
)
