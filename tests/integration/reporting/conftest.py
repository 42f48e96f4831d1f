"""A database of reporting for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.reporting.database import DATABASE
from shared.database import as_role, database_dsn
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import databases


@pytest.fixture
async def owner(postgres_url: str) -> AsyncIterator[Any]:
    """A connection to a new database of reporting, as its owner."""
    name = f"test_reporting_{uuid4().hex[:12]}"
    await databases(postgres_url, [(name, DATABASE[1])])
    connection = await asyncpg.connect(database_dsn(postgres_url, name))
    yield connection
    await connection.close()
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f'drop database "{name}" with (force)')
    await admin.close()


@pytest.fixture
async def pool(postgres_url: str, owner: Any) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """Connections to it, by the role of its worker."""
    url = database_dsn(postgres_url, await owner.fetchval("select current_database()"))
    found = await asyncpg.create_pool(as_role(url, role_name(RoleKind.WORKER, "reporting")), min_size=1, max_size=4)
    yield found
    await found.close()
