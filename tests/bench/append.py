"""Appending single events to the event store, by 64 callers of one process at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from shared.event_store import Appended
from shared.event_store.postgres import PostgresEventStore
from shared.servers.database import create_pool
from tests.bench.corpus import Corpus
from tests.bench.figures import milliseconds
from tests.bench.limits import DurableRows
from tests.bench.peer import PEER, Recorder
from tests.bench.place import Place
from tests.bench.rounds import OURS, Side
from tests.integration.event_store.streams import EventTail, Stream

SERVICE: Final = "disposal"
"""A service that the system has: verification names the database roles of any other."""
CALLERS: Final = 64
CONNECTIONS: Final = 32
LENGTH: Final = 10
"""How many events a caller writes to a stream before it begins another."""


class Appending:
    """Callers that append one event after the other, each to streams of its own, and wait for every answer."""

    def __init__(self, event_store: PostgresEventStore, body: bytes) -> None:
        self._event_store = event_store
        self._rest = EventTail(body[body.index(b'"occurred_at"') :])

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Events a second, and how long one takes."""
        took: list[float] = []
        start = time.perf_counter()
        until = start + seconds

        async def call() -> None:
            now = time.perf_counter()
            while now < until:
                stream = Stream(service=SERVICE)
                while stream.version < LENGTH and now < until:
                    append = stream.asks(self._rest)
                    result = await self._event_store.append(append)
                    assert isinstance(result, Appended), result
                    stream.knows(append)
                    took.append(-now + (now := time.perf_counter()))

        await asyncio.gather(*(call() for _ in range(CALLERS)))
        return {"events/s": len(took) / (time.perf_counter() - start), "p99 ms": milliseconds(took)["p99 ms"]}


@contextlib.asynccontextmanager
async def by_64(place: Place) -> AsyncIterator[Sequence[Side]]:
    """64 callers; the limit is 32 connections that commit single rows."""
    body = Corpus().body()
    database = await create_pool(await place.event_store_database(SERVICE), max_size=10)
    empty = await place.empty_database()
    rows = await DurableRows.open(empty, CONNECTIONS, body)
    peer = Recorder(empty, CALLERS, body)
    try:
        yield [
            Side(
                OURS,
                f"{CALLERS} callers, events of {len(body)} bytes",
                Appending(PostgresEventStore(database), body).round,
            ),
            Side("peer", f"{PEER}, safe mode, {CALLERS} threads", peer.round),
            Side("limit", f"asyncpg, {CONNECTIONS} connections committing single rows", rows.round),
        ]
    finally:
        await asyncio.to_thread(peer.close)
        await rows.close()
        await database.close()
