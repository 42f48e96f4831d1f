"""The bulk consumer: topics -> `process_batch`, by aiokafka's getmany in a `mode.Service`.

It has a group for its partitions, and nothing else: offsets are never committed, since PostgreSQL owns the checkpoint.
At every assignment each partition is sought to its checkpoint. A batch is one transaction, whatever partitions it
comes from. A transient error is tried again for a few seconds; any other ends the process, whose supervisor starts it
again from the checkpoints.

It keeps the relays' recent position records as well: one says which offsets lie before "all up to position P".
That answers `has_reached`, for a query that waits until its own command can be seen, and it shows what no version can: a
tail that is lost.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import ConsumerStoppedError, KafkaError
from mode import Service

from shared.database import Connection, retry_for
from shared.kafka import Kafka, client_options, stop
from shared.latency import observe
from shared.messaging.consumer import Apply, ConsumedEvent, clear_alarm, decode, log_transient, raise_alarm
from shared.messaging.consumer.handling import RecordHandler
from shared.messaging.consumer.position_record import HighWaterMark

MAX_RECORDS: Final = 5_000
"""How many records make a batch at most."""

KEPT_POSITION_RECORDS: Final = 500
"""How many position records of a service are kept."""

RECONCILE_SECONDS: Final = 10.0
"""Seconds between two counts of what was taken against what was published."""

_log = structlog.get_logger("consumer")


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """How a consumer takes part in its group, and how long it tries again.

    Attributes:
        session_seconds: after so long without a heartbeat the broker gives its partitions to others.
        heartbeat_seconds: between two heartbeats.
        rebalance_seconds: how long the others wait for it to join again.
        metadata_seconds: how old its knowledge of topics may be. One that leads the group just after the broker began
            again may miss topics, and gives their partitions to nobody until it looks again.
        retry_seconds: how long a transient error is tried again before it ends the process.
        instance: names this member, one name each, if it is to get its partitions back at once after a restart
            (static membership, KIP-345); None: any member will do.

    """

    session_seconds: float = 6.0
    heartbeat_seconds: float = 0.5
    rebalance_seconds: float = 20.0
    metadata_seconds: float = 30.0
    retry_seconds: float = 3.0
    instance: str | None = None


DEFAULT_GROUP: Final = GroupSettings()


@asynccontextmanager
async def batch_of(pool: asyncpg.Pool[asyncpg.Record], membership: GroupSettings) -> AsyncIterator[Connection]:
    """Yield a connection in a transaction for one batch.

    A consumer that is paused in the middle of it must not keep the checkpoint's lock from its successor: PostgreSQL
    ends the transaction when nothing has come for as long as the broker waits for a heartbeat.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "select set_config('idle_in_transaction_session_timeout', $1, true)",
            f"{int(membership.session_seconds * 1000)}ms",
        )
        yield connection


class _Resume(ConsumerRebalanceListener):  # type: ignore[misc]
    """Lets the batch in flight end before partitions go, and seeks those that come to their checkpoints."""

    def __init__(self, feed: ProjectionConsumer) -> None:
        self._feed = feed

    async def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        async with self._feed.busy:
            self._feed.leave()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._feed.resume(assigned)


class ProjectionConsumer(Service):
    """Feeds one projection from the topics of some services.

    Args:
        name: the consumer, as its checkpoints, what it has seen and its quarantine are filed; and its group.
        services: whose events it takes.
        pool: connections to the projection's database, which has the tables of migrations/projection.
        bootstrap: Kafka's bootstrap servers.
        apply: what the projection does with events, in the transaction of the checkpoint.
        namespace: of the topics.
        group: another group id than `ooc-<name>`.
        membership: how it takes part in the group.
        most: how many records make a batch at most.
        reconcile_seconds: between two counts against the position records.

    """

    def __init__(
        self,
        name: str,
        *,
        services: Sequence[str],
        pool: asyncpg.Pool[asyncpg.Record],
        bootstrap: Kafka,
        apply: Apply,
        namespace: str = "ooc",
        group: str | None = None,
        membership: GroupSettings = DEFAULT_GROUP,
        most: int = MAX_RECORDS,
        reconcile_seconds: float = RECONCILE_SECONDS,
    ) -> None:
        super().__init__()
        self.name = name
        self.assignments = 0
        """How often partitions were assigned and sought to their checkpoints."""
        self._services = list(services)
        self._namespace = namespace
        self._pool = pool
        self._bootstrap = bootstrap
        self._group = group or f"ooc-{name}"
        self._membership = membership
        self._most = most
        self._reconcile_seconds = reconcile_seconds
        self._reached: dict[TopicPartition, int] = {}
        self._consumer: Any = None
        self._handler = RecordHandler(
            name,
            position_topics=[f"{namespace}.{service}.position" for service in services],
            pool=pool,
            bootstrap=bootstrap,
            apply=apply,
            transaction=lambda: batch_of(pool, membership),
            retry_seconds=membership.retry_seconds,
            pause=self._pause,
            resume=self._read_on,
            note=note_positions,
            together=True,
        )
        self.busy = self._handler.busy
        """Held while a batch is taken."""

    def on_init_dependencies(self) -> Iterable[Any]:
        """Return the handler of the records, which starts and stops with this."""
        return [self._handler]

    @property
    def ready(self) -> bool:
        """Whether it has joined its group and knows where to read on."""
        return self.assignments > 0 and not self.should_stop

    async def on_start(self) -> None:
        """Join the group; Kafka has half a minute to answer."""
        topics = [events_topic(service, self._namespace) for service in self._services]
        self._consumer = await retry_for(self._connected, 30, on=(KafkaError, OSError))
        self._consumer.subscribe(topics, listener=_Resume(self))

    async def _connected(self) -> Any:
        membership = self._membership
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            group_id=self._group,
            group_instance_id=membership.instance,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=int(membership.session_seconds * 1000),
            heartbeat_interval_ms=int(membership.heartbeat_seconds * 1000),
            rebalance_timeout_ms=int(membership.rebalance_seconds * 1000),
            metadata_max_age_ms=int(membership.metadata_seconds * 1000),
        )
        try:
            await consumer.start()
        except BaseException:
            await stop(consumer, consumer._client, 5)  # noqa: SLF001 - what stop() leaves open where it raises
            raise
        return consumer

    async def on_stop(self) -> None:
        """Let the batch in flight end, and leave the group."""
        async with self.busy:
            if self._consumer is not None:
                await stop(self._consumer, self._consumer._client, 5)  # noqa: SLF001 - the same

    def leave(self) -> None:
        """Forget where partitions were: what comes before the next seek is left alone."""
        self._reached.clear()
        self._handler.forget()

    async def resume(self, assigned: Iterable[TopicPartition]) -> None:
        """Seek newly assigned partitions to their checkpoints in PostgreSQL."""
        partitions = list(assigned)
        checkpoints = await self._handler.checkpoints([(tp.topic, tp.partition) for tp in partitions])
        self._handler.forget((tp.topic, tp.partition) for tp in partitions)
        for tp in partitions:
            offset = checkpoints[tp.topic, tp.partition]
            self._consumer.seek(tp, offset)
            self._reached[tp] = offset
        self.assignments += 1

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            try:
                found = await self._consumer.getmany(timeout_ms=1000, max_records=self._most)
            except ConsumerStoppedError:
                if self._stopped.is_set():
                    return
                raise
            # Nothing awaits between the fetch and this, so no seek can come between them.
            batch = self._placed(found)
            if batch:
                self._handler.add(batch)
                await self._handler.settle()
            lost = [tp for tp in self._consumer.assignment() if tp not in self._reached]
            if lost:
                # aiokafka swallows a listener's error; nothing was committed, so a seek can only read again.
                await self.resume(lost)

    def _placed(self, found: Mapping[TopicPartition, Sequence[Any]]) -> dict[tuple[str, int], list[ConsumedEvent]]:
        """Return the records of partitions whose place is known, each with the offset that it follows."""
        batch: dict[tuple[str, int], list[ConsumedEvent]] = {}
        now = time.time()
        for tp, records in found.items():
            reached = self._reached.get(tp)
            if reached is None or not records:
                continue
            placed = batch[tp.topic, tp.partition] = []
            for milliseconds, count in Counter(record.timestamp for record in records).items():
                observe("fetch", now - milliseconds / 1000, count)
            for record in records:
                placed.append(consumed_event(record, follows=reached))
                reached = record.offset + 1
            self._reached[tp] = reached
        return batch

    def _pause(self, place: tuple[str, int]) -> None:
        tp = TopicPartition(*place)
        if tp in self._consumer.assignment():
            self._consumer.pause(tp)

    def _read_on(self, place: tuple[str, int]) -> None:
        tp = TopicPartition(*place)
        if tp in self._consumer.assignment():
            self._consumer.resume(tp)

    @Service.task
    async def _reconcile(self) -> None:
        counted: dict[str, int] = {}
        while not self.should_stop:
            await self.sleep(self._reconcile_seconds)
            for service in self._services:
                with log_transient(_log, "reconcile_later", consumer=self.name, service=service):
                    async with self._pool.acquire() as connection:
                        counted[service] = await reconcile(
                            connection, self.name, service, counted.get(service, -1), namespace=self._namespace
                        )


def consumed_event(record: Any, *, follows: int | None = None, reading: int = 0) -> ConsumedEvent:
    """Return an aiokafka record as every consumer takes it."""
    return decode(
        *(record.topic, record.partition, record.offset, record.key, record.headers, record.value),
        follows=follows,
        reading=reading,
    )


def events_topic(service: str, namespace: str = "ooc") -> str:
    """Return the name of a service's events topic, such as `ooc.lending.events`."""
    return f"{namespace}.{service}.events"


# --- position records ----------------------------------------------------------------------------

_NOTE: Final = """
    insert into position_record (service, position, offsets)
    select w.service, w.position, w.offsets from unnest($1::text[], $2::bigint[], $3::jsonb[]) as w (service, position, offsets)
    on conflict (service, position) do update set offsets = excluded.offsets
"""
_FORGET: Final = """
    delete from position_record as old where old.service = $1 and old.position < (
        select min(kept.position) from (
            select position from position_record where service = $1 order by position desc limit $2
        ) as kept
    )
"""
# Whether a position record (r) lies before the checkpoints of the consumer $1 on the topic $3.
_IS_PASSED: Final = """
    not exists (
        select 1 from jsonb_each_text(r.offsets) as o (partition, next_offset)
        left join checkpoint as c on c.consumer = $1 and c.topic = $3 and c.partition = o.partition::integer
        where o.next_offset::bigint > 0 and coalesce(c.next_offset, 0) < o.next_offset::bigint
    )
"""
_PASSED: Final = f"""
    select exists (
        select 1 from (
            select offsets from position_record where service = $2 and position >= $4 order by position limit 1
        ) as r where {_IS_PASSED}
    )
"""  # noqa: S608 - no value is put into the text
_PROGRESS: Final = f"""
    select (select max(r.position) from position_record as r where r.service = $2 and {_IS_PASSED}) as passed,
           (select max(position) from position_record where service = $2) as known
"""  # noqa: S608 - the same
# The newest position passed, how many events of the service were taken or held, and whether nothing later was.
_COUNT: Final = f"""
    select r.position,
           (select coalesce(sum(s.version), 0) from seen as s where s.consumer = $1 and starts_with(s.stream, $2 || '/'))
           + (select count(*) from quarantine as q where q.consumer = $1 and q.topic = $3 and q.counted)
           + (select count(*) from quarantine_decision as d where d.consumer = $1 and d.topic = $3 and d.counted) as taken,
           not exists (
               select 1 from checkpoint as c where c.consumer = $1 and c.topic = $3
               and c.next_offset > coalesce((r.offsets ->> c.partition::text)::bigint, 0)
           ) as nothing_later
    from position_record as r where r.service = $2 and r.position > $4 and {_IS_PASSED}
    order by r.position desc limit 1
"""  # noqa: S608 - the same


_MISCOUNTED: Final = """
    select name from alarm where consumer = $1 and place = $2 and name in ('lost_tail', 'surplus') limit 1
"""


async def note_positions(connection: Connection, reached: Mapping[str, HighWaterMark]) -> None:
    """Keep the position records of some services, and forget those that are not recent.

    In order of name, so that two members of a group who note the same wait for each other in one direction.
    """
    services = sorted(reached)
    await connection.execute(
        _NOTE,
        services,
        [reached[service].position for service in services],
        [json.dumps(dict(reached[service].offsets)) for service in services],
    )
    for service in services:
        await connection.execute(_FORGET, service, KEPT_POSITION_RECORDS)


async def has_reached(
    connection: Connection, consumer: str, service: str, position: int, *, namespace: str = "ooc"
) -> bool:
    """Whether a consumer has processed all events of a service up to a position, as far as it knows."""
    return position <= 0 or bool(
        await connection.fetchval(_PASSED, consumer, service, events_topic(service, namespace), position)
    )


async def progress(connection: Connection, consumer: str, service: str, *, namespace: str = "ooc") -> tuple[int, int]:
    """Return the newest position of a service that a consumer has passed, and the newest that it knows of; 0 for none."""
    row = await connection.fetchrow(_PROGRESS, consumer, service, events_topic(service, namespace))
    return row["passed"] or 0, row["known"] or 0


async def reconcile(
    connection: Connection, consumer: str, service: str, counted: int = -1, *, namespace: str = "ooc"
) -> int:
    """Count what a consumer has taken of a service against the newest position record that it has passed.

    Fewer events than the position are a `lost_tail`: the end of a stream is missing, which leaves no gap. More, where
    nothing later was taken, are a `surplus`. Either is an alarm until a count is right. Looks only at records beyond
    `counted`, unless such an alarm stands, and returns the position of this count.
    """
    standing = await connection.fetchval(_MISCOUNTED, consumer, service)
    if standing is not None:
        counted = -1
    row = await connection.fetchrow(_COUNT, consumer, service, events_topic(service, namespace), counted)
    if row is None:
        return counted
    position, count = int(row["position"]), int(row["taken"])
    found = "lost_tail" if count < position else "surplus" if count > position and row["nothing_later"] else None
    for name in ("lost_tail", "surplus"):
        if name == found:
            detail = f"all up to position {position} has been passed, and {count} events were taken"
            if standing != name:
                _log.critical(name, consumer=consumer, service=service, position=position, taken=count)
            await raise_alarm(connection, consumer, name, service, detail)
        else:
            await clear_alarm(connection, consumer, name, service)
    return position
