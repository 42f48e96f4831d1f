"""Proven reoffending as it is known here: how many children of a cohort offended again, and how often."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.disposal.summary import DisposalSummary, IssueSummary
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.interventions import given_on
from services.reporting.measures.period import Period
from shared.domain.dates import add_months
from shared.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class Followed:
    """A child of a cohort: the disposal from which it is followed, and how often it was proven to offend after that."""

    summary: DisposalSummary
    proves: bool
    """Whether the disposal is one by which reoffending is proven: a caution; else it is of the local cohort."""
    reoffences: int


def select_followed(dataset: Dataset, period: Period) -> list[Followed]:
    """Select each child given a caution in the period, once, and each given another disposal, by the first of both."""
    policy = dataset.policy.on(period.last)
    of_children: dict[object, list[tuple[IssueSummary, DisposalSummary]]] = defaultdict(list)
    for summary in dataset.all_of(DisposalSummary):
        if summary.given is not None:
            of_children[summary.subject].append((summary.given, summary))
    return [followed for given in of_children.values() for followed in _follow(given, policy, period)]


def _follow(given: list[tuple[IssueSummary, DisposalSummary]], policy: Policy, period: Period) -> Iterator[Followed]:
    proofs, months = policy.codes("reoffending_proofs"), policy.table("reoffending_months")
    in_period = sorted((issue.at, summary.stream, issue, summary) for issue, summary in given if issue.on in period)
    first = {issue.disposal in proofs: (issue.on, summary) for *_, issue, summary in reversed(in_period)}
    for proves, (since, index) in first.items():
        again = {
            (summary.follows or summary.stream, summary.offence.code, summary.offence.on)
            for issue, summary in given
            if issue.disposal in proofs and issue.on <= add_months(since, months["proof"])
            if since < summary.offence.on <= add_months(since, months["offence"])
        }
        yield Followed(index, proves, len(again))


def _count(rows: Sequence[Followed]) -> dict[str, Any]:
    reoffences = [row.reoffences for row in rows if row.reoffences]
    return {
        "children": len(rows),
        "reoffenders": len(reoffences),
        "reoffences": sum(reoffences),
        "rate": round(100 * len(reoffences) / len(rows), 1) if rows else None,
        "frequency": round(sum(reoffences) / len(reoffences), 2) if reoffences else None,
    }


def _aggregate(rows: Sequence[Followed], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count the cohort of cautions, and apart from it the local one; with the day on which their time is over."""
    months = dataset.policy.on(period.last).table("reoffending_months")
    return {
        **_count([row for row in rows if row.proves]),
        "other_disposals": _count([row for row in rows if not row.proves]),
        "complete_on": add_months(period.last, months["proof"]).isoformat(),
    }


MEASURE: Final = Measure(
    **words_of("reoffending"),
    reads=frozenset({"disposal"}),
    days=given_on,
    select=select_followed,
    aggregate=_aggregate,
    needs_subjects=True,
    groupings={"area": lambda row: row.summary.counted_in},
)
