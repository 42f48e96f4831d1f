"""KPI 10 in the inclusion of the Youth Justice Board: the victims of programmes that ended."""

from collections.abc import Sequence
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.kpi10 import VictimOf, distinct, victims_of
from services.reporting.measures.period import Period
from services.reporting.measures.programmes import programme_ends, select_programmes


def select_victims(dataset: Dataset, period: Period) -> list[VictimOf]:
    programmes = select_programmes(dataset, period)
    return victims_of({one.summary.stream: one.summary for one in programmes}.values(), dataset)


def aggregate(rows: Sequence[VictimOf], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count distinct victims, the children, and the times that a victim took part."""
    consenting = [row for row in rows if row.victim.consents_to_contact]
    return {
        "victims": distinct(rows),
        "children_with_a_victim": len({row.summary.subject for row in rows}),
        "consented_to_contact": distinct(consenting),
        "engaged_and_consented": distinct(row for row in consenting if row.engaged),
        "restorative_interventions": len({(row.summary.stream, row.person) for row in rows if row.engaged}),
        "view_sought_before_decision": distinct(row for row in consenting if row.victim.view_sought_before_decision),
        "progress_given": distinct(row for row in consenting if row.was_told),
        "support_given": distinct(row for row in consenting if row.wishes.supported),
        "contacted": distinct(row for row in rows if row.victim.contacted or row.wishes.contacted),
    }


MEASURE: Final = Measure(
    **words_of("kpi10_yjb"),
    reads=frozenset({"disposal", "rj_conference", "referral"}),
    days=programme_ends,
    select=select_victims,
    aggregate=aggregate,
    needs_subjects=True,
    groupings={"area": lambda row: row.summary.counted_in},
)
