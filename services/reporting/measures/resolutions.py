"""Out-of-court resolutions: by kind, how grave, after how much, with a victim or not, and how they ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from services.disposal.summary import DisposalSummary, End
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.kpi6 import COLUMNS
from services.reporting.measures.period import Period
from services.trade.vocabulary import Disposal


@dataclass(frozen=True, slots=True)
class Resolution:
    """An offence that was resolved out of court, and whether the child had a caution or conviction then; None: unknown."""

    summary: DisposalSummary
    kind: str
    prior: bool | None


def select_resolutions(dataset: Dataset, period: Period) -> list[Resolution]:
    """Select those of the period; a caution that was given here before counts as one that was recorded."""
    cases = dataset.all_of(DisposalSummary)
    given = [(one.given.on, one.subject) for one in cases if one.given and one.given.disposal is not Disposal.YRD]
    first = {child: on for on, child in sorted(given, reverse=True)}

    def prior(one: DisposalSummary, on: date) -> bool | None:
        here = first.get(one.subject, on) < on
        return True if here else None if one.prior_cautions is None else one.prior_cautions > 0

    found = [(one, *one.resolution) for one in cases if one.resolution and one.resolution[1] in period]
    return [Resolution(one, kind, prior(one, on)) for one, kind, on in found]


def _count(rows: Sequence[Resolution]) -> dict[str, int]:
    ways = [row.summary.ended and row.summary.ended.how for row in rows]
    grave = [row.summary.gravity for row in rows]
    return {
        "resolutions": len(rows),
        "children": len({row.summary.subject for row in rows}),
        "with_a_victim": sum(bool(row.summary.victims) for row in rows),
        "after_a_caution_or_conviction": sum(row.prior is True for row in rows),
        "earlier_record_unknown": sum(row.prior is None for row in rows),
        "completed": ways.count(End.COMPLETED),
        "not_completed": ways.count(End.NOT_COMPLETED),
        **{f"gravity_{score}": grave.count(score) for score in range(1, 6)},
        "gravity_unknown": grave.count(None),
    }


def aggregate(rows: Sequence[Resolution], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count all, and by kind."""
    return {
        "columns": {"all": _count(rows)} | {kind: _count([row for row in rows if row.kind == kind]) for kind in COLUMNS}
    }


MEASURE: Final = Measure(
    **words_of("resolutions"),
    reads=frozenset({"disposal"}),
    days=lambda one: [one.resolution[1]] if isinstance(one, DisposalSummary) and one.resolution else [],
    select=select_resolutions,
    aggregate=aggregate,
    needs_subjects=True,
    groupings={"area": lambda row: row.summary.counted_in},
)
