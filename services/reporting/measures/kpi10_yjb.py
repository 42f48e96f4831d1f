"""KPI 10 in the inclusion of the Youth Justice Board: the victims of programmes that ended."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure
from services.reporting.measures.kpi10 import VictimOf, victims_of
from services.reporting.measures.period import Period
from services.reporting.measures.programmes import programme_ends, select_programmes


def select_victims(dataset: Dataset, period: Period) -> list[VictimOf]:
    """Select the victims of each offence of which a programme ended in the period."""
    programmes = select_programmes(dataset, period)
    return victims_of({one.summary.stream: one.summary for one in programmes}.values(), dataset)


def _distinct(rows: Iterable[VictimOf]) -> int:
    return len({row.victim.person_id for row in rows})


def aggregate(rows: Sequence[VictimOf], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count distinct victims, the children, and the times that a victim took part."""
    consenting = [row for row in rows if row.victim.consents_to_contact]
    return {
        "victims": _distinct(rows),
        "children_with_a_victim": len({row.summary.subject for row in rows}),
        "consented_to_contact": _distinct(consenting),
        "engaged_and_consented": _distinct(row for row in consenting if row.engaged),
        "restorative_interventions": sum(row.engaged for row in rows),
        "view_sought_before_decision": _distinct(row for row in consenting if row.victim.view_sought_before_decision),
        "progress_given": _distinct(row for row in consenting if row.was_told),
        "support_given": _distinct(row for row in consenting if row.wishes.supported),
        "contacted": _distinct(row for row in rows if row.victim.contacted or row.wishes.contacted),
    }


MEASURE: Final = Measure(
    name="kpi10_yjb",
    version="1",
    definition=(
        "Distinct victims of the offences of which a programme ended in the period: the inclusion of kpi6_yjb, and every"
        " offence of a child. Consent, taking part and what was given are of the same offence: the Youth Justice Board's public SQL"
        " (snapshot of August 2026, version 8) divides each but the first two by those who consented to contact. A victim consents by the last"
        " recorded view that answers this, takes part in a conference held in any mode, has been told of a decision or"
        " referred to support, asked for or not, and is contacted once told of a decision or of restorative justice, with or without consent."
    ),
    source="YJB key performance indicator 10, from 1 April 2023; KPI inclusion",
    reads=frozenset({"disposal", "rj_conference", "referral"}),
    days=programme_ends,
    select=select_victims,
    aggregate=aggregate,
    needs_subjects=True,
    groupings={"area": lambda row: row.summary.counted_in},
    small_numbers="exact: asked for and published as KPI 6; that somebody consented is in clear, and names nobody",
    columns={
        "victims": "distinct victims (10a)",
        "children_with_a_victim": "distinct children whose offence had a victim (10b)",
        "consented_to_contact": "distinct victims who consented to contact",
        "engaged_and_consented": "of these, who took part in a conference (the headline)",
        "restorative_interventions": "times that a victim of an offence took part in its conferences (10c)",
        "view_sought_before_decision": "of those who consented, whose view was sought before the decision (10d)",
        "progress_given": "of those who consented, who were told of a decision (10e)",
        "support_given": "of those who consented, who were referred to support (10f)",
        "contacted": "distinct victims who were told of a decision or of restorative justice (10g)",
    },
)
