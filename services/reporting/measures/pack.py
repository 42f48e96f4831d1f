"""The pack of a quarter: what a youth justice service owes, as one return, each figure by its own definition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.period import Period
from services.trade.summary import Summary

_KPIS: Final = ("kpi1", "kpi2", "kpi3", "kpi4", "kpi5", "kpi6_yjb", "kpi7", "kpi8", "kpi9_yjb", "kpi10_yjb")
PARTS: Final[Mapping[str, Measure[Any]]] = {
    name: import_module(f"{__package__}.{name}").MEASURE for name in (*_KPIS, "fte_yjb", "outcomes")
}
"""The measures of the pack by name, in their order."""


@dataclass(frozen=True, slots=True)
class PartRow:
    """A row of one of the measures."""

    part: str
    row: Any

    @property
    def summary(self) -> Summary:
        return self.row if isinstance(self.row, Summary) else self.row.summary


def _aggregate(rows: Sequence[PartRow], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Give the answer of each measure, with the version of its definition, and what its figure should reach."""
    targets = dataset.policy.on(period.last).table("targets")
    return {
        name: {
            "definition_version": part.version,
            "target": targets.get(name),
            **part.aggregate([row.row for row in rows if row.part == name], dataset, period),
        }
        for name, part in PARTS.items()
    }


_WORDS: Final = words_of("pack")
MEASURE: Final = Measure(
    **_WORDS
    | {
        "version": ", ".join(f"{name} {part.version}" for name, part in PARTS.items()),
        "definition": " ".join([_WORDS["definition"], *(f"{name}: {part.definition}" for name, part in PARTS.items())]),
        "columns": {name: f"the answer of {name}" for name in PARTS},
    },
    reads=frozenset[str]().union(*(part.reads for part in PARTS.values())),
    days=lambda summary: [day for part in PARTS.values() for day in part.days(summary)],
    select=lambda dataset, period: [
        PartRow(name, row) for name, part in PARTS.items() for row in part.rows(dataset, period)
    ],
    aggregate=_aggregate,
    needs_subjects=True,
    groupings={},
)
