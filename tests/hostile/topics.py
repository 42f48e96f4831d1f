"""A service's topics that somebody else may write to as well, and a consumer that must not mind."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from shared.messaging.consumer.alarms import alarms
from shared.messaging.relay import key_and_partition
from shared.runtime.privileges import CONSUMER, PROJECTION, Schema
from shared.servers import database as connections
from tests.copied_databases import databases
from tests.integration.consumers.conftest import Pool, until
from tests.integration.consumers.publishing import Author, Message, Publisher, publishing
from tests.integration.consumers.worker import EFFECTS, consumer
from tests.integration.local.waiting import PATIENCE

SERVICE = "note"

Header = tuple[str, bytes | None]


@dataclass(frozen=True)
class Forged:
    """A record that is not the relay's."""

    headers: Sequence[Header] = ()
    body: bytes | None = b"{}"
    key: bytes | None = None


def forged(message: Message, **changed: bytes | None) -> Forged:
    """Return a record like an event, some of its headers changed or, where None, without value."""
    named: dict[str, bytes | None] = {**dict(message.headers), **changed}
    return Forged(tuple(named.items()), message.body, str(message.home).encode())


@dataclass
class Scene:
    """A running consumer of a service's topics, its relay, and a forger."""

    pool: Pool
    publisher: Publisher
    forger: Any
    consumer: Any
    author: Author

    @property
    def position_topic(self) -> str:
        return self.publisher.topic.removesuffix("events") + "position"

    async def forge(self, records: Iterable[Forged], partitions: Iterable[int] = (0,)) -> list[tuple[int, int]]:
        """Write records to partitions of the events topic; the partition and offset of each."""
        return [
            (partition, (await self._send(self.publisher.topic, record, partition)).offset)
            for record in records
            for partition in partitions
        ]

    async def forge_position(self, record: Forged) -> None:
        """Write a record to the position topic."""
        await self._send(self.position_topic, record, 0)

    async def _send(self, topic: str, record: Forged, partition: int) -> Any:
        batch = self.forger.create_batch()
        batch.append(key=record.key, value=record.body, timestamp=None, headers=list(record.headers))
        batch.close()
        return await (await self.forger.send_batch(batch, topic, partition=partition))

    async def forge_bytes(self, change: Callable[[bytes], bytes], partition: int) -> None:
        """Write a batch of one record whose bytes are changed before they are sent."""
        batch = self.forger.create_batch()
        batch.append(key=b"k", value=b"{}", timestamp=None, headers=[("NAME", b"x")])
        batch.close()
        changed = bytearray(change(bytes(batch._build())))
        changed[8:12] = (len(changed) - 12).to_bytes(4, "big")
        changed[17:21] = calc_crc32c(bytes(changed[21:])).to_bytes(4, "big")
        batch._buffer = changed
        await (await self.forger.send_batch(batch, self.publisher.topic, partition=partition))

    async def publish(self, homes: Sequence[UUID]) -> None:
        """Publish the next event of some homes, as the relay does."""
        await self.publisher.publish([self.author.write(home) for home in homes])

    async def applied_exactly(self, streams: Iterable[str] | None = None, seconds: float = PATIENCE) -> None:
        """Wait until all that was published of these streams (or of all) is applied, once and in order, and no more."""
        expected = {
            stream: list(range(1, last + 1))
            for stream, last in self.author.versions.items()
            if streams is None or stream in set(streams)
        }

        async def all_there() -> bool:
            return {stream: len(found) for stream, found in (await self.versions(expected)).items()} == {
                stream: len(found) for stream, found in expected.items()
            }

        await until(all_there, seconds, f"{sum(map(len, expected.values()))} events applied")
        assert await self.versions(expected) == expected
        assert not self.consumer.crashed

    async def versions(self, streams: Iterable[str]) -> dict[str, list[int]]:
        """Return the versions applied of some streams, in the order in which they were."""
        found: dict[str, list[int]] = defaultdict(list)
        rows = await self.pool.fetch(
            "select stream, version from effect where stream = any ($1) order by nth", list(streams)
        )
        for row in rows:
            found[row["stream"]].append(row["version"])
        return dict(found)

    async def alarmed(self, *names: str, seconds: float = PATIENCE) -> None:
        """Wait until alarms of these names stand."""

        async def stand() -> bool:
            return {alarm.name for alarm in await alarms(self.pool)} >= set(names)

        await until(stand, seconds, f"the alarms {names}")


def one_home_for_each_partition() -> list[UUID]:
    """Homes whose events go to one partition each, in order of partition."""
    found: dict[int, UUID] = {}
    while len(found) < 12:
        home = uuid4()
        found.setdefault(key_and_partition(home)[1], home)
    return [found[partition] for partition in sorted(found)]


async def projection_pool(database: str, postgres_url: str) -> Pool:
    """Return a pool on a new consumer's database, with a table of effects besides."""
    await databases(postgres_url, [(urlsplit(database).path[1:], Schema((CONSUMER, PROJECTION)))])
    pool = await connections.create_pool(database)
    await pool.execute(EFFECTS)
    return pool


@asynccontextmanager
async def scene(
    adapter: str, database: str, postgres_url: str, bootstrap: str, namespace: str, **options: Any
) -> AsyncIterator[Scene]:
    """Yield a consumer by one of the adapters, `feed` or `stream`, that runs."""
    async with AsyncExitStack() as stack:
        pool = await projection_pool(database, postgres_url)
        stack.push_async_callback(pool.close)
        publisher = await stack.enter_async_context(publishing(bootstrap, namespace, SERVICE))
        forger = await stack.enter_async_context(
            AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=1_000_000)
        )
        running = consumer(adapter, pool, bootstrap, namespace, SERVICE, **options)
        await running.start()
        stack.push_async_callback(lambda: asyncio.wait_for(running.stop(), PATIENCE))
        yield Scene(pool, publisher, forger, running, Author(SERVICE))
