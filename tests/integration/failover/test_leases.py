"""What a service has only one of is done by another process once its own hangs."""

from __future__ import annotations

import asyncio
import signal
import sys

import asyncpg
import pytest

from shared.runtime.privileges import RoleKind
from shared.servers.database import Lease, LeaseLost, connect
from tests.integration.event_store.streams import as_application
from tests.integration.local.waiting import eventually
from tests.integration.relay import conftest
from tests.integration.relay.conftest import RelayedService, running

relayed_service = conftest.relayed_service
owner = conftest.owner


async def test_a_relay_that_hangs_is_succeeded(relayed_service: RelayedService) -> None:
    """Given a relay that is stopped in its tracks, another publishes within seconds, and the topic stays exact when it goes on."""
    dsn = as_application(relayed_service.owner, RoleKind.RELAY)
    names = (dsn, relayed_service.bootstrap, relayed_service.events, relayed_service.position)
    hung = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.integration.failover.relaying", *names)
    try:
        await relayed_service.write(3, 1)
        await relayed_service.relayed()
        hung.send_signal(signal.SIGSTOP)
        async with running(relayed_service.relay()) as relay:
            await relayed_service.write(3, 1)
            await eventually(lambda: relay.reached is not None and relay.reached.position == 6, 60)
            hung.send_signal(signal.SIGCONT)
            await relayed_service.write(3, 10)
            await relayed_service.relayed()
    finally:
        hung.kill()
        await hung.wait()
    await relayed_service.assert_exactly_the_event_store()


async def test_a_lease_is_one_processs_until_it_expires(
    relayed_service: RelayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a lease, another process gets it when it is given back or not renewed, and its holder hears of that."""
    connection = await connect(as_application(relayed_service.owner, RoleKind.SIGNER), statement_seconds=5)
    one, other = Lease(), Lease()
    assert await one.take(connection)
    assert not await other.take(connection)
    await other.give_back(connection)
    assert not await other.take(connection), "only its holder gives it back"
    await one.give_back(connection)
    assert await other.take(connection)
    monkeypatch.setattr("shared.servers.database.LEASE_SECONDS", 0.01)
    await eventually(lambda: one.take(connection))
    await asyncio.sleep(0.02)
    assert await other.take(connection)
    monkeypatch.setattr("shared.servers.database.LEASE_SECONDS", 60.0)
    assert await other.take(connection)
    one._renewed = 0.0
    with pytest.raises(LeaseLost):
        await one.renew(connection)
    await connection.close()


async def test_a_lease_of_another_primarys_clock_binds_nobody(
    relayed_service: RelayedService, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Given a lease from a primary whose clock was an hour ahead, its successor's workers take it at once."""
    connection = await connect(as_application(relayed_service.owner, RoleKind.SIGNER), statement_seconds=5)
    assert await Lease().take(connection)
    await owner.execute("update lease set expires_at = expires_at + interval '1 hour'")
    assert await Lease().take(connection)
    await connection.close()
