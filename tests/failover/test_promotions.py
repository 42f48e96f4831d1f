"""Promotions under load, of one service's event store and relay: quick enough for fifty in some minutes."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from shared.event_store.postgres import PostgresEventStore
from shared.runtime.provision import databases, events_topic, position_topic, topics
from shared.servers import database as connections
from tests.failover.conftest import SECONDS, SEED, Note
from tests.failover.faults import PLAYABLE, Fault, worker_frozen
from tests.failover.quorum import Quorum
from tests.failover.rig import Outcome
from tests.integration.event_store.streams import as_application
from tests.integration.failover.conftest import NAME, SCHEMA
from tests.integration.failover.test_acknowledged import Officers
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService, running

PROMOTIONS: Final = [fault for fault in PLAYABLE if fault.promotes and fault.do is not worker_frozen]
SETTLE_SECONDS: Final = 300

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 900)]


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
