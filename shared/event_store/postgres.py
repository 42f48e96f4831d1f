"""The event store in PostgreSQL, with group commit.

While one call is under way, further appends wait. They form one group in the next call: one transaction, one round trip.
A single append is sent at once. The SQL function returns one result for each append.

A connection lost around the commit leaves the result of the group unknown. The group is sent again on a new connection.
The function then finds command ids that were recorded already, so each append is recorded exactly once.
"""

import asyncio
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from shared import event_store
from shared.observing.latency import observe
from shared.observing.tracing import span
from shared.servers.database import TRANSIENT, Connection, Pool, retry_or_raise

LOG_BEHIND_WITNESS: Final = "OOC03"
"""The SQLSTATE by which `append` and `log_access` refuse on a log behind its witness."""
REFUSALS: Final[
    Mapping[str, type[event_store.StoreBehindTopic | event_store.TimelineNotCompared | event_store.StoreBehindWitness]]
] = {
    "OOC01": event_store.StoreBehindTopic,
    "OOC02": event_store.TimelineNotCompared,
    LOG_BEHIND_WITNESS: event_store.StoreBehindWitness,
}
"""The SQLSTATEs by which the store refuses to record or confirm."""

MOVED: Final = "event_store_moved"
"""The channel of PostgreSQL for notices of new events, sent after each commit."""

MAX_GROUP: Final = 256

_RECORD = "position, recorded_at, stream, version, event_id, type, home, hash, body"
_EVENT = ", ".join(f"e.{column}" for column in _RECORD.split(", "))
_LOAD = f"""
    select {_EVENT}, a.digest, a.stream as answered, a.first_version, a.events
    from (select 1) as one
    left join answer as a on a.command_id = $2
    left join event as e on e.stream = $1
    order by e.version
"""  # noqa: S608 - the columns are the constant above
_RANGE = f"select {_RECORD} from event where stream = $1 and version >= $2 and version < $2 + $3 order by version"  # noqa: S608 - the same
_READ = f"select {_RECORD} from event where position > $1 order by position limit $2"  # noqa: S608 - the same
_APPEND = "select n, outcome, detail, last_position, last_recorded_at from append($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)"


_HOLDERS: Final = "select key, stream from claim where key = any($1::text[])"

_SIZE: Final = f"""
    select count(*) filter (where event.version = 1) as streams,
        coalesce(sum(octet_length(event.body) + {event_store.EVENT_WEIGHT}), 0) as weight
    from event as opening join event using (stream) where opening.home = $1 and opening.version = 1
        and (convert_from(opening.body, 'UTF8')::json -> 'labels')::jsonb @> $2::jsonb
"""  # noqa: S608 - a number

_NAMING: Final = f"""
    select {_EVENT} from event as opening join event as e using (stream) where opening.home = $1 and opening.version = 1
        and exists (select 1 from unnest($2::text[]) as id where position(convert_to(id, 'UTF8') in e.body) > 0)
"""  # noqa: S608 - the columns are the constant above

_MARKS: Final = """
    select home, array_agg(mark) as marks from (
        select home, mark from linked_mark where home = any($1::uuid[]) and not for_older
        union all
        select home, key from unnest($1::uuid[]) as home join claim on key > home || ':' and key < home || ';'
    ) as marks group by home
"""

_KEPT: Final = f"select {_RECORD} from kept_event where home = any($1::uuid[]) order by service, position"  # noqa: S608 - the columns are the constant above

_WIDTH: Final = len(_RECORD.split(", "))


def _record(row: asyncpg.Record) -> event_store.RecordedEvent:
    return event_store.RecordedEvent(*row[:_WIDTH])


_Waiting = tuple[event_store.AppendRequest, asyncio.Future[event_store.AppendResult]]

_TRACED: Final = {"db.system.name": "postgresql", "db.operation.name": "append"}


class PostgresEventStore:
    """The event store of one service, behind a connection pool."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._pool = pool
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self._unannounced = False
        self._announcing: asyncio.Task[None] | None = None

    async def load(self, stream: str, command_id: UUID | None = None) -> event_store.LoadedStream:
        return await retry_or_raise(lambda: self._load(stream, command_id), event_store.EventStoreUnavailable)

    async def _load(self, stream: str, command_id: UUID | None) -> event_store.LoadedStream:
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_LOAD, stream, command_id)
            records = [_record(row) for row in rows if row["position"] is not None]
            if rows[0]["digest"] is None:
                return event_store.LoadedStream(tuple(records), None)
            first, count, answered = rows[0]["first_version"], rows[0]["events"], rows[0]["answered"]
            mine = [
                record for record in records if record.stream == answered and first <= record.version < first + count
            ]
            if answered != stream:  # the key was used for another stream; recorded events never change
                mine = [_record(row) for row in await connection.fetch(_RANGE, answered, first, count)]
            await self._confirm(connection)
            return event_store.LoadedStream(
                tuple(records), event_store.StoredReceipt(rows[0]["digest"], answered, tuple(mine))
            )

    async def _confirm(self, connection: Connection) -> None:
        """Return once every later primary will have the data that a connection read.

        Another connection may lead to another primary, which would confirm what it has, and not what was read.
        """
        with _refusals():
            await connection.execute("select confirm()")

    async def append(self, append: event_store.AppendRequest) -> event_store.AppendResult:
        """Record events with the next group (see `EventStore.append`)."""
        future: asyncio.Future[event_store.AppendResult] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._waiting.append((append, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        with span("append", "CLIENT", _TRACED):
            result = await future
        observe("append", time.perf_counter() - began)
        return result

    async def _flush(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = _group(self._waiting)
                try:
                    results = await self._send([append for append, _ in group])
                except Exception as error:  # noqa: BLE001 - every caller of the group gets the error
                    await self._fail(group, error)
                    continue
                for (_, future), result in zip(group, results, strict=True):
                    if not future.done():
                        future.set_result(result)
        finally:
            self._flushing = None

    def _announce(self) -> None:
        """Wake the relay after a commit. A NOTIFY within it would make every append wait for the lock of the queue."""
        self._unannounced = True
        if self._announcing is None or self._announcing.done():
            self._announcing = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        while self._unannounced:
            self._unannounced = False
            with suppress(*TRANSIENT, asyncpg.PostgresError):  # a relay also polls
                await self._pool.execute(f"notify {MOVED}")

    async def _fail(self, group: list[_Waiting], error: Exception) -> None:
        """Send the appends of a refused group one by one, so that only the faulty one fails."""
        if len(group) == 1 or isinstance(error, event_store.EventStoreUnavailable):
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for append, future in group:
            try:
                result = (await self._send([append]))[0]
            except Exception as alone:  # noqa: BLE001 - its caller gets it
                if not future.done():
                    future.set_exception(alone)
            else:
                if not future.done():
                    future.set_result(result)

    async def _send(self, appends: Sequence[event_store.AppendRequest]) -> list[event_store.AppendResult]:
        arguments = _columns(appends)
        attempts = 0

        async def call() -> list[asyncpg.Record]:
            nonlocal attempts
            attempts += 1
            try:
                with _refusals():
                    return await self._pool.fetch(_APPEND, *arguments, self._clock())
            except asyncpg.DataError as error:
                if error.sqlstate == "22000":
                    raise event_store.HashMismatch(error.message) from error
                raise
            except asyncpg.CheckViolationError as error:
                raise event_store.NotAnEvent(error.message) from error

        rows = await retry_or_raise(call, event_store.EventStoreUnavailable)
        self._announce()
        results = [_result(row) for row in rows]
        if attempts > 1:
            # After a lost connection, a duplicate may have been recorded by the lost call.
            results = [
                await self._settled(append) if isinstance(result, event_store.DuplicateCommand) else result
                for append, result in zip(appends, results, strict=True)
            ]
        return results

    async def _settled(self, append: event_store.AppendRequest) -> event_store.AppendResult:
        """Turn a duplicate into the success of the lost call, if that recorded these very events.

        Another process may have recorded the same request in between, with other events than ours.
        """
        receipt = (await self.load(append.stream, append.command_id)).receipt
        if receipt is None or [record.hash for record in receipt.records] != [event.hash for event in append.events]:
            return event_store.DuplicateCommand()
        return event_store.Appended(receipt.records[-1].position, receipt.records[-1].recorded_at)

    async def holders(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Look up unique keys (see `EventStore.holders`)."""
        rows = await retry_or_raise(lambda: self._pool.fetch(_HOLDERS, keys), event_store.EventStoreUnavailable)
        return {row["key"]: row["stream"] for row in rows}

    async def size_of_home(self, home: UUID, labels: Mapping[str, str]) -> tuple[int, int]:
        """Count what a home has (see `EventStore.size_of_home`)."""
        asked = (_SIZE, home, json.dumps(dict(labels)))
        (row,) = await retry_or_raise(lambda: self._pool.fetch(*asked), event_store.EventStoreUnavailable)
        return row["streams"], row["weight"]

    async def naming(self, home: UUID, ids: Collection[UUID]) -> Sequence[event_store.RecordedEvent]:
        """Load events that hold ids (see `EventStore.naming`)."""
        asked = (_NAMING, home, [*map(str, ids)])
        rows = await retry_or_raise(lambda: self._pool.fetch(*asked), event_store.EventStoreUnavailable)
        return [*map(_record, rows)]

    async def linked_marks(self, homes: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
        """Look up marks (see `EventStore.linked_marks`)."""
        rows = await retry_or_raise(lambda: self._pool.fetch(_MARKS, list(homes)), event_store.EventStoreUnavailable)
        return {row["home"]: frozenset(row["marks"]) for row in rows}

    async def kept_events(self, homes: Collection[UUID]) -> Mapping[UUID, Sequence[event_store.RecordedEvent]]:
        """Look up the events of other services (see `EventStore.kept_events`)."""
        rows = await retry_or_raise(lambda: self._pool.fetch(_KEPT, list(homes)), event_store.EventStoreUnavailable)
        kept: dict[UUID, list[event_store.RecordedEvent]] = {}
        for record in map(_record, rows):
            kept.setdefault(record.home, []).append(record)
        return kept

    async def read(self, after: int, limit: int) -> Sequence[event_store.RecordedEvent]:
        """Read events (see `EventStore.read`). Raises errors of the database at once; its callers retry."""
        return [_record(row) for row in await self._pool.fetch(_READ, after, limit)]

    async def head(self) -> event_store.Head:
        """Read the end (see `EventStore.head`)."""
        row = await self._pool.fetchrow("select position, recorded_at, log_hash from head")
        assert row is not None
        return event_store.Head(row["position"], row["recorded_at"], row["log_hash"])


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise `StoreBehindTopic` or `TimelineNotCompared` if the store refuses to append."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if (refusal := REFUSALS.get(error.sqlstate or "")) is None:
            raise
        raise refusal(error.message) from error


def _group(waiting: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """Split the waiting appends, in order of arrival, into the next group and the rest.

    A group has each command id and each stream at most once.
    """
    group: list[_Waiting] = []
    later: list[_Waiting] = []
    in_batch: set[UUID | str] = set()
    for item in waiting:
        append = item[0]
        if len(group) == MAX_GROUP or append.command_id in in_batch or append.stream in in_batch:
            later.append(item)
        else:
            group.append(item)
        in_batch |= {append.command_id, append.stream}
    return group, later


def _columns(appends: Sequence[event_store.AppendRequest]) -> tuple[Any, ...]:
    events = [event for append in appends for event in append.events]
    return (
        [append.command_id for append in appends],
        [append.digest for append in appends],
        [append.stream for append in appends],
        [append.version for append in appends],
        [append.previous for append in appends],
        [json.dumps(append.takes) if append.takes else "[]" for append in appends],
        [json.dumps(append.releases) if append.releases else "[]" for append in appends],
        [len(append.events) for append in appends],
        [event.event_id for event in events],
        [event.type for event in events],
        [event.home for event in events],
        [event.body for event in events],
        [event.hash for event in events],
    )


def _result(row: asyncpg.Record) -> event_store.AppendResult:
    match row["outcome"]:
        case "appended":
            return event_store.Appended(row["last_position"], row["last_recorded_at"])
        case "repeated":
            return event_store.DuplicateCommand()
        case "conflict":
            return event_store.WrongExpectedVersion(int(row["detail"]))
        case "claimed":
            return event_store.KeyTaken(row["detail"])
        case "apart":
            raise event_store.ClocksApart(row["detail"])
        case other:
            raise ValueError(f"append answered {other!r}")
