"""KPI 3: special educational needs and disability."""

from collections.abc import Sequence
from typing import Any, Final

from services.reporting.measures.circumstances import VERDICTS, Standing, by_order, measure_of
from services.reporting.measures.definition import Dataset, count_by_age, words_of
from services.reporting.measures.period import Period


def _count(rows: Sequence[Standing]) -> dict[str, int]:
    ends = [(row, row.programme.ended_on) for row in rows]
    needs = [[item for item in row.items if item.identified and item.stands(on, on)] for row, on in ends]
    planned = sum(any(item.formal_plan for item in items) for items in needs)
    return {"children": len(rows), "identified": sum(map(bool, needs)), "with_formal_plan": planned}


def _aggregate(rows: Sequence[Standing], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count who has a need at the end of the programme, and a plan; also by the verdict on their education then."""
    bands = dataset.policy.on(period.last).table("programme_age_bands")
    return {
        **_count(rows),
        "by_ete": {verdict: _count([row for row in rows if row.at["end"].verdict == verdict]) for verdict in VERDICTS},
        "by_age": count_by_age(bands, rows, lambda row: row.programme.age_at_start, _count),
        "by_order": by_order(_count, rows),
    }


MEASURE: Final = measure_of("provision", _aggregate, **words_of("kpi3"))
