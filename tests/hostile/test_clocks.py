"""The database's clock goes an hour ahead and back, while commands are recorded: their order, times and proofs stay whole."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from shared.api.access_log import AccessLog
from shared.event_store import Appended, ClocksApart, DuplicateCommand, EventStoreUnavailable
from shared.event_store.anchors import Anchors
from shared.event_store.postgres import PostgresEventStore
from shared.evidence.verification.access_log import check_access_log
from shared.evidence.verification.log import LogChecks, check_log, end_of_log
from shared.evidence.verification.problems import CountedCheck
from shared.runtime.provision import databases, service_database
from shared.servers import database as connections
from tests.integration.event_store.streams import Stream, as_application, as_verifier
from tests.integration.event_store.tallies import KEEPER
from tests.integration.local.waiting import eventually
from tests.ports import free_ports
from tools.local import postgres
from tools.local.supervisor import Supervisor

LIBRARY: Final = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        LIBRARY is None, reason="libfaketime is not installed (Debian: apt-get install faketime): no clock is moved"
    ),
]

EACH: Final = 5


@asynccontextmanager
async def store_by_a_clock(folder: Path, clock: Path) -> AsyncIterator[str]:
    """Run a PostgreSQL whose clock a file moves, with an event store: its address, as its owner."""
    assert LIBRARY is not None, "install faketime"
    (port,) = free_ports(1)
    moved = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with Supervisor(folder, [replace(postgres.process(folder / "postgres", port), env=moved)]):
        name, schema = service_database("tests")
        await databases(postgres.dsn(port), [(name, schema)])
        yield postgres.dsn(port, name)


async def write_surely(event_store: PostgresEventStore, stream: Stream, events: int) -> None:
    """Write events one by one, as a client does that repeats a command until it is answered."""
    for n in range(events):
        append = stream.asks(b"%d" % n)
        while True:
            with contextlib.suppress(EventStoreUnavailable):
                result = await event_store.append(append)
                assert isinstance(result, Appended | DuplicateCommand), result
                break
        stream.knows(append)


async def require_whole(address: str, events: int) -> None:
    """See that the log holds so many events, one answer for each, and hashes that follow."""
    pool = await connections.create_pool(as_verifier(address))
    checks = LogChecks()
    end = await end_of_log(pool, 0, checks.places)
    await check_log(pool, end, checks)
    await pool.close()
    assert (end.position, end.answers, end.last) == (events, events, events)
    assert (checks.places.lines, checks.hashes.lines, checks.answers.lines) == ((), (), ())


async def test_a_clock_that_jumps_changes_no_order_and_no_proof() -> None:
    """Given a clock an hour ahead, nothing is recorded by it; right again or an hour behind, positions, times and hashes go on."""
    with tempfile.TemporaryDirectory(prefix="ooc-test-", ignore_cleanup_errors=True) as folder:
        clock = Path(folder) / "clock"
        clock.write_text("+0\n", encoding="ascii")
        Path(folder).chmod(0o755)
        async with store_by_a_clock(Path(folder), clock) as address:
            owner = await asyncpg.connect(address)
            pool = await connections.create_pool(as_application(address))
            stream, hour = Stream(), timedelta(hours=1)
            for moved in (timedelta(), hour, timedelta(), -hour):
                clock.write_text(f"{moved.total_seconds():+.0f}\n", encoding="ascii")

                async def has_moved(by: timedelta = moved) -> bool:
                    now: datetime = await owner.fetchval("select clock_timestamp()")
                    return abs(now - datetime.now(UTC) - by) < timedelta(minutes=1)

                await eventually(has_moved)
                store = PostgresEventStore(pool)
                if moved > timedelta():
                    with pytest.raises(ClocksApart):
                        await store.append(stream.asks(b"refused"))
                else:
                    await write_surely(store, stream, EACH)
                await AccessLog(pool).record(KEEPER, "READ_STATE", stream.name, outcome="GIVEN")
            last = await owner.fetchval("select recorded_at from head")
            assert abs(last - datetime.now(UTC)) < timedelta(minutes=2), "no moved clock is in any time"
            await owner.close()
            await pool.close()
            await require_whole(address, 3 * EACH)
            verifier, reads = await connections.create_pool(as_verifier(address)), CountedCheck()
            await check_access_log(verifier, Anchors(), reads)
            await verifier.close()
            assert (reads.entries, reads.problems.lines) == (4, ())
