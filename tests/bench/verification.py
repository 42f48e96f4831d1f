"""`ooc verify` of a whole system, of the scenarios' events: event stores, keys, topics, logs, checkpoints and reporting."""

import asyncio
import contextlib
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final
from uuid import uuid4

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from ooc.evidence.verification import verify
from services.reporting.projection.projector import apply
from services.system.registry import databases_without_events
from shared.domain.envelope import GENESIS, type_in
from shared.domain.sealing import key_ids_in
from shared.event_store.postgres import PostgresEventStore
from shared.evidence.log import ACCESS, EVENTS
from shared.evidence.signer import CheckpointSigner
from shared.evidence.verification.streams import claims_after, owner_of
from shared.privacy.signed_note import SigningKeys
from shared.runtime.privileges import RoleKind, Schema, role_name
from shared.runtime.provision import databases, every_database, provision_topics
from shared.servers.database import as_role, create_pool
from tests.bench.corpus import SERVICES, Corpus, mixed
from tests.bench.place import Place
from tests.bench.processes import process_running, relaying
from tests.bench.relay import fill
from tests.bench.rounds import OURS, Side
from tests.isolated_settings import IsolatedSettings
from tests.linked_services import link_services

HELD: Final = 24_000
"""How many events the system holds."""

BATCH: Final = 2_000
PATIENCE: Final = 600
"""Seconds for which relay and signer are waited for."""

_BODIES: Final = "select stream, body from event order by stream, version"
_KEY: Final = """
    insert into data_key (subject, generation, epoch, wrapped, created_at) values ($1, $2, '1', $3, 'epoch')
    on conflict do nothing
"""
_ROWS: Final = """
    select position, recorded_at, stream, version, event_id, type, home, hash, body, log_hash
    from event where position > $1 order by position limit $2
"""


class System:
    """A whole system in databases of its own, and in the topics of a Kafka where it is the only one."""

    def __init__(self, database_url: str, kafka: str) -> None:
        self.settings = IsolatedSettings(
            prefix=f"bench_verify_{uuid4().hex[:8]}",
            database_url=database_url,
            kafka=kafka,
            kafka_replication=1,
            mode="local",
        )
        self.events = 0

    def database(self, name: str, kind: RoleKind) -> str:
        """Return the address of a database of a service, for one of its roles."""
        return self.settings.database(name, role_name(kind, name))

    def owned(self, name: str) -> str:
        """Return the address of a database, for its owner."""
        return as_role(self.settings.database(name, ""), "postgres")

    async def fill(self, events: int, corpus: Corpus | None = None) -> None:
        """Record so many events or a few more; publish, project and sign them; hold the keys and claims that they name."""
        await databases(self.settings.database_url, self._databases())
        await provision_topics(self.settings, list(SERVICES), ["reporting"])
        commands = list(mixed((corpus or Corpus()).cases(events)))
        stores = {name: self.database(name, RoleKind.API) for name in SERVICES}
        counts = {
            name: await fill(dsn, [one for one in commands if one.service == name]) for name, dsn in stores.items()
        }
        self.events = sum(counts.values())
        with process_running(relaying, stores, self.settings.kafka, "ooc"):
            for name, count in counts.items():
                await self._until(name, "select coalesce(max(position), 0) from relayed", count)
        for name, count in counts.items():
            await self._hold_keys_and_claims(name)
            await self._project(name)
            await self._sign(name, count)
        await link_services(self.settings)

    def _databases(self) -> list[tuple[str, Schema]]:
        wanted = every_database(SERVICES, databases_without_events())
        return [(name.replace("ooc", self.settings.prefix, 1), schema) for name, schema in wanted]

    async def remove(self) -> None:
        """Remove its databases and topics."""
        connection = await asyncpg.connect(self.settings.database_url)
        for name, _ in self._databases():
            await connection.execute(f'drop database if exists "{name}" with (force)')
        await connection.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka)
        await admin.start()
        try:
            topics = [topic for topic in await admin.list_topics() if topic.startswith("ooc.")]
            await admin.delete_topics(topics)
            deadline = time.monotonic() + PATIENCE
            while set(topics) & set(await admin.list_topics()):
                assert time.monotonic() < deadline, f"the topics are still there after {PATIENCE} s"
                await asyncio.sleep(0.1)
        finally:
            await admin.close()

    async def _hold_keys_and_claims(self, name: str) -> None:
        """Put a data key, which opens nothing, for each that the events of a service name; and the claims that they make."""
        keys, claims = set[tuple[str, int]](), list[tuple[str, str]]()
        store, keyring = await asyncpg.connect(self.owned(name)), await asyncpg.connect(self.owned("keyring"))
        try:
            rows = await store.fetch(_BODIES)
            for stream, several in itertools.groupby(rows, key=itemgetter("stream")):
                bodies = [row["body"] for row in several]
                keys.update(key for body in bodies for key in key_ids_in(body))
                owner = owner_of(SERVICES[name], type_in(bodies[0]))
                claims += [(key, stream) for key in claims_after(owner, [owner.events.read(body) for body in bodies])]
            await store.copy_records_to_table("claim", records=claims, columns=["key", "stream"])
            wanted = [(*key, bytes(60)) for key in sorted(keys)]
            for n in range(0, len(wanted), BATCH):  # a key holds a lock to the end of its transaction
                await keyring.executemany(_KEY, wanted[n : n + BATCH])
        finally:
            await store.close()
            await keyring.close()

    async def _project(self, name: str) -> None:
        """Project the events of a service, straight from its event store."""
        store = await create_pool(self.database(name, RoleKind.API), max_size=1)
        reporting = await create_pool(self.database("reporting", RoleKind.WORKER), max_size=1)
        try:
            at = 0
            while records := await PostgresEventStore(store).read(at, BATCH):
                async with reporting.acquire() as connection, connection.transaction():
                    await apply(connection, records)
                at = records[-1].position
        finally:
            await store.close()
            await reporting.close()

    async def _sign(self, name: str, count: int) -> None:
        """Let the signer of a service sign its log."""
        signer = CheckpointSigner(
            name,
            authority="bench.example",
            logs=(EVENTS, ACCESS),
            topic=f"ooc.{name}.checkpoints",
            dsn=self.database(name, RoleKind.SIGNER),
            bootstrap=self.settings.kafka,
            keys=SigningKeys({"1": bytes(32)}),
        )
        async with signer:
            await self._until(name, "select coalesce(max(size), 0) from signed_checkpoint where log = 'events'", count)

    async def _until(self, name: str, query: str, wanted: int) -> None:
        connection = await asyncpg.connect(self.owned(name))
        try:
            deadline = time.monotonic() + PATIENCE
            while (found := await connection.fetchval(query)) < wanted:
                assert time.monotonic() < deadline, f"{name}: {found} of {wanted} after {PATIENCE} s: {query}"
                await asyncio.sleep(0.1)
        finally:
            await connection.close()

    async def verified(self, _seconds: float) -> Mapping[str, float]:
        """Verify all once, from the first connection to the last finding: events a second."""
        start = time.perf_counter()
        broken = [found async for found in verify(self.settings) if not found.ok]
        assert broken == [], broken
        return {"events/s": self.events / (time.perf_counter() - start)}

    async def hashed(self, _seconds: float) -> Mapping[str, float]:
        """Read the rows of all event stores once, in order of position, and hash them: events a second."""
        start, hash_ = time.perf_counter(), GENESIS
        for name in SERVICES:
            connection: Any = await asyncpg.connect(self.database(name, RoleKind.API))
            at = 0
            while rows := await connection.fetch(_ROWS, at, BATCH):
                for row in rows:
                    hash_ = hashlib.sha256(hash_ + row["body"]).digest()
                at = rows[-1]["position"]
            await connection.close()
        return {"events/s": self.events / (time.perf_counter() - start)}


@contextlib.asynccontextmanager
async def verification(place: Place) -> AsyncIterator[Sequence[Side]]:
    """Yield the verification of a whole system; the limit reads the rows of its event stores and hashes them, no more."""
    system = System(place.database_url, place.kafka)
    await system.fill(HELD)
    yield [
        Side(OURS, f"all checks of {system.events:,} events of four services", system.verified),
        Side("limit", "asyncpg and SHA-256, the rows of the event stores once, one process", system.hashed),
    ]
