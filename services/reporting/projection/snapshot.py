"""A snapshot of the database for one answer."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, TypeAlias

import asyncpg

# asyncpg's classes take their parameters in type stubs only.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"

PROJECTED: Final = ("fact", "stream", "duty", "high_water_mark")
"""The tables that a rebuild swaps, in the order in which every transaction locks them."""

LOCKED: Final = ", ".join(PROJECTED)


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """Open a read-only transaction that sees one state of all tables (repeatable read).

    Its first statement locks the tables against the swap of a rebuild. A table that is swapped in after the snapshot was
    taken would seem empty; LOCK takes none.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"lock table {LOCKED} in access share mode")
        yield connection


# Positions grow with `recorded_at`, so one position ends what was known at a time.
_POSITIONS: Final = """
    select s.service, least(coalesce(h.position, 0), case when $2::timestamptz is not null then coalesce((
        select f.position from fact as f
        where f.service = s.service and f.recorded_at <= $2 order by f.recorded_at desc limit 1
    ), 0) end) as position
    from unnest($1::text[]) as s (service) left join high_water_mark as h using (service)
"""


async def positions(
    connection: Connection, services: Iterable[str], known_at: datetime | None = None
) -> dict[str, int]:
    """Return the high-water mark of each service: the position up to which every event is here, or was known at a time."""
    rows = await connection.fetch(_POSITIONS, sorted(services), known_at)
    return {row["service"]: row["position"] for row in rows}
