"""Programmes that ended: the Youth Justice Board's inclusion, and its population of one row for each child."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from services.disposal.summary import OUTCOME_22, DisposalSummary
from services.reporting.measures.definition import Dataset
from services.reporting.measures.period import Period
from services.trade.summary import Summary


@dataclass(frozen=True, slots=True)
class Programme:
    """An ended programme: its column in KPI 6, its days, and the child's age in whole years on the first."""

    summary: DisposalSummary
    column: str
    starts_on: date
    ended_on: date
    completed: bool | None
    """None: nobody has said, which counts as neither."""
    age_at_start: int


def programme_ends(summary: Summary) -> list[date]:
    return [one.ended_on for one in programmes_of(summary)] if isinstance(summary, DisposalSummary) else []


def programmes_of(summary: DisposalSummary) -> Iterator[Programme]:
    """Yield the ended programmes: of a diversion that failed before it was decided anew, and the last."""
    if (failed := summary.failed_diversion) is not None:
        age = summary.age_at_offence if failed.age is None else failed.age
        began_on = failed.began_on or failed.ended_on
        yield Programme(summary, OUTCOME_22, began_on, failed.ended_on, completed=False, age_at_start=age)
    last = summary.programme
    if last is not None and last.ends_on is not None and summary.lived_here:
        yield Programme(summary, last.column, last.starts_on, last.ends_on, last.completed, last.age_at_start)


def select_programmes(dataset: Dataset, period: Period) -> list[Programme]:
    """Select the programmes that ended in the period, of children of these ages at their start."""
    policy = dataset.policy.on(period.last)
    youngest, oldest = policy.number("child_age_from"), policy.number("child_age_to")
    return [
        programme
        for summary in dataset.all_of(DisposalSummary)
        for programme in programmes_of(summary)
        if programme.ended_on in period and youngest <= programme.age_at_start <= oldest
    ]


def population(dataset: Dataset, period: Period) -> list[Programme]:
    """Select one row for each child: the most serious, then the latest outcome, the latest end, and the id."""
    order = dataset.policy.on(period.last).value("seriousness")
    rows: dict[object, Programme] = {}
    for programme in sorted(select_programmes(dataset, period), key=lambda one: _rank(one, order)):
        rows.setdefault(programme.summary.subject, programme)
    return list(rows.values())


def _rank(one: Programme, order: list[str]) -> tuple[int, int, int, str]:
    outcome = one.ended_on if one.summary.outcome is None else one.summary.outcome.on
    return order.index(one.column), -outcome.toordinal(), -one.ended_on.toordinal(), str(one.summary.stream)
