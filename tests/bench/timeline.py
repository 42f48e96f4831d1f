"""The way of an event to reporting's tables, step by step: the processes on the way note when each step ended.

The clock is the machine's, which all processes and PostgreSQL share.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from services.reporting.projection import apply_remembering
from shared.messaging.consumer import ConsumedEvent
from shared.messaging.relay import Relay
from tests.bench.figures import percentile

STEPS: Final = ("relay wakes", "transaction", "fetch", "projection")
"""What ends before an event is visible, in order: the relay reads it, its transaction is committed, the projection begins
with it, and has written it. Then comes the commit, and the look of whoever waits for it."""

LAST: Final = "commit"

PATIENCE: Final = 60.0
"""Seconds for notes that are still on their way."""


class Moment(NamedTuple):
    """The end of a step for the events of a service from one position to another, in seconds since 1970."""

    step: str
    service: str
    first: int
    last: int
    at: float


class Notes(Protocol):
    """A queue between processes."""

    def put(self, moment: Moment) -> None:
        """Add a moment."""
        ...

    def get(self, *, timeout: float | None = None) -> Moment:
        """Take a moment; raises `queue.Empty` after the timeout."""
        ...


class Timed(NamedTuple):
    """A command's last event: its service and position, when it was recorded, and when it was visible."""

    service: str
    position: int
    recorded_at: float
    visible_at: float


class NotingRelay(Relay):
    """A relay that notes what it has read and committed."""

    def __init__(self, *arguments: Any, notes: Notes, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._notes = notes

    async def _read(self, event_store: Any, after: int, hash_: bytes) -> list[Any]:
        rows = await super()._read(event_store, after, hash_)
        if rows:
            self._note_moment("relay wakes", after + 1, rows[-1]["position"])
        return rows

    async def _publish(self, producer: Any, portion: Any, reached: Any) -> Any:
        found = await super()._publish(producer, portion, reached)
        self._note_moment("transaction", reached.position + 1, found.position)
        return found

    def _note_moment(self, step: str, first: int, last: int) -> None:
        self._notes.put(Moment(step, self.service, first, last, time.time()))


class NotingProjection:
    """Reporting's `apply`, noting when it begins with an event and when it has written it."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def __call__(self, connection: Any, records: Sequence[ConsumedEvent]) -> None:
        """Project a batch."""
        began = time.time()
        await apply_remembering(connection, records)
        for step, at in (("fetch", began), ("projection", time.time())):
            for record in records:
                service = record.stream.partition("/")[0]
                self._notes.put(Moment(step, service, record.position, record.position, at))


class Timeline:
    """What was noted, by service, position and step."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._ends: dict[tuple[str, int], dict[str, float]] = {}

    async def medians(self, events: Sequence[Timed]) -> Mapping[str, float]:
        """Return the median of each step in milliseconds, once every step of these events is noted."""
        wanted = {(event.service, event.position) for event in events}
        while any(len(self._ends.get(place, ())) < len(STEPS) for place in wanted):
            self.add(await asyncio.to_thread(self._notes.get, timeout=PATIENCE))
        steps = [list(self._durations(event)) for event in events]
        self._ends.clear()
        return {
            f"{step} p50 ms": percentile(durations, 50) * 1000
            for step, durations in zip((*STEPS, LAST), zip(*steps, strict=True), strict=True)
        }

    def add(self, moment: Moment) -> None:
        """Take a moment in; of two for one event the first counts."""
        for position in range(moment.first, moment.last + 1):
            self._ends.setdefault((moment.service, position), {}).setdefault(moment.step, moment.at)

    def _durations(self, event: Timed) -> Iterator[float]:
        ends = self._ends[event.service, event.position]
        began = event.recorded_at
        for ended in (*(ends[step] for step in STEPS), event.visible_at):
            yield ended - began
            began = ended
