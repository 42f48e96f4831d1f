"""Interventions that ended: the inclusion that KPI 6 and KPI 10 share.

An intervention counts in the period in which it actually ended (not in that of its deadline), where the child was 10
to 17 at its start, once for each child and offence: the most serious, then the latest (YJB KPI inclusion).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from services.reporting.measures.definition import Dataset
from services.reporting.period import Period
from services.reporting.summaries import DisposalSummary
from services.reporting.summaries.disposal import End
from services.vocabulary import Disposal, OutcomeCode

COLUMN: Final = {
    Disposal.YRD: "community_resolution",
    Disposal.YC: "youth_caution",
    Disposal.YCC: "youth_conditional_caution",
}
OUTCOME_22: Final = "outcome_22"
OUTCOME_20_21: Final = "outcome_20_21"
COLUMN_OF_CODE: Final = {
    OutcomeCode.C22: OUTCOME_22,
    OutcomeCode.C20: OUTCOME_20_21,
    OutcomeCode.C21: OUTCOME_20_21,
}


@dataclass(frozen=True, slots=True)
class Intervention:
    """One that ended: its column in KPI 6, its day, how, and the child's age in years when it began."""

    record: DisposalSummary
    column: str
    ended_on: date
    completed: bool
    age_at_start: int


def intervention_of(record: DisposalSummary) -> Intervention | None:
    """The ended intervention of a disposal case; None while it has not ended, or where there was none."""
    return _given(record) if record.given is not None else _diverted(record)


def _given(record: DisposalSummary) -> Intervention | None:
    """A disposal that was given. A youth caution has no term: it ends on the day on which it is given."""
    given, end = record.given, record.ended
    assert given is not None
    if end is not None:
        ended_on, completed = end.on, end.how is End.COMPLETED
    elif given.disposal is Disposal.YC:
        ended_on, completed = given.on, True
    else:
        return None
    return Intervention(record, COLUMN[given.disposal], ended_on, completed, given.age)


def _diverted(record: DisposalSummary) -> Intervention | None:
    """A diversion: it ends on the day on which the child is said to have left it, else when its code is assigned."""
    outcome, end, decided = record.outcome, record.ended, record.decided
    told = [found.age for found in (decided, outcome) if found is not None and found.age is not None]
    age = told[0] if told else record.age_at_offence
    if end is not None and end.how is End.NOT_COMPLETED:
        # Only a diversion for outcome 22 can be left; what becomes of the crime after that is another matter.
        return Intervention(record, OUTCOME_22, end.on, completed=False, age_at_start=age)
    if outcome is None or outcome.code not in COLUMN_OF_CODE:
        return None
    return Intervention(record, COLUMN_OF_CODE[outcome.code], outcome.on, completed=True, age_at_start=age)


def ended(book: Dataset, period: Period) -> list[Intervention]:
    """The interventions that a return for the period includes."""
    policy = book.on(period.last)
    youngest, oldest = policy.number("child_age_from"), policy.number("child_age_to")
    order = {column: n for n, column in enumerate(policy.value("seriousness"))}
    best: dict[tuple[object, ...], Intervention] = {}
    for record in book.disposals:
        found = intervention_of(record)
        if found is None or found.ended_on not in period or not youngest <= found.age_at_start <= oldest:
            continue
        offence = (record.child, record.offence.code, record.offence.on)
        known = best.get(offence)
        if known is None or _rank(found, order) < _rank(known, order):
            best[offence] = found
    return list(best.values())


def _rank(found: Intervention, order: dict[str, int]) -> tuple[int, int]:
    return order[found.column], -found.ended_on.toordinal()
