"""A service's database and checkpoints topic, a signer, and a witness as a process of its own."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from shared.event_store.postgres import PostgresEventStore
from shared.evidence.checkpoint import Checkpoint, open_checkpoint
from shared.evidence.log import ACCESS, EVENTS, Log, origin_of
from shared.evidence.signer import CheckpointSigner
from shared.evidence.witness_client import WitnessClient
from shared.privacy.signed_note import SigningKeys, VerifierKey
from shared.runtime.privileges import RoleKind
from shared.runtime.provision import checkpoints_topic, service_database, topics
from shared.servers import database as connections
from shared.servers.database import Connection
from tests.copied_databases import databases
from tests.integration.event_store.streams import SERVICE, Stream, as_application
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import body_of, committed
from tests.ports import free_ports

AUTHORITY = "test.example"


@dataclass
class Office:
    """A service with its logs, and what signs them."""

    namespace: str
    owner: str
    bootstrap: str
    event_store: PostgresEventStore
    keys: SigningKeys = field(default_factory=lambda: SigningKeys.read(base64.b64encode(os.urandom(32)).decode()))

    @property
    def topic(self) -> str:
        return f"{self.namespace}.{SERVICE}.checkpoints"

    def signer(self, witness: WitnessClient | None = None) -> CheckpointSigner:
        """Return a signer, not yet started."""
        return CheckpointSigner(
            SERVICE,
            authority=AUTHORITY,
            logs=(EVENTS, ACCESS),
            topic=self.topic,
            dsn=as_application(self.owner, RoleKind.SIGNER),
            bootstrap=self.bootstrap,
            keys=self.keys,
            witness=witness,
        )

    def public_keys(self, log: Log = EVENTS) -> list[VerifierKey]:
        return [signer.key for signer in self.keys.signers(origin_of(AUTHORITY, SERVICE, log))]

    async def write(self, events: int) -> None:
        """Append some events to a stream of their own."""
        stream = Stream()
        for n in range(events):
            await stream.write(self.event_store, body_of(n + 1))

    async def signed(self, connection: Connection, size: int, log: Log = EVENTS) -> str:
        """Wait for the checkpoint of this size and return its note."""

        async def there() -> bool:
            return bool(
                await connection.fetchval(
                    "select true from signed_checkpoint where log = $1 and size = $2", log.name, size
                )
            )

        await eventually(there)
        note: str = await connection.fetchval(
            "select note from signed_checkpoint where log = $1 and size = $2", log.name, size
        )
        return note

    async def published(self) -> list[Checkpoint]:
        """Every checkpoint on the topic."""
        keys = [*self.public_keys(EVENTS), *self.public_keys(ACCESS)]
        return [
            open_checkpoint(message.value.decode(), keys) for message in await committed(self.bootstrap, self.topic)
        ]


@pytest.fixture
async def office(database: str, postgres_url: str, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Office]:
    """Yield a service of the test's own, with nothing recorded."""
    await databases(postgres_url, [(urlsplit(database).path[1:], service_database("tests")[1])])
    pool = await connections.create_pool(as_application(database))
    office = Office(topic_prefix, database, kafka_bootstrap, PostgresEventStore(pool))
    await topics(kafka_bootstrap, [checkpoints_topic(office.topic, 1)])
    yield office
    await pool.close()


@pytest.fixture
async def owner(office: Office) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Yield a connection that may do what no service may."""
    connection = await asyncpg.connect(office.owner)
    yield connection
    await connection.close()


@dataclass
class RunningWitness:
    """A witness as a process."""

    url: str
    folder: Path

    def client(self) -> WitnessClient:
        key = httpx2.get(f"{self.url}/key").text
        return WitnessClient(self.url, VerifierKey.parse(key))

    def sizes(self) -> dict[str, int]:
        notes: dict[str, str] = httpx2.get(f"{self.url}/seen").json()
        return {origin: int(note.split("\n")[1]) for origin, note in notes.items()}


@asynccontextmanager
async def running_witness(folder: Path, keys: list[VerifierKey]) -> AsyncIterator[RunningWitness]:
    """Run `python -m tools.witness`, ready, until the body ends."""
    logs = folder / f"logs-{uuid.uuid4().hex}"
    logs.write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.witness", "--state", str(folder), "--logs", str(logs), "--port", str(port))
    )
    running = RunningWitness(f"http://127.0.0.1:{port}", folder)

    async def answers() -> bool:
        try:
            return (await asyncio.to_thread(httpx2.get, f"{running.url}/key")).status_code == 200
        except httpx2.TransportError:
            assert process.returncode is None
            return False

    try:
        await eventually(answers)
        yield running
    finally:
        process.terminate()
        await process.wait()
