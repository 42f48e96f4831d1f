"""What stands still without an error is an alarm: a relay that does not move, and readers behind an open transaction."""

import re
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from shared.api.metrics import exposition
from shared.messaging.consumer.alarms import alarms, raise_alarm
from shared.messaging.standstill import ALARMIST, watching_relay
from shared.messaging.topic_watch import TopicWatch
from shared.observing.progress import write_progress
from shared.runtime.privileges import RoleKind
from shared.servers.database import Pool, create_pool
from tests.integration.event_store.streams import as_application
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService


@pytest.fixture
async def pool(relayed_service: RelayedService) -> AsyncIterator[Pool]:
    """Yield connections of the service's API."""
    pool = await create_pool(as_application(relayed_service.owner))
    yield pool
    await pool.close()


async def standing(pool: Pool) -> list[tuple[str, str]]:
    """Return the names and places of the alarms."""
    return [(alarm.name, alarm.place) for alarm in await alarms(pool)]


async def test_a_relay_that_does_not_move_is_an_alarm_until_it_does(
    relayed_service: RelayedService, pool: Pool
) -> None:
    """Given events that no relay publishes, an alarm stands; when a relay comes, it is cleared, an earlier process's too."""
    await raise_alarm(pool, ALARMIST, "relay_stuck", relayed_service.service, "of a process before this one")
    async with watching_relay(pool, relayed_service.service, stuck=0.3, pause=0.05):
        await eventually(lambda: _is(pool, []))
        await relayed_service.write(streams=1, events=1)
        await eventually(lambda: _is(pool, [("relay_stuck", relayed_service.service)]))
        (alarm,) = await alarms(pool)
        assert alarm.detail == "the event store is at position 1, the relay stands at 0"
        async with relayed_service.relay():
            await relayed_service.relayed()
            await eventually(lambda: _is(pool, []))


async def test_a_transaction_that_hangs_is_an_alarm_until_it_ends(
    relayed_service: RelayedService, database: str
) -> None:
    """Given a transaction that somebody leaves open, an alarm stands; none stands for those of the relay, nor after its end."""
    pool = await create_pool(as_application(database, RoleKind.WORKER))
    watch = TopicWatch(relayed_service.events, pool, relayed_service.bootstrap, hanging=5, pause=0.1)
    producer = AIOKafkaProducer(
        bootstrap_servers=relayed_service.bootstrap,
        transactional_id=f"{relayed_service.namespace}-hanging",
        transaction_timeout_ms=15_000,
    )
    async with watch, relayed_service.relay():
        for _ in range(3):
            await relayed_service.write(streams=3, events=2)
            await relayed_service.relayed()
            assert await standing(pool) == []
        async with producer:
            await producer.begin_transaction()
            await producer.send_and_wait(relayed_service.events, b"left open", partition=3)
            await eventually(lambda: _is(pool, [("hanging_transaction", relayed_service.events)]))
            (alarm,) = await alarms(pool)
            assert "partition 3 at offset" in alarm.detail
            await producer.abort_transaction()
            await eventually(lambda: _is(pool, []))
        await write_progress(pool)
    await pool.close()
    api = await create_pool(as_application(database))
    text = (await exposition(api, relayed_service.service, (), decides=True)).decode()
    await api.close()
    for kind in ("replicas", "in_sync_replicas"):
        assert f'ooc_{kind}{{service="tests",topic="{relayed_service.events}"}} 1.0' in text
    ages = dict(re.findall(r'ooc_cycle_age_seconds\{part="(\w+)",service="tests"\} (\S+)', text))
    # Other tests of this process may have left parts of theirs behind.
    assert all(0 <= float(ages[part]) < 60 for part in ("relay", "watch"))


async def _is(pool: Pool, expected: list[tuple[str, str]]) -> bool:
    return await standing(pool) == expected
