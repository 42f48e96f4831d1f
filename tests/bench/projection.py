"""Reporting's projection, on real events of all four services: as they are relayed, and again from the event stores."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from services.reporting.projection.projector import apply
from services.reporting.projection.read_models import CONSUMER, READ_MODELS
from services.reporting.rebuild import Rebuild
from shared.event_store.postgres import PostgresEventStore
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.projection_consumer import MAX_RECORDS, ProjectionConsumer
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import as_role, create_pool, database_dsn
from tests.bench.corpus import SERVICES, Corpus, mixed
from tests.bench.limits import Copied
from tests.bench.peer import PEER, Projecting
from tests.bench.place import Place
from tests.bench.processes import process_running, relaying
from tests.bench.relay import fill
from tests.bench.rounds import OURS, Side
from tests.position_keys import KEYS

EVENTS: Final = 12_000
"""How many events one round projects."""

STORED_EVENTS: Final = 48_000
"""How many events are rebuilt from the event stores: enough that the start of the processes is not what is measured."""

PROCESSES: Final = 2
"""How many processes rebuild."""

PEER_EVENTS: Final = 3_000
"""How many the peer projects: it takes them one by one."""

_FACT: Final = {
    "service": "text",
    "stream": "uuid",
    "version": "integer",
    "event_id": "uuid",
    "type": "text",
    "home": "uuid",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
    "position": "bigint",
    "hash": "bytea",
    "body": "bytea",
}


class Projected:
    """The feed in this process, into a new database each round, until so many events stand in its tables."""

    def __init__(self, place: Place, events: int) -> None:
        self._place = place
        self._events = events

    async def seconds(self, namespace: str) -> float:
        """From the first event that comes to the commit of the last."""
        database = await create_pool(await self._place.reporting_database(), max_size=6)
        applied = 0
        began: float | None = None
        done = asyncio.Event()

        async def counted(connection: Any, records: Sequence[ConsumedEvent]) -> None:
            nonlocal applied, began
            began = began or time.perf_counter()
            await apply(connection, records)
            applied += len(records)
            if applied >= self._events:
                done.set()

        feed = ProjectionConsumer(
            CONSUMER,
            services=sorted(READ_MODELS),
            pool=database,
            bootstrap=self._place.kafka,
            keys=KEYS,
            apply=counted,
            namespace=namespace,
            group=f"{namespace}-{time.monotonic_ns()}",
        )
        try:
            async with feed:
                await done.wait()
                async with feed.busy:  # which is free again when the transaction is committed
                    assert began is not None
                    took = time.perf_counter() - began
            facts_stored = await database.fetchval("select count(*) from fact")
            assert facts_stored == self._events, f"{facts_stored} facts of {self._events} events"
            return took
        finally:
            await database.close()


async def event_stores_of(place: Place, corpus: Corpus, wanted: int = EVENTS) -> tuple[dict[str, str], int]:
    """Fill event stores of the four services; return their addresses and how many events they hold together."""
    commands = list(mixed(corpus.cases(wanted)))
    event_stores = {service: await place.event_store_database(service) for service in SERVICES}
    events = 0
    for service, dsn in event_stores.items():
        events += await fill(dsn, [one for one in commands if one.service == service])
    return event_stores, events


async def _copied(place: Place, event_stores: Mapping[str, str]) -> Side:
    rows: list[tuple[Any, ...]] = []
    for service, dsn in event_stores.items():
        database = await create_pool(dsn, max_size=1)
        for record in await PostgresEventStore(database).read(0, 1_000_000):
            stream = record.stream.rpartition("/")[2]
            rows.append((service, stream, record.version, record.event_id, record.type, record.home,
                         record.recorded_at, record.recorded_at, record.position, record.hash, record.body))  # fmt: skip
        await database.close()
    copied = Copied(await place.empty_database(), _FACT, rows, MAX_RECORDS)
    return Side("limit", f"asyncpg, the events alone copied into a table, {MAX_RECORDS:,} at a time", copied.round)


async def _peer(place: Place, corpus: Corpus) -> Side:
    peer = Projecting(await place.empty_database(), corpus.body().decode())
    await asyncio.to_thread(peer.fill, PEER_EVENTS)
    return Side("peer", f"{PEER}'s projection runner, writing only its position", peer.round)


@contextlib.asynccontextmanager
async def live(place: Place) -> AsyncIterator[Sequence[Side]]:
    """Relays in a process of their own publish a backlog, while the feed projects what comes."""
    corpus = Corpus()
    event_stores, events = await event_stores_of(place, corpus)
    projected = Projected(place, events)

    async def together(_seconds: float) -> Mapping[str, float]:
        namespace = await place.topics(list(SERVICES))
        with process_running(relaying, event_stores, place.kafka, namespace):
            return {"events/s": events / await projected.seconds(namespace)}

    yield [
        Side(OURS, f"{events:,} events of four event stores, as their relays publish them", together),
        await _peer(place, corpus),
        await _copied(place, event_stores),
    ]


@contextlib.asynccontextmanager
async def rebuild_from_stores(place: Place) -> AsyncIterator[Sequence[Side]]:
    """`ooc rebuild` into a database whose tables are swapped each round: copy, indexes, comparison and swap."""
    event_stores, events = await event_stores_of(place, Corpus(), STORED_EVENTS)
    database = urlsplit(await place.reporting_database()).path.removeprefix("/")
    sources = {service: as_role(dsn, role_name(RoleKind.VERIFY)) for service, dsn in event_stores.items()}
    target = database_dsn(place.database_url, database)

    async def again(_seconds: float) -> Mapping[str, float]:
        began = time.perf_counter()
        rebuilt = await Rebuild(sources, target, PROCESSES).run()
        took = time.perf_counter() - began
        assert sum(rebuilt.positions.values()) == events, rebuilt
        return {"events/s": events / took}

    yield [
        Side(OURS, f"{events:,} events of four event stores, {PROCESSES} processes, to the end of the swap", again),
        await _copied(place, event_stores),
    ]
