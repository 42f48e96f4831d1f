"""From a declaration to running processes: `python -m services.NAME api` or `worker`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from mode import Service as ModeService
from mode import Worker

from shared.api import service_api
from shared.database import pool
from shared.handle import Handler
from shared.keyring import BadKek, PostgresKeyring
from shared.ledger.postgres import PostgresLedger
from shared.relay import Relay
from shared.service import Service
from shared.settings import Settings
from shared.stream import reactor
from shared.telemetry import log_to_stderr

USAGE = "say what to run: python -m services.NAME api|worker"


def main(service: Service[Any]) -> None:
    """Run one process of a deciding service, as the command line says; exits 2 where it says nothing sensible."""
    choose(
        service.name,
        api=lambda settings: serve(service_api(service, settings), settings),
        worker=lambda settings: run(lambda: work(service, settings)),
    )


def choose(name: str, *, api: Callable[[Settings], None], worker: Callable[[Settings], None]) -> None:
    """Run `api` or `worker` by the command line's one argument."""
    kinds = {"api": api, "worker": worker}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(USAGE.replace("NAME", name))
    log_to_stderr(f"{name}-{sys.argv[1]}")
    try:
        kinds[sys.argv[1]](Settings())
    except BadKek as error:
        sys.exit(str(error))


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve an application until SIGTERM; requests under way end first."""
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
    )


class Parts(ModeService):
    """Everything that runs in one worker; where one part crashes, all end, and the process exits with an error."""

    def __init__(self, build: Callable[[], Awaitable[Sequence[ModeService]]]) -> None:
        super().__init__()
        self._build = build

    async def on_start(self) -> None:
        """Build the parts in the loop in which they run."""
        for part in await self._build():
            await self.add_runtime_dependency(part)


def run(build: Callable[[], Awaitable[Sequence[ModeService]]]) -> None:
    """Run the parts until SIGTERM or SIGINT; does not return."""
    Worker(
        Parts(build),
        loop=uvloop.new_event_loop(),
        override_logging=False,
        redirect_stdouts=False,
        blocking_timeout=30.0,
    ).execute_from_commandline()


async def work(service: Service[Any], settings: Settings) -> list[ModeService]:
    """The parts of a worker: the relay, and where the service reacts to others, its reactor."""
    kek = settings.read_kek()
    database = await pool(settings.database(service.name), most=10)
    parts: list[ModeService] = []
    ledger = PostgresLedger(database)
    parts.append(
        Relay(
            service.name,
            events_topic=service.topic,
            position_topic=service.position_topic,
            dsn=settings.database(service.name),
            bootstrap=settings.kafka,
            moved=ledger.moved,
        )
    )
    if service.reactions:
        keys = await pool(settings.database("keyring"), most=4)
        handler = Handler(service, ledger, PostgresKeyring(keys, kek), kek.derived("request-digest"))
        parts.append(reactor(service, handler, database, settings))
    return parts
