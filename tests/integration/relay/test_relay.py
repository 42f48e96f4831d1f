"""How the relay comes from the event store to the topic, once, in order, and never past what it knows."""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from shared.event_store.postgres import PostgresEventStore
from shared.messaging import relay as relay_module
from shared.messaging.consumer.alarms import alarms
from shared.messaging.consumer.position_record import HighWaterMark, Ignored, reader
from shared.messaging.consumer.positions import PositionFollower
from shared.messaging.polling import Poll
from shared.messaging.relay import MAX_EVENTS, last_position
from shared.runtime.provision import topics
from shared.servers.kafka import PARTITIONS
from tests.integration.event_store.streams import Stream
from tests.integration.local.waiting import PATIENCE, eventually
from tests.integration.relay.conftest import RelayedService, body_of, committed, running
from tests.position_keys import KEYS, UNCHECKED, signers

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def test_the_topic_becomes_the_event_store(relayed_service: RelayedService) -> None:
    """Given an event store with a backlog larger than one transaction, the topic holds each event once and in order."""
    await relayed_service.write(streams=200, events=MAX_EVENTS // 200 + 3)
    async with relayed_service.relay():
        reached = await relayed_service.relayed()
    assert reached.position == (await relayed_service.event_store.head()).position > MAX_EVENTS
    await relayed_service.assert_exactly_the_event_store()


async def test_what_is_appended_later_follows(relayed_service: RelayedService) -> None:
    """Given a relay at the end of the event store, what is appended then is published."""
    async with relayed_service.relay():
        for _ in range(3):
            await relayed_service.write(streams=3, events=2)
            await relayed_service.relayed()
    await relayed_service.assert_exactly_the_event_store()


async def test_a_commit_wakes_the_relay(relayed_service: RelayedService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a relay that looks by itself once an hour, what is appended is published at once."""
    monkeypatch.setattr(relay_module, "Poll", partial(Poll, 3600, 3600))
    async with relayed_service.relay():
        for _ in range(3):
            await relayed_service.write(streams=3, events=2)
            await relayed_service.relayed()


async def test_a_relay_that_is_not_woken_looks_by_itself(
    relayed_service: RelayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an API that ends between a commit and its word of it, what it appended is published all the same."""
    monkeypatch.setattr(PostgresEventStore, "_announce", lambda _self: None)
    async with relayed_service.relay():
        await relayed_service.write(streams=3, events=2)
        await relayed_service.relayed()


async def test_a_busy_relay_is_quick(relayed_service: RelayedService) -> None:
    """Given a relay that is running, the quickest of ten events is visible to readers within a second (it takes some 20 ms)."""
    async with running(relayed_service.relay()) as relay:
        await relayed_service.write(streams=1, events=1)
        await relayed_service.relayed()
        quickest = math.inf
        for position in range(2, 12):
            began = time.monotonic()
            await relayed_service.write(streams=1, events=1)
            await eventually(lambda at=position: relay.reached is not None and relay.reached.position == at)  # type: ignore[misc]
            quickest = min(quickest, time.monotonic() - began)
        assert quickest < 1


async def test_each_position_record_is_true(relayed_service: RelayedService) -> None:
    """Given any position record, all events up to its position, and none later, lie before its offsets."""
    async with relayed_service.relay():
        for _ in range(4):
            await relayed_service.write(streams=7, events=1)
            await relayed_service.relayed()
    messages = await relayed_service.published()
    marks = await committed(relayed_service.bootstrap, relayed_service.position)
    assert len(marks) >= 4
    before = HighWaterMark()
    for mark in marks:
        assert mark.key == relayed_service.service.encode()
        value = json.loads(mark.value)
        assert set(value) == {"service", "position", "offsets"}
        reached = HighWaterMark.read(relayed_service.service, mark.value, mark.headers)
        assert reached.position > before.position
        assert all(reached.offsets[partition] >= offset for partition, offset in before.offsets.items())
        for message in messages:
            early = int(dict(message.headers)["ooc_position"]) <= reached.position
            assert early == (message.offset < reached.offsets.get(message.partition, 0))
        for partition, offset in reached.offsets.items():  # and each is the offset right after an event
            assert offset - 1 in {m.offset for m in messages if m.partition == partition}
        before = reached
    assert before.position == 28


async def test_a_relay_goes_on_where_the_last_one_stopped(relayed_service: RelayedService) -> None:
    """Given a relay stopped at any moment and another one started, nothing is lost or published twice."""
    await relayed_service.write(streams=50, events=10)
    for events in (1, 2, 3):
        relay = relayed_service.relay()
        await relay.start()
        await eventually(lambda: relay.reached is not None)  # noqa: B023 - it is this one
        await relay.stop()
        await relayed_service.write(streams=5, events=events)
    async with relayed_service.relay():
        await relayed_service.relayed()
    await relayed_service.assert_exactly_the_event_store()


async def test_what_was_published_is_noted_for_people(relayed_service: RelayedService, owner: Owner) -> None:
    """Given a relay that has caught up, the table `relayed` says the same as the position record."""
    await relayed_service.write(streams=4, events=4)
    async with relayed_service.relay():
        reached = await relayed_service.relayed()

        async def position_is_recorded() -> bool:
            row = await owner.fetchrow("select position, offsets from relayed")
            return row is not None and (row["position"], json.loads(row["offsets"])) == (
                reached.position,
                {str(partition): offset for partition, offset in reached.offsets.items()},
            )

        await eventually(position_is_recorded)


async def test_many_heavy_events_of_one_home_stay_in_order(relayed_service: RelayedService) -> None:
    """Given more of one partition than a record batch takes and more than one transaction should, order is kept."""
    stream = Stream()
    for start in range(0, 200, 20):
        await stream.write(relayed_service.event_store, *(body_of(start + n, 120_000) for n in range(20)))
    async with relayed_service.relay():
        await relayed_service.relayed()
    await relayed_service.assert_exactly_the_event_store()
    assert len(await committed(relayed_service.bootstrap, relayed_service.position)) > 1


async def test_a_clock_that_ran_ahead_stops_nothing(relayed_service: RelayedService, owner: Owner) -> None:
    """Given an event store whose recorded_at stands days ahead of the broker's clock, its events are published."""
    await owner.execute("update head set recorded_at = now() + interval '3 days'")
    relayed_service.event_store._clock = lambda: datetime.now(UTC) + timedelta(days=3)
    await relayed_service.write(streams=1, events=2)
    async with relayed_service.relay():
        await relayed_service.relayed()
    await relayed_service.assert_exactly_the_event_store()


# --- one at a time --------------------------------------------------------------------------------


async def test_a_second_relay_waits_for_the_first(relayed_service: RelayedService) -> None:
    """Given two relays of a service, one publishes; when it stops, the other goes on."""
    await relayed_service.write(streams=3, events=3)
    first, second = relayed_service.relay(), relayed_service.relay()
    await first.start()
    await eventually(lambda: first.reached is not None)
    await second.start()
    await relayed_service.write(streams=3, events=3)
    await relayed_service.relayed()
    assert second.reached is None
    await first.stop()
    await eventually(lambda: second.reached is not None)
    await relayed_service.write(streams=3, events=3)
    await relayed_service.relayed()
    await second.stop()
    await relayed_service.assert_exactly_the_event_store()


async def test_a_relay_that_waits_can_be_stopped(relayed_service: RelayedService) -> None:
    """Given a relay that waits for its lease, stopping it takes no longer than a moment."""
    async with running(relayed_service.relay()) as first:
        await eventually(lambda: first.reached is not None)
        second = relayed_service.relay()
        await second.start()
        async with asyncio.timeout(PATIENCE):  # the other one never gives the lease back
            await second.stop()


async def test_a_paused_predecessor_is_fenced(relayed_service: RelayedService) -> None:
    """Given a predecessor in the middle of a transaction, the new relay ends it: it can commit nothing any more."""
    zombie = AIOKafkaProducer(
        bootstrap_servers=relayed_service.bootstrap,
        transactional_id=f"ooc-{relayed_service.service}-relay",
        transaction_timeout_ms=10_000,
    )
    await zombie.start()
    await zombie.begin_transaction()
    await zombie.send_and_wait(relayed_service.events, key=b"k", value=b"from the past", partition=0)
    await relayed_service.write(streams=20, events=2)
    async with relayed_service.relay():
        await relayed_service.relayed()
    with pytest.raises(KafkaError):
        await asyncio.wait_for(_goes_on(zombie, relayed_service.events), PATIENCE)
    with contextlib.suppress(KafkaError):
        await zombie.stop()
    await zombie.client.close()
    await relayed_service.assert_exactly_the_event_store()


async def test_a_relay_asks_the_leader_where_it_is(
    relayed_service: RelayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a broker that was frozen while others led, and shows old ends at first, a relay that starts publishes nothing twice."""
    places = [
        TopicPartition(relayed_service.position, 0),
        *(TopicPartition(relayed_service.events, n) for n in range(PARTITIONS)),
    ]
    async with relayed_service.relay():
        await relayed_service.write(streams=2, events=1)
        await relayed_service.relayed()
        async with reader(relayed_service.bootstrap, "read_committed") as consumer:
            old = await consumer.end_offsets(places)
        await relayed_service.write(streams=2, events=1)
        await relayed_service.relayed()
    ask, thawed = AIOKafkaConsumer.end_offsets, asyncio.get_running_loop().time() + 3

    async def end_offsets(consumer: Any, partitions: list[TopicPartition]) -> Any:
        is_frozen = asyncio.get_running_loop().time() < thawed
        return {place: old[place] for place in partitions} if is_frozen else await ask(consumer, partitions)

    monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", end_offsets)
    async with relayed_service.relay():
        await relayed_service.write(streams=2, events=1)
        await relayed_service.relayed()
    await relayed_service.assert_exactly_the_event_store()


async def _goes_on(zombie: AIOKafkaProducer, topic: str) -> None:
    await zombie.send_and_wait(topic, key=b"k", value=b"still there", partition=0)
    await zombie.commit_transaction()


# --- connections that are lost --------------------------------------------------------------------


async def test_a_lost_database_connection_loses_no_event(relayed_service: RelayedService, owner: Owner) -> None:
    """Given a relay whose connection is killed again and again, it takes its lease anew and the topic stays exact."""
    async with relayed_service.relay():
        for _ in range(5):
            await relayed_service.write(streams=20, events=3)

            async def killed() -> bool:
                return bool(
                    await owner.fetchval(
                        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                        " where datname = current_database() and application_name like 'ooc % relay'"
                    )
                )

            await eventually(killed)
        await relayed_service.relayed()
    await relayed_service.assert_exactly_the_event_store()


# --- alarms ---------------------------------------------------------------------------------------


async def _alarm(relayed_service: RelayedService, name: str) -> None:
    """Assert that a relay that starts stands still with this alarm, and publishes nothing."""
    before = len(await committed(relayed_service.bootstrap, relayed_service.events))
    async with running(relayed_service.relay()) as relay:
        await eventually(lambda: relay.alarm is not None)
        assert relay.alarm is not None
        assert relay.alarm.name == name, str(relay.alarm)
        assert relay.reached is None
        async with running(
            relayed_service.relay()
        ) as other:  # it has given its lease back, so that a person can try again
            await eventually(lambda: other.alarm is not None)
    assert len(await committed(relayed_service.bootstrap, relayed_service.events)) == before


async def _mark(relayed_service: RelayedService, reached: HighWaterMark) -> None:
    """Publish a position record, and as many events of somebody's as it names."""
    async with AIOKafkaProducer(bootstrap_servers=relayed_service.bootstrap) as producer:
        for partition, offset in reached.offsets.items():
            for _ in range(offset):
                await producer.send_and_wait(relayed_service.events, key=b"k", value=b"{}", partition=partition)
        value, headers = reached.signed(relayed_service.position, signers(relayed_service.service))
        key = relayed_service.service.encode()
        await producer.send_and_wait(relayed_service.position, key=key, value=value, partition=0, headers=headers)


async def test_an_alarm_stands_where_the_api_reads_it_until_it_is_mended(
    relayed_service: RelayedService, owner: Owner
) -> None:
    """Given an event store restored from an older backup, when a newer one is restored, then the relay goes on and its alarm is gone."""
    await relayed_service.write(streams=4, events=4)
    async with relayed_service.relay():
        await relayed_service.relayed()
    await owner.execute(
        "alter table event disable trigger event_is_append_only;"
        " create table newer as select * from event where position > 12;"
        " delete from event where position > 12; update head set position = 12"
    )
    async with running(relayed_service.relay()) as relay:
        await eventually(lambda: relay.alarm is not None)
        (alarm,) = await alarms(owner)
        assert (alarm.name, alarm.consumer) == ("topic_ahead_of_event_store", "relay")
        assert (alarm.place, "position 16, the event store to 12" in alarm.detail) == (relayed_service.service, True)
        await owner.execute("insert into event select * from newer; update head set position = 16")
        await eventually(lambda: relay.alarm is None)
        assert await alarms(owner) == []
        await relayed_service.write(streams=1, events=1)
        await relayed_service.relayed()


async def test_a_event_store_that_went_another_way_is_an_alarm(relayed_service: RelayedService) -> None:
    """Given an event store that was restored and has grown again past the position, with other events, it stands still."""
    await relayed_service.write(streams=2, events=2)
    await _mark(relayed_service, HighWaterMark(3, {0: 3}, bytes(32)))
    await _alarm(relayed_service, "topic_ahead_of_event_store")


@pytest.mark.parametrize("missing", ["position = 7", "position > 12"])
async def test_a_missing_event_is_an_alarm(relayed_service: RelayedService, owner: Owner, missing: str) -> None:
    """Given an event store that lacks a position, or its last ones, which leaves no gap, nothing of that part is published."""
    await relayed_service.write(streams=4, events=4)
    await owner.execute("alter table event disable trigger event_is_append_only")
    await owner.execute(f"delete from event where {missing}")
    await _alarm(relayed_service, "event_store_gap")


async def test_the_event_reached_being_gone_is_an_alarm(relayed_service: RelayedService, owner: Owner) -> None:
    """Given an event store without the event that the position record names, it stands still."""
    await relayed_service.write(streams=4, events=4)
    async with relayed_service.relay():
        await relayed_service.relayed()
    await relayed_service.write(streams=4, events=1)
    await owner.execute("alter table event disable trigger event_is_append_only")
    await owner.execute("delete from event where position = 16")
    await _alarm(relayed_service, "topic_ahead_of_event_store")


async def test_a_topic_with_other_partitions_is_an_alarm(relayed_service: RelayedService) -> None:
    """Given an events topic that has not the partitions that keys were assigned by, it stands still."""
    relayed_service.namespace += "-few"
    await topics(
        relayed_service.bootstrap, [NewTopic(relayed_service.events, 3, 1), NewTopic(relayed_service.position, 1, 1)]
    )
    await relayed_service.write(streams=1, events=1)
    await _alarm(relayed_service, "wrong_partitions")


# --- the position record --------------------------------------------------------------------------


async def test_the_last_record_is_found_behind_many_others(relayed_service: RelayedService) -> None:
    """Given a position topic whose end is all aborted transactions, the last committed record is found."""
    producer = AIOKafkaProducer(
        bootstrap_servers=relayed_service.bootstrap,
        transactional_id=f"{relayed_service.service}-other",
        transaction_timeout_ms=10_000,
    )

    def record(position: int) -> dict[str, Any]:
        mark = HighWaterMark(position, {0: position})
        value, headers = mark.signed(relayed_service.position, signers(relayed_service.service))
        return {"value": value, "headers": headers, "key": b"s", "partition": 0}

    async with producer:
        async with producer.transaction():
            for _ in range(10):
                await producer.send_and_wait(relayed_service.events, b"{}", b"s", partition=0)
        for position in (1, 2):
            async with producer.transaction():
                await producer.send_and_wait(relayed_service.position, **record(position))
        for position in range(3, 4 + 3):
            await producer.begin_transaction()
            for _ in range(40):
                await producer.send(relayed_service.position, **record(position))
            await producer.flush()
            await producer.abort_transaction()
    assert (await last_position(relayed_service.bootstrap, relayed_service.position, KEYS))[0] == HighWaterMark(
        2, {0: 2}
    )


async def test_a_relay_signs_what_one_of_an_older_release_left(relayed_service: RelayedService) -> None:
    """Given a topic without a signature, and one with signed and later unsigned records, then its relay tells its events from others by the event store, and signs."""
    for copies in (1, 2):
        async with relayed_service.relay(signs=False):
            await relayed_service.write(streams=5, events=2)
            await relayed_service.relayed(keys=UNCHECKED)
        async with AIOKafkaProducer(bootstrap_servers=relayed_service.bootstrap) as forger:
            true = (await committed(relayed_service.bootstrap, relayed_service.events))[-1]
            place = (relayed_service.events, true.value, true.key, true.partition)
            await forger.send_and_wait(*place, headers=list(true.headers))  # the same again
        async with relayed_service.relay():
            reached = await relayed_service.relayed()
        messages = await committed(relayed_service.bootstrap, relayed_service.events)
        own = [dict(m.headers)["ooc_position"] for m in messages if reached.vouches(m.partition, m.offset)]
        assert sorted(map(int, own)) == list(range(1, 10 * copies + 1))
        assert (len(messages), reached.position) == (11 * copies, 10 * copies)


async def test_no_relay_publishes_over_an_unsigned_record_that_its_event_store_lacks(
    relayed_service: RelayedService, owner: Owner
) -> None:
    """Given an event store restored from an older backup, when the topic is all unsigned, then the relay stands still."""
    async with relayed_service.relay(signs=False):
        await relayed_service.write(streams=2, events=2)
        await relayed_service.relayed(keys=UNCHECKED)
    await owner.execute("alter table event disable trigger event_is_append_only")
    await owner.execute("delete from event where position > 3; update head set position = 3")
    await _alarm(relayed_service, "topic_ahead_of_event_store")


async def test_an_empty_position_topic_has_no_record(relayed_service: RelayedService) -> None:
    """Given a service that has published nothing, there is no last record."""
    assert (await last_position(relayed_service.bootstrap, relayed_service.position, KEYS))[0] is None


async def test_a_follower_believes_the_last_record_of_each_topic_and_then_the_next(
    relayed_service: RelayedService,
) -> None:
    """Given the position topics of several services, when a follower starts, it believes each last record, and later the next."""
    followed = [replace(relayed_service, namespace=f"{relayed_service.namespace}-{n}") for n in range(3)]
    wanted = [NewTopic(one.events, PARTITIONS, 1) for one in followed]
    await topics(relayed_service.bootstrap, wanted + [NewTopic(one.position, 1, 1) for one in followed])
    producer = AIOKafkaProducer(
        bootstrap_servers=relayed_service.bootstrap,
        transactional_id=f"{relayed_service.namespace}-followed",
        transaction_timeout_ms=10_000,
    )

    async def publish(position: int) -> None:
        for one in followed:
            async with producer.transaction():
                await producer.send_and_wait(one.events, b"{}", b"s", partition=0)
                value, headers = HighWaterMark(position, {0: position}).signed(one.position, signers(one.service))
                await producer.send_and_wait(one.position, value, b"s", partition=0, headers=headers)

    async def ignored(one: Ignored) -> None:
        raise AssertionError(one)

    ended: list[str] = []

    async def connected(events: str, read_ends: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        assert await read_ends()
        ended.append(events)

    def believes(position: int) -> bool:
        return [follower.believed[one.events].position for one in followed] == [position] * 3

    async with producer:
        for position in (1, 2):
            await publish(position)
        follower = PositionFollower(
            [one.position for one in followed], relayed_service.bootstrap, KEYS, ignored, connected
        )
        async with follower:
            await eventually(lambda: believes(2))
            await publish(3)
            await eventually(lambda: believes(3))
    assert ended == [one.events for one in followed]
