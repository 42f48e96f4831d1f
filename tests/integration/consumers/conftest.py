"""A projection's database, and what a test looks for in it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.runtime.privileges import CONSUMER, PROJECTION, Schema
from shared.servers import database as connections
from tests.copied_databases import databases
from tests.integration.consumers.worker import EFFECTS
from tests.integration.local.waiting import PATIENCE

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@pytest.fixture
async def projection(database: str, postgres_url: str) -> AsyncIterator[Pool]:
    """Yield connections to a projection's database, with a table of effects besides."""
    await databases(postgres_url, [(urlsplit(database).path[1:], Schema((CONSUMER, PROJECTION)))])
    pool = await connections.create_pool(database)
    await pool.execute(EFFECTS)
    yield pool
    await asyncio.wait_for(pool.close(), PATIENCE)


async def until(look: Callable[[], Awaitable[Any]], seconds: float = PATIENCE, why: str = "") -> Any:
    """Look again until what is seen is true; fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := await look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds: {why or look}"
        await asyncio.sleep(0.05)
    return value
