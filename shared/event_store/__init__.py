"""The event store: append-only streams of events with dense positions. `postgres` is the real one, `memory` its twin.

Both pass the same suite (tests/integration/event_store). See docs/adr for why the head row is locked first, why positions
are dense, and why a command's answer is kept as a range of its stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


class EventStoreUnavailable(Exception):
    """The event store did not answer in time. The command may or may not have been recorded: ask again with the same key."""


class StoreBehindTopic(EventStoreUnavailable):
    """The event store does not hold what its topic holds. It accepts nothing until it has been restored; reads go on."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Nothing was recorded: {why}. An operator must restore the event store: docs/how-to/runbook/topic_ahead_of_event_store.md"
        )


class HashMismatch(Exception):
    """A writer's hash does not follow from the bytes and the hash before: a defect of the writer. Nothing was recorded."""


class NotAnEvent(Exception):
    """The database refuses bytes that are no event of its service: a defect of the writer. Nothing was recorded."""


@dataclass(frozen=True, slots=True)
class EventToAppend:
    """An event ready to be recorded: its bytes, and the hash that its writer took over them."""

    event_id: UUID
    type: str
    home: UUID
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AppendRequest:
    """What one command asks to be recorded.

    `version` and `previous` are those of the stream that the decision was made on (0 and 32 zero bytes for a new one).
    `digest` is the keyed digest of the request. Claims are unique keys: all of `takes` are taken, or the append is refused;
    then `releases` are given back, as far as this stream holds them. So a key in both was held for a moment only.
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
    """A recorded event."""

    position: int
    recorded_at: datetime
    stream: str
    version: int
    event_id: UUID
    type: str
    home: UUID
    hash: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A command's kept answer: the digest of its request and the events that it recorded."""

    digest: bytes
    stream: str
    records: tuple[RecordedEvent, ...]


@dataclass(frozen=True, slots=True)
class LoadedStream:
    """A stream and a command's kept answer, from one snapshot."""

    records: tuple[RecordedEvent, ...]
    kept: StoredReceipt | None


@dataclass(frozen=True, slots=True)
class Appended:
    """Recorded; the last event's place."""

    position: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class DuplicateCommand:
    """This command was answered before; nothing was recorded now."""


@dataclass(frozen=True, slots=True)
class WrongExpectedVersion:
    """The stream is at another version (or hash) than the decision was made on; nothing was recorded."""

    version: int


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """Another stream holds a key that this append would take; nothing was recorded."""

    key: str


AppendResult = Appended | DuplicateCommand | WrongExpectedVersion | KeyTaken


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the event store: as many events as `position`, the last recorded at `recorded_at`, and the log hash there."""

    position: int
    recorded_at: datetime
    log_hash: bytes


class EventStore(Protocol):
    """What an event store does."""

    async def load(self, stream: str, command_id: UUID | None = None) -> LoadedStream:
        """A whole stream in order of version, and a command's kept answer."""

    async def append(self, append: AppendRequest) -> AppendResult:
        """Record a command's events, all or none.

        Raises `EventStoreUnavailable`, `StoreBehindTopic`, `HashMismatch` or `NotAnEvent`.
        """

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Up to `limit` events after a position, in order, without a gap."""

    async def head(self) -> Head:
        """The end of the event store."""
