"""The interface of an event store: append-only streams of events with dense positions and optimistic concurrency.

`postgres` is the implementation in production, `memory` the one for tests and simulations; both pass one suite
(tests/integration/event_store). The reasons are in docs/adr: one lock on the head row and dense positions (2), receipts
as ranges of a stream (9).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

EVENT_WEIGHT: Final = 3_000
"""What an event weighs beyond its bytes: each reader folds it, and a fold may compare each event with each other."""


class EventStoreUnavailable(Exception):
    """An event store that did not answer in time. The command may have been recorded: repeat it with the same key."""


class StoreBehindTopic(EventStoreUnavailable):
    """The event store lacks events of its topic. It accepts nothing until it is restored; reads go on."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Nothing was recorded: {why}. An operator must restore the event store: docs/how-to/runbook/topic_ahead_of_event_store.md"
        )


class TimelineNotCompared(EventStoreUnavailable):
    """An event store on a timeline of PostgreSQL that its relay has not compared with the topic, as after a promotion."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Nothing was recorded: {why}. The relay compares by itself; send the command again with the same key"
        )


class StoreBehindWitness(EventStoreUnavailable):
    """A log of the database lacks entries that its witness has seen. The store accepts nothing until it is restored."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Nothing was recorded: {why}. An operator must restore the database: docs/how-to/runbook/log_behind_witness.md"
        )


class ClocksApart(EventStoreUnavailable):
    """The clock of PostgreSQL, or the time of the last event, is a minute or more from the caller's. Nothing was recorded."""

    def __init__(self, by: str) -> None:
        super().__init__(
            f"Nothing was recorded: the clocks of this service and of its event store are {by} apart. An operator must set them:"
            " docs/how-to/runbook/clocks_apart.md"
        )


class HashMismatch(Exception):
    """A hash that does not follow from the previous hash and the bytes: a defect of the writer. Nothing was recorded."""


class NotAnEvent(Exception):
    """Bytes that are no event of the service of this database: a defect of the writer. Nothing was recorded."""


@dataclass(frozen=True, slots=True)
class EventToAppend:
    """An event to record: its bytes and its hash (SHA-256, 32 bytes)."""

    event_id: UUID
    type: str
    home: UUID
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AppendRequest:
    """The events of one command, to be recorded all or none.

    `version` is the expected version of the stream and `previous` its last hash (0 and 32 zero bytes for a new stream).
    `digest` is the keyed digest of the request. `takes` are keys that must be unique over all streams. If another stream
    has one of them, the append is refused. Afterwards, those of `releases` that this stream has are released, also if
    the same append took them.
    """

    command_id: UUID
    digest: bytes
    stream: str
    version: int
    previous: bytes
    events: tuple[EventToAppend, ...]
    takes: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A recorded event: its position in the store (from 1), its stream and version (from 1), its bytes and hash."""

    position: int
    recorded_at: datetime
    stream: str
    version: int
    event_id: UUID
    type: str
    home: UUID
    hash: bytes
    body: bytes


def weight(records: Iterable[RecordedEvent]) -> int:
    """Return the cost of reading these events, in bytes."""
    return sum(len(record.body) + EVENT_WEIGHT for record in records)


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """The stored receipt of a command: the digest of its request and its recorded events."""

    digest: bytes
    stream: str
    records: tuple[RecordedEvent, ...]


@dataclass(frozen=True, slots=True)
class LoadedStream:
    """A stream and the stored receipt of a command, from one consistent read."""

    records: tuple[RecordedEvent, ...]
    receipt: StoredReceipt | None


@dataclass(frozen=True, slots=True)
class Appended:
    """The success of an append: position and recording time of its last event."""

    position: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class DuplicateCommand:
    """The refusal of a command id that is already recorded. Nothing new was recorded."""


@dataclass(frozen=True, slots=True)
class WrongExpectedVersion:
    """The refusal of an outdated expected version or hash (optimistic concurrency). Nothing was recorded.

    `version` is the current version of the stream.
    """

    version: int


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """The refusal of an append whose key belongs to another stream. Nothing was recorded."""

    key: str


AppendResult = Appended | DuplicateCommand | WrongExpectedVersion | KeyTaken


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the event store: the position, recording time and log hash of its last event."""

    position: int
    recorded_at: datetime
    log_hash: bytes


class EventStore(Protocol):
    """The interface of an event store. Positions in it, and versions of a stream, count from 1 without a gap."""

    async def load(self, stream: str, command_id: UUID | None = None) -> LoadedStream:
        """Load a whole stream in order of version, and the receipt of a command.

        Raises `EventStoreUnavailable`; if there is a receipt, `TimelineNotCompared`.
        """

    async def append(self, append: AppendRequest) -> AppendResult:
        """Record the events of a command, all or none.

        Raises `EventStoreUnavailable`, `StoreBehindTopic`, `TimelineNotCompared`, `ClocksApart`, `HashMismatch` or `NotAnEvent`.
        """

    async def holders(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Look up which stream has each of these unique keys; a free key is left out. Raises `EventStoreUnavailable`."""

    async def size_of_home(self, home: UUID, labels: Mapping[str, str]) -> tuple[int, int]:
        """Count the streams of a home that were opened with these labels, and sum the weight of their events. Raises `EventStoreUnavailable`."""

    async def naming(self, home: UUID, ids: Collection[UUID]) -> Sequence[RecordedEvent]:
        """Load the events of a home's own records whose bytes hold one of these ids. Raises `EventStoreUnavailable`."""

    async def linked_marks(self, homes: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
        """Look up the marks of other services' records of these homes, as a worker keeps them beside the events.

        The unique keys that begin with a home and a colon are marks of it too. A home without any is left out. Raises `EventStoreUnavailable`.
        """

    async def kept_events(self, homes: Collection[UUID]) -> Mapping[UUID, Sequence[RecordedEvent]]:
        """Look up the events of other services that a worker keeps beside its own (`Service.keeps`), in order of position.

        A home without any is left out. Raises `EventStoreUnavailable`.
        """

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Read up to `limit` events after a position (0: from the first), in order, without a gap."""

    async def head(self) -> Head:
        """Read the end of the event store; its position is 0 while it is empty."""
