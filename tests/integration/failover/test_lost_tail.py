"""A topic that has lost its end is told from one to which somebody else wrote, and filled again from the event store."""

from typing import TypeAlias

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAlreadyExistsError

from shared.messaging.consumer.alarms import alarms
from shared.messaging.consumer.position_record import HighWaterMark
from shared.runtime.provision import events_topic
from shared.servers.kafka import administering
from tests.integration.local.waiting import eventually
from tests.integration.relay import conftest
from tests.integration.relay.conftest import RelayedService

relayed_service = conftest.relayed_service
owner = conftest.owner

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.mark.parametrize("forged", [False, True])
async def test_a_lost_tail_is_named_and_filled_again(
    relayed_service: RelayedService, owner: Owner, forged: bool
) -> None:
    """Given an events topic that lost what it had confirmed, then its relay names that, and the topic is the event store again."""
    await relayed_service.write(2, 3)
    async with relayed_service.relay():
        mark = await relayed_service.relayed()
    if forged:
        other = HighWaterMark(mark.position + 1, {n: end + 9 for n, end in mark.offsets.items()}, b"\x01" * 32)
        await intrude(relayed_service, other)
    else:
        await lose(relayed_service)
    expected = ("malformed_position", relayed_service.position) if forged else ("lost_tail", "tests")

    async def alarmed() -> bool:
        return [(alarm.name, alarm.place) for alarm in await alarms(owner)] == [expected]

    async with relayed_service.relay():
        await eventually(alarmed)
        await relayed_service.relayed()
    await relayed_service.assert_exactly_the_event_store()


async def intrude(service: RelayedService, mark: HighWaterMark) -> None:
    """Write a position record as somebody else."""
    producer = AIOKafkaProducer(bootstrap_servers=service.bootstrap)
    await producer.start()
    try:
        headers = [("ooc_hash", mark.hash.hex().encode())]
        await producer.send_and_wait(service.position, mark.record("tests"), key=b"tests", partition=0, headers=headers)
    finally:
        await producer.stop()


async def lose(service: RelayedService) -> None:
    """Have the topic of events stand empty, while the positions stay."""
    async with administering(service.bootstrap) as admin:
        await admin.delete_topics([service.events])

        async def made() -> bool:
            try:
                (answer,) = (await admin.create_topics([events_topic(service.events, 1)])).topic_errors
            except TopicAlreadyExistsError:
                return False
            return bool(answer[1] == 0)

        await eventually(made)
