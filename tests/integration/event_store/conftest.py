"""Both event stores: in memory, and in a PostgreSQL database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from shared import database as connections
from shared.event_store import EventStore
from shared.event_store.memory import MemoryEventStore
from shared.event_store.postgres import PostgresEventStore
from shared.runtime.provision import databases, service_database
from tests.integration.event_store.streams import as_application


@pytest.fixture
async def event_store_database(database: str, postgres_url: str) -> str:
    """Return a service's database: its address, as its owner."""
    await databases(postgres_url, [(urlsplit(database).path[1:], service_database("tests")[1])])
    return database


@pytest.fixture
async def postgres_event_store(event_store_database: str) -> AsyncIterator[PostgresEventStore]:
    """Yield the real event store, by the application's role."""
    pool = await connections.create_pool(as_application(event_store_database))
    yield PostgresEventStore(pool)
    await pool.close()


@pytest.fixture(params=["memory", "postgres"])
def event_store(request: pytest.FixtureRequest) -> EventStore:
    """Each of the two event stores; both answer alike."""
    if request.param == "memory":
        return MemoryEventStore()
    real: EventStore = request.getfixturevalue("postgres_event_store")
    return real
