"""Effects of events: applies events, retries errors of servers, and quarantines bad events."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import asyncpg

from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.privacy.keyring import KeyringUnavailable
from shared.servers.database import TRANSIENT, Connection, retry_for

T = TypeVar("T")

Apply = Callable[[Connection, Sequence[ConsumedEvent]], Awaitable[None]]
"""Applies events in the transaction of the checkpoint. Versions of a stream come in order, each once.

If it fails, it is rolled back and called again with a part of the events."""

ALONE: Final = frozenset({"foreign_record", "forked"})
"""Causes that hold one record only, since it must not count as one of the stream that it names."""

BEHIND: Final = "an earlier event of this stream is in quarantine"

# A digest is the beginning of a hash; those of a stream stand one after the other, in order of version.
_SEEN: Final = """
    insert into seen (consumer, stream, version, hash, digests) select $1, w.stream, w.version, w.hash, w.digests
    from unnest($2::text[], $3::integer[], $4::bytea[], $5::bytea[]) as w (stream, version, hash, digests)
    on conflict (consumer, stream) do update
    set version = excluded.version, hash = excluded.hash, digests = seen.digests || excluded.digests
"""


@dataclass(frozen=True, slots=True)
class QuarantinedEvent:
    """A record for quarantine, the reason in words, and the name of its alarm (`behind` has none)."""

    record: ConsumedEvent
    error: str
    cause: str = "poison"


def is_transient(error: BaseException) -> bool:
    """Tell whether a server failed, not the event, so that a repeated call may succeed."""
    if isinstance(error, asyncpg.PostgresError):
        paused = isinstance(error, asyncpg.IdleInTransactionSessionTimeoutError)
        return paused or isinstance(error, TRANSIENT) or str(error.sqlstate)[:2] in _SERVER_TROUBLE
    # asyncpg files an argument of the wrong type under the errors of its interface.
    return isinstance(error, (*TRANSIENT, EventStoreUnavailable, KeyringUnavailable)) and not isinstance(
        error, ValueError
    )


# PostgreSQL's classes of errors (its appendix A) that no event causes.
_SERVER_TROUBLE: Final = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
_NOT_PROVISIONED: Final = frozenset({"25", "28", "3D", "3F", "42"})


def is_poison(error: Exception) -> bool:
    """Tell whether an error is the event's (a poison message), not a server's or a missing table's."""
    if isinstance(error, asyncpg.PostgresError) and str(error.sqlstate)[:2] in _NOT_PROVISIONED:
        return False
    return not is_transient(error)


@contextmanager
def log_transient(log: Any, name: str, **details: Any) -> Iterator[None]:
    """Log a transient error of the body under a name, for a body that is tried again later; raise any other."""
    try:
        yield
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning(name, error=repr(error), **details)


async def retry_transient(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Retry transient errors for some seconds; raise any other at once."""
    return await retry_for(call, seconds, is_transient)


async def apply_or_quarantine(
    connection: Connection, consumer: str, records: Sequence[ConsumedEvent], apply: Apply
) -> list[QuarantinedEvent]:
    """Apply events and store the progress of each stream; return the events that must go to quarantine, with the cause.

    Raises an error that no event caused; then nothing was done.
    """
    failed = await _apply(connection, records, apply)
    reached = _progress(records, failed)
    if reached:
        columns = zip(*reached.values(), strict=True)
        await connection.execute(_SEEN, consumer, list(reached), *(list(column) for column in columns))
    return failed


async def _apply(connection: Connection, records: Sequence[ConsumedEvent], apply: Apply) -> list[QuarantinedEvent]:
    """Apply events; if an event fails, find it by halves and return it with the later ones of its stream."""
    if not records:
        return []
    try:
        async with connection.transaction():
            await apply(connection, records)
    except Exception as error:
        if not is_poison(error):
            raise
        if len(records) == 1:
            return [QuarantinedEvent(records[0], f"{type(error).__name__}: {error}"[:2000])]
    else:
        return []
    middle = len(records) // 2
    failed = await _apply(connection, records[:middle], apply)
    poisoned = {event.record.stream for event in failed}
    behind = [QuarantinedEvent(record, BEHIND, "behind") for record in records[middle:] if record.stream in poisoned]
    rest = [record for record in records[middle:] if record.stream not in poisoned]
    return [*failed, *behind, *await _apply(connection, rest, apply)]


def _progress(good: Sequence[ConsumedEvent], failed: Sequence[QuarantinedEvent]) -> dict[str, tuple[int, bytes, bytes]]:
    """For each stream of what was applied: its last version, the hash after it, and the digests of these versions."""
    not_applied = {(event.record.topic, event.record.partition, event.record.offset) for event in failed}
    reached: dict[str, tuple[int, bytes, bytes]] = {}
    for record in good:
        if (record.topic, record.partition, record.offset) not in not_applied:
            before = reached.get(record.stream)
            digest = record.hash[:8]
            reached[record.stream] = (record.version, record.hash, before[2] + digest if before else digest)
    return reached
