"""The Faust host, and the only module that imports faust: topics -> an agent of two lines -> `process_batches`.

Faust may commit offsets past events that were never processed. So nothing is committed here: PostgreSQL owns the checkpoint,
and every assignment seeks its partitions to it. Each record carries the offset that it follows, so that a record which Faust
drops on the way to the agent is noticed (`OffsetGap`). An error ends the process, whose supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, cast

import asyncpg
import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from mode import CrashingSupervisor, Service

from shared.domain.service import Service as Declared
from shared.handling.command_handler import CommandHandler
from shared.messaging.consumer.consumed_event import ConsumedEvent, decode
from shared.messaging.consumer.effects import Apply
from shared.messaging.consumer.handling import DEFAULT_GROUP, GroupSettings, RecordHandler
from shared.messaging.consumer.position_signature import PositionKeys
from shared.messaging.polling import waking
from shared.messaging.reactions import ParkedReactionRetrier, ReactionRunner
from shared.observing.progress import finish_cycle
from shared.servers.kafka import LOOK_MILLISECONDS, Kafka, be_patient, client_options, worker_principal
from shared.servers.settings import Settings

MAX_RECORDS: Final = 500
"""The most events of a batch: those that have arrived during the batch before."""


class _Placed(list[Any]):
    """A record's headers, with the offset that it follows and the number of the reading."""

    follows: int | None = None
    reading: int = 0


class ConsumerThread(AIOKafkaConsumerThread):
    """A thread that reads committed records only, and marks each with the offset that it follows.

    `_reached` is used in this thread's loop alone, and nothing awaits between a fetch and its marking.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._reached: dict[TP, int] = {}
        self.reading = 0
        """The number of seeks; records that were read before the last one are ignored."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - there is no setting for it; it is read at start
        consumer._consumer_timeout = LOOK_MILLISECONDS / 1000  # noqa: SLF001 - the same
        return consumer

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Invalidate the records read until now."""
        self._begin_anew({})
        await super().on_partitions_revoked(revoked)

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        self._begin_anew(partitions)
        await super()._seek_wait(consumer, partitions)

    def _begin_anew(self, partitions: Mapping[TP, int]) -> None:
        self.reading += 1
        self._reached = dict(partitions)

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        fetched = await super()._fetch_records(consumer, *args, **kwargs)
        be_patient(consumer, idle=not fetched)
        if not fetched:
            finish_cycle(cast("ConsumerApp", self.consumer.app).host.name)
        return {tp: [self._placed(tp, record) for record in records] for tp, records in fetched.items()}

    def _placed(self, tp: TP, record: Any) -> Any:
        headers = _Placed(record.headers)
        headers.follows, headers.reading = self._reached.get(tp), self.reading
        if headers.follows is not None:
            self._reached[tp] = record.offset + 1
        return dataclasses.replace(record, headers=headers)


class CheckpointedConsumer(Consumer):
    """A consumer that takes its offsets from PostgreSQL, and commits none to Kafka."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def reading(self) -> int:
        return cast("ConsumerThread", self._thread).reading

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every assigned partition to its checkpoint; Faust calls this at every assignment."""
        assigned = {TP(tp.topic, tp.partition) for tp in self.assignment()}
        host = cast("ConsumerApp", self.app).host
        checkpoints = await host.checkpoints(assigned)
        await self._thread.seek_wait(checkpoints)
        host.assignments += 1
        return checkpoints

    async def _commit(self, _offsets: Mapping[TP, int]) -> bool:
        return True  # an offset in Kafka could only skip records

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust compares two different clocks to find stalls; the checkpoint's age is the measure."""


class CheckpointedTransport(Transport):
    """The transport that makes a `CheckpointedConsumer`."""

    Consumer: ClassVar[type[CheckpointedConsumer]] = CheckpointedConsumer


class EventSchema(faust.Schema[Any, Any]):
    """A schema that reads headers and keeps the bytes. It never raises, since Faust would lose the record."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        return message.key

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """Return the event as every consumer expects it, with its error."""
        headers = message.headers
        return decode(
            *(message.topic, message.partition, message.offset, message.key, headers, message.value),
            follows=getattr(headers, "follows", None),
            reading=getattr(headers, "reading", 0),
        )


class ConsumerApp(faust.App):
    """A Faust app without tables, web pages, topics of its own or files."""

    host: FaustConsumer

    def _new_transport(self) -> CheckpointedTransport:
        return CheckpointedTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Create none: nothing is stored on disk."""


class FaustConsumer(Service):
    """A consumer of some topics by a Faust agent.

    Checkpoints, quarantine and alarms are stored under its name. `app_id` is also the id of its group.
    """

    def __init__(
        self,
        name: str,
        *,
        topics: Sequence[str],
        pool: asyncpg.Pool[asyncpg.Record],
        bootstrap: Kafka,
        keys: PositionKeys,
        apply: Apply,
        app_id: str,
        membership: GroupSettings,
    ) -> None:
        super().__init__()
        self.name = name
        self.assignments = 0
        """How often partitions were sought to their checkpoints."""
        self._arrived: asyncio.Queue[ConsumedEvent] = asyncio.Queue(MAX_RECORDS - 1)
        self._reading = -1
        self.app = _app(app_id, bootstrap, membership)
        self.app.host = self
        topic = self.app.topic(*topics, schema=EventSchema())
        self.app.agent(topic, name=f"{app_id}-agent", concurrency=1, supervisor_strategy=CrashingSupervisor)(
            self._agent
        )
        self._handler = RecordHandler(
            name,
            position_topics=[f"{topic.removesuffix('.events')}.position" for topic in topics],
            pool=pool,
            bootstrap=bootstrap,
            keys=keys,
            apply=apply,
            membership=membership,
            pause=lambda place: self.app.consumer.pause_partitions({TP(*place)}),
            resume=lambda place: self.app.consumer.resume_partitions({TP(*place)}),
        )

    def on_init_dependencies(self) -> Iterable[Any]:
        return [self._handler, self.app]

    @property
    def ready(self) -> bool:
        return bool(self.app.started and not self.app.rebalancing and self.assignments)

    async def _agent(self, stream: Any) -> None:
        async for event in stream.events():
            await self._arrived.put(event.value)

    @Service.task
    async def _take(self) -> None:
        while not (first := await self.wait(self._arrived.get())).stopped:
            await self._project([first.result, *(self._arrived.get_nowait() for _ in range(self._arrived.qsize()))])
            finish_cycle(self.name)

    async def checkpoints(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Return the next offset of each partition, from PostgreSQL."""
        checkpoints = await self._handler.checkpoints(partitions)
        return {TP(topic, partition): offset for (topic, partition), offset in checkpoints.items()}

    async def _project(self, records: Sequence[ConsumedEvent]) -> None:
        reading = cast("CheckpointedConsumer", self.app.consumer).reading
        if reading != self._reading:
            self._reading = reading
            self._handler.forget()
        batch: dict[tuple[str, int], list[ConsumedEvent]] = {}
        for record in records:
            # A record that was read before the last seek comes again.
            if record.reading == reading and record.follows is not None:
                batch.setdefault((record.topic, record.partition), []).append(record)
        if batch:
            self._handler.add(batch)
            await self._handler.settle()


def _app(app_id: str, bootstrap: Kafka, membership: GroupSettings) -> ConsumerApp:
    options = client_options(bootstrap)
    credentials = None
    if "sasl_mechanism" in options:
        credentials = faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=options["ssl_context"],
        )
    return ConsumerApp(
        app_id,
        broker=[f"kafka://{server.strip()}" for server in options["bootstrap_servers"].split(",")],
        broker_credentials=credentials,
        store="memory://",
        autodiscover=False,
        processing_guarantee="at_least_once",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=membership.instance,
        broker_session_timeout=membership.session_seconds,
        broker_heartbeat_interval=membership.heartbeat_seconds,
        broker_rebalance_timeout=membership.rebalance_seconds,
        consumer_metadata_max_age_ms=int(membership.metadata_seconds * 1000),
        # An event that waits for a server must hang neither a rebalance nor the end of the process.
        stream_wait_empty=False,
        stream_recovery_delay=0,
        worker_redirect_stdouts=False,
    )


class Reactor(Service):
    """The reactions of a service: its stream, and the retries of parked ones."""

    def __init__(self, stream: FaustConsumer | None, *beside: Service) -> None:
        super().__init__()
        self.stream = stream
        self._beside = beside

    def on_init_dependencies(self) -> Iterable[Any]:
        return [*self._beside] if self.stream is None else [*self._beside, self.stream]

    @property
    def ready(self) -> bool:
        """Whether it reacts; a service without reactions always does."""
        return self.stream is None or self.stream.ready


def reactor(
    service: Declared[Any],
    handler: CommandHandler,
    pool: asyncpg.Pool[asyncpg.Record],
    settings: Settings,
    *,
    membership: GroupSettings = DEFAULT_GROUP,
) -> Reactor:
    """Return the reactor of a service, to run beside others in one `mode.Worker`.

    `pool` may be that of the handler, with room for two connections at least.
    """
    reacting = ReactionRunner(handler, f"{service.name}-reactor")
    parked = ParkedReactionRetrier(reacting, pool)
    stream = None
    if reacting.topics:  # a Faust worker without agents breaks
        stream = FaustConsumer(
            reacting.consumer,
            topics=reacting.topics,
            pool=pool,
            bootstrap=settings.kafka_as(worker_principal(service.name)),
            keys=PositionKeys.derived(settings),
            apply=waking(reacting.apply, parked.poll),
            app_id=f"{service.events.namespace}-{service.name}-reactor",
            membership=membership,
        )
    return Reactor(stream, parked)
