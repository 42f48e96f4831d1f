"""One view of the database for one answer: everything read within it is as of the same moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, TypeAlias

import asyncpg

# asyncpg's classes take their parameters in type stubs only.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """Open a read-only transaction that sees one state of all tables."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


# Positions are dense, so all is there where there are as many facts as the last position says; else up to the first gap.
_POSITIONS: Final = """
    select s.service, case when t.held = t.last then t.last else (
        select min(g.n) - 1 from generate_series(1, t.last) as g (n)
        where not exists (select 1 from fact as f where f.service = s.service and f.position = g.n)
    ) end as position
    from unnest($1::text[]) as s (service)
    cross join lateral (
        select count(*) as held, coalesce(max(position), 0) as last from fact as f
        where f.service = s.service and ($2::timestamptz is null or f.recorded_at <= $2)
    ) as t
"""


async def positions(
    connection: Connection, services: Iterable[str], known_at: datetime | None = None
) -> dict[str, int]:
    """Return by service the high-water mark: the position up to which each event is here, or was known at a time."""
    rows = await connection.fetch(_POSITIONS, sorted(services), known_at)
    return {row["service"]: row["position"] for row in rows}
