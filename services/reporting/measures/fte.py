"""Projected first-time entrants to the youth justice system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from services.reporting.measures.definition import Dataset, Measure
from services.reporting.period import Period, quarter
from services.reporting.summaries import DisposalSummary


def entrants(book: Dataset, period: Period) -> list[DisposalSummary]:
    """The first recordable caution of each child, where it was given in the period and nothing came before."""
    policy = book.on(period.last)
    disposals = policy.codes("first_time_entrant_disposals")
    youngest, oldest = policy.number("child_age_from"), policy.number("child_age_to")
    first: dict[UUID, DisposalSummary] = {}
    cautions = (
        record
        for record in book.disposals
        if record.given is not None and record.given.disposal in disposals and record.offence.recordable
    )
    for record in sorted(cautions, key=lambda record: (record.given.at, record.stream) if record.given else ()):
        first.setdefault(record.child, record)
    return [
        record
        for record in first.values()
        if record.given is not None
        and record.given.on in period
        and youngest <= record.given.age <= oldest
        and not record.prior_cautions
    ]


def aggregate(rows: Sequence[DisposalSummary], _book: Dataset, _period: Period) -> dict[str, Any]:
    """How many, and in which quarter each caution was given."""
    quarters = Counter(quarter(row.given.on) for row in rows if row.given is not None)
    return {"count": len(rows), "by_quarter": dict(sorted(quarters.items()))}


FTE: Final = Measure(
    name="fte",
    version="1",
    definition=(
        "Children aged 10 to 17 given their first youth caution or youth conditional caution for a recordable offence,"
        " with no earlier caution or conviction recorded at the opening of the case nor given here, by the day of"
        " giving. Restorative disposals and outcomes 21 and 22 create no entrant. Projected: the PNC decides. Where"
        " nothing was recorded of what came before, nothing is taken to have come before."
    ),
    source="Ministry of Justice, first-time entrants",
    reads=frozenset({"disposal"}),
    rows=entrants,
    count=aggregate,
    groupings={"area": lambda row: row.area},
    columns={
        "count": "children who entered in the period",
        "by_quarter": "the same, by quarter (Q1 is April to June)",
    },
)
