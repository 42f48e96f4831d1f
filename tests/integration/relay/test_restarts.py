"""The relay beside servers that are killed and stopped: nothing is lost, doubled or reordered for who reads commits."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.event_store.postgres import PostgresEventStore
from shared.runtime.provision import (
    databases,
    events_topic,
    position_topic,
    service_database,
    topics,
)
from shared.servers import database as connections
from tests.integration.event_store.streams import Stream, as_application
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService, body_of, running
from tests.local_servers import servers as local_servers
from tests.ports import free_ports
from tools.local import kafka, postgres
from tools.local.supervisor import Supervisor

pytestmark = pytest.mark.slow


@dataclass
class Machine:
    """Servers that may be killed, and a relayed service on them."""

    servers: Supervisor
    relayed_service: RelayedService

    async def kill(self, name: str) -> None:
        """Kill -9 a server and wait until its supervisor has it up again."""
        restarts = self.servers.restarts(name)
        pid = self.servers.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: self.servers.restarts(name) > restarts)
        await self.servers.ready(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Stop a server in its tracks, or let it go on."""
        pid = self.servers.pid(name)
        assert pid is not None
        os.kill(pid, number)


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    """PostgreSQL and Kafka of the test's own."""
    postgres_port, kafka_port, controller = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="ooc-test-", ignore_cleanup_errors=True) as folder:
        async with local_servers(
            Path(folder), postgres_port=postgres_port, kafka_ports=(kafka_port, controller)
        ) as servers:
            await databases(postgres.dsn(postgres_port), [service_database("tests")])
            owner = postgres.dsn(postgres_port, "ooc_tests")
            pool = await connections.create_pool(as_application(owner))
            relayed_service = RelayedService("tests", owner, f"127.0.0.1:{kafka_port}", PostgresEventStore(pool))
            await topics(
                relayed_service.bootstrap,
                [events_topic(relayed_service.events, 1), position_topic(relayed_service.position, 1)],
            )
            yield Machine(servers, relayed_service)
            pool.terminate()


class Writing:
    """Streams that grow until they are told to end; what the event store says it has, it must have."""

    def __init__(self, relayed_service: RelayedService, streams: int = 20) -> None:
        self.count = 0
        self._relayed_service = relayed_service
        self._ended = asyncio.Event()
        self._tasks = [asyncio.create_task(self._grow(Stream())) for _ in range(streams)]

    async def _grow(self, stream: Stream) -> None:
        while not self._ended.is_set():
            await stream.write(self._relayed_service.event_store, body_of(stream.version + 1))
            self.count += 1

    async def more(self, events: int) -> None:
        """Wait until so many more are written."""
        until = self.count + events
        await eventually(lambda: self.count >= until)

    async def end(self) -> None:
        """Let every stream end its last append."""
        self._ended.set()
        await asyncio.gather(*self._tasks)


async def test_killed_servers_cost_no_event(machine: Machine) -> None:
    """Given writers and a relay, kill -9 of broker and database in turns leaves the topic exactly the event store."""
    chance = random.Random(11)
    async with running(machine.relayed_service.relay()) as relay:
        writing = Writing(machine.relayed_service)
        for name in (kafka.NAME, postgres.NAME, kafka.NAME, postgres.NAME, kafka.NAME):
            await writing.more(chance.randrange(200, 1500))
            await machine.kill(name)
            await eventually(lambda: relay.reached is not None)
        await writing.more(200)
        await writing.end()
        await machine.relayed_service.relayed()
        assert relay.alarm is None
    assert (await machine.relayed_service.event_store.head()).position == writing.count
    await machine.relayed_service.assert_exactly_the_event_store()


async def test_a_broker_that_stands_still_leaves_no_commit_in_doubt(machine: Machine) -> None:
    """Given a broker that stops answering in the middle of commits, the relay gives up, asks again, and goes on."""
    async with running(machine.relayed_service.relay()) as relay:
        writing = Writing(machine.relayed_service)
        for events in (300, 500):
            await writing.more(events)
            machine.signal(kafka.NAME, signal.SIGSTOP)
            await eventually(lambda: relay.reached is None)
            machine.signal(kafka.NAME, signal.SIGCONT)
            await eventually(lambda: relay.reached is not None)
        await writing.end()
        await machine.relayed_service.relayed()
    await machine.relayed_service.assert_exactly_the_event_store()


async def test_two_relays_take_over_from_each_other(machine: Machine) -> None:
    """Given two relays and a database that is killed, whichever gets the lease next fences the other: still exact."""
    async with running(machine.relayed_service.relay()) as one, running(machine.relayed_service.relay()) as other:
        writing = Writing(machine.relayed_service)
        for _ in range(3):
            await writing.more(300)
            await machine.kill(postgres.NAME)
            await eventually(lambda: (one.reached is None) != (other.reached is None))
        await writing.end()
        await machine.relayed_service.relayed()
    await machine.relayed_service.assert_exactly_the_event_store()
