"""The handler of records that every reader of events topics shares.

A record waits here until a position record, of the same Kafka transaction, says whether the relay wrote it. So a forged one
never passes. It goes into quarantine when the relay's next event follows in its partition; until then it waits without
holding up anything, with an alarm after a few seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog
from mode import Service

from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.batch import BatchResult, TopicPartition, load_checkpoints, log_results, process_batches
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.effects import Apply, log_transient, retry_transient
from shared.messaging.consumer.position_record import HighWaterMark, Ignored, look_again, service_of
from shared.messaging.consumer.position_signature import PositionKeys
from shared.messaging.consumer.positions import PositionFollower
from shared.messaging.consumer.quarantine import retry_requested, settle_alarms
from shared.observing.latency import observe
from shared.observing.tracing import messaging, span
from shared.servers.database import Connection
from shared.servers.kafka import PARTITIONS, Kafka

Batch = Mapping[TopicPartition, Sequence[ConsumedEvent]]

UNVOUCHED_SECONDS: Final = 5.0
"""The wait of a record for its position record after which it is an alarm."""

MAX_WAITING_BYTES: Final = 32_000_000
"""The waiting bytes of a partition at which it is paused; a transaction of the relay has half as many."""

RETRY_SECONDS: Final = 1.0
"""The time between two looks for requested retries, for records that wait too long, and for position records to be noted alone."""

_RECORD_BYTES: Final = 500
_log = structlog.get_logger("consumer")


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Settings of a member of a consumer group, as Kafka names them, and of its retries."""

    session_seconds: float = 6.0
    heartbeat_seconds: float = 1.0
    rebalance_seconds: float = 20.0
    metadata_seconds: float = 30.0
    """A leader that joins just after the broker started may miss topics; their partitions wait for its next metadata."""
    retry_seconds: float = 60.0
    """The duration for which a transient error is tried again, such as of a failover, before it ends the process."""
    instance: str | None = None
    """The unique name of a static member (KIP-345), which gets its partitions back at once after a restart."""


DEFAULT_GROUP: Final = GroupSettings()


@dataclass(slots=True)
class _Waiting:
    """The records of a partition that no position record has covered yet."""

    records: list[ConsumedEvent] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    bytes: int = 0
    alarmed: bool = False

    def add(self, records: Sequence[ConsumedEvent]) -> None:
        if not self.records:
            self.since = time.monotonic()
        self.records += records
        self.bytes += sum(map(_size, records))

    def drop(self, count: int) -> None:
        drops_all = count == len(self.records)
        self.bytes = 0 if drops_all else self.bytes - sum(map(_size, self.records[:count]))
        del self.records[:count]
        self.since = time.monotonic()


def _size(record: ConsumedEvent) -> int:
    return _RECORD_BYTES + len(record.body) + sum([len(value) for _, value in record.headers if value])


class RecordHandler(Service):
    """Handler of the records of some services' events topics.

    A projection has `note`, which is called in the transaction of a batch with the services and positions believed since the
    last one; its `apply` gets the events of all partitions at once. Else `apply` gets them by partition, so that PostgreSQL
    does not end the transaction during a long `apply` that does not use its connection.
    """

    def __init__(
        self,
        consumer: str,
        *,
        position_topics: Sequence[str],
        pool: asyncpg.Pool[asyncpg.Record],
        bootstrap: Kafka,
        keys: PositionKeys,
        apply: Apply,
        membership: GroupSettings,
        pause: Callable[[TopicPartition], None],
        resume: Callable[[TopicPartition], None],
        note: Callable[[Connection, Mapping[str, HighWaterMark]], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self.consumer = consumer
        self.busy = asyncio.Lock()
        """Locked while a batch is processed."""
        self.follower = PositionFollower(position_topics, bootstrap, keys, self._ignored, self._compare)
        self._pool = pool
        self._apply = apply
        self._membership = membership
        self._pause = pause
        self._resume = resume
        self._note = note
        self._noted: dict[str, HighWaterMark] = {}
        self._waiting: dict[TopicPartition, _Waiting] = {}
        self._paused: set[TopicPartition] = set()
        self._settled: set[TopicPartition] = set()
        """The partitions whose alarms this process has settled; another process may have ended in between."""

    def on_init_dependencies(self) -> Iterable[Any]:
        return [self.follower]

    async def checkpoints(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the next offset of each partition; retries while the database does not answer."""
        return await retry_transient(
            lambda: load_checkpoints(self._pool, self.consumer, partitions), self._membership.retry_seconds
        )

    def add(self, batch: Batch) -> None:
        """Add records, each partition's in order of offset."""
        for place, records in batch.items():
            waiting = self._waiting.setdefault(place, _Waiting())
            waiting.add(records)
            self.follower.saw(*place, records[-1].offset)
            if waiting.bytes > MAX_WAITING_BYTES and place not in self._paused:
                self._paused.add(place)
                self._pause(place)

    def forget(self, places: Iterable[TopicPartition] | None = None) -> None:
        """Drop the waiting records of these partitions, or of all: they will be read again, from the checkpoints."""
        for place in list(self._waiting if places is None else places):
            self._waiting.pop(place, None)
            self._paused.discard(place)
        self._settled = set() if places is None else self._settled - set(places)

    async def settle(self, *, note_alone: bool = False) -> None:
        """Process the waiting records that a position record covers, and note it. Raises what `process_batches` raises.

        A position record whose events are on their way is noted with them, in one transaction; `note_alone` notes it before.
        """
        async with self.busy:
            covered = self._covered()
            unnoted = self._unnoted()
            if not covered and not (note_alone and unnoted):
                return
            began = time.perf_counter()
            bodies = [record.body for _, records in covered.values() for record in records]
            attributes = messaging("process", self.consumer, len(bodies))
            with span(f"process {self.consumer}", "CONSUMER", attributes, links=bodies):
                results = await retry_transient(lambda: self._take(covered, unnoted), self._membership.retry_seconds)
            self._observe(covered.values(), time.perf_counter() - began)
            log_results(self.consumer, results)
            self._noted |= unnoted
            self._settled |= covered.keys()
            for place, (waiting, records) in covered.items():
                self._drop(place, waiting, len(records))

    def _covered(self) -> dict[TopicPartition, tuple[_Waiting, list[ConsumedEvent]]]:
        """Return the first records of each partition that a position record covers, vouched for or not."""
        covered: dict[TopicPartition, tuple[_Waiting, list[ConsumedEvent]]] = {}
        for place, waiting in self._waiting.items():
            records: list[ConsumedEvent] = []
            for record in waiting.records:
                vouched = self.follower.vouches(*place, record.offset)
                if vouched is None:
                    break
                records.append(record if vouched else replace(record, vouched=False))
            if records:
                covered[place] = (waiting, records)
        return covered

    def _unnoted(self) -> dict[str, HighWaterMark]:
        if self._note is None:
            return {}
        believed = {service_of(topic): reached for topic, reached in self.follower.believed.items()}
        return {service: reached for service, reached in believed.items() if self._noted.get(service) != reached}

    async def _take(
        self,
        covered: Mapping[TopicPartition, tuple[_Waiting, Sequence[ConsumedEvent]]],
        unnoted: Mapping[str, HighWaterMark],
    ) -> list[BatchResult]:
        """Process a batch in the order of its partitions, against deadlocks."""
        batch = {place: covered[place][1] for place in sorted(covered)}
        results: list[BatchResult] = []
        async with self._pool.acquire() as connection, connection.transaction():
            # PostgreSQL ends the transaction of a paused consumer, so that it does not lock out its successor.
            await connection.execute(
                "select set_config('idle_in_transaction_session_timeout', $1, true)",
                f"{int(self._membership.session_seconds * 1000)}ms",
            )
            for part in [batch] if self._note is not None and batch else [{place: batch[place]} for place in batch]:
                results += await process_batches(connection, self.consumer, part, self._apply)
            for place in batch:
                if covered[place][0].alarmed or place not in self._settled:
                    await settle_alarms(connection, self.consumer, *place)
            if self._note is not None and unnoted:
                await self._note(connection, unnoted)
        return results

    def _observe(self, covered: Iterable[tuple[_Waiting, Sequence[ConsumedEvent]]], seconds: float) -> None:
        """Observe the latency of the events of a batch, which is committed now."""
        step, whole = ("projection", "visible") if self._note is not None else ("reaction", "reacted")
        recorded = Counter(record.recorded_at for _, records in covered for record in records if record.error is None)
        now = datetime.now(UTC)
        for recorded_at, count in recorded.items():
            observe(step, seconds, count)
            observe(whole, (now - recorded_at).total_seconds(), count)

    def _drop(self, place: TopicPartition, waiting: _Waiting, count: int) -> None:
        waiting.drop(count)
        waiting.alarmed = False
        if self._waiting.get(place) is not waiting:
            return  # forgotten since
        if not waiting.records:
            del self._waiting[place]
        if place in self._paused and waiting.bytes <= MAX_WAITING_BYTES:
            self._paused.discard(place)
            self._resume(place)

    async def _ignored(self, ignored: Ignored) -> None:
        await self._raise(ignored.alarm, ignored.topic, ignored.detail)

    async def _compare(self, topic: str, read_ends: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        """Compare the checkpoints with the ends of a topic: one that ends before them is another topic.

        The ends are read last, since both grow.
        """
        reached = await self.checkpoints([(topic, partition) for partition in range(PARTITIONS)])

        async def look() -> list[str]:
            ends = await read_ends()
            return [f"{n}: {offset} of {ends[n]}" for (_, n), offset in sorted(reached.items()) if offset > ends[n]]

        if beyond := await look_again(look, bool):
            detail = f"read to offsets beyond its end, by partition: {', '.join(beyond)}"
            _log.error("topic_behind_consumer", consumer=self.consumer, topic=topic, why=detail)
            await self._raise("topic_behind_consumer", topic, detail)
        else:
            with log_transient(_log, "alarm_later", consumer=self.consumer, place=topic):
                await clear_alarm(self._pool, self.consumer, "topic_behind_consumer", topic)

    async def _raise(self, alarm: str, place: str, detail: str) -> None:
        with log_transient(_log, "alarm_later", consumer=self.consumer, alarm=alarm, place=place):
            await raise_alarm(self._pool, self.consumer, alarm, place, detail)

    @Service.task
    async def _follow_positions(self) -> None:
        while not self.should_stop:
            await self.wait(self.follower.moved.wait())
            self.follower.moved.clear()
            await self.settle()

    @Service.task
    async def _look_after(self) -> None:
        while not self.should_stop:
            await self.sleep(RETRY_SECONDS)
            await self.settle(note_alone=True)
            await self._alarm_late()
            with log_transient(_log, "retry_later", consumer=self.consumer):
                async with self._pool.acquire() as connection:
                    for stream, result in await retry_requested(connection, self.consumer, self._apply):
                        _log.info("tried_again", consumer=self.consumer, stream=stream, **asdict(result))

    def _late(self) -> list[TopicPartition]:
        """Return the partitions whose first record has waited too long."""
        now = time.monotonic()
        return [
            place
            for place, waiting in self._waiting.items()
            if waiting.records and now - waiting.since > UNVOUCHED_SECONDS
        ]

    async def _alarm_late(self) -> None:
        """Raise an alarm if records have waited too long for a position record, and look for it on a new connection.

        Only if their position topic answers: if a broker is lost, it may be away while the events are not.
        """
        if not (late := self._late()):
            return
        self.follower.follow_again()
        unsaid = {place[0] for place in late if not self._waiting[place].alarmed}
        answering = {topic for topic in unsaid if await self.follower.ask(topic)}
        # Not while a batch is taken, which clears the alarms of what it has covered.
        async with self.busy:
            for place in self._late():
                waiting = self._waiting[place]
                if place[0] in answering and self.follower.vouches(*place, waiting.records[0].offset) is None:
                    waiting.alarmed = True
                    detail = f"offset {waiting.records[0].offset}: no position record of the relay covers it"
                    await self._raise("foreign_record", "/".join(map(str, place)), detail)
