"""Whoever can write a record to a topic stops nothing: records of every shape, on real Kafka and PostgreSQL."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from aiokafka.errors import UnknownError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.messaging.consumer.consumed_event import ConsumedEvent, decode
from shared.messaging.consumer.position_record import HighWaterMark
from shared.messaging.consumer.quarantine import quarantined_records, quarantined_streams, retry_quarantine
from tests.hostile.topics import Forged, Scene, forged, one_home_for_each_partition, projection_pool, scene
from tests.integration.consumers.batches import process_batch
from tests.integration.consumers.publishing import Author, Message
from tests.integration.consumers.worker import CONSUMER
from tests.integration.local.waiting import PATIENCE
from tests.position_keys import signers

T = TypeVar("T")
STRANGER = UUID(int=9)


def _event() -> Message:
    return Author("note").write(STRANGER)


HOSTILE: dict[str, Forged] = {
    "a header without value": forged(_event(), ce_subject=None),
    "another header without value": Forged((("x", None),), b"{}"),
    "no header": Forged(),
    "no value": Forged(body=None),
    "a version of infinity": Forged((), b'{"stream": "note/x", "version": 1e999}'),
    "a body nested too deeply": Forged((), b"[" * 200_000),
    "a lone surrogate in the body": Forged((), b'{"stream": "\\ud800", "version": 1}'),
    "a lone surrogate in a header": forged(_event(), ce_subject=b"note/\xed\xa0\x80"),
    "no UTF-8 in a header": forged(_event(), ce_type=b"\xff\xfe"),
    "NUL in the subject": forged(_event(), ce_subject=b"note/\x00"),
    "NUL in the body's stream": Forged((), b'{"stream": "note/\\u0000", "version": 1}'),
    "NUL in the type": forged(_event(), ce_type=b"a\x00b"),
    "a subject of 500 KB": forged(_event(), ce_subject=b"n" * 500_000),
    "a version beyond an integer": forged(_event(), ooc_version=b"3000000000"),
    "a version of many digits": forged(_event(), ooc_version=b"9" * 6000),
    "a version beyond an integer in the body": Forged((), b'{"stream": "note/x", "version": 3000000000}'),
    "a negative version": forged(_event(), ooc_version=b"-1"),
    "a position beyond a bigint": forged(_event(), ooc_position=b"9" * 30),
    "a moment without zone": forged(_event(), ooc_recorded_at=b"2026-01-01T00:00:00"),
    "a moment at the end of time": forged(_event(), ooc_recorded_at=b"9999-12-31T23:59:59-23:59"),
    "a hash of one byte": forged(_event(), ooc_hash=b"00"),
    "another service's stream": forged(_event(), ce_subject=f"other/{STRANGER}".encode()),
    "a stream in capitals": forged(_event(), ce_subject=f"note/{STRANGER}".upper().encode()),
    "ten thousand headers": Forged(tuple((f"h{n}", b"x") for n in range(10_000))),
    "headers of a megabyte": Forged(tuple((f"h{n}", b"x" * 90_000) for n in range(11)), b"{}"),
    "a key of 100 KB": Forged((), b"{}", b"k" * 100_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_decoding_yields_only_what_the_tables_can_hold(name: str) -> None:
    """Given a hostile record, when it is decoded, then it is an error under a stream of its own or of its topic's service."""
    record = HOSTILE[name]
    found = decode("ooc.note.events", 3, 7, record.key, record.headers, record.body)
    assert found.error
    assert found.stream in {"?/ooc.note.events/3/7", f"note/{STRANGER}"}
    assert 0 <= found.version < 2**31


@pytest.fixture(params=[pytest.param("feed", marks=pytest.mark.nightly), "stream"])
async def attacked(
    request: pytest.FixtureRequest, database: str, postgres_url: str, kafka_bootstrap: str, topic_prefix: str
) -> AsyncIterator[Scene]:
    async with scene(request.param, database, postgres_url, kafka_bootstrap, topic_prefix) as one:
        yield one


async def test_hostile_records_stop_nothing(attacked: Scene) -> None:
    """Given every hostile record in every partition, before, between and after true events, then all true ones are applied."""
    homes = one_home_for_each_partition()
    await attacked.forge(HOSTILE.values(), [0])
    await attacked.publish(homes)
    places = await attacked.forge(HOSTILE.values(), [3, 7])
    await attacked.publish(homes)
    await attacked.applied_exactly()
    await attacked.alarmed("foreign_record")
    quarantined = {one.stream for one in await quarantined_streams(attacked.pool)}
    assert quarantined >= {f"?/{attacked.publisher.topic}/{partition}/{offset}" for partition, offset in places}
    stored = await attacked.pool.fetch('select body from quarantine where partition = 3 order by "offset"')
    assert [row["body"] for row in stored] == [record.body or b"" for record in HOSTILE.values()]


def _no_utf_8(batch: bytes) -> bytes:
    return batch.replace(b"NAME", b"N\xff\xfeE")


def _by_zstandard(batch: bytes) -> bytes:
    """Return the same batch with its records as one stored block of Zstandard (RFC 8878), which aiokafka cannot read alone."""
    records = batch[61:]
    frame = b"\x28\xb5\x2f\xfd\x20" + bytes([len(records)]) + (len(records) << 3 | 1).to_bytes(3, "little") + records
    return batch[:21] + (4).to_bytes(2, "big") + batch[23:61] + frame


def _by_gzip_bomb(batch: bytes) -> bytes:
    """Return the same batch with a record of 200 MB of zeros as gzip (RFC 1952): 200 KB."""
    size = 200_000_000
    # A record of Kafka's format 2: its length, attributes, two deltas, no key, a value, no header; numbers are zigzag varints.
    value = _varint(size) + bytes(size) + _varint(0)
    record = b"\x00\x00\x00" + _varint(-1) + value
    records = gzip.compress(_varint(len(record)) + record, 9)
    return batch[:21] + (1).to_bytes(2, "big") + batch[23:61] + records


def _varint(number: int) -> bytes:
    number = number << 1 if number >= 0 else (-number << 1) - 1
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


async def test_compressed_bombs_are_refused_by_the_broker(attacked: Scene) -> None:
    """Given batches of 200 KB that hold 200 MB each, several at once, the broker refuses them and runs on, and what follows is applied."""
    home = one_home_for_each_partition()[4]
    await attacked.publish([home])
    bombs = [attacked.forge_bytes(_by_gzip_bomb, partition) for partition in range(6)]
    refused = await asyncio.gather(*bombs, return_exceptions=True)
    # A broker that ends would be found not ready, or its connection closed. aiokafka has no name for Kafka's INVALID_RECORD.
    assert {type(error) for error in refused} == {UnknownError}
    await attacked.publish([home])
    await attacked.applied_exactly()


@pytest.mark.parametrize("change", [_no_utf_8, _by_zstandard])
async def test_what_the_kafka_client_cannot_read_stops_nothing(
    attacked: Scene, change: Callable[[bytes], bytes]
) -> None:
    """Given a header's name that is no UTF-8, or a codec that is not installed, when it is read, then what follows is too."""
    home = one_home_for_each_partition()[4]
    await attacked.publish([home])
    await attacked.forge_bytes(change, 4)
    await attacked.publish([home])
    await attacked.applied_exactly()
    await attacked.alarmed("foreign_record")


MALFORMED_POSITIONS: dict[str, Forged] = {
    "no JSON": Forged((), b"\xff\x00", b"x"),
    "nested too deeply": Forged((), b"[" * 200_000, b"x"),
    "a tombstone": Forged((), None, b"x"),
    "no object": Forged((), b"7", b"x"),
    "offsets of infinity": Forged((), b'{"service": "note", "position": 1, "offsets": {"0": 1e999}}', b"x"),
    "a position of text": Forged((), b'{"service": "note", "position": "a", "offsets": {}}', b"x"),
    "NUL in the service": Forged((), b'{"service": "no\\u0000te", "position": 1, "offsets": {}}', b"x"),
    "a position beyond a bigint": Forged((), b'{"service": "note", "position": 1e30, "offsets": {}}', b"x"),
    "a partition that is none": Forged((), b'{"service": "note", "position": 1, "offsets": {"77": 1}}', b"x"),
    "a hash without value": Forged((("ooc_hash", None),), b'{"service": "note", "position": 1, "offsets": {}}', b"x"),
    "foreign ranges that are none": Forged(
        (), b'{"service": "note", "position": 1, "offsets": {"0": 1}, "foreign": {"0": [[9, 1]]}}', b"x"
    ),
}
IMPOSSIBLE_POSITIONS: dict[str, HighWaterMark] = {
    "beyond the topic": HighWaterMark(10**15, {0: 10**15}),
    "going back": HighWaterMark(0, {}),
    "more events than offsets": HighWaterMark(10**6, {0: 1}),
}


@pytest.mark.parametrize("name", MALFORMED_POSITIONS)
def test_a_malformed_position_record_is_a_value_error(name: str) -> None:
    """Given a malformed position record, when it is read, then it raises ValueError and nothing else."""
    record = MALFORMED_POSITIONS[name]
    with pytest.raises(ValueError, match=r"\w"):
        HighWaterMark.read("note", record.body, record.headers)


async def test_hostile_position_records_are_ignored_with_an_alarm(attacked: Scene) -> None:
    """Given malformed and impossible position records, when events follow, then they are applied, and alarms say so."""
    homes = one_home_for_each_partition()
    await attacked.publish(homes)
    for record in MALFORMED_POSITIONS.values():
        await attacked.forge_position(record)
    for mark in IMPOSSIBLE_POSITIONS.values():  # signed all the same, as one that is sent again is
        value, headers = mark.signed(attacked.position_topic, signers("note"))
        await attacked.forge_position(Forged(headers, value, b"x"))
    await attacked.publish(homes)
    await attacked.applied_exactly()
    await attacked.alarmed("malformed_position", "impossible_position")


# --- every shape ----------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["ce_id", "ce_type", "ce_subject", "ooc_version", "ooc_position", "ooc_recorded_at", "ooc_hash"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = (
    st.none()
    | st.binary(max_size=40)
    | st.sampled_from([b"note/" + str(STRANGER).encode(), b"1", b"2", b"2147483648", b"0" * 64, b"2026-01-01T00:00Z"])
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["stream", "version", "x"]), inner),
    max_leaves=6,
)
BODIES = st.none() | st.binary(max_size=60) | JSON_VALUES.map(lambda value: json.dumps(value).encode())
RECORDS = st.builds(
    Forged,
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=9).map(tuple),
    body=BODIES,
    key=st.none() | st.binary(max_size=20),
)
CHANGED = st.dictionaries(
    st.sampled_from(["ce_id", "ce_type", "ce_subject", "ooc_version", "ooc_position", "ooc_recorded_at", "ooc_hash"]),
    VALUES,
    max_size=3,
)


class Loop:
    """An event loop in a thread of its own, for tests that Hypothesis calls many times."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    one = Loop()
    yield one
    one.close()


@pytest.mark.parametrize("adapter", ["feed", "stream"])
def test_after_any_records_the_true_ones_are_applied_once_and_in_order(
    adapter: str, loop: Loop, database: str, postgres_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Given records of any shape among true events, when they are consumed, then each true one is applied once, in order."""
    context: AbstractAsyncContextManager[Scene] = scene(adapter, database, postgres_url, kafka_bootstrap, topic_prefix)
    attacked = loop.run(context.__aenter__())
    homes = one_home_for_each_partition()

    async def play(steps: list[tuple[int, Forged | dict[str, bytes | None] | None]]) -> None:
        for partition, step in steps:
            if step is None:
                await attacked.publish([homes[partition]])
            elif isinstance(step, Forged):
                await attacked.forge([step], [partition])
            else:
                await attacked.forge([forged(Author("note").write(homes[partition]), **step)], [partition])
        await attacked.publish(homes)
        await attacked.applied_exactly()

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(0, 11), st.none() | RECORDS | CHANGED), max_size=12))
    def any_sequence(steps: list[tuple[int, Forged | dict[str, bytes | None] | None]]) -> None:
        loop.run(play(steps))

    try:
        any_sequence()
    finally:
        loop.run(context.__aexit__(None, None, None))


def test_whatever_the_relay_would_write_holds_back_its_own_stream_only(
    loop: Loop, database: str, postgres_url: str
) -> None:
    """Given records of any shape that the relay vouches for, when they are taken, then other streams' are applied in order."""
    pool = loop.run(projection_pool(database, postgres_url))
    topic, offset, author, home = "ooc.note.events", 0, Author("note"), uuid4()

    def arrived(record: Forged) -> ConsumedEvent:
        nonlocal offset
        offset += 1
        return decode(topic, 0, offset, record.key, record.headers, record.body)

    async def play(steps: list[Forged | dict[str, bytes | None]]) -> None:
        records = []
        for step in steps:
            hostile = step if isinstance(step, Forged) else forged(_event(), **step)
            records += [arrived(hostile), arrived(forged(author.write(home)))]
        async with pool.acquire() as connection:
            result = await process_batch(connection, CONSUMER, topic, 0, records, write_any)
            if records:
                assert result.next_offset == offset + 1
            for stream in {event.record.stream for event in result.quarantined}:
                await quarantined_records(connection, CONSUMER, stream, limit=5)
                await retry_quarantine(connection, CONSUMER, stream, write_any)
            await quarantined_streams(connection)
            versions = await connection.fetch(
                "select version from effect where stream = $1 order by nth", f"note/{home}"
            )
            assert [row["version"] for row in versions] == list(range(1, author.position + 1))

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(RECORDS | CHANGED, max_size=8))
    def any_sequence(steps: list[Forged | dict[str, bytes | None]]) -> None:
        loop.run(play(steps))

    try:
        any_sequence()
    finally:
        loop.run(asyncio.wait_for(pool.close(), PATIENCE))


async def write_any(connection: Any, records: Any) -> None:
    """Apply, whatever the bodies are: a row for each, with all that the headers said."""
    for record in records:
        await connection.execute(
            "insert into effect (stream, version, event_id) values ($1, $2, $3)",
            *(record.stream, record.version, record.event_id),
        )
        await connection.execute(
            "select $1::text, $2::bigint, $3::timestamptz, $4::bytea",
            *(record.type, record.position, record.recorded_at, record.hash),
        )
