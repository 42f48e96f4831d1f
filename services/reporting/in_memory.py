"""Reporting without a database: measures counted from plain histories, by the same folds and the same functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.reporting.fold import Folded, fold, service_of
from services.reporting.measures import Dataset, answer, measure_named
from services.reporting.period import Period
from shared.domain.dates import end_of_day, parse_moment
from shared.domain.envelope import Fact


def measure_facts(
    name: str,
    histories: Iterable[Sequence[Fact]],
    from_: date,
    to: date,
    group_by: str | None = None,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> dict[str, Any]:
    """Answer a measure from whole histories, each in order of version; raises `BadQuestion`."""
    measure, period = measure_named(name), Period(from_, to)
    until = _earlier(as_of, end_of_day(to)) if measure.needs_work_items else as_of
    histories = [history for history in histories if history and service_of(history[0]) in measure.reads]
    folded: list[Folded] = [
        found for history in histories if (found := fold(history, as_of=until, known_at=known_at)) is not None
    ]
    positions: dict[str, int] = {}
    for history in histories:
        for fact in history:
            service = service_of(fact)
            positions[service] = max(positions.get(service, 0), fact.position or 0)
    dataset = Dataset(
        summaries=[item.summary for item in folded],
        work_items=[item.work_item for item in folded if measure.needs_work_items],
    )
    return answer(measure, dataset, period, positions, group_by)


def _earlier(moment: datetime | None, other: datetime) -> datetime:
    return other if moment is None else min(moment, other)


class InMemoryReporting:
    """Facts by stream, in memory; answers measures as the API does."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, UUID], list[Fact]] = {}

    def record(self, service: str, fact: Fact) -> None:
        """Add a fact."""
        self._streams.setdefault((service, fact.stream_id), []).append(fact)

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """Answer a measure; the parameters are those of its query, as text."""
        times = {key: parse_moment(params[key]) for key in ("as_of", "known_at") if key in params}
        return measure_facts(
            name,
            self._streams.values(),
            date.fromisoformat(params["from"]),
            date.fromisoformat(params["to"]),
            params.get("group_by"),
            **times,
        )
