"""Every event store: in memory, in a PostgreSQL database of the test's own, and on the servers of tests/simulation."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared.event_store import EventStore
from shared.event_store.memory import MemoryEventStore
from shared.event_store.postgres import PostgresEventStore
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import service_database
from shared.servers import database as connections
from shared.servers.database import as_role
from tests.copied_databases import databases
from tests.integration.event_store.streams import as_application
from tests.simulation.loop import Process, WallLoop
from tests.simulation.network import Network
from tests.simulation.postgres import Servers
from tests.simulation.statements import ANSWERS, empty_tables


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


@pytest.fixture
async def simulated_event_store() -> PostgresEventStore:
    """Return the real event store on the PostgreSQL of the simulation, which so means the same by the same statements."""
    servers = Servers(WallLoop(), Network(Random(1)), ANSWERS)
    servers.add("tests", synchronous=True).fill(empty_tables("tests", "tests/00000001"))
    process = Process(servers.loop, "test")
    opening = servers.create_pool("postgresql://api@sim/tests", connection_class=connections._Connection)
    pool: Any = await process.start(opening)
    return PostgresEventStore(pool, process.now)


@pytest.fixture(
    params=[
        pytest.param("memory", marks=pytest.mark.nightly),
        "postgres",
        pytest.param("simulated", marks=pytest.mark.nightly),
    ]
)
def event_store(request: pytest.FixtureRequest) -> EventStore:
    """Each of the event stores; all answer alike."""
    if request.param == "memory":
        return MemoryEventStore()
    real: EventStore = request.getfixturevalue(f"{request.param}_event_store")
    return real


@pytest.fixture
async def worker(event_store: EventStore, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Yield a worker's connections to the event store's database; None where it is in memory."""
    match request.node.callspec.params["event_store"]:
        case "postgres":
            database = request.getfixturevalue("event_store_database")
            pool = await connections.create_pool(as_role(database, role_name(RoleKind.WORKER, "tests")))
            yield pool
            await pool.close()
        case "simulated":
            yield request.getfixturevalue("simulated_event_store")._pool
        case _:
            yield None
