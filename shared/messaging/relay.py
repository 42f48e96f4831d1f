"""The relay: event store -> Kafka, byte for byte, in the event store's order, each event once.

There is one for each service. It takes a lease in the service's database, and its transactional id in Kafka, which fences
a predecessor that hung. It reads the last position record, and publishes the later events of the event store. Every Kafka
transaction ends with a record of the position reached and of the offset after the last event of each partition, so a reader
of committed records sees both or neither. That record is the truth: after any error, a commit of unknown outcome included, the
relay starts again from it. It also names the offsets of foreign records, so that consumers can ignore them.

A problem that no retry can solve is an alarm (`RelayAlarm`): the relay publishes nothing and says why, in its log and in the
table `alarm` of the service's database. It compares again every few seconds, and clears the alarm when the problem is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Final, TypeVar
from uuid import UUID

import asyncpg
import structlog
from aiokafka import TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from mode import Service

from shared.event_store.anchors import Anchors
from shared.event_store.postgres import MOVED
from shared.messaging.consumer.alarms import clear_alarms, raise_alarm
from shared.messaging.consumer.position_record import (
    HighWaterMark,
    Ignored,
    end_offsets,
    events_topic_of,
    find_last,
    reader,
    records_after,
)
from shared.messaging.consumer.position_signature import PositionKeys
from shared.messaging.polling import Poll
from shared.observing.latency import observe
from shared.observing.progress import finish_cycle, leave_off
from shared.observing.tracing import messaging, span
from shared.privacy.signed_note import Signer
from shared.servers.database import Lease
from shared.servers.kafka import PARTITIONS, Kafka, producing

MAX_EVENTS: Final = 4_000

MAX_BYTES: Final = 16_000_000
"""The most bytes of a transaction's events (but always one event)."""

BATCH_BYTES: Final = 1_000_000
"""The size of a record batch: a little below a broker's default limit (message.max.bytes, 1,048,588)."""

TRANSACTION_SECONDS: Final = 10.0
"""The longest transaction; then the broker aborts it and the relay starts again."""

GATHER_SECONDS: Final = 0.025
"""The time for which a transaction gathers events if they come faster than transactions, each of which has a cost."""

ALARM_SECONDS: Final = 5.0
"""The time between two comparisons while an alarm is open."""

UNSIGNED_SECONDS: Final = 3_600.0
"""The time for comparing a whole topic with the event store, if no position record is signed."""

ALARMIST: Final = "relay"
"""The consumer of the relay's alarms, in the table `alarm`."""

STOPPING: Final = frozenset({"topic_ahead_of_event_store", "event_store_gap", "wrong_partitions"})
"""The alarms that stop a relay, and that it clears."""

_log = structlog.get_logger("relay")

_READ = """
    select position, recorded_at, stream, version, event_id, type, home, hash, body, log_hash
    from event where position >= $1 order by position limit $2
"""
_ENDS = """
    select head.position as head, coalesce((select max(event.position) from event), 0) as last,
           (select event.hash from event where event.position = $1) as hash
    from head
"""
_CONFIRM = "select a.sequence, a.hash, confirm() from (select 1) as one left join access_head as a on true"
_NOTE = """
    insert into relayed (position, offsets, hash, relayed_at) values ($1, $2, $3, clock_timestamp())
    on conflict (only_row) do update set position = excluded.position, offsets = excluded.offsets, hash = excluded.hash,
        relayed_at = excluded.relayed_at
"""
_DISTURBED = """
    select exists (select from alarm where name = 'topic_ahead_of_event_store')
        or (select timeline from compared_timeline) is distinct from timeline()
        or exists (select from relayed where (position, hash) is distinct from ($1, $2::bytea))
"""
"""Whether the rows that stop `append` differ from those of the relay: every holder of its role may write them."""
_COMPARED = "update compared_timeline set timeline = $1, compared_at = clock_timestamp()"
# The envelope's fields come in a fixed order before the data, and a quotation mark in a text is escaped, so the first
# match is the envelope's own.
_OCCURRED_AT = re.compile(rb'"occurred_at":"([^"]*)"')
_TRACEPARENT = re.compile(rb'"traceparent":(?:null|"([^"]*)")')
_partition_of = DefaultPartitioner()
_ALL = list(range(PARTITIONS))

T = TypeVar("T")

Headers = list[tuple[str, bytes]]

REQUIRED_HEADERS: Final = frozenset(
    {"ce_id", "ce_type", "ce_subject", "ooc_version", "ooc_position", "ooc_recorded_at", "ooc_hash"}
)
"""The fields of every event; others were added later, or depend on the event."""

_Found = tuple[int, int, tuple[int, bytes]]
"""Partition and offset of a record, the position that it names, and its digest."""


class RelayAlarm(Exception):
    """An alarm, one of `STOPPING`, that a person must resolve before anything more is published."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name
        self.why = why


def headers_of(row: asyncpg.Record, source: bytes) -> Headers:
    """Return the headers of an event: CloudEvents 1.0 in Kafka's binary mode, and the values outside the event's bytes."""
    position, recorded_at, stream, version, event_id, type_, _, hash_, body, *_ = row
    headers = [
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
        ("ce_source", source),
        ("ce_id", str(event_id).encode()),
        ("ce_type", type_.encode()),
        ("ce_subject", stream.encode()),
        ("ooc_version", b"%d" % version),
        ("ooc_position", b"%d" % position),
        ("ooc_recorded_at", rfc3339(recorded_at)),
        ("ooc_hash", hash_.hex().encode()),
    ]
    occurred_at = _OCCURRED_AT.search(body)
    if occurred_at is not None:
        headers.append(("ce_time", occurred_at[1]))
        traceparent = _TRACEPARENT.search(body, occurred_at.end())
        if traceparent is not None and traceparent[1] is not None:
            headers.append(("traceparent", traceparent[1]))
    return headers


def rfc3339(moment: datetime) -> bytes:
    """Format a time in UTC with microseconds (RFC 3339)."""
    at = moment.astimezone(UTC)
    parts = (at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond)
    return b"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % parts  # in half the time of isoformat


@lru_cache(maxsize=65_536)
def key_and_partition(home: UUID) -> tuple[bytes, int]:
    """Return the key of a home, and its partition by murmur2, as every Kafka client computes it."""
    key = str(home).encode()
    return key, _partition_of(key, _ALL, _ALL)


async def last_position(
    bootstrap: Kafka, position_topic: str, keys: PositionKeys, beyond: int = -1
) -> tuple[HighWaterMark | None, list[Ignored]]:
    """Find the last valid position record, if any, and the invalid ones after it, of a topic that goes `beyond` an offset.

    Raises a KafkaError.
    """
    events_topic = events_topic_of(position_topic)
    async with reader(bootstrap, "read_uncommitted") as anything, reader(bootstrap, "read_committed") as committed:
        committed.assign([TopicPartition(position_topic, 0)])
        read_ends = partial(end_offsets, anything, events_topic)
        return await find_last(committed, position_topic, read_ends, keys, beyond=beyond)


def _anchors(log_hash: bytes, accesses: asyncpg.Record) -> Anchors:
    return Anchors(log_hash, *(() if accesses["hash"] is None else accesses[:2]))


def _identity_of(record: Any) -> tuple[int, bytes]:
    """Return the position that a record of the topic names, 0 for none, and the digest of what consumers take."""
    headers = dict(record.headers)
    position = headers.get("ooc_position") or b""
    named = int(position) if position.isdigit() and len(position) < 20 else 0
    return named, _digest(headers, record.key, record.partition, record.value)


def _digest(headers: Mapping[str, bytes | None], key: bytes | None, partition: int, body: bytes | None) -> bytes:
    content = (partition, key, [headers.get(name) for name in sorted(REQUIRED_HEADERS)], body)
    return hashlib.sha256(repr(content).encode()).digest()


class Relay(Service):
    """The relay of one service: it publishes the event store (transactional outbox).

    It has its own connection to `dsn`, by which it renews its lease, and on which it hears of each commit; it also polls.
    """

    def __init__(
        self,
        service: str,
        *,
        events_topic: str,
        position_topic: str,
        dsn: str,
        bootstrap: Kafka,
        signers: Sequence[Signer],
    ) -> None:
        super().__init__()
        self.service = service
        self.alarm: RelayAlarm | None = None
        self.reached: HighWaterMark | None = None
        """The high-water mark of the topic; None while the relay waits for its lease, its servers, or a person."""
        self._signers = signers
        self._keys = PositionKeys(lambda _: [signer.key for signer in signers])
        self._events_topic = events_topic
        self._position_topic = position_topic
        self._dsn = dsn
        self._bootstrap = bootstrap
        self._source = f"/ooc/{service}".encode()
        self._lease = Lease()
        self._clean: Mapping[int, int] = {}
        self._poll = Poll(delay=0)
        self._idle = asyncio.Event()
        self._idle.set()

    async def on_stop(self) -> None:
        """Wait for the transaction under way, so that no reader waits for the broker to abort it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), TRANSACTION_SECONDS)

    @Service.task
    async def _run(self) -> None:
        attempt = 0
        while not self.should_stop:
            try:
                async with (
                    self._leading() as event_store,
                    self._alarming(event_store),
                    self._lease.enter(event_store, self._fencing()) as producer,
                ):
                    await self._lease.renew(event_store)  # beginning fences the present holder
                    await event_store.add_listener(MOVED, lambda *_: self._poll.moved.set())
                    timeline = await event_store.fetchval("select timeline()")
                    reached = await self._compare(event_store, producer)
                    await event_store.execute(_COMPARED, timeline)
                    if self.alarm is not None:
                        _log.warning("alarm_cleared", service=self.service, name=self.alarm.name)
                    await clear_alarms(event_store, ALARMIST, STOPPING)  # of a predecessor, too
                    self.alarm = None
                    attempt = 0
                    if reached.position:
                        await self._note(event_store, reached)
                    await self._follow(event_store, producer, reached)
            except RelayAlarm:
                await self.sleep(ALARM_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever broke, the truth is in the position topic
                attempt += 1
                _log.warning("relay_starts_again", service=self.service, error=repr(error), attempt=attempt)
                await self.sleep(min(2.0, 0.1 * 2 ** min(attempt, 5)))
            finally:
                self.reached = None
                leave_off(ALARMIST)

    @contextlib.asynccontextmanager
    async def _alarming(self, event_store: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[None]:
        """Store an alarm of the body, and log it if it is new."""
        try:
            yield
        except RelayAlarm as alarm:
            if self.alarm is None or str(self.alarm) != str(alarm):
                _log.critical(alarm.name, service=self.service, why=alarm.why)
            await clear_alarms(event_store, ALARMIST, STOPPING - {alarm.name})
            await raise_alarm(event_store, ALARMIST, alarm.name, self.service, alarm.why)
            self.alarm, self.reached = alarm, None
            raise

    def _leading(self) -> AbstractAsyncContextManager[asyncpg.Connection[asyncpg.Record]]:
        """Return a connection for as long as the lease is held; a second relay waits for it."""
        return self._lease.hold(
            self._dsn,
            f"ooc {self.service} relay",
            self,
            pause=0.25,
            seconds=15,
            # The row of `relayed` may be lost: the truth is in Kafka.
            synchronous_commit="off",
        )

    @staticmethod
    async def _note(event_store: asyncpg.Connection[asyncpg.Record], reached: HighWaterMark) -> None:
        await event_store.execute(_NOTE, reached.position, json.dumps(reached.offsets), reached.hash or None)

    def _fencing(self) -> AbstractAsyncContextManager[Any]:
        """Return a producer whose start fences every earlier one and ends its open transaction."""
        return producing(
            self._bootstrap,
            60,
            transactional_id=f"ooc-{self.service}-relay",
            transaction_timeout_ms=int(TRANSACTION_SECONDS * 1000),
            request_timeout_ms=int(TRANSACTION_SECONDS * 1000),
            max_batch_size=BATCH_BYTES,
        )

    async def _compare(self, event_store: asyncpg.Connection[asyncpg.Record], producer: Any) -> HighWaterMark:
        """Return the high-water mark of the topic, which the event store must contain. Raises `RelayAlarm`."""
        partitions = await producer.partitions_for(self._events_topic)
        if set(partitions) != set(_ALL):
            raise RelayAlarm("wrong_partitions", f"{self._events_topic} has {len(partitions)} instead of {PARTITIONS}")
        async with self._lease.keep(event_store), asyncio.timeout(60):
            barrier = await self._barrier(producer)
            last, ignored = await last_position(self._bootstrap, self._position_topic, self._keys, barrier)
            believed = last or HighWaterMark()
            claimed = believed if last else await self._claimed_unsigned(barrier)
        async with (
            self._lease.keep(event_store),
            asyncio.timeout(60 if last else UNSIGNED_SECONDS),
            reader(self._bootstrap, "read_committed") as consumer,
        ):
            later, self._clean = await records_after(consumer, self._events_topic, believed, _identity_of)
        for record in ignored:
            name, place, detail = record.alarm, record.topic, record.detail
            if record.beyond is not None and await self._has(event_store, record.beyond):
                # The relay wrote it, and what it covered has gone from the topic: it is published again from here on.
                name, place = "lost_tail", self.service
                detail = f"{self._events_topic} held position {record.beyond.position}, and its end is gone"
            _log.error(name, service=self.service, topic=record.topic, why=detail)
            await raise_alarm(event_store, ALARMIST, name, place, detail)
        ends = await event_store.fetchrow(_ENDS, claimed.position)
        assert ends is not None
        why = None
        if claimed.position > ends["head"] or (claimed.position and ends["hash"] is None):
            why = f"{self._events_topic} has come to position {claimed.position}, the event store to {ends['head']}"
        elif claimed.hash and claimed.hash != ends["hash"]:
            why = f"the event at position {claimed.position} of {self._events_topic} is not the one in the event store"
        if why is not None:
            raise RelayAlarm("topic_ahead_of_event_store", why)
        if ends["last"] != ends["head"]:
            raise RelayAlarm(
                "event_store_gap", f"the event store gave out positions to {ends['head']} and ends at {ends['last']}"
            )
        reached = await self._recognise(event_store, believed, later)
        if replace(reached, anchors=claimed.anchors) == claimed:
            reached = claimed
        if reached.position and (reached != last or {signer.key for signer in self._signers} - {*last.signed_by}):
            await self._in_transaction(producer, lambda: self._say(producer, reached))
        return reached

    async def _barrier(self, producer: Any) -> int:
        """Write to the position topic in a transaction that is aborted; return the offset, which only its leader knows.

        A broker that was frozen while others led shows a reader for a moment an older end, and so an older last record.
        """
        write = partial(
            producer.send_and_wait, self._position_topic, key=self.service.encode(), value=b"barrier", partition=0
        )
        written = await self._in_transaction(producer, write, commit=False)
        return int(written.offset)

    async def _claimed_unsigned(self, barrier: int) -> HighWaterMark:
        """Return the topic's high-water mark if no record is signed: an event store that lacks it must not publish over it."""
        keys = replace(self._keys, believes_unsigned=True)
        return (await last_position(self._bootstrap, self._position_topic, keys, barrier))[0] or HighWaterMark()

    async def _recognise(
        self, event_store: asyncpg.Connection[asyncpg.Record], reached: HighWaterMark, later: Sequence[_Found]
    ) -> HighWaterMark:
        """Return the mark with the later records that are the next events of the event store; all others are foreign.

        There are such events after the relay of an older release, which did not sign, or if a signed record is lost.
        """
        candidates = defaultdict[int, list[tuple[int, int, bytes]]](list)
        for partition, offset, (position, digest) in later:
            candidates[position].append((partition, offset, digest))
        own, offsets, row = set[tuple[int, int]](), dict(reached.offsets), None
        after, rows = reached.position, list[asyncpg.Record]()
        while after + 1 in candidates:
            if not rows:
                await self._lease.renew(event_store)
                rows = (await event_store.fetch(_READ, after + 1, MAX_EVENTS))[::-1]
            if not rows or rows[-1]["position"] != after + 1:
                break
            digest = _digest(
                dict(headers_of(rows[-1], self._source)), *key_and_partition(rows[-1]["home"]), rows[-1]["body"]
            )
            places = [
                (partition, offset)
                for partition, offset, found in candidates[after + 1]
                if found == digest and offset >= offsets.get(partition, 0)
            ]
            if not places:
                break
            row, after = rows.pop(), after + 1
            own.add(places[0])
            offsets[places[0][0]] = places[0][1] + 1
        for partition, offset, _ in later:
            if (partition, offset) not in own:
                reached = reached.with_foreign(partition, offset, offset + 1)
        if row is None:
            return reached
        accesses = await event_store.fetchrow(_CONFIRM)
        assert accesses is not None
        anchors = _anchors(row["log_hash"], accesses)
        return replace(reached, position=after, offsets=offsets, hash=row["hash"], anchors=anchors, signed_by=())

    @staticmethod
    async def _has(event_store: asyncpg.Connection[asyncpg.Record], mark: HighWaterMark) -> bool:
        """Whether the event store holds the very event at which a position record ends."""
        hash_ = await event_store.fetchval("select hash from event where position = $1", mark.position)
        return bool(mark.hash) and hash_ == mark.hash

    async def _follow(
        self, event_store: asyncpg.Connection[asyncpg.Record], producer: Any, reached: HighWaterMark
    ) -> None:
        """Publish the events after the position, and new ones, until the service stops."""
        self.reached = reached
        portions_after = partial(self._portions, event_store, producer)
        portions = await portions_after(reached.position, reached.hash)
        while not self.should_stop:
            await self._lease.renew(event_store)
            finish_cycle(ALARMIST)
            if not portions:
                if await event_store.fetchval(_DISTURBED, reached.position, reached.hash or None):
                    raise RuntimeError("what stops the event store is not as this relay has said it")
                await self._poll.pause()  # which the NOTIFY after a commit ends
                portions = await portions_after(reached.position, reached.hash)
                continue
            self._poll.reset()
            end, hash_ = portions[-1].position, portions[-1].hash
            # A backlog is prepared while the part before it is published; else the next look comes after, and sees more.
            behind = end - reached.position >= MAX_EVENTS
            ahead = asyncio.create_task(portions_after(end, hash_)) if behind else None
            try:
                for portion in portions:
                    async with self._lease.keep(event_store):
                        self.reached = reached = await self._publish(producer, portion, reached)
                    now = datetime.now(UTC)
                    for recorded_at, count in portion.recorded.items():
                        observe("relay", (now - recorded_at).total_seconds(), count)
                portions = await (ahead or portions_after(end, hash_))
                if portions and ahead is None:  # they came during the transaction: more are coming
                    await self.sleep(GATHER_SECONDS)
                    portions = await portions_after(end, hash_)
            finally:
                if ahead is not None:
                    ahead.cancel()
                    await asyncio.gather(ahead, return_exceptions=True)
            await self._note(event_store, reached)

    async def _read(
        self, event_store: asyncpg.Connection[asyncpg.Record], after: int, hash_: bytes
    ) -> list[asyncpg.Record]:
        """Return the events after a position whose event must still have this hash. Raises `RelayAlarm`."""
        self._poll.moved.clear()
        rows = await event_store.fetch(_READ, after, MAX_EVENTS + 1)
        # The event reached is read again each time: a store cut while this runs shows at once.
        if after and (not rows or rows[0]["position"] != after or (hash_ and rows[0]["hash"] != hash_)):
            raise RelayAlarm(
                "topic_ahead_of_event_store",
                f"{self._events_topic} has come to position {after}, where the event store has another event or none",
            )
        rows = rows[1:] if after else rows
        # Positions are unique and in order, so if the last is where it must be, none is missing before it.
        if rows and rows[-1][0] != after + len(rows):
            missing = next(n for n, row in enumerate(rows, start=after + 1) if row[0] != n)
            raise RelayAlarm("event_store_gap", f"position {missing} is missing from the event store")
        return rows

    async def _portions(
        self, event_store: asyncpg.Connection[asyncpg.Record], producer: Any, after: int, hash_: bytes
    ) -> list[_Transaction]:
        """Return the next events, in portions ready to be sent; empty if there is nothing new. Raises `RelayAlarm`."""
        portions: list[_Transaction] = []
        async with self._lease.asking:
            if not (rows := await self._read(event_store, after, hash_)):
                return portions
            # What was read is published once a synchronous standby, if there is one, has all of it.
            accesses = await event_store.fetchrow(_CONFIRM)
        assert accesses is not None
        for n, row in enumerate(rows):
            if not portions or portions[-1].bytes + len(row["body"]) > MAX_BYTES:
                portions.append(_Transaction(producer.create_batch, accesses))
            portions[-1].add(row, self._source)
            if n % 100 == 0:
                await asyncio.sleep(0)  # lets the transaction under way go on
        return portions

    async def _publish(self, producer: Any, portion: _Transaction, reached: HighWaterMark) -> HighWaterMark:
        """Publish some events and the position they reach, in one transaction."""

        async def publish() -> HighWaterMark:
            attributes = messaging("send", self._events_topic, sum(batch.count for batch in portion.in_turn()))
            with span(f"send {self._events_topic}", "PRODUCER", attributes, links=portion.bodies):
                placed = await self._send(producer, portion)
            after = reached.after_transaction(portion.position, portion.hash, placed, self._clean, portion.anchors)
            # aiokafka commits past a batch that failed, so every one must have been confirmed before.
            return await self._say(producer, after)

        return await self._in_transaction(producer, publish)

    async def _say(self, producer: Any, reached: HighWaterMark) -> HighWaterMark:
        value, headers = reached.signed(self._position_topic, self._signers)
        await producer.send_and_wait(
            self._position_topic, key=self.service.encode(), value=value, partition=0, headers=headers
        )
        return reached

    async def _in_transaction(self, producer: Any, body: Callable[[], Awaitable[T]], *, commit: bool = True) -> T:
        self._idle.clear()
        try:
            async with asyncio.timeout(TRANSACTION_SECONDS):
                await producer.begin_transaction()
                written = await body()
                await (producer.commit_transaction() if commit else producer.abort_transaction())
        finally:
            self._idle.set()
        return written

    async def _send(self, producer: Any, portion: _Transaction) -> list[tuple[int, int, int]]:
        """Send a portion. Return the partition, first offset and number of events of each batch, in order."""
        sent = [
            (batch, await producer.send_batch(batch.builder, self._events_topic, partition=batch.partition))
            for batch in portion.in_turn()
        ]
        places = await asyncio.gather(*(future for _, future in sent))
        placed: list[tuple[int, int, int]] = []
        for (batch, _), place in zip(sent, places, strict=True):
            if place is None or place.offset < 0:
                raise RuntimeError(f"the broker did not say where it put a batch of partition {batch.partition}")
            placed.append((batch.partition, place.offset, batch.count))
        return placed


@dataclass(slots=True)
class _Batch:
    """Encoded events of one partition."""

    partition: int
    builder: Any
    count: int = 0


class _Transaction:
    """The events of one transaction, in batches by partition."""

    def __init__(self, new: Callable[[], Any], accesses: asyncpg.Record) -> None:
        self._new = new
        self._accesses = accesses
        self._batches: dict[int, list[_Batch]] = {}
        self.bytes = 0
        self.bodies: list[bytes] = []
        self.recorded: Counter[datetime] = Counter()
        """The number of events by time of recording."""
        self.position = 0
        self.hash = b""
        self._log_hash = b""

    @property
    def anchors(self) -> Anchors:
        """The anchors for the position record after these events."""
        return _anchors(self._log_hash, self._accesses)

    def add(self, row: asyncpg.Record, source: bytes) -> None:
        """Append an event to its partition's last batch, or to a new one if that is full."""
        key, partition = key_and_partition(row["home"])
        body = row["body"]
        # A broker refuses a timestamp ahead of its own clock, and recorded_at may be, so the message takes today's.
        message = {"timestamp": None, "key": key, "value": body, "headers": headers_of(row, source)}
        batches = self._batches.setdefault(partition, [])
        if not batches or batches[-1].builder.append(**message) is None:
            batches.append(_Batch(partition, self._new()))
            batches[-1].builder.append(**message)
        batches[-1].count += 1
        self.recorded[row["recorded_at"]] += 1
        self.bytes += len(body)
        self.bodies.append(body)
        self.position, self.hash, self._log_hash = row["position"], row["hash"], row["log_hash"]

    def in_turn(self) -> Iterator[_Batch]:
        """Yield every partition's first batch, then every second one: a batch waits for the one before it."""
        for turn in itertools.zip_longest(*self._batches.values()):
            for batch in filter(None, turn):
                batch.builder.close()
                yield batch
