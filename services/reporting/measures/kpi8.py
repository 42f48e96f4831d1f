"""KPI 8: senior partners at the board. The board's clerk loads who came, since no case says it."""

from collections.abc import Sequence
from typing import Any, Final

from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.period import Period, quarter, quarter_of


def _aggregate(_rows: Sequence[Any], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count the sectors that came, also one by one; null before they are loaded, and for what is no quarter."""
    policy = dataset.policy.on(period.last)
    sectors = policy.value("board_sectors")
    loaded = policy.table("board_attendance") if period == quarter_of(period.last) else {}
    came = loaded.get(quarter(period.last))

    def count(who: str, among: Sequence[str]) -> int | None:
        return None if came is None else len(set(came.get(who, ())) & set(among))

    def counts(among: Sequence[str]) -> dict[str, int | None]:
        return {"seniors": count("seniors", among), "delegates": count("delegates", among)}

    return {"sectors": len(sectors), **counts(sectors), "by_sector": {sector: counts([sector]) for sector in sectors}}


MEASURE: Final = Measure(
    **words_of("kpi8"),
    reads=frozenset(),
    days=lambda _summary: (),
    select=lambda _dataset, _period: [],
    aggregate=_aggregate,
    groupings={},
)
