"""Where the benches run: one PostgreSQL with fsync on and one Kafka, started for them and removed afterwards."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg

from services.reporting.database import DATABASE
from shared.runtime.privileges import RoleKind, Schema, role_name
from shared.runtime.provision import KEYRING_DATABASE, databases, events_topic, position_topic, service_database, topics
from shared.servers.database import as_role, database_dsn
from tests.local_servers import servers
from tests.ports import free_ports
from tools.local import postgres

KAFKA_OPTIONS: Final = "KAFKA_JVM_PERFORMANCE_OPTS"
"""The environment variable that chooses Java's compilers for Kafka."""


@dataclass(frozen=True)
class Place:
    """The servers' addresses, and fresh databases and topics on them."""

    folder: Path
    database_url: str
    kafka: str

    async def event_store_database(self, service: str) -> str:
        """Return a new event store of a service: its address, for the role that appends."""
        return as_role(await self._database(service_database(service)[1]), role_name(RoleKind.API, service))

    async def keyring_database(self, service: str) -> str:
        """Return a new keyring, likewise; the service has an event store already."""
        return as_role(await self._database(KEYRING_DATABASE[1]), role_name(RoleKind.API, service))

    async def reporting_database(self) -> str:
        """Return a new database of reporting: its address, for the role that projects."""
        return as_role(await self._database(DATABASE[1]), role_name(RoleKind.WORKER, "reporting"))

    async def empty_database(self) -> str:
        """Return a database without anything: its address, for its owner."""
        return await self._database(None)

    async def topics(self, services: Sequence[str]) -> str:
        """Make new topics for some services; return their namespace."""
        namespace = f"bench-{uuid4().hex[:8]}"
        wanted = [events_topic(f"{namespace}.{service}.events", 1) for service in services]
        wanted += [position_topic(f"{namespace}.{service}.position", 1) for service in services]
        await topics(self.kafka, wanted)
        return namespace

    async def _database(self, schema: Schema | None) -> str:
        name = f"bench_{uuid4().hex[:8]}"
        if schema is not None:
            await databases(self.database_url, [(name, schema)])
        else:
            connection = await asyncpg.connect(self.database_url)
            await connection.execute(f"create database {name}")
            await connection.close()
        return database_dsn(self.database_url, name)


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    """Yield the servers, with their data in `folder`, as long as the body runs."""
    shutil.rmtree(folder, ignore_errors=True)
    port, *kafka_ports = free_ports(3)
    os.environ.setdefault(KAFKA_OPTIONS, "")  # both compilers: its speed counts here, not its start
    try:
        async with servers(folder, postgres_port=port, kafka_ports=(kafka_ports[0], kafka_ports[1])):
            yield Place(folder, postgres.dsn(port), f"127.0.0.1:{kafka_ports[0]}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
