"""What is cancelled while it ends closes its connections: a service that stops cancels its tasks wherever they are."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mode import Service

from shared.runtime.privileges import RoleKind
from shared.servers.database import Lease
from tests.integration.event_store.streams import as_application
from tests.integration.relay.conftest import RelayedService

TURNS = range(1, 6)
"""Turns of the loop within which an end is under way."""


async def cancelled_in_its_end(context: AbstractAsyncContextManager[Any], turns: int) -> Any:
    """Enter a context and leave it in a task, cancel the task some turns of the loop later, and return what it gave."""
    entered, leave = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def work() -> None:
        async with context as given:
            entered.set_result(given)
            await leave.wait()

    task = asyncio.create_task(work())
    given = await entered
    leave.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return given


@pytest.mark.parametrize("turns", TURNS)
async def test_a_lease_has_no_connection_left(relayed_service: RelayedService, turns: int) -> None:
    """Given a task that is cancelled while it gives a lease back, then its connection is closed."""
    dsn = as_application(relayed_service.owner, RoleKind.SIGNER)
    connection = await cancelled_in_its_end(Lease().hold(dsn, "test", Service(), pause=1, seconds=5), turns)
    assert connection.is_closed()
