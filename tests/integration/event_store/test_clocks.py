"""One fast or slow clock does not get into the times of recording."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from shared.event_store import Appended, ClocksApart
from shared.event_store.postgres import PostgresEventStore, _columns
from shared.servers.database import create_pool
from tests.integration.event_store.streams import Stream, as_application

ALARMS = "select name, place from alarm"


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_an_event_far_from_its_services_clock_is_refused(event_store_database: str, minutes: int) -> None:
    """Given clocks ten minutes apart, a command is refused and an alarm says so; both end when they agree."""
    pool = await create_pool(as_application(event_store_database))
    owner = await asyncpg.connect(event_store_database)
    wrong = PostgresEventStore(pool, lambda: datetime.now(UTC) + timedelta(minutes=minutes))
    right = PostgresEventStore(pool)
    with pytest.raises(ClocksApart):
        await wrong.append(Stream().asks())
    assert (await right.head()).position == 0
    assert [tuple(row) for row in await owner.fetch(ALARMS)] == [("clocks_apart", "tests")]
    assert isinstance(await right.append(Stream().asks()), Appended)
    assert await owner.fetch(ALARMS) == []
    await owner.close()
    await pool.close()


async def test_the_time_of_a_fast_primary_binds_nobody(event_store_database: str) -> None:
    """Given a last event from ten minutes ahead, none is recorded in the microsecond after it."""
    pool = await create_pool(as_application(event_store_database))
    owner = await asyncpg.connect(event_store_database)
    await owner.execute("update head set recorded_at = clock_timestamp() + interval '10 minutes'")
    with pytest.raises(ClocksApart):
        await PostgresEventStore(pool).append(Stream().asks())
    await owner.close()
    await pool.close()


@pytest.mark.parametrize("counts", [[0], [-1], [2], [None]])
async def test_a_command_with_no_event_or_another_number_is_refused(
    postgres_event_store: PostgresEventStore, counts: list[Any]
) -> None:
    """Given a count that the events do not have, nothing is recorded."""
    columns = list(_columns([Stream().asks()]))
    columns[7] = counts
    numbered = ",".join(f"${n}" for n in range(1, 14))
    with pytest.raises(asyncpg.CheckViolationError):
        await postgres_event_store._pool.execute(f"select append({numbered})", *columns)
    assert (await postgres_event_store.head()).position == 0
