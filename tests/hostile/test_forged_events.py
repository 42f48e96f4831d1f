"""Events that the relay did not write are not believed, however right they look, and the true ones that follow are."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from shared.domain.envelope import next_hash
from shared.messaging.consumer import handling
from shared.messaging.consumer.alarms import alarms
from shared.messaging.consumer.position_record import HighWaterMark
from shared.messaging.consumer.quarantine import quarantined_streams
from tests.hostile.topics import Forged, Scene, forged, one_home_for_each_partition, scene
from tests.integration.consumers.conftest import until
from tests.integration.consumers.publishing import Author
from tests.integration.relay import conftest as relaying
from tests.integration.relay.conftest import RelayedService

relayed_service = relaying.relayed_service


@pytest.fixture(params=[pytest.param("feed", marks=pytest.mark.nightly), "stream"])
async def attacked(
    request: pytest.FixtureRequest, database: str, postgres_url: str, kafka_bootstrap: str, topic_prefix: str
) -> AsyncIterator[Scene]:
    async with scene(request.param, database, postgres_url, kafka_bootstrap, topic_prefix) as one:
        yield one


def like(author: Author) -> Author:
    """Return a forger who knows all that was published: versions, hashes and positions."""
    return replace(author, versions=dict(author.versions), hashes=dict(author.hashes))


async def test_a_forged_next_version_is_set_aside_and_the_true_one_applied(attacked: Scene) -> None:
    """Given forged next versions with right hashes and positions, when the true ones come, then these alone are applied."""
    homes = one_home_for_each_partition()
    await attacked.publish(homes)
    await attacked.applied_exactly()
    lies = like(attacked.author)
    for partition, home in enumerate(homes):
        await attacked.forge([forged(lies.write(home, state="ATTENDED")) for _ in range(2)], [partition])
    await attacked.publish(homes)
    await attacked.publish(homes)
    await attacked.applied_exactly()
    quarantined = await quarantined_streams(attacked.pool)
    assert [(one.cause, one.records) for one in quarantined] == [("foreign_record", 1)] * 24
    assert {alarm.name for alarm in await alarms(attacked.pool)} == {"foreign_record"}


async def test_a_forged_event_at_the_end_is_an_alarm_and_never_applied(attacked: Scene) -> None:
    """Given a forged event after the last true one, when nothing follows, then it is an alarm and waits; and then is set aside."""
    home, *others = one_home_for_each_partition()
    await attacked.publish([home])
    await attacked.applied_exactly()
    lie = like(attacked.author).write(home)
    await attacked.forge([forged(lie)], [0])
    await attacked.publish(others)
    await attacked.alarmed("foreign_record")
    await attacked.applied_exactly()
    await attacked.publish([home])
    await attacked.applied_exactly()

    async def set_aside() -> bool:
        return [one.cause for one in await quarantined_streams(attacked.pool)] == ["foreign_record"]

    await until(set_aside, why="the forged event set aside")


async def test_a_flood_of_forged_events_is_read_no_further_until_the_relay_goes_on(
    attacked: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given more forged events than may wait, when true ones follow in the partition, then these are applied all the same."""
    monkeypatch.setattr(handling, "MAX_WAITING_BYTES", 20_000)
    home, *others = one_home_for_each_partition()
    lies = like(attacked.author)
    for _ in range(4):
        await attacked.forge([forged(lies.write(home)) for _ in range(25)], [0])
        await attacked.publish(others)
        await attacked.applied_exactly()
        await attacked.publish([home])
        await attacked.applied_exactly()


async def test_a_position_record_names_exactly_what_the_relay_did_not_write(relayed_service: RelayedService) -> None:
    """Given records of others before, between and after a relay's, across its restarts, then it vouches for its own alone."""
    async with AIOKafkaProducer(bootstrap_servers=relayed_service.bootstrap) as forger:

        async def forge() -> None:
            for partition in range(12):
                await forger.send_and_wait(relayed_service.events, b"{}", b"k", partition=partition)

        await forge()
        async with relayed_service.relay():
            await relayed_service.write(streams=20, events=1)
            await relayed_service.relayed()
            await forge()
            await relayed_service.write(streams=20, events=1)
            await relayed_service.relayed()
        await forge()
        async with relayed_service.relay():
            await relayed_service.write(streams=20, events=2)
            reached = await relayed_service.relayed()
    messages = await relaying.committed(relayed_service.bootstrap, relayed_service.events)
    vouched = [m for m in messages if reached.vouches(m.partition, m.offset)]
    assert {bool(dict(m.headers)) for m in vouched} == {True}
    assert len(vouched) == reached.position == 80
    others = [m for m in messages if not m.headers and m.offset < reached.offsets.get(m.partition, 0)]
    assert [reached.vouches(m.partition, m.offset) for m in others] == [False] * len(others) != []


async def test_a_relay_starts_behind_hostile_position_records(relayed_service: RelayedService) -> None:
    """Given malformed and impossible records at the end of its position topic, when a relay starts, then it goes on as before."""
    async with relayed_service.relay():
        await relayed_service.write(streams=3, events=1)
        await relayed_service.relayed()
    hostile = [
        (None, ()),
        (b"[" * 200_000, ()),
        (b'{"service": 7}', ()),
        (HighWaterMark(10**15, {0: 10**15}).record(relayed_service.service), ()),
        (HighWaterMark(0, {}).record(relayed_service.service), (("ooc_hash", b"\xff"),)),
        (HighWaterMark(0, {}).record(relayed_service.service), ()),
    ]
    async with AIOKafkaProducer(bootstrap_servers=relayed_service.bootstrap) as forger:
        for value, headers in hostile:
            await forger.send_and_wait(relayed_service.position, value, b"k", partition=0, headers=list(headers))
    async with relayed_service.relay():
        await relayed_service.write(streams=3, events=1)
        assert (await relayed_service.relayed()).position == 6
    await relayed_service.assert_exactly_the_event_store()


def test_a_hash_is_of_the_bytes_and_the_hash_before() -> None:
    """Given a forger's event, when its hash is computed, then it is right: only its place tells it from the relay's."""
    author = Author("note")
    home = one_home_for_each_partition()[0]
    first = author.write(home)
    lie = like(author).write(home)
    assert (
        dict(lie.headers)["ooc_hash"].decode()
        == next_hash(bytes.fromhex(dict(first.headers)["ooc_hash"].decode()), lie.body or b"").hex()
    )


async def test_a_possible_position_record_of_somebody_else_vouches_for_nothing(attacked: Scene) -> None:
    """Given a forged event, and a position record that has room for it, from a service's own login, then it is never applied."""
    homes = one_home_for_each_partition()
    await attacked.publish(homes)
    await attacked.applied_exactly()
    lies = like(attacked.author)
    lie = lies.write(homes[0])
    ((partition, offset),) = await attacked.forge([forged(lie)], [0])
    reached = attacked.publisher.reached
    false = replace(reached, position=lies.position, offsets={**reached.offsets, partition: offset + 1})
    for signature in ([], [("ooc_signature", b"\xe2\x80\x94 lies\n")]):
        await attacked.forge_position(Forged([("ooc_hash", b""), *signature], false.record("note"), b"note"))
    await attacked.alarmed("malformed_position")
    await attacked.publish(homes)
    await attacked.applied_exactly()
