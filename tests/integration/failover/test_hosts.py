"""An address of several hosts is that of the one which takes writes, and what cannot write is not ready."""

import asyncio
from typing import Final

import pytest

from ooc.evidence.verification import require_answers
from services.system.addresses import NoSystem
from shared.runtime.privileges import ACCESS_LOG
from shared.servers.database import TRANSIENT, WriteProbe, connect, create_pool, hosts_of, writable_host
from shared.servers.settings import Settings
from tests.integration.failover.pair import Pair
from tests.integration.local.waiting import PATIENCE, eventually

ACCESS: Final = next(ACCESS_LOG.migrations.glob("*_access_log.sql")).read_text(encoding="utf-8")


async def test_every_connection_goes_to_the_primary(pair: Pair) -> None:
    """Given an address that names the standby first, connections and programs reach the primary, and after a promotion the other."""
    backwards = pair.url.rpartition("@")[0] + "@"
    first, second = (host.rpartition("@")[2].rpartition("/")[0] for host in hosts_of(pair.url))
    address = f"{backwards}{second},{first}/postgres"
    pool = await create_pool(address)
    assert await pool.fetchval("select not pg_is_in_recovery()")
    assert await writable_host(address) == pair.primary.url
    await require_answers(Settings(database_url=address, kafka=first))
    await pair.fail_over()
    await eventually(lambda: pool.fetchval("select not pg_is_in_recovery()"))
    assert await writable_host(address) == pair.standby.url
    await require_answers(Settings(database_url=address, kafka=second))
    await pair.standby.kill()
    with pytest.raises(NoSystem, match="PostgreSQL does not answer"):
        await require_answers(Settings(database_url=address, kafka=second))
    pool.terminate()


async def test_what_cannot_write_is_not_ready(pair: Pair) -> None:
    """Given a standby that is cut off, so that writes wait, a process is not ready until it is back; and none is on a standby."""
    await pair.primary.ask("create function probe_write" + ACCESS.partition("create function probe_write")[2])
    await pair.synchronous()
    pool = await create_pool(pair.url)
    probe = WriteProbe()
    await probe(pool)
    await pair.cut()
    for _ in range(2):
        with pytest.raises(TRANSIENT):
            await probe(pool)
    assert await pair.primary.ask("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") == 1
    await pair.mend()

    async def ready() -> bool:
        await probe(pool)
        return True

    await eventually(ready)
    with pytest.raises(TRANSIENT):
        await connect(pair.standby.url, statement_seconds=5)
    pool.terminate()


async def test_a_host_that_answers_and_is_not_ready_is_passed_over(postgres_url: str) -> None:
    """Given a first host that accepts a connection and ends it, as one that starts or a proxy of a dead one does, the next is asked."""

    async def end(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(end, "127.0.0.1", 0) as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        login, at, rest = postgres_url.rpartition("@")
        address = f"{login}{at}{host},{rest}"
        connection = await connect(address, statement_seconds=5)
        assert await connection.fetchval("select true")
        await connection.close()
        pool = await asyncio.wait_for(create_pool(address), PATIENCE)
        assert await pool.fetchval("select true")
        await pool.close()
        assert await writable_host(address) == postgres_url
