"""A service's worker: the relay and the reactor in one process, which end together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvloop
from mode import Service as Part
from mode import Worker

from shared.command_handler import CommandHandler
from shared.database import create_pool
from shared.event_store.postgres import PostgresEventStore
from shared.messaging.consumer import log_alarms
from shared.messaging.faust_consumer import reactor
from shared.messaging.relay import Relay
from shared.privacy.keyring import PostgresKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.service import Service
from shared.runtime.settings import Settings


class ServiceGroup(Part):
    """Everything that runs in one worker; where one part crashes, all end and the process exits with an error."""

    def __init__(self, build: Callable[[], Awaitable[Sequence[Part]]]) -> None:
        super().__init__()
        self._build = build

    async def on_start(self) -> None:
        """Build the parts in the loop in which they run."""
        for part in await self._build():
            await self.add_runtime_dependency(part)


def run(build: Callable[[], Awaitable[Sequence[Part]]]) -> None:
    """Run the parts until SIGTERM or SIGINT; does not return."""
    Worker(
        ServiceGroup(build),
        loop=uvloop.new_event_loop(),
        override_logging=False,
        redirect_stdouts=False,
        blocking_timeout=30.0,
    ).execute_from_commandline()


async def worker_components(service: Service[Any], settings: Settings) -> list[Part]:
    """What a deciding service's worker consists of; one that reads no other's topic has no reactor."""
    kek = settings.read_kek()
    role = role_name(RoleKind.WORKER, service.name)
    database = await create_pool(settings.database(service.name, role), max_size=10)
    await log_alarms(database, f"{service.name}-worker")
    event_store = PostgresEventStore(database)
    relay = Relay(
        service.name,
        events_topic=service.topic,
        position_topic=service.position_topic,
        dsn=settings.database(service.name, role_name(RoleKind.RELAY, service.name)),
        bootstrap=settings.kafka,
        moved=event_store.moved,
    )
    if not service.consumed_topics:
        return [relay]
    keys = await create_pool(settings.database("keyring", role), max_size=4)
    handler = CommandHandler(service, event_store, PostgresKeyring(keys, kek), kek.derived("request-digest"))
    return [relay, reactor(service, handler, database, settings)]
