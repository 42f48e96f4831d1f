"""Reporting without a database: measures counted from plain histories, by the same folds and the same functions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from services.reporting.measures import Dataset, answer, measure_named
from services.reporting.measures.period import Period
from services.reporting.projection.fold import Folded, Stream, fold, service_of
from services.reporting.projection.knowledge import known_among, persons_of
from services.system.registry import deciding_services
from shared.domain.dates import end_of_day, parse_moment
from shared.domain.envelope import Fact
from shared.domain.persons import NOTHING_KNOWN, Known
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

STORIES = Path(__file__).parent / "scenarios"


def measure_facts(
    name: str,
    histories: Iterable[Sequence[Fact]],
    from_: date,
    to: date,
    group_by: str | None = None,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    fold: Callable[..., Folded | None] = fold,
) -> dict[str, Any]:
    """Answer a measure from whole histories, each in order of version; raises `BadQuestion`."""
    measure, period = measure_named(name), Period(from_, to)
    until = min(as_of or end_of_day(to), end_of_day(to)) if measure.needs_work_items else as_of
    every = [history for history in histories if history]
    read = [history for history in every if service_of(history[0]) in measure.reads]
    folded = folded_of(every, read, until, known_at, fold)
    positions = dict.fromkeys(measure.reads, 0)
    for history in read:
        for fact in history:
            service = service_of(fact)
            positions[service] = max(positions.get(service, 0), fact.position or 0)
    dataset = Dataset(
        summaries=[item.summary for item in folded],
        work_items=[item.work_item(to) for item in folded if measure.needs_work_items],
    )
    return answer(measure, dataset, period, positions, group_by)


def folded_of(
    every: Iterable[Sequence[Fact]],
    read: Iterable[Sequence[Fact]],
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    fold: Callable[..., Folded | None] = fold,
) -> list[Folded]:
    """Fold some of the histories, with what is known of their persons by every one."""
    known = known_of(every)
    folded = (
        fold(
            history,
            as_of=as_of,
            known_at=known_at,
            known=known.get((service_of(history[0]), history[0].stream_id), NOTHING_KNOWN),
        )
        for history in read
    )
    return [item for item in folded if item is not None]


def known_of(histories: Iterable[Sequence[Fact]]) -> Mapping[Stream, Known]:
    """Return what is known of the persons of each history by the others."""
    by_stream = {(service_of(history[0]), history[0].stream_id): history for history in histories}
    facts = sorted(
        (fact for history in by_stream.values() for fact in history if persons_of([fact])),
        key=lambda fact: (fact.envelope.stream, fact.version),
    )
    return known_among(by_stream, facts)


class InMemoryReporting:
    """The histories of streams, closed as reporting sees them, by the name of the stream; answers measures as the API does."""

    def __init__(self) -> None:
        self.histories: dict[str, list[Fact]] = {}
        self._folded: dict[tuple[object, ...], Folded | None] = {}

    def record(self, _service: str, fact: Fact) -> None:
        """Add a fact."""
        self.histories.setdefault(fact.envelope.stream, []).append(fact)

    def of(self, service: str) -> list[list[Fact]]:
        """Return the histories of a service."""
        return [facts for facts in self.histories.values() if service_of(facts[0]) == service]

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """Answer a measure; the parameters are those of its query, as text."""
        times = {key: parse_moment(params[key]) for key in ("as_of", "known_at") if key in params}
        return measure_facts(
            name,
            self.histories.values(),
            date.fromisoformat(params["from"]),
            date.fromisoformat(params["to"]),
            params.get("group_by"),
            **times,
            fold=self._fold,
        )

    def _fold(
        self, history: Sequence[Fact], as_of: datetime | None, known_at: datetime | None, known: Known
    ) -> Folded | None:
        """Fold a history that may have been folded already: the streams of earlier stories stay as they are."""
        key = (history[-1].envelope.stream, history[-1].hash, as_of, known_at, tuple(fact.hash for fact in known.facts))
        if key not in self._folded:
            self._folded[key] = fold(history, as_of=as_of, known_at=known_at, known=known)
        return self._folded[key]


def play(*stories: str) -> InMemoryReporting:
    """Play stories of tests/scenarios by their file names."""
    reporting = InMemoryReporting()
    memory = Memory(deciding_services(), reporting)
    for story in stories:
        Run(read_scenario(STORIES / story), memory).play()
    return reporting
