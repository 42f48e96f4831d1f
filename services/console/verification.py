"""Verification of the whole system: each service's event store, topic and log, and what reporting made of them.

The event stores' positions are taken once; everything up to them must be whole in every place.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from services.console.addresses import VAR, NoSystem, written
from services.console.idle import REPORTING
from services.registry import DECIDING
from services.reporting.snapshot import positions, snapshot
from services.reporting.verify import refold_differences
from shared.database import create_pool
from shared.event_store.postgres import PostgresEventStore
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.settings import Settings
from shared.runtime.verification import (
    PATIENCE_SECONDS,
    Finding,
    counted,
    verify_service,
)

ANSWER_SECONDS: Final = 5.0
"""How long a server may take to answer at all."""


def stores(var: Path = VAR) -> Settings:
    """Where the data are: as the local system wrote it down, else as the environment says; raises `NoSystem`."""
    noted = written(var)
    if noted is not None:
        return Settings(database_url=noted["postgres"], kafka=noted["kafka"])
    if not (os.environ.get("OOC_DATABASE_URL") and os.environ.get("OOC_KAFKA")):
        raise NoSystem(
            f"No system was found: start one with `ooc up`, or set OOC_DATABASE_URL and OOC_KAFKA (there is no {var}/system.json)."
        )
    return Settings()


async def require_answers(settings: Settings) -> None:
    """See that both servers listen, before anything is waited for; raises `NoSystem`."""
    database = urlsplit(settings.database_url)
    for what, addresses in {
        # Without a host it is a socket in the file system, which is not looked for.
        "PostgreSQL": [f"{database.hostname}:{database.port or 5432}"] if database.hostname else [],
        "Kafka": settings.kafka.split(","),
    }.items():
        if addresses and not any([await _listens(address) for address in addresses]):
            raise NoSystem(
                f"{what} does not answer at {', '.join(addresses)}: start the system with `ooc up`, or correct the address."
            )


async def _listens(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, ValueError):
        return False
    writer.close()
    return True


async def verify(settings: Settings) -> AsyncIterator[Finding]:
    """Every finding about every service, as soon as it is known; raises `NoSystem`."""
    await require_answers(settings)
    heads: dict[str, int] = {}
    for service in DECIDING:
        database = await create_pool(settings.database(service.name, role_name(RoleKind.VERIFY)), max_size=2)
        try:
            heads[service.name] = (await PostgresEventStore(database).head()).position
            async for finding in verify_service(service, database, settings.kafka):
                yield finding
        finally:
            await database.close()
    database = await create_pool(settings.database(REPORTING, role_name(RoleKind.VERIFY)), max_size=2)
    try:
        yield await _caught_up(database, heads)
        async with snapshot(database) as connection:
            count = await connection.fetchval("select count(*) from stream")
        broken = tuple(await refold_differences(database))
        yield Finding(REPORTING, "projection equals a fresh fold", counted(count, "stream"), broken)
    finally:
        await database.close()


async def _caught_up(database: asyncpg.Pool[asyncpg.Record], heads: Mapping[str, int]) -> Finding:
    """Whether the projection holds every event up to the event stores' positions, or comes to hold them in time."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        async with snapshot(database) as connection:
            reached = await positions(connection, heads)
        missing = tuple(
            f"{service}: every event up to {reached[service]} is there, not up to {head}"
            for service, head in heads.items()
            if reached[service] < head
        )
        if not missing or time.monotonic() >= until:
            return Finding(REPORTING, "every event has arrived", counted(sum(heads.values()), "event"), missing)
        await asyncio.sleep(0.2)
