"""KPI 6 in the inclusion of the Youth Justice Board: programmes that ended, and whether the children completed them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure
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
    """Count children and programmes; the children also by column, and by age in years at the start."""
    bands = dataset.policy.on(period.last).table("programme_age_bands")
    return {
        **_count(rows),
        "programmes": len(rows),
        "programmes_completed": sum(row.completed is True for row in rows),
        "columns": {column: _count(row for row in rows if row.column == column) for column in COLUMNS},
        "by_age": {
            band: _count(row for row in rows if youngest <= row.age_at_start <= oldest)
            for band, (youngest, oldest) in bands.items()
        },
    }


MEASURE: Final = Measure(
    name="kpi6_yjb",
    version="1",
    definition=(
        "Children whose out-of-court programme ended in the period, and whether they completed it: the Youth Justice"
        " Board's inclusion by its public SQL (snapshot of August 2026). Programmes count, not offences: a child counts in several kinds,"
        " and as completed and not. A programme ends by completion, non-completion, ceasing or closing, else on the day"
        " that is recorded; a youth caution does not end when it is given. Without a programme planned, an activity or"
        " a recorded day, a youth caution, outcomes 20 and 21 and a restorative disposal without conditions are no rows."
        " Aged 10 to 17 at the start: the giving of a conditional caution or of a disposal with conditions, the"
        " agreement of a deferral, else the recorded day, else the first activity, else the giving or the decision."
        " Left out: a child who lived in another area on the day of the outcome, a disposal that was annulled, a case that was withdrawn."
        " A programme of which nobody said whether it was completed counts in the whole alone. Inferred, since the Board's"
        " tables are not public: which kinds count, outcome 22 without work of the service, and the deferred column,"
        " which holds outcome 23 and failed deferrals."
    ),
    source="YJB key performance indicator 6, from 1 April 2023; KPI inclusion",
    reads=frozenset({"disposal"}),
    days=programme_ends,
    select=select_programmes,
    aggregate=aggregate,
    groupings={"area": lambda row: row.summary.counted_in},
    small_numbers="exact: as KPI 6, which the Youth Justice Board asks for by team and quarter, and publishes",
    columns={
        "children": "distinct children whose programme ended in the period",
        "completed": "of these, who completed one",
        "not_completed": "of these, who did not complete one",
        "programmes": "programmes that ended",
        "programmes_completed": "of these, completed",
    },
)
