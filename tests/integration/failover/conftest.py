"""A service whose event store has a standby."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.event_store.postgres import PostgresEventStore
from shared.runtime.provision import databases, events_topic, position_topic, service_database, topics
from shared.servers import database as connections
from tests.integration.event_store.streams import as_application
from tests.integration.failover.pair import Pair, pair_in
from tests.integration.relay.conftest import RelayedService

NAME, SCHEMA = service_database("tests")


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Yield a primary and its standby."""
    with tempfile.TemporaryDirectory(prefix="ooc-pair-", ignore_cleanup_errors=True) as folder:
        async with pair_in(Path(folder)) as running:
            yield running


@pytest.fixture
async def replicated(pair: Pair, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[RelayedService]:
    """Yield a service on whichever takes writes, with nothing recorded."""
    await databases(pair.url, [(NAME, SCHEMA)])
    owner = connections.database_dsn(pair.url, NAME)
    pool = await connections.create_pool(as_application(owner))
    service = RelayedService(topic_prefix, owner, kafka_bootstrap, PostgresEventStore(pool))
    await topics(kafka_bootstrap, [events_topic(service.events, 1), position_topic(service.position, 1)])
    await pair.caught_up()
    yield service
    pool.terminate()
