"""The outcomes of crimes, by the code of the Home Office."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from services.disposal.summary import DisposalSummary, OutcomeSummary
from services.referral.summary import CrimeOutcome, ReferralSummary
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.period import Period, quarter
from services.trade.summary import Summary
from services.trade.vocabulary import OutcomeCode


@dataclass(frozen=True, slots=True)
class OutcomeOf:
    """An outcome of a crime, or of one of its suspects: `whose` says which."""

    summary: Summary
    whose: str
    outcome: CrimeOutcome | OutcomeSummary


def _outcomes_of(summary: Summary) -> Iterator[OutcomeOf]:
    """Yield the outcomes of a referral; or of a disposal that follows from none, which is a crime of one suspect."""
    crime: CrimeOutcome | OutcomeSummary | None = None
    suspects: Sequence[CrimeOutcome | OutcomeSummary] = ()
    if isinstance(summary, ReferralSummary):
        crime, suspects = summary.outcome, summary.outcomes
    elif isinstance(summary, DisposalSummary) and summary.follows is None and summary.outcome is not None:
        crime, suspects = summary.outcome, (summary.outcome,)
    if crime is not None:
        yield OutcomeOf(summary, "crimes", crime)
    yield from (OutcomeOf(summary, "suspects", outcome) for outcome in suspects)


def outcome_days(summary: Summary) -> list[date]:
    return [row.outcome.on for row in _outcomes_of(summary)]


def select_outcomes(dataset: Dataset, period: Period) -> list[OutcomeOf]:
    return [row for summary in dataset.summaries for row in _outcomes_of(summary) if row.outcome.on in period]


def _count(rows: Sequence[OutcomeOf]) -> dict[str, int]:
    return {whose: sum(row.whose == whose for row in rows) for whose in ("crimes", "suspects")}


def aggregate(rows: Sequence[OutcomeOf], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count crimes and suspects, also by code and by quarter."""
    quarters = sorted({quarter(row.outcome.on) for row in rows})
    return {
        **_count(rows),
        "by_code": {code.value: _count([row for row in rows if row.outcome.code is code]) for code in OutcomeCode},
        "by_quarter": {name: _count([row for row in rows if quarter(row.outcome.on) == name]) for name in quarters},
    }


MEASURE: Final = Measure(
    **words_of("outcomes"),
    reads=frozenset({"disposal", "referral"}),
    days=outcome_days,
    select=select_outcomes,
    aggregate=aggregate,
    groupings={"area": lambda row: row.summary.counted_in},
)
