"""Somebody holds one database role, and raises alarms that stop a service, or that no process can read."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.api.access_log import AccessLog
from shared.domain.messages import Actor
from shared.event_store import Appended
from shared.event_store.postgres import PostgresEventStore
from shared.messaging.consumer.alarms import alarms, raise_alarm
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import create_pool
from tests.hostile.databases import Databases
from tests.integration.event_store.streams import Stream

RAISING: Final = (RoleKind.API, RoleKind.WORKER, RoleKind.RELAY, RoleKind.SIGNER)
FORGED: Final = {
    "topic_ahead_of_event_store": {(RoleKind.RELAY, "relay")},
    "log_behind_witness": {(RoleKind.SIGNER, "signer"), (RoleKind.API, "signer")},
    "clocks_apart": set[tuple[RoleKind, str]](),
}
"""Each alarm that stops or is locked by an append, and who may raise it for whom."""


@pytest.mark.parametrize("kind", RAISING)
@pytest.mark.parametrize("name", FORGED)
async def test_no_role_stops_a_service_by_an_alarm_that_is_anothers(
    databases: Databases, kind: RoleKind, name: str
) -> None:
    """Given a role, when it raises an alarm that stops the service for another or for nobody, then that is refused."""
    intruder = await asyncpg.connect(databases.as_role("event store", role_name(kind, "tests")))
    try:
        for consumer in ("relay", "signer", "x", role_name(RoleKind.API, "tests"), role_name(RoleKind.WORKER, "tests")):
            if (kind, consumer) not in FORGED[name] and consumer != role_name(kind, "tests"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="raises no alarm"):
                    await raise_alarm(intruder, consumer, name, "x/access", "forged")
    finally:
        await intruder.close()
    api = await create_pool(databases.as_role("event store", role_name(RoleKind.API, "tests")), max_size=1)
    try:
        assert isinstance(await PostgresEventStore(api).append(Stream().asks(b"note")), Appended)
        await AccessLog(api).record(
            Actor(id=UUID(int=1), role="AUDITOR", organisation="TESTS"), "READ", "x", outcome="GIVEN"
        )
    finally:
        await api.close()


async def test_no_alarm_is_too_long_or_too_many_to_read(databases: Databases) -> None:
    """Given a role that fills the table of alarms, when a process reads them at its start, then it reads some of them, all short."""
    intruder = await asyncpg.connect(databases.as_role("event store", role_name(RoleKind.SIGNER, "tests")))
    consumer = f"x{uuid4().hex}"
    try:
        with pytest.raises(asyncpg.CheckViolationError, match="alarm_is_short"):
            await intruder.execute("insert into alarm values ($1, 'poison', '', repeat('x', 5000))", consumer)
        await raise_alarm(intruder, consumer, "poison", "long", "é" * 5000)
        await intruder.execute(
            "insert into alarm select $1, 'poison', n::text, '' from generate_series(1, 3000) as n", consumer
        )
        assert len(await alarms(intruder)) <= 1000
    finally:
        await intruder.execute("select clear_alarms($1, '{poison}')", consumer)
        await intruder.close()
