"""The relay, on an event store that is ahead of its topic: transactional, with every header, in the event store's order."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaProducer

from shared.event_store import Appended
from shared.event_store.postgres import PostgresEventStore
from shared.messaging.relay import BATCH_BYTES, MAX_EVENTS, Headers, Relay, headers_of, key_and_partition
from shared.servers.database import create_pool
from tests.bench.corpus import Corpus, appends, mixed
from tests.bench.place import Place
from tests.bench.processes import relay_of
from tests.bench.rounds import OURS, Side
from tests.bench.synthetic_cases import AcceptedCommand

BACKLOG: Final = 60_000
"""How many events the four event stores would be ahead; the relay is one service's."""

SERVICE: Final = "disposal"
_ROWS: Final = """
    select position, recorded_at, stream, version, event_id, type, home, hash, body from event order by position
"""


async def fill(dsn: str, commands: Sequence[AcceptedCommand]) -> int:
    """Record what is told, in this order; how many events that was."""
    database = await create_pool(dsn, max_size=4)
    try:
        event_store = PostgresEventStore(database)
        waiting = list(appends(iter(commands)))
        for n in range(0, len(waiting), 2_000):
            for result in await asyncio.gather(*map(event_store.append, waiting[n : n + 2_000])):
                assert isinstance(result, Appended), result
        return (await event_store.head()).position
    finally:
        await database.close()


class Relaying:
    """The relay itself, into new topics each round."""

    def __init__(self, place: Place, dsn: str, events: int) -> None:
        self._place = place
        self._dsn = dsn
        self._events = events

    async def round(self, _seconds: float) -> Mapping[str, float]:
        """Events a second, from when it knows where to begin to when the last transaction is committed."""
        namespace = await self._place.topics([SERVICE])
        relay = relay_of(SERVICE, self._dsn, self._place.kafka, namespace)
        async with relay:
            await self._until(relay, 0)
            start = time.perf_counter()
            await self._until(relay, self._events)
            return {"events/s": self._events / (time.perf_counter() - start)}

    @staticmethod
    async def _until(relay: Relay, position: int) -> None:
        """Look every two milliseconds how far it has come."""
        while relay.reached is None or relay.reached.position < position:
            assert relay.alarm is None, relay.alarm
            await asyncio.sleep(0.002)


class Producing:
    """aiokafka's transactional producer alone: the same messages, ready to be sent, as many in a transaction."""

    def __init__(self, place: Place, messages: Sequence[tuple[bytes, bytes, Headers]]) -> None:
        self._place = place
        self._messages = messages

    async def round(self, _seconds: float) -> Mapping[str, float]:
        """Messages a second."""
        namespace = await self._place.topics([SERVICE])
        producer: Any = AIOKafkaProducer(
            bootstrap_servers=self._place.kafka,
            transactional_id=namespace,
            transaction_timeout_ms=10_000,
            max_batch_size=BATCH_BYTES,
        )
        async with producer:
            topic = f"{namespace}.{SERVICE}.events"
            await producer.partitions_for(topic)
            start = time.perf_counter()
            for n in range(0, len(self._messages), MAX_EVENTS):
                async with producer.transaction():
                    sent = [
                        await producer.send(topic, body, key, headers=headers)
                        for key, body, headers in self._messages[n : n + MAX_EVENTS]
                    ]
                    await asyncio.gather(*sent)
            return {"events/s": len(self._messages) / (time.perf_counter() - start)}


@contextlib.asynccontextmanager
async def relay(place: Place) -> AsyncIterator[Sequence[Side]]:
    """Yield a backlog of real events; the limit is aiokafka's producer, which reads and computes nothing."""
    dsn = await place.event_store_database(SERVICE)
    events = await fill(dsn, [one for one in mixed(Corpus().cases(BACKLOG)) if one.service == SERVICE])
    connection = await asyncpg.connect(dsn)
    messages = [
        (key_and_partition(row["home"])[0], row["body"], headers_of(row, b"/ooc/disposal"))
        for row in await connection.fetch(_ROWS)
    ]
    await connection.close()
    yield [
        Side(OURS, f"an event store {events:,} events ahead", Relaying(place, dsn, events).round),
        Side("limit", f"aiokafka, transactions of {MAX_EVENTS:,} ready messages", Producing(place, messages).round),
    ]
