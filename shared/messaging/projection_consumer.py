"""The bulk consumer: topics -> `process_batches`, by aiokafka's getmany in a `mode.Service`.

Its consumer group assigns partitions, and commits no offsets, since PostgreSQL owns the checkpoint. At every assignment each
partition is sought to its checkpoint. A batch of all partitions is one transaction. A transient error is tried again for a
few seconds; any other ends the process, whose supervisor starts it again from the checkpoints.

It stores the relays' recent position records as well: one says which offsets lie before "all up to position P". `has_reached`
needs them, for a query that waits until its own command can be seen, and `reconcile`, which detects a lost tail.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import ConsumerStoppedError, KafkaError
from mode import Service

from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.consumed_event import ConsumedEvent, decode
from shared.messaging.consumer.effects import Apply, log_transient
from shared.messaging.consumer.handling import DEFAULT_GROUP, GroupSettings, RecordHandler
from shared.messaging.consumer.position_record import HighWaterMark
from shared.messaging.consumer.position_signature import PositionKeys
from shared.observing.latency import observe
from shared.observing.progress import finish_cycle
from shared.servers.database import Connection, retry_for
from shared.servers.kafka import LOOK_MILLISECONDS, Kafka, be_patient, client_options, stop

MAX_RECORDS: Final = 5_000

KEPT_POSITION_RECORDS: Final = 500

_log = structlog.get_logger("consumer")


class _Resume(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, feed: ProjectionConsumer) -> None:
        self._feed = feed

    async def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        async with self._feed.busy:
            self._feed.leave()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._feed.resume(assigned)


class ProjectionConsumer(Service):
    """Feeds one projection from the topics of some services.

    Checkpoints, quarantine and alarms are stored under its name; the group id is `group`, or `ooc-<name>`.
    """

    def __init__(
        self,
        name: str,
        *,
        services: Sequence[str],
        pool: asyncpg.Pool[asyncpg.Record],
        bootstrap: Kafka,
        keys: PositionKeys,
        apply: Apply,
        namespace: str = "ooc",
        group: str | None = None,
        membership: GroupSettings = DEFAULT_GROUP,
        reconcile_seconds: float = 10.0,
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
        self._reconcile_seconds = reconcile_seconds
        self._reached: dict[TopicPartition, int] = {}
        self._consumer: Any = None
        self._handler = RecordHandler(
            name,
            position_topics=[f"{namespace}.{service}.position" for service in services],
            pool=pool,
            bootstrap=bootstrap,
            keys=keys,
            apply=apply,
            membership=membership,
            pause=self._pause,
            resume=self._read_on,
            note=note_positions,
        )
        self.busy = self._handler.busy

    def on_init_dependencies(self) -> Iterable[Any]:
        return [self._handler]

    @property
    def ready(self) -> bool:
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
            consumer_timeout_ms=LOOK_MILLISECONDS,
            session_timeout_ms=int(membership.session_seconds * 1000),
            heartbeat_interval_ms=int(membership.heartbeat_seconds * 1000),
            rebalance_timeout_ms=int(membership.rebalance_seconds * 1000),
            metadata_max_age_ms=int(membership.metadata_seconds * 1000),
        )
        try:
            await consumer.start()
        except BaseException:
            await stop(consumer, 5)
            raise
        return consumer

    async def on_stop(self) -> None:
        """Wait for the batch in flight, and leave the group."""
        async with self.busy:
            if self._consumer is not None:
                await stop(self._consumer, 5)

    def leave(self) -> None:
        """Forget the offsets of all partitions, so that records are ignored until the next seek."""
        self._reached.clear()
        self._handler.forget()

    async def resume(self, assigned: Iterable[TopicPartition]) -> None:
        """Seek newly assigned partitions to their checkpoints in PostgreSQL, except those revoked since."""
        partitions = list(assigned)
        checkpoints = await self._handler.checkpoints([(tp.topic, tp.partition) for tp in partitions])
        self._handler.forget((tp.topic, tp.partition) for tp in partitions)
        for tp in self._consumer.assignment() & set(partitions):
            offset = checkpoints[tp.topic, tp.partition]
            self._consumer.seek(tp, offset)
            self._reached[tp] = offset
        self.assignments += 1

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            try:
                fetched = await self._consumer.getmany(timeout_ms=1000, max_records=MAX_RECORDS)
                be_patient(self._consumer, idle=not fetched)
            except ConsumerStoppedError:
                if self._stopped.is_set():
                    return
                raise
            # Nothing awaits between the fetch and this, so no seek can come between them.
            if batch := self._placed(fetched):
                self._handler.add(batch)
                await self._handler.settle()
            if lost := [tp for tp in self._consumer.assignment() if tp not in self._reached]:
                # aiokafka swallows a listener's error; nothing was committed, so a seek can only read again.
                await self.resume(lost)
            finish_cycle(self.name)

    def _placed(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> dict[tuple[str, int], list[ConsumedEvent]]:
        """Decode the records of partitions that have been sought, each with the offset that it follows."""
        batch: dict[tuple[str, int], list[ConsumedEvent]] = {}
        now = time.time()
        for tp, records in fetched.items():
            reached = self._reached.get(tp)
            if reached is None or not records:
                continue
            placed = batch[tp.topic, tp.partition] = []
            for milliseconds, count in Counter(record.timestamp for record in records).items():
                observe("fetch", now - milliseconds / 1000, count)
            for record in records:
                position = (record.topic, record.partition, record.offset)
                placed.append(decode(*position, record.key, record.headers, record.value, follows=reached))
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


async def note_positions(connection: Connection, reached: Mapping[str, HighWaterMark]) -> None:
    """Store the position records of some services, and delete old ones; in order of name, against deadlocks."""
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


async def progress(connection: Connection, consumer: str, service: str) -> tuple[int, int]:
    """Return the newest position of a service that a consumer has passed, and the newest that it knows of; 0 for none."""
    row = await connection.fetchrow(_PROGRESS, consumer, service, events_topic(service))
    return row["passed"] or 0, row["known"] or 0


async def reconcile(
    connection: Connection, consumer: str, service: str, counted: int = -1, *, namespace: str = "ooc"
) -> int:
    """Compare the number of applied events of a service with the newest position record that the consumer has passed.

    Fewer events than the position are a `lost_tail`: the end of a stream is missing, which leaves no gap. More, if nothing
    later was taken, are a `surplus`. Either is an alarm until a count is right. Only records beyond `counted` are compared,
    unless such an alarm is open. Returns the position of this count.
    """
    standing = await connection.fetchval(
        "select name from alarm where consumer = $1 and place = $2 and name in ('lost_tail', 'surplus') limit 1",
        *(consumer, service),
    )
    if standing is not None:
        counted = -1
    row = await connection.fetchrow(_COUNT, consumer, service, events_topic(service, namespace), counted)
    if row is None:
        return counted
    position, count = int(row["position"]), int(row["taken"])
    alarm = "lost_tail" if count < position else "surplus" if count > position and row["nothing_later"] else None
    for name in ("lost_tail", "surplus"):
        if name == alarm:
            detail = f"all up to position {position} has been passed, and {count} events were taken"
            if standing != name:
                _log.critical(name, consumer=consumer, service=service, position=position, taken=count)
            await raise_alarm(connection, consumer, name, service, detail)
        else:
            await clear_alarm(connection, consumer, name, service)
    return position
