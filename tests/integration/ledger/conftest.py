"""Both ledgers: in memory, and in a PostgreSQL database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from shared import database as connections
from shared.ledger import Ledger
from shared.ledger.memory import MemoryLedger
from shared.ledger.postgres import PostgresLedger
from shared.provision import databases, service_database
from tests.integration.ledger.streams import as_application


@pytest.fixture
async def ledger_database(database: str, postgres_url: str) -> str:
    """A service's database: its address, as its owner."""
    await databases(postgres_url, [(urlsplit(database).path[1:], service_database("tests")[1])])
    return database


@pytest.fixture
async def postgres_ledger(ledger_database: str) -> AsyncIterator[PostgresLedger]:
    """The real ledger, by the application's role."""
    pool = await connections.pool(as_application(ledger_database))
    yield PostgresLedger(pool)
    await pool.close()


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Each of the two ledgers; both answer alike."""
    if request.param == "memory":
        return MemoryLedger()
    real: Ledger = request.getfixturevalue("postgres_ledger")
    return real
