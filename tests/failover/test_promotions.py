"""Promotions under load, of one service's event store and relay: quick enough for fifty in some minutes."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from shared.event_store import Appended, EventStoreUnavailable
from shared.event_store.postgres import PostgresEventStore
from shared.runtime.provision import databases, events_topic, position_topic, topics
from shared.servers import database as connections
from tests.failover.conftest import SECONDS, SEED, Note
from tests.failover.faults import PLAYABLE, Fault, worker_frozen
from tests.failover.quorum import Quorum
from tests.failover.rig import Outcome
from tests.integration.event_store.streams import Stream, as_application
from tests.integration.failover.conftest import NAME, SCHEMA
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService, body_of, running

PROMOTIONS: Final = [fault for fault in PLAYABLE if fault.promotes and fault.do is not worker_frozen]
SETTLE_SECONDS: Final = 300

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 900)]


class Officers:
    """Writers of a stream each, who send a command again with the same id until it is acknowledged."""

    def __init__(self, service: RelayedService, count: int = 8) -> None:
        self.acknowledged: dict[str, float] = {}
        """The event of each command that was acknowledged, and when, by the monotonic clock."""
        self._service = service
        self._ended = False
        self._tasks = [asyncio.create_task(self._work(Stream())) for _ in range(count)]

    async def _work(self, stream: Stream) -> None:
        while not self._ended:
            append = stream.asks(body_of(stream.version + 1))
            while True:
                try:
                    loaded = await self._service.event_store.load(append.stream, append.command_id)
                    if loaded.receipt is not None or isinstance(
                        await self._service.event_store.append(append), Appended
                    ):
                        break
                except EventStoreUnavailable:
                    await asyncio.sleep(0.1)
            self.acknowledged[str(append.events[0].event_id)] = time.monotonic()
            stream.knows(append)

    async def more(self, commands: int) -> None:
        """Wait until so many more are acknowledged."""
        until = len(self.acknowledged) + commands
        await eventually(lambda: len(self.acknowledged) >= until, 300)

    def longest_pause(self, since: float) -> float:
        """Return the longest time in seconds in which nobody was answered since then, to the last answer."""
        times = [since, *(at for at in self.acknowledged.values() if at > since)]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    async def end(self) -> None:
        """Let each end what it does."""
        self._ended = True
        await asyncio.gather(*self._tasks)


@dataclass
class Small:
    """A PostgreSQL quorum, and a service on it."""

    quorum: Quorum
    service: RelayedService


@pytest.fixture
async def small(folder: Path, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Small]:
    """Yield a service whose event store has two standbys."""
    quorum = Quorum(folder)
    try:
        await quorum.start()
        await databases(quorum.url, [(NAME, SCHEMA)])
        owner = connections.database_dsn(quorum.url, NAME)
        pool = await connections.create_pool(as_application(owner))
        service = RelayedService(topic_prefix, owner, kafka_bootstrap, PostgresEventStore(pool))
        await topics(kafka_bootstrap, [events_topic(service.events, 1), position_topic(service.position, 1)])
        yield Small(quorum, service)
        pool.terminate()
    finally:
        await quorum.stop()


async def test_each_promotion_keeps_what_was_acknowledged(small: Small, note: Note, until: float) -> None:
    """Given officers at work, whatever way a primary goes, then each receipt is in store and topic, once and in order."""
    chance = random.Random(f"{SEED} promotions")
    acknowledged: set[str] = set()
    async with running(small.service.relay()) as relay:
        while True:
            for fault in chance.sample(PROMOTIONS, len(PROMOTIONS)):
                note(fault.name, await _try(small, fault, chance, acknowledged))
                assert relay.alarm is None
            if time.monotonic() >= until:
                break
    await small.service.assert_exactly_the_event_store()


async def _try(small: Small, fault: Fault, chance: random.Random, acknowledged: set[str]) -> Outcome:
    """Harm the primary once while officers work, and compare what they were told with what is recorded."""
    officers = Officers(small.service)
    await officers.more(chance.randrange(10, 100))
    began = time.monotonic()
    await fault.do(small, chance)  # what promotes needs the quorum alone
    await officers.more(20)
    pause = officers.longest_pause(began)
    await eventually(small.quorum.replicates, SETTLE_SECONDS)
    await officers.end()
    await small.service.relayed(SETTLE_SECONDS)
    recovery = time.monotonic() - began
    acknowledged.update(officers.acknowledged)
    recorded = [str(record.event_id) for record in await small.service.event_store.read(0, 1_000_000)]
    lost, unasked = acknowledged - set(recorded), set(recorded) - acknowledged
    assert not unasked, f"seed {SEED}: recorded, and acknowledged to nobody"
    return Outcome(len(lost), len(recorded) - len(set(recorded)), pause, recovery)
