"""The event store in memory, for tests and seeded simulations. It gives the same answers as PostgreSQL."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic_core import from_json

from shared import event_store
from shared.domain.envelope import GENESIS, next_hash
from shared.event_store.log_hash import EMPTY_LOG, kept_answer, log_entry, next_log_hash


class MemoryEventStore:
    """An event store in a list. `append` never awaits, so appends are serial."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._records: list[event_store.RecordedEvent] = []
        self._streams: dict[str, list[event_store.RecordedEvent]] = {}
        self._answers: dict[UUID, event_store.StoredReceipt] = {}
        self._claims: dict[str, str] = {}
        self._marks: dict[UUID, set[str]] = {}
        self._kept: dict[UUID, list[event_store.RecordedEvent]] = {}
        self._log_hash = EMPTY_LOG

    async def load(self, stream: str, command_id: UUID | None = None) -> event_store.LoadedStream:
        return event_store.LoadedStream(
            tuple(self._streams.get(stream, ())), None if command_id is None else self._answers.get(command_id)
        )

    async def append(self, append: event_store.AppendRequest) -> event_store.AppendResult:
        if append.command_id in self._answers:
            return event_store.DuplicateCommand()
        stream = self._streams.get(append.stream, [])
        version, previous = (stream[-1].version, stream[-1].hash) if stream else (0, GENESIS)
        if (version, previous) != (append.version, append.previous):
            return event_store.WrongExpectedVersion(version)
        for key in append.takes:
            if self._claims.get(key, append.stream) != append.stream:
                return event_store.KeyTaken(key)
        records: list[event_store.RecordedEvent] = []
        at = self._records[-1].recorded_at if self._records else datetime.min.replace(tzinfo=UTC)
        for n, event in enumerate(append.events, start=1):
            previous = next_hash(previous, event.body)
            if previous != event.hash:
                raise event_store.HashMismatch(
                    f"the hash of {append.stream} version {version + n} does not follow from the one before"
                )
            at = max(self._clock(), at + timedelta(microseconds=1))
            position = len(self._records) + n
            records.append(
                event_store.RecordedEvent(
                    position,
                    at,
                    append.stream,
                    version + n,
                    event.event_id,
                    event.type,
                    event.home,
                    event.hash,
                    event.body,
                )
            )
        self._claims.update(dict.fromkeys(append.takes, append.stream))
        for key in append.releases:
            if self._claims.get(key) == append.stream:
                del self._claims[key]
        for record in records:
            answer = kept_answer(append.command_id, append.digest) if record is records[-1] else b""
            entry = log_entry(record.position, record.recorded_at, record.hash)
            self._log_hash = next_log_hash(self._log_hash, entry, answer)
        self._records += records
        self._streams.setdefault(append.stream, []).extend(records)
        self._answers[append.command_id] = event_store.StoredReceipt(append.digest, append.stream, tuple(records))
        return event_store.Appended(records[-1].position, records[-1].recorded_at)

    async def holders(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Look up unique keys (see `EventStore.holders`)."""
        return {key: self._claims[key] for key in keys if key in self._claims}

    async def size_of_home(self, home: UUID, labels: Mapping[str, str]) -> tuple[int, int]:
        """Count what a home has (see `EventStore.size_of_home`)."""
        there = [
            record
            for record in self._records
            if record.home == home
            and labels.items() <= from_json(self._streams[record.stream][0].body)["labels"].items()
        ]
        return sum(record.version == 1 for record in there), event_store.weight(there)

    async def naming(self, home: UUID, ids: Collection[UUID]) -> Sequence[event_store.RecordedEvent]:
        """Load events that hold ids (see `EventStore.naming`)."""
        there = [record for record in self._records if record.home == home]
        return [record for record in there if any(str(id_).encode() in record.body for id_ in ids)]

    async def linked_marks(self, homes: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
        """Look up marks (see `EventStore.linked_marks`)."""
        marks = {str(home): {*self._marks.get(home, ())} for home in homes}
        for key in self._claims:
            marks.get(key.partition(":")[0], set()).add(key)
        return {home: frozenset(of_home) for home in homes if (of_home := marks[str(home)])}

    def keep_marks(self, home: UUID, marks: Iterable[str]) -> None:
        """Keep the marks of another service's record, as a worker does."""
        self._marks.setdefault(home, set()).update(marks)

    async def kept_events(self, homes: Collection[UUID]) -> Mapping[UUID, Sequence[event_store.RecordedEvent]]:
        """Look up the events of other services (see `EventStore.kept_events`)."""
        return {home: list(self._kept[home]) for home in homes if home in self._kept}

    def keep_event(self, record: event_store.RecordedEvent, home: UUID) -> None:
        """Keep an event of another service under an id, as a worker does."""
        self._kept.setdefault(home, []).append(record)

    async def read(self, after: int, limit: int) -> Sequence[event_store.RecordedEvent]:
        return self._records[after : after + limit]

    async def head(self) -> event_store.Head:
        """Read the end (see `EventStore.head`)."""
        if not self._records:
            return event_store.Head(0, datetime.fromtimestamp(0, UTC), self._log_hash)
        return event_store.Head(len(self._records), self._records[-1].recorded_at, self._log_hash)
