"""What every consumer shares, whatever reads the topics: `take`, in the transaction of its effect.

PostgreSQL owns the checkpoint. `take` locks it, so that a consumer which does not know yet that it has lost its
partition waits and then finds its events taken; it skips what was taken before, holds the versions of each stream
against those it has seen, applies what follows, and moves the checkpoint, all or nothing.

What does not fit is never guessed at. A missing version is a `Gap`: it stops its partition, with an alarm, until it is
there. An event that cannot be read or applied is poison: it goes into quarantine with all later ones of its stream,
whole and in order, and everything else flows on.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes
from uuid import UUID

import asyncpg
import stamina
import structlog

from shared.database import TRANSIENT
from shared.keyring import KeyringUnavailable
from shared.ledger import LedgerUnavailable
from shared.messages import GENESIS, EventBook, Fact, chain

T = TypeVar("T")
Connection = Any
"""A connection of asyncpg, from its pool or its own."""

TopicPartition = tuple[str, int]
Headers = Sequence[tuple[str, bytes]]

_NEVER: Final = datetime.fromtimestamp(0, UTC)
_NOBODY: Final = UUID(int=0)
_log = structlog.get_logger("consumer")


@dataclass(frozen=True, slots=True)
class Published:
    """An event as it came from its topic.

    `body` is the event's bytes, the ledger's own; the other fields come from the headers. Where they cannot be read,
    `error` says why, stream and version are as far as they can be told, and the rest means nothing.

    `follows` is the offset that its reader had come to when it read this record: nothing lies between. None: not known.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    stream: str
    version: int
    type: str = ""
    event_id: UUID = _NOBODY
    position: int = 0
    recorded_at: datetime = _NEVER
    hash: bytes = field(default=b"", repr=False)
    error: str | None = None
    follows: int | None = None
    reading: int = 0

    def fact(self, book: EventBook, keys: Mapping[tuple[str, int], Any] | None = None) -> Fact:
        """The event with its place in the ledger; opened where keys are given. Raises `UnknownEvent`."""
        return book.read(self.body, keys=keys, position=self.position, recorded_at=self.recorded_at, hash=self.hash)


def decode(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: Headers | None,
    body: bytes | None,
    *,
    follows: int | None = None,
    reading: int = 0,
) -> Published:
    """Read a record's headers; never raises, since an error here must not cost the event."""
    headers = tuple(headers or ())
    named = dict(headers)
    whole = body or b""
    try:
        if body is None:
            raise ValueError("the record has no value")
        version = int(named["ooc_version"])
        if version < 1:
            raise ValueError(f"a version of {version}")
        return Published(
            topic=topic,
            partition=partition,
            offset=offset,
            key=key,
            headers=headers,
            body=whole,
            stream=named["ce_subject"].decode(),
            version=version,
            type=named["ce_type"].decode(),
            event_id=UUID(named["ce_id"].decode()),
            position=int(named["ooc_position"]),
            recorded_at=datetime.fromisoformat(named["ooc_recorded_at"].decode()),
            hash=bytes.fromhex(named["ooc_hash"].decode()),
            follows=follows,
            reading=reading,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        stream, told = _whatever_tells(named, whole)
        return Published(
            topic=topic,
            partition=partition,
            offset=offset,
            key=key,
            headers=headers,
            body=whole,
            stream=stream or f"?/{topic}/{partition}/{offset}",
            version=told,
            error=f"its headers cannot be read: {type(error).__name__}: {error}"[:500],
            follows=follows,
            reading=reading,
        )


def _whatever_tells(named: Mapping[str, bytes], body: bytes) -> tuple[str, int]:
    """The stream and version of a broken record by its headers, else by its body; empty and 0 where nothing tells."""
    try:
        raw = json.loads(body)
        stream, version = str(raw["stream"]), int(raw["version"])
    except (KeyError, ValueError, TypeError):
        stream, version = "", 0
    try:
        return named["ce_subject"].decode(), int(named.get("ooc_version", b"%d" % version))
    except (KeyError, ValueError, TypeError, AttributeError):
        return stream, version


@dataclass(frozen=True, slots=True)
class Gap:
    """A version of a stream is missing: an event is lost, or the topic is not the one that it was."""

    topic: str
    partition: int
    offset: int
    stream: str
    held: int
    found: int

    @property
    def place(self) -> str:
        """The partition that it stops."""
        return f"{self.topic}/{self.partition}"

    def __str__(self) -> str:
        return f"{self.stream} was taken to version {self.held}, and at offset {self.offset} comes version {self.found}"


class Hole(Exception):
    """A reader has passed over offsets that were not taken. It must read again from the checkpoint."""


@dataclass(frozen=True, slots=True)
class Held:
    """An event that goes into quarantine, and why."""

    record: Published
    error: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch of one partition."""

    next_offset: int
    applied: int = 0
    repeated: int = 0
    quarantined: tuple[Held, ...] = ()
    gap: Gap | None = None


Apply = Callable[[Connection, Sequence[Published]], Awaitable[None]]
"""What a consumer does with events, in the transaction of the checkpoint. Versions of a stream come in order, each once.

It may be called again with a part of the events where it fails: what it did before is rolled back."""


def transient(error: BaseException) -> bool:
    """Whether the same call, made again, may well succeed."""
    if isinstance(error, asyncpg.PostgresError):
        paused = isinstance(error, asyncpg.IdleInTransactionSessionTimeoutError)
        return paused or isinstance(error, TRANSIENT) or str(error.sqlstate)[:2] in _SERVER_TROUBLE
    # asyncpg files an argument of the wrong type under the errors of its interface.
    return isinstance(error, (*TRANSIENT, LedgerUnavailable, KeyringUnavailable)) and not isinstance(error, ValueError)


# PostgreSQL's classes of errors (its appendix A) that say nothing about the event that met them.
_SERVER_TROUBLE: Final = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
_NOT_PROVISIONED: Final = frozenset({"25", "28", "3D", "3F", "42"})


def _poisonous(error: Exception) -> bool:
    """Whether an error is to be blamed on the event: not on a server, nor on tables that are not there."""
    if isinstance(error, asyncpg.PostgresError) and str(error.sqlstate)[:2] in _NOT_PROVISIONED:
        return False
    return not transient(error)


async def persistently(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Call again while it fails with a transient error, for so many seconds; any other passes at once."""
    async for attempt in stamina.retry_context(
        on=transient,
        attempts=None,
        timeout=seconds,
        wait_initial=0.05,
        wait_max=0.5,
        wait_jitter=0.05,
    ):
        with attempt:
            return await call()
    raise AssertionError("unreachable")


_TAKE: Final = """
    insert into checkpoint (consumer, topic, partition, next_offset) values ($1, $2, $3, 0)
    on conflict (consumer, topic, partition) do update set next_offset = checkpoint.next_offset
    returning next_offset
"""
_MOVE: Final = """
    with cleared as (delete from alarm where consumer = $1 and name = 'gap' and place = $5)
    update checkpoint set next_offset = $4 where consumer = $1 and topic = $2 and partition = $3
"""
_STANDING: Final = """
    select w.stream, coalesce(s.version, 0) as seen, q.version as held, q.stream is not null as quarantined,
           coalesce(q.untold, false) as untold
    from unnest($2::text[]) as w (stream)
    left join seen as s on s.consumer = $1 and s.stream = w.stream
    left join (
        select stream, max(version) as version, bool_or(version is null) as untold
        from quarantine where consumer = $1 group by stream
    ) as q on q.stream = w.stream
"""
_SEEN: Final = """
    insert into seen (consumer, stream, version) select $1, w.stream, w.version
    from unnest($2::text[], $3::integer[]) as w (stream, version)
    on conflict (consumer, stream) do update set version = excluded.version
"""
_QUARANTINE: Final = """
    insert into quarantine (consumer, topic, partition, "offset", stream, version, headers, body, error)
    values ($1, $2, $3, $4, $5, nullif($6, 0), $7::jsonb, $8, $9)
    on conflict (consumer, topic, partition, "offset") do nothing
"""


async def take(
    connection: Connection,
    consumer: str,
    topic: str,
    partition: int,
    records: Sequence[Published],
    apply: Apply,
) -> Taken:
    """Take a batch of one partition, in order of offset, in one transaction (a savepoint within one).

    Raises `Hole`, or an error of the database or of `apply` that no event is to blame for; then nothing was taken.
    """
    async with connection.transaction():
        next_offset: int = await connection.fetchval(_TAKE, consumer, topic, partition)
        sorting = _Sorting(topic, partition, next_offset)
        fresh = sorting.fresh(records)
        if not fresh:
            return Taken(next_offset)
        streams = list({record.stream for record in fresh})
        for row in await connection.fetch(_STANDING, consumer, streams):
            sorting.standing[row["stream"]] = _Standing(
                max(row["seen"], row["held"] or 0), quarantined=row["quarantined"], untold=row["untold"]
            )
        sorting.sort(fresh)
        failed = await _apply(connection, sorting.good, apply)
        versions = _versions_after(sorting.good, failed)
        if versions:
            await connection.execute(_SEEN, consumer, list(versions), list(versions.values()))
        held = (*sorting.held, *failed)
        if held:
            await connection.executemany(_QUARANTINE, [_row(consumer, one) for one in held])
        if sorting.reached > next_offset:
            await connection.execute(_MOVE, consumer, topic, partition, sorting.reached, sorting.place)
        if sorting.gap is not None:
            await raise_alarm(connection, consumer, "gap", sorting.gap.place, str(sorting.gap))
        return Taken(sorting.reached, len(sorting.good) - len(failed), sorting.repeated, held, sorting.gap)


@dataclass(slots=True)
class _Standing:
    """How far a stream has come: the last version taken or held, and the hash after it where it is known."""

    version: int
    quarantined: bool = False
    untold: bool = False
    hash: bytes | None = None


class _Sorting:
    """Which records of a batch are good, which go into quarantine, and where a gap ends the batch."""

    def __init__(self, topic: str, partition: int, next_offset: int) -> None:
        self.place = f"{topic}/{partition}"
        self.reached = next_offset
        self.standing: dict[str, _Standing] = {}
        self.good: list[Published] = []
        self.held: list[Held] = []
        self.repeated = 0
        self.gap: Gap | None = None

    def fresh(self, records: Sequence[Published]) -> list[Published]:
        """The records that were not taken yet, each once and in order; raises `Hole`."""
        reached, fresh = self.reached, []
        for record in sorted(records, key=lambda one: one.offset):
            if record.offset < reached:
                continue
            if record.follows is not None and record.follows > reached:
                raise Hole(f"{self.place} was taken to offset {reached}, and the reader is past {record.follows}")
            fresh.append(record)
            reached = record.offset + 1
        return fresh

    def sort(self, fresh: Sequence[Published]) -> None:
        """Sort fresh records, to the end or to a gap."""
        for record in fresh:
            standing = self.standing[record.stream]
            if record.version > 0 and record.version <= standing.version:
                self.repeated += 1
            elif record.version > standing.version + 1 and not standing.untold:
                self.gap = Gap(
                    record.topic, record.partition, record.offset, record.stream, standing.version, record.version
                )
                return
            else:
                self._next(record, standing)
            self.reached = record.offset + 1

    def _next(self, record: Published, standing: _Standing) -> None:
        """The next version of a stream: good, or to be held."""
        error = record.error
        if error is None and standing.quarantined:
            error = "an earlier event of this stream is in quarantine"
        if error is None:
            error = _broken_chain(record, standing)
        if error is None:
            self.good.append(record)
        else:
            self.held.append(Held(record, error))
            standing.quarantined = True
            standing.untold = standing.untold or record.version < 1
        standing.version = max(standing.version, record.version)
        standing.hash = record.hash


def _broken_chain(record: Published, standing: _Standing) -> str | None:
    """Why a record's hash is not that of its bytes; None where it is, or where the hash before it is not known."""
    previous = GENESIS if record.version == 1 else standing.hash
    if previous is None or chain(previous, record.body) == record.hash:
        return None
    return "its hash does not follow from its bytes and the hash before it"


async def _apply(connection: Connection, records: Sequence[Published], apply: Apply) -> list[Held]:
    """Apply events; where it fails by an event, find it by halves and hold it with the later ones of its stream."""
    if not records:
        return []
    try:
        async with connection.transaction():
            await apply(connection, records)
    except Exception as error:
        if not _poisonous(error):
            raise
        if len(records) == 1:
            return [Held(records[0], f"{type(error).__name__}: {error}"[:2000])]
    else:
        return []
    middle = len(records) // 2
    failed = await _apply(connection, records[:middle], apply)
    poisoned = {held.record.stream for held in failed}
    behind = [
        Held(record, "an earlier event of this stream is in quarantine")
        for record in records[middle:]
        if record.stream in poisoned
    ]
    rest = [record for record in records[middle:] if record.stream not in poisoned]
    return [*failed, *behind, *await _apply(connection, rest, apply)]


def _versions_after(good: Sequence[Published], failed: Sequence[Held]) -> dict[str, int]:
    """The last version applied of each stream."""
    not_applied = {held.record.offset for held in failed}
    return {record.stream: record.version for record in good if record.offset not in not_applied}


def _row(consumer: str, held: Held) -> tuple[Any, ...]:
    record = held.record
    # Percent-encoded, since a header may hold any bytes and PostgreSQL's text no zero.
    headers = [
        [quote_from_bytes(name.encode(), safe=" :/"), quote_from_bytes(value, safe=" :/")]
        for name, value in record.headers
    ]
    return (
        consumer,
        record.topic,
        record.partition,
        record.offset,
        record.stream.replace("\x00", "?"),
        max(record.version, 0),
        json.dumps(headers),
        record.body,
        held.error.replace("\x00", "?"),
    )


def _headers(stored: str) -> Headers:
    return tuple((unquote_to_bytes(name).decode(), unquote_to_bytes(value)) for name, value in json.loads(stored))


def report(consumer: str, taken: Iterable[Taken]) -> list[Gap]:
    """Log what a person should hear of, once it is committed; the gaps, whose partitions the reader must leave alone."""
    gaps: list[Gap] = []
    for one in taken:
        for held in one.quarantined:
            record = held.record
            _log.error(
                "quarantined",
                consumer=consumer,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                stream=record.stream,
                version=record.version,
                error=held.error,
            )
        if one.gap is not None:
            gap = one.gap
            gaps.append(gap)
            _log.critical(
                "gap",
                consumer=consumer,
                topic=gap.topic,
                partition=gap.partition,
                offset=gap.offset,
                stream=gap.stream,
                held=gap.held,
                found=gap.found,
            )
    return gaps


async def load_checkpoints(
    connection: Connection, consumer: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Where to read on in each of these partitions: 0 where nothing was taken yet."""
    rows = await connection.fetch("select topic, partition, next_offset from checkpoint where consumer = $1", consumer)
    kept = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {(topic, partition): kept.get((topic, partition), 0) for topic, partition in partitions}


# --- alarms --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a person must look at: `gap` (place: topic/partition), `lost_tail` or `surplus` (place: a service)."""

    consumer: str
    name: str
    place: str
    detail: str
    raised_at: datetime


async def raise_alarm(connection: Connection, consumer: str, name: str, place: str, detail: str) -> None:
    """Note an alarm; one that stands already keeps its time."""
    await connection.execute(
        "insert into alarm (consumer, name, place, detail) values ($1, $2, $3, $4)"
        " on conflict (consumer, name, place) do update set detail = excluded.detail",
        consumer,
        name,
        place,
        detail,
    )


async def clear_alarm(connection: Connection, consumer: str, name: str, place: str) -> None:
    """Take an alarm back."""
    await connection.execute(
        "delete from alarm where consumer = $1 and name = $2 and place = $3", consumer, name, place
    )


async def alarms(connection: Connection) -> list[Alarm]:
    """The alarms that stand in this database, oldest first."""
    rows = await connection.fetch("select consumer, name, place, detail, raised_at from alarm order by raised_at")
    return [Alarm(*row) for row in rows]


# --- quarantine ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A stream in quarantine: how many of its events, since when, and what the first one met."""

    consumer: str
    stream: str
    events: int
    since: datetime
    error: str


async def quarantined(connection: Connection) -> list[Quarantined]:
    """The streams in quarantine in this database, longest held first."""
    rows = await connection.fetch(
        "select consumer, stream, count(*)::int as events, min(quarantined_at) as since,"
        ' (array_agg(error order by topic, partition, "offset"))[1] as error'
        " from quarantine group by consumer, stream order by since"
    )
    return [Quarantined(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Released:
    """How many events of a stream left quarantine, how many stay, and what the first of those met."""

    released: int
    left: int
    error: str | None = None


async def retry_quarantine(connection: Connection, consumer: str, stream: str, apply: Apply) -> Released:
    """Try a quarantined stream again, in order, to the first event that fails; in one transaction.

    Raises what `take` raises; then nothing has changed.
    """
    async with connection.transaction():
        # The checkpoints' locks keep `take` from the stream meanwhile.
        await connection.execute(
            "select 1 from checkpoint where consumer = $1 and (topic, partition) in"
            " (select topic, partition from quarantine where consumer = $1 and stream = $2)"
            " order by topic, partition for update",
            consumer,
            stream,
        )
        rows = await connection.fetch(
            'select topic, partition, "offset", headers, body from quarantine'
            ' where consumer = $1 and stream = $2 order by topic, partition, "offset"',
            consumer,
            stream,
        )
        for n, row in enumerate(rows):
            record = decode(row["topic"], row["partition"], row["offset"], None, _headers(row["headers"]), row["body"])
            error = await _again(connection, consumer, record, apply)
            if error is not None:
                await connection.execute(
                    "update quarantine set error = $5 where consumer = $1 and topic = $2 and partition = $3"
                    ' and "offset" = $4',
                    *(consumer, record.topic, record.partition, record.offset, error.replace("\x00", "?")),
                )
                return Released(n, len(rows) - n, error)
            await connection.execute(
                'delete from quarantine where consumer = $1 and topic = $2 and partition = $3 and "offset" = $4',
                *(consumer, record.topic, record.partition, record.offset),
            )
        return Released(len(rows), 0)


async def _again(connection: Connection, consumer: str, record: Published, apply: Apply) -> str | None:
    """Try one quarantined event again; why it must stay, or None."""
    if record.error is not None:
        return record.error
    seen = (
        await connection.fetchval(
            "select version from seen where consumer = $1 and stream = $2", consumer, record.stream
        )
        or 0
    )
    if record.version <= seen:
        return None
    if record.version != seen + 1:
        return f"version {seen + 1} is missing"
    failed = await _apply(connection, [record], apply)
    if failed:
        return failed[0].error
    await connection.execute(_SEEN, consumer, [record.stream], [record.version])
    return None
