"""A service's event store and topics, and relays between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.event_store.postgres import PostgresEventStore
from shared.messaging.consumer.position_record import HighWaterMark
from shared.messaging.consumer.position_signature import PositionKeys
from shared.messaging.relay import Relay, last_position
from shared.runtime.privileges import RoleKind
from shared.runtime.provision import checkpoints_topic, events_topic, position_topic, service_database, topics
from shared.servers import database as connections
from tests.copied_databases import databases
from tests.integration.event_store.streams import SERVICE, EventTail, Stream, as_application, event_tail
from tests.integration.local.waiting import PATIENCE, eventually
from tests.position_keys import KEYS, signers


@dataclass
class RelayedService:
    """A service with its event store, and the topics that its relay fills."""

    namespace: str
    """What its topics' names begin with, which no other test's do."""
    owner: str
    bootstrap: str
    event_store: PostgresEventStore

    @property
    def service(self) -> str:
        return SERVICE

    @property
    def events(self) -> str:
        return f"{self.namespace}.{self.service}.events"

    @property
    def position(self) -> str:
        return f"{self.namespace}.{self.service}.position"

    @property
    def checkpoints(self) -> str:
        return f"{self.namespace}.{self.service}.checkpoints"

    def relay(self, *, signs: bool = True) -> Relay:
        """Return a relay, not yet started; one of an older release does not sign."""
        relay = Relay(
            self.service,
            events_topic=self.events,
            position_topic=self.position,
            dsn=as_application(self.owner, RoleKind.RELAY),
            bootstrap=self.bootstrap,
            signers=signers(self.service) if signs else (),
        )
        relay._keys = replace(relay._keys, believes_unsigned=not signs)
        return relay

    async def write(self, streams: int, events: int, size: int = 0) -> None:
        """Fill the event store with some streams, written in turns."""
        lives = [Stream() for _ in range(streams)]
        for n in range(events):
            await asyncio.gather(*(life.write(self.event_store, body_of(n + 1, size)) for life in lives))

    async def relayed(self, within: float = PATIENCE, keys: PositionKeys = KEYS) -> HighWaterMark:
        """Wait until the topic holds what the event store holds now."""
        head = (await self.event_store.head()).position

        async def there() -> bool:
            reached, _ = await last_position(self.bootstrap, self.position, keys)
            return reached is not None and reached.position >= head

        await eventually(there, within)
        reached, _ = await last_position(self.bootstrap, self.position, keys)
        assert reached is not None
        return reached

    async def published(self) -> list[Any]:
        """Every committed message of the events topic, in order of position in the event store."""
        reached, _ = await last_position(self.bootstrap, self.position, KEYS)
        messages = await committed(self.bootstrap, self.events, {} if reached is None else reached.offsets)
        return sorted(messages, key=lambda message: int(dict(message.headers)["ooc_position"]))

    async def assert_exactly_the_event_store(self) -> None:
        """Assert that the topic holds each event of the event store once, in order within its partition, byte for byte."""
        records = await connections.retry_for(lambda: self.event_store.read(0, 1_000_000), PATIENCE)
        messages = await self.published()
        assert [int(dict(m.headers)["ooc_position"]) for m in messages] == [r.position for r in records]
        assert all(m.value == r.body for m, r in zip(messages, records, strict=True))
        last: dict[int, int] = {}
        for message in messages:
            assert message.offset > last.get(message.partition, -1)
            last[message.partition] = message.offset


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    """Yield a relay, started and stopped."""
    async with relay:
        yield relay


def body_of(version: int, size: int = 0) -> EventTail:
    """Return an event's bytes, with the envelope's fields that the relay looks at."""
    return event_tail(
        {"occurred_at": "1999-01-01T00:00:00Z", "padding": "x" * size},
        occurred_at="2026-03-02T12:00:00.500000Z",
        actor={"id": "x", "role": "R", "organisation": 'says "traceparent":"lies"'},
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" if version % 2 else None,
    )


async def committed(bootstrap: str, topic: str, offsets: Mapping[int, int] | None = None) -> list[Any]:
    """Return the committed records of a topic, to its end, or further to some offsets.

    A broker marks the partitions of a committed transaction one after the other, so the end alone may be an old one.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in await consumer._client._wait_on_metadata(topic)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = {
            tp: max(end, (offsets or {}).get(tp.partition, 0))
            for tp, end in (await consumer.end_offsets(partitions)).items()
        }
        found: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    found += messages
        return found
    finally:
        await consumer.stop()


@pytest.fixture
async def relayed_service(
    database: str, postgres_url: str, kafka_bootstrap: str, topic_prefix: str
) -> AsyncIterator[RelayedService]:
    """Yield a service of the test's own, with nothing recorded."""
    await databases(postgres_url, [(urlsplit(database).path[1:], service_database("tests")[1])])
    pool = await connections.create_pool(as_application(database))
    relayed_service = RelayedService(topic_prefix, database, kafka_bootstrap, PostgresEventStore(pool))
    await topics(
        kafka_bootstrap,
        [
            events_topic(relayed_service.events, 1),
            position_topic(relayed_service.position, 1),
            checkpoints_topic(relayed_service.checkpoints, 1),
        ],
    )
    yield relayed_service
    await pool.close()


@pytest.fixture
async def owner(relayed_service: RelayedService) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Yield a connection that may do what no service may."""
    connection = await asyncpg.connect(relayed_service.owner)
    yield connection
    await connection.close()
