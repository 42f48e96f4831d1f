"""A service's worker: the relay and the reactor in one process, which end together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvloop
from mode import Service as Part
from mode import Worker

from shared.database import pool
from shared.handle import Handler
from shared.keyring import PostgresKeyring
from shared.ledger.postgres import PostgresLedger
from shared.relay import Relay
from shared.service import Service
from shared.settings import Settings
from shared.stream import reactor


class Parts(Part):
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
        Parts(build),
        loop=uvloop.new_event_loop(),
        override_logging=False,
        redirect_stdouts=False,
        blocking_timeout=30.0,
    ).execute_from_commandline()


async def parts_of(service: Service[Any], settings: Settings) -> list[Part]:
    """What a deciding service's worker consists of; a service that reacts to nobody has no reactor."""
    kek = settings.read_kek()
    database = await pool(settings.database(service.name), most=10)
    ledger = PostgresLedger(database)
    relay = Relay(
        service.name,
        events_topic=service.topic,
        position_topic=service.position_topic,
        dsn=settings.database(service.name),
        bootstrap=settings.kafka,
        moved=ledger.moved,
    )
    if not service.reactions:
        return [relay]
    keys = await pool(settings.database("keyring"), most=4)
    handler = Handler(service, ledger, PostgresKeyring(keys, kek), kek.derived("request-digest"))
    return [relay, reactor(service, handler, database, settings)]
