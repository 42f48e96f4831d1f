"""Somebody with the broker's disk changes the file of a topic while the broker is away: verification names the records."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiokafka.record.util import calc_crc32c

from shared.event_store.postgres import PostgresEventStore
from shared.evidence.verification.problems import Problems
from shared.evidence.verification.topic import check_reached, check_topic, read_position_record
from shared.runtime.provision import checkpoints_topic, events_topic, position_topic, service_database, topics
from shared.servers import database as connections
from tests.copied_databases import databases
from tests.integration.event_store.streams import as_application, as_verifier
from tests.integration.event_store.tallies import SERVICE
from tests.integration.relay.conftest import RelayedService
from tests.local_servers import servers
from tests.ports import free_ports

EVENTS = 24


@dataclass
class Broker:
    """A Kafka of the test's own that is stopped and started again over the same files."""

    folder: Path
    ports: tuple[int, int]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports[0]}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with servers(self.folder, kafka_ports=self.ports):
            yield self.address

    def segments(self, topic: str) -> Iterator[Path]:
        """Return the files that hold the records of a topic, but the empty ones."""
        return (file for file in sorted(self.folder.rglob(f"{topic}-*/*.log")) if file.stat().st_size)


def forge(content: bytes) -> bytes:
    """Change a year in every event of a segment, and mend the checksum of each batch as a careful forger does."""
    return with_checksums(alter(content))


def alter(content: bytes) -> bytes:
    """Change a year in every event of a segment, and no checksum."""
    return content.replace(b'"1999-01-01', b'"1998-01-01')


def cut(content: bytes) -> bytes:
    """Take the last batches away: a segment of an older copy."""
    batches = list(batches_of(content))
    return b"".join(batches[:1])


def batches_of(content: bytes) -> Iterator[bytes]:
    """Yield the record batches of a segment: each has its length after its offset."""
    while content:
        length = 12 + int.from_bytes(content[8:12], "big")
        yield content[:length]
        content = content[length:]


def with_checksums(content: bytes) -> bytes:
    """Return a segment with the checksum of each batch computed anew."""
    return b"".join(
        batch[:17] + calc_crc32c(batch[21:]).to_bytes(4, "big") + batch[21:] for batch in batches_of(content)
    )


@pytest.fixture
def broker() -> Iterator[Broker]:
    port, controller = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="ooc-test-", ignore_cleanup_errors=True) as folder:
        yield Broker(Path(folder), (port, controller))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (forge, "not what the event store holds at position 1: its bytes"),
        (alter, "cannot be decoded"),
        (cut, "it goes beyond the end of partition"),
    ],
)
async def test_a_replaced_segment_is_named(
    broker: Broker, database: str, postgres_url: str, topic_prefix: str, change: Callable[[bytes], bytes], said: str
) -> None:
    """Given every segment of a topic altered, with or without its checksums, or cut, then verification says what is missing or changed."""
    await databases(postgres_url, [(urlsplit(database).path[1:], service_database("tests")[1])])
    store = await connections.create_pool(as_application(database))
    relayed = RelayedService(topic_prefix, database, broker.address, PostgresEventStore(store))
    async with broker.running():
        await topics(
            broker.address,
            [
                events_topic(relayed.events, 1),
                position_topic(relayed.position, 1),
                checkpoints_topic(relayed.checkpoints, 1),
            ],
        )
        async with relayed.relay():
            for _ in range(2):
                await relayed.write(streams=EVENTS // 4, events=2)
                await relayed.relayed()
        assert await found(relayed) == []
    segments = list(broker.segments(relayed.events))
    assert segments
    for file in segments:
        file.write_bytes(change(file.read_bytes()))
    async with broker.running():
        lines = await found(relayed)
    await store.close()
    assert any(said in line for line in lines), lines


async def found(relayed: RelayedService) -> list[str]:
    """Return what verification says of the topic."""
    events = replace(SERVICE.events, namespace=relayed.namespace)
    service = replace(SERVICE, read_model=replace(SERVICE.read_model, events=events))
    problems = Problems()
    pool = await connections.create_pool(as_verifier(relayed.owner))
    reached = await read_position_record(service, pool, relayed.bootstrap, problems)
    await check_reached(pool, reached, problems)
    await check_topic(service, pool, relayed.bootstrap, reached.position, problems)
    await pool.close()
    return list(problems.lines)
