"""PostgreSQL fails under an append, or has no room: each command is recorded once or not at all, and nothing in part."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from shared.event_store import Appended, DuplicateCommand, EventStoreUnavailable
from shared.event_store.postgres import PostgresEventStore
from shared.evidence.verification.log import LogChecks, check_log, end_of_log
from shared.runtime import provision
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import events_topic, position_topic, service_database, topics
from shared.servers import database as connections
from tests.copied_databases import databases
from tests.hostile.test_full_disk import fill, small_disk
from tests.integration.event_store.streams import Stream, as_application, as_verifier
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService
from tests.local_servers import servers
from tests.ports import free_ports
from tools.local import postgres

__all__ = ["small_disk"]

WRITERS = 6
EACH = 40
KILLS = 4


@asynccontextmanager
async def store_on(folder: Path) -> AsyncIterator[str]:
    """Run a PostgreSQL of the test's own in a folder, with an event store: its address, as its owner."""
    (port,) = free_ports(1)
    async with servers(folder, postgres_port=port):
        name, schema = service_database("tests")
        await provision.databases(postgres.dsn(port), [(name, schema)])
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


async def kill_appends(address: str, killed: list[int]) -> None:
    """Kill the server's process of a connection that is inside `append`, again and again, and note their ids."""
    while len(killed) < KILLS:
        await eventually(lambda: postgres.answers(address))
        # a server may answer once more before it notices that its process of the last kill is gone
        with contextlib.suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
            pid = await process_of_an_append(address)
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)


async def process_of_an_append(address: str) -> int:
    """Return the id of a server's process that is inside `append` now."""
    owner = await asyncpg.connect(address)
    try:
        pid: int | None = None
        while pid is None:
            pid = await owner.fetchval(
                "select pid from pg_stat_activity where usename = $1 and state = 'active' and query like '%append(%'",
                role_name(RoleKind.API, "tests"),
            )
        return pid
    finally:
        owner.terminate()


@pytest.mark.slow
async def test_a_backend_that_is_killed_inside_append_loses_and_doubles_nothing() -> None:
    """Given writers, when the server's process of an append is killed, again and again, then each command is recorded once."""
    with tempfile.TemporaryDirectory(prefix="ooc-test-", ignore_cleanup_errors=True) as folder:
        async with store_on(Path(folder)) as address:
            pool = await connections.create_pool(as_application(address))
            event_store = PostgresEventStore(pool)
            killed: list[int] = []
            killing = asyncio.create_task(kill_appends(address, killed))
            await asyncio.gather(*(write_surely(event_store, Stream(), EACH) for _ in range(WRITERS)))
            killing.cancel()
            await asyncio.wait([killing])
            assert killed
            await pool.close()
            await require_whole(address, WRITERS * EACH)


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [700_000_000], indirect=True)
async def test_a_store_without_room_refuses_and_goes_on_when_there_is_some(small_disk: Path) -> None:
    """Given a store whose disk fills up, commands are refused; with room again, the same commands are recorded once."""
    async with store_on(small_disk) as address:
        pool = await connections.create_pool(as_application(address))
        event_store = PostgresEventStore(pool)
        stream = Stream()
        await write_surely(event_store, stream, 3)
        ballast = fill(small_disk)
        append = stream.asks(b"x" * 100)
        refused = None
        while refused is None:
            try:
                assert isinstance(await event_store.append(append), Appended)
                stream.knows(append)
                append = stream.asks(os.urandom(200_000))
            except EventStoreUnavailable as error:
                refused = error
        ballast.unlink()
        await eventually(lambda: postgres.answers(address))
        while True:
            with contextlib.suppress(EventStoreUnavailable):
                assert isinstance(await event_store.append(append), Appended | DuplicateCommand)
                break
        stream.knows(append)
        await write_surely(event_store, stream, 3)
        await pool.close()
        await require_whole(address, stream.version)


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [700_000_000], indirect=True)
async def test_a_topic_without_room_is_filled_when_there_is_some(
    small_disk: Path, database: str, postgres_url: str, topic_prefix: str
) -> None:
    """Given a broker whose disk fills up, commands are recorded all the same; with room again, the topic has each event once."""
    await databases(postgres_url, [(database.rpartition("/")[2], service_database("tests")[1])])
    pool = await connections.create_pool(as_application(database))
    port, controller = free_ports(2)
    relayed = RelayedService(topic_prefix, database, f"127.0.0.1:{port}", PostgresEventStore(pool))
    async with servers(small_disk, kafka_ports=(port, controller)) as supervisor:
        await topics(relayed.bootstrap, [events_topic(relayed.events, 1), position_topic(relayed.position, 1)])
        relay = relayed.relay()
        async with relay:
            await relayed.write(streams=4, events=2)
            await relayed.relayed()
            ballast = fill(small_disk)

            async def stands_still() -> bool:
                await relayed.write(streams=1, events=4, size=400_000)
                return relay.reached is None

            await eventually(stands_still, 120)
            ballast.unlink()
            async with asyncio.timeout(120):
                await supervisor.ready("kafka")
            await relayed.relayed(within=120)
        await relayed.assert_exactly_the_event_store()
    await pool.close()
