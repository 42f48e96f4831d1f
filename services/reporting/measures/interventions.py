"""Interventions that ended: the inclusion that KPI 6 and KPI 10 share.

A youth caution, and outcomes 20 and 21, are interventions only if the youth justice service intervened. An intervention
counts in the period in which it actually ended (not in that of its deadline), if the child was 10
to 17 at its start, once for each child and offence: the most serious, then the latest (YJB KPI inclusion).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from services.disposal.summary import (
    COLUMN,
    COLUMN_OF_CODE,
    DEFERRED,
    OUTCOME_20_21,
    OUTCOME_22,
    DeferralSummary,
    DisposalSummary,
    End,
)
from services.reporting.measures.definition import Dataset
from services.reporting.measures.period import Period
from services.trade.summary import Summary
from services.trade.vocabulary import Disposal


@dataclass(frozen=True, slots=True)
class Intervention:
    """An ended intervention: its column in KPI 6, its day, and the child's age in years when it began."""

    summary: DisposalSummary
    column: str
    ended_on: date
    completed: bool
    age_at_start: int


def given_on(summary: Summary) -> list[date]:
    return [summary.given.on] if isinstance(summary, DisposalSummary) and summary.given is not None else []


def ended_on(summary: Summary) -> list[date]:
    return [one.ended_on for one in interventions_of(summary)] if isinstance(summary, DisposalSummary) else []


def interventions_of(summary: DisposalSummary) -> Iterator[Intervention]:
    """Yield the ended interventions of a disposal case: a diversion that failed before it was decided anew, and the last."""
    if (failed := summary.failed_diversion) is not None:
        age = summary.age_at_offence if failed.age is None else failed.age
        yield Intervention(summary, OUTCOME_22, failed.ended_on, completed=False, age_at_start=age)
    if summary.deferred is not None:
        last = _deferral(summary.deferred, summary)
    else:
        last = _issued_disposal(summary) if summary.given is not None else _diversion(summary)
    if last is not None:
        yield last


def _deferral(deferral: DeferralSummary, summary: DisposalSummary) -> Intervention | None:
    """Return a deferred prosecution that ended: its plan was completed, or it was ended before that."""
    end = summary.ended
    if end is None:
        return None
    return Intervention(summary, DEFERRED, end.on, end.how is End.COMPLETED, deferral.age)


def _issued_disposal(summary: DisposalSummary) -> Intervention | None:
    """Return an issued disposal that ended. A youth caution has no term: it ends on the day of its issue."""
    issue, end = summary.given, summary.ended
    assert issue is not None
    if end is not None:
        ended_on, completed = end.on, end.how is End.COMPLETED
    elif issue.disposal is Disposal.YC:
        ended_on, completed = issue.on, True
    else:
        return None
    if issue.disposal is Disposal.YC and not summary.intervened:
        return None
    return Intervention(summary, COLUMN[issue.disposal], ended_on, completed, issue.age)


def _diversion(summary: DisposalSummary) -> Intervention | None:
    """Return a diversion that ended: on the day on which the child left it, else on that of its outcome code."""
    outcome, end, decided = summary.outcome, summary.ended, summary.decided
    ages = [fact.age for fact in (decided, outcome) if fact is not None and fact.age is not None]
    age = ages[0] if ages else summary.age_at_offence
    if end is not None and end.how is End.NOT_COMPLETED:
        # Only a diversion for outcome 22 can be left; what becomes of the crime after that is another matter.
        return Intervention(summary, OUTCOME_22, end.on, completed=False, age_at_start=age)
    if outcome is None or outcome.code not in COLUMN_OF_CODE:
        return None
    column = COLUMN_OF_CODE[outcome.code]
    if column == OUTCOME_20_21 and not summary.intervened:
        return None
    return Intervention(summary, column, outcome.on, completed=True, age_at_start=age)


def select_interventions(dataset: Dataset, period: Period) -> list[Intervention]:
    policy = dataset.policy.on(period.last)
    youngest, oldest = policy.number("child_age_from"), policy.number("child_age_to")
    order = {column: n for n, column in enumerate(policy.value("seriousness"))}
    best: dict[tuple[object, ...], Intervention] = {}
    found = (one for summary in dataset.all_of(DisposalSummary) for one in interventions_of(summary))
    for intervention in found:
        if intervention.ended_on not in period or not youngest <= intervention.age_at_start <= oldest:
            continue
        summary = intervention.summary
        offence = (summary.subject, summary.offence.code, summary.offence.on)
        earlier = best.get(offence)
        if earlier is None or _rank(intervention, order) < _rank(earlier, order):
            best[offence] = intervention
    return list(best.values())


def _rank(intervention: Intervention, order: dict[str, int]) -> tuple[int, int]:
    return order[intervention.column], -intervention.ended_on.toordinal()
