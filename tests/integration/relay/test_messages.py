"""What a published event looks like."""

from datetime import UTC, datetime

import pytest
from aiokafka.partitioner import murmur2
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event

from shared.messaging.relay import key_and_partition, rfc3339
from shared.servers.kafka import PARTITIONS
from tests.integration.event_store.streams import TYPE, Stream
from tests.integration.relay.conftest import RelayedService, body_of

# What Kafka's own test holds its Java implementation to (UtilsTest.testMurmur2).
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "java"), JAVA.items())
def test_murmur2_is_java_s(key: bytes, java: int) -> None:
    """Given the keys of Kafka's own test, the hash is the one that Java computes."""
    assert murmur2(key) == java & 0xFFFFFFFF


def test_the_key_is_the_home_and_the_partition_its_hash() -> None:
    """Given a home, its key is its text and its partition follows from the positive murmur2 of that key."""
    stream = Stream()
    key, partition = key_and_partition(stream.id)
    assert key == str(stream.id).encode()
    assert partition == (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def test_a_moment_has_six_digits_and_a_z() -> None:
    """Given a moment on the full second, its microseconds are written all the same."""
    assert rfc3339(datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)) == b"2026-03-02T12:00:05.000000Z"


async def test_a_message_says_what_the_event_store_says(relayed_service: RelayedService) -> None:
    """Given events in the event store, each message has its bytes, key, partition and headers."""
    await relayed_service.write(streams=5, events=4)
    async with relayed_service.relay():
        await relayed_service.relayed()
    records = await relayed_service.event_store.read(0, 100)
    messages = await relayed_service.published()
    assert len(messages) == 20
    for record, message in zip(records, messages, strict=True):
        headers = dict(message.headers)
        assert len(headers) == len(message.headers)  # none twice
        assert all(isinstance(value, bytes) for value in headers.values())
        assert message.value == record.body
        assert (message.key, message.partition) == key_and_partition(record.home)
        assert headers.pop("traceparent", None) == (
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" if record.version % 2 else None
        )
        assert headers == {
            "ce_specversion": b"1.0",
            "ce_id": str(record.event_id).encode(),
            "ce_type": TYPE.encode(),
            "ce_source": f"/ooc/{relayed_service.service}".encode(),
            "ce_subject": record.stream.encode(),
            "ce_time": b"2026-03-02T12:00:00.500000Z",
            "content-type": b"application/json",
            "ooc_version": b"%d" % record.version,
            "ooc_position": b"%d" % record.position,
            "ooc_recorded_at": rfc3339(record.recorded_at),
            "ooc_hash": record.hash.hex().encode(),
        }
        assert datetime.fromisoformat(headers["ooc_recorded_at"].decode()) == record.recorded_at


async def test_a_message_is_a_cloud_event(relayed_service: RelayedService) -> None:
    """Given a published event, the CloudEvents library reads it as a valid event with the event store's ids."""
    stream = Stream()
    await stream.write(relayed_service.event_store, body_of(1))
    async with relayed_service.relay():
        await relayed_service.relayed()
    (record,) = await relayed_service.event_store.read(0, 10)
    (message,) = await relayed_service.published()
    event = from_binary_event(KafkaMessage(dict(message.headers), message.key, message.value))
    assert event.get_specversion() == "1.0"
    assert (event.get_id(), event.get_type()) == (str(record.event_id), TYPE)
    assert (event.get_source(), event.get_subject()) == (f"/ooc/{relayed_service.service}", stream.name)
    assert event.get_time() == datetime(2026, 3, 2, 12, 0, 0, 500_000, UTC)
    assert event.get_datacontenttype() == "application/json"
    data = event.get_data()
    assert isinstance(data, dict)
    assert data["version"] == 1
