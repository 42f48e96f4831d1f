"""The way of an event to reporting's tables, step by step: the processes on the way note when each step ended.

The clock is the machine's, which all processes and PostgreSQL share.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from services.reporting.projection.projector import apply
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.relay import Relay
from shared.servers.database import create_pool
from tests.bench.figures import milliseconds, percentile

STEPS: Final = ("relay wakes", "transaction", "fetch", "projection", "commit")
"""What happens to an event, in order: the relay reads it, its transaction is committed, the projection begins with it, has
written it, and a reader of reporting's tables sees it."""

GLANCE: Final = 0.002
"""Seconds between two looks of that reader: latencies are right to so much."""

_ADDED: Final = "select service, position, added from fact where added > $1"
# One process projects, so that a later transaction has a higher id.

PATIENCE: Final = 60.0
"""Seconds for notes that are still on their way."""


class Moment(NamedTuple):
    """The end of a step for the events of a service at these positions, in seconds since 1970."""

    step: str
    service: str
    positions: Sequence[int]
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
    """A command's last event: its service and position, when it was recorded, and when the command was accepted."""

    service: str
    position: int
    recorded_at: float
    accepted_at: float


class NotingRelay(Relay):
    """A relay that notes what it has read and committed."""

    def __init__(self, *arguments: Any, notes: Notes, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._notes = notes

    async def _read(self, event_store: Any, after: int, hash_: bytes) -> list[Any]:
        rows = await super()._read(event_store, after, hash_)
        if rows:
            self._note_moment("relay wakes", range(after + 1, rows[-1]["position"] + 1))
        return rows

    async def _publish(self, producer: Any, portion: Any, reached: Any) -> Any:
        found = await super()._publish(producer, portion, reached)
        self._note_moment("transaction", range(reached.position + 1, found.position + 1))
        return found

    def _note_moment(self, step: str, positions: range) -> None:
        self._notes.put(Moment(step, self.service, positions, time.time()))


class NotingProjection:
    """Reporting's `apply`, noting when it begins with an event and when it has written it."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def __call__(self, connection: Any, records: Sequence[ConsumedEvent]) -> None:
        """Project a batch."""
        began = time.time()
        await apply(connection, records)
        written, positions = time.time(), defaultdict[str, list[int]](list)
        for record in records:
            positions[record.stream.partition("/")[0]].append(record.position)
        for service, found in positions.items():
            self._notes.put(Moment("fetch", service, found, began))
            self._notes.put(Moment("projection", service, found, written))


async def reading(dsn: str, notes: Notes) -> None:
    """Look, for ever, which events have become visible in reporting's tables."""
    database = await create_pool(dsn, max_size=1)
    last = 0
    while True:
        positions = defaultdict[str, list[int]](list)
        for service, position, added in await database.fetch(_ADDED, last):
            positions[service].append(position)
            last = max(last, added)
        for service, found in positions.items():
            notes.put(Moment("commit", service, found, time.time()))
        await asyncio.sleep(GLANCE)


class Timeline:
    """What was noted, by service, position and step."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._ends: dict[tuple[str, int], dict[str, float]] = {}

    async def figures(self, events: Sequence[Timed]) -> Mapping[str, float]:
        """Return the latencies from acceptance to visibility in milliseconds, and the median of each step, once all is noted."""
        wanted = {(event.service, event.position) for event in events}
        while any(len(self._ends.get(place, ())) < len(STEPS) for place in wanted):
            self.add(await asyncio.to_thread(self._notes.get, timeout=PATIENCE))
        took = [self._ends[event.service, event.position][STEPS[-1]] - event.accepted_at for event in events]
        steps = [list(self._durations(event)) for event in events]
        self._ends.clear()
        return {
            **milliseconds(took),
            **{
                f"{step} p50 ms": percentile(durations, 50) * 1000
                for step, durations in zip(STEPS, zip(*steps, strict=True), strict=True)
            },
        }

    def add(self, moment: Moment) -> None:
        """Take a moment in; of two for one event the first counts."""
        for position in moment.positions:
            self._ends.setdefault((moment.service, position), {}).setdefault(moment.step, moment.at)

    def _durations(self, event: Timed) -> Iterator[float]:
        ends = self._ends[event.service, event.position]
        began = event.recorded_at
        for step in STEPS:
            yield ends[step] - began
            began = ends[step]
