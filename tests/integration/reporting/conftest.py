"""A database of reporting for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.reporting.database import DATABASE
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import as_role, database_dsn
from tests.copied_databases import databases


@pytest.fixture
async def owner(postgres_url: str, database: str) -> AsyncIterator[Any]:
    """Yield a connection to a new database of reporting, as its owner."""
    await databases(postgres_url, [(urlsplit(database).path[1:], DATABASE[1])])
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def pool(postgres_url: str, owner: Any) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """Yield connections to reporting's database, by the role of its worker."""
    url = database_dsn(postgres_url, await owner.fetchval("select current_database()"))
    found = await asyncpg.create_pool(as_role(url, role_name(RoleKind.WORKER, "reporting")), min_size=1, max_size=4)
    yield found
    await found.close()
