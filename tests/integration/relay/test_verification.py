"""What `ooc verify` finds: each break of an event store, its topic or its log is named, and a whole one has none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from shared import database as connections
from shared.api.authorisation import AccessLog
from shared.command_handler import Accepted, CommandHandler
from shared.domain.messages import Command
from shared.privacy.keyring import MemoryKeyring
from shared.runtime.service import Service
from shared.runtime.verification import verify_service
from tests.integration.event_store.streams import as_application, as_verifier
from tests.integration.event_store.tallies import (
    KEEPER,
    SERVICE,
    CloseTally,
    Count,
    asked,
    opening,
)
from tests.integration.relay.conftest import House, committed

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TAMPERED = {
    "a byte": ("update event set body = set_byte(body, 60, 7) where position = 2", {"chains whole", "events readable, histories fold", "topic equals event store, byte for byte"}),
    "the last event": ("delete from event where position = 6", {"positions dense, recorded_at growing", "topic equals event store, byte for byte"}),
    "an event between": ("delete from event where position = 3", {"positions dense, recorded_at growing", "versions gapless", "chains whole"}),
    "a time": ("update event set recorded_at = recorded_at - interval '1 hour' where position = 4", {"positions dense, recorded_at growing"}),
    "a type": ("update event set type = 'ooc.tallies.TallyClosed.v1' where position = 2", {"events readable, histories fold"}),
    "an answer": ("delete from answer where command_id = (select command_id from answer limit 1)", {"answers and claims follow from events"}),
    "a claim lost": ("delete from claim", {"answers and claims follow from events"}),
    "a claim more": ("insert into claim (key, stream) select 'matter:none', stream from claim limit 1", {"answers and claims follow from events"}),
    "a line of the log": ("update access_log set action = 'READ_NOTHING' where sequence = 1", {"access log dense and chained"}),
    "a line less": ("delete from access_log where sequence = 1", {"access log dense and chained"}),
}  # fmt: skip
"""What somebody with every right over the database does -> the checks that say so, at least."""


@dataclass(frozen=True)
class Tallies:
    """A service of the test's own that counts, and one of its tallies that is open."""

    service: Service[Any]
    handler: CommandHandler
    open: UUID

    async def does(self, stream: UUID, command: Command) -> None:
        assert isinstance(await self.handler.handle(asked(self.handler, stream, command)), Accepted)


@pytest.fixture
async def tallies(house: House) -> Tallies:
    """Two tallies that were counted, published, and looked at."""
    events = replace(SERVICE.events, namespace=house.service)
    service = replace(SERVICE, read_model=replace(SERVICE.read_model, events=events))
    shop, school = uuid4(), uuid4()
    made = Tallies(service, CommandHandler(service, house.event_store, MemoryKeyring(), b"k" * 32), school)
    await made.does(shop, opening("shop"))
    await made.does(shop, Count(by=1))
    await made.does(school, opening("school"))
    await made.does(school, Count(by=1))
    await made.does(shop, Count(by=1))
    await made.does(shop, CloseTally())
    async with house.relay():
        await house.relayed()
    pool = await connections.create_pool(as_application(house.owner))
    for stream in (shop, school, shop):
        await AccessLog(pool).record(KEEPER, "READ_STATE", service.stream_name(stream), outcome="GIVEN")
    await pool.close()
    return made


async def broken(house: House, tallies: Tallies) -> set[str]:
    """The checks that find a break."""
    pool = await connections.create_pool(as_verifier(house.owner))
    try:
        return {
            finding.check async for finding in verify_service(tallies.service, pool, house.bootstrap) if not finding.ok
        }
    finally:
        await pool.close()


@asynccontextmanager
async def with_every_right(owner: Owner) -> AsyncIterator[Owner]:
    """The owner, with the triggers that keep even it from changing anything switched off."""
    tables = ("event", "answer", "claim", "access_log")
    for table in tables:
        await owner.execute(f"alter table {table} disable trigger all")
    yield owner
    for table in tables:
        await owner.execute(f"alter table {table} enable trigger all")


async def test_what_nobody_touched_is_whole(house: House, tallies: Tallies) -> None:
    """Given tallies that were counted and published, when they are verified, then every check is whole."""
    assert await broken(house, tallies) == set()


@pytest.mark.parametrize("what", TAMPERED)
async def test_whatever_is_changed_is_found(house: House, tallies: Tallies, owner: Owner, what: str) -> None:
    """Given somebody who may do everything in the database, whatever they change is named by the check of its kind."""
    statement, checks = TAMPERED[what]
    async with with_every_right(owner):
        assert int((await owner.execute(statement)).rpartition(" ")[2]) > 0
    assert checks <= await broken(house, tallies)


async def test_what_is_not_the_event_stores_in_the_topic_is_found(house: House, tallies: Tallies) -> None:
    """Given a message that somebody published again, the topic is no longer the event store's."""
    one = (await committed(house.bootstrap, house.events))[0]
    producer = AIOKafkaProducer(bootstrap_servers=house.bootstrap, transactional_id=f"intruder-{uuid4()}")
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(
                house.events, one.value, key=one.key, headers=list(one.headers), partition=one.partition
            )
    finally:
        await producer.stop()
    await tallies.does(tallies.open, Count(by=1))
    async with house.relay():
        await house.relayed()
    assert "topic equals event store, byte for byte" in await broken(house, tallies)
