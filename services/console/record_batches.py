"""Record batches of a topic as bytes, and the bytes that a record has in one.

aiokafka makes some thirty objects of a record with its headers. Whether a record is what the relay writes can be told from
its bytes: those after its offset are a function of key, value and headers alone (Kafka's message format, version 2).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import CorruptRecordException, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import _MemoryRecordsPy

from shared.kafka import Kafka, client_options
from shared.messaging.consumer.lenient_records import KeptRecords, LenientPartitionRecords
from shared.messaging.relay import Headers

FETCH_BYTES: Final = 1_000_000
"""How many bytes are fetched at once; a batch may be longer."""

WAIT_MILLISECONDS: Final = 20
"""How long a broker may wait for the first byte."""

_CHECKED: Final = True
"""Whether aiokafka checks the CRC of each batch."""

_HEADER: Final = Struct(">qiibIhiqqqhii")
"""Base offset, length, leader's epoch, magic, CRC, attributes, last offset delta, two times, the producer's three, count."""

_MAGIC: Final = 2
_CODEC: Final = 0x07
"""The bits of the attributes that name a compression."""

_VARINT: Final = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_RECORD: Final = re.compile(rb"(%b)[\x00-\x7f]%b(%b)" % (_VARINT, _VARINT, _VARINT))
"""The beginning of a record: its length; then attributes and timestamp delta; its offset delta."""

_POSITION: Final = b"\x18ooc_position"
"""The name of the header, after its length."""


class Unlike(Exception):
    """A batch in which something is not as the relay's producer writes it: only its records can tell what."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """A committed batch as the broker sent it, with a right CRC. `offset` is that of its last record."""

    data: bytes
    base_offset: int
    offset: int


class _Batch:
    """A batch of one record for aiokafka: the batch itself."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._parsed = DefaultRecordBatch(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parsed, name)

    def __iter__(self) -> Iterator[RecordBatch]:
        yield RecordBatch(self._data, self._parsed.base_offset, self._parsed.next_offset - 1)

    def __next__(self) -> Any:
        return next(self._parsed)  # the record of a control batch, which may say that a transaction was aborted


class _Batches(_MemoryRecordsPy):  # type: ignore[misc]
    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data

    def next_batch(self) -> _Batch:
        data = bytes(self._next_slice)
        self._cache_next()
        if len(data) < _HEADER.size or data[16] != _MAGIC:
            raise CorruptRecordException("a batch of another format")
        return _Batch(data)


class _CommittedBatches(LenientPartitionRecords):
    """The committed batches of a fetch: aiokafka checks their CRC, and leaves out aborted and control batches."""

    def _consumer_record(self, _partition: Any, record: Any) -> Any:
        return record


class BatchReader:
    """Reads the batches of one partition after the other."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def fetch(self, partition: TopicPartition, offset: int) -> tuple[list[RecordBatch], int]:
        """Fetch committed batches from an offset on; return them, and the offset after them.

        Where that fails, none come and the offset is the same: a consumer that reads there says what it is.
        """
        try:
            return await self._fetch(partition, offset)
        except Exception:  # noqa: BLE001 - as above
            return [], offset

    async def _fetch(self, partition: TopicPartition, offset: int) -> tuple[list[RecordBatch], int]:
        asked = [(partition.topic, [(partition.partition, offset, FETCH_BYTES)])]
        request = FetchRequest(WAIT_MILLISECONDS, 1, FETCH_BYTES, READ_COMMITTED, asked)
        response = await self._client.send(self._client.cluster.leader_for_partition(partition), request)
        ((_, ((_, error, _, *rest),)),) = response.topics
        if error:
            raise for_code(error)
        aborted, data = rest[2 if response.API_VERSION >= 11 else -2], rest[-1]
        found = _CommittedBatches(partition, _Batches(data), aborted, offset, None, None, _CHECKED, READ_COMMITTED)
        batches = list(found)
        return batches, found.next_fetch_offset


@asynccontextmanager
async def batch_reader(kafka: Kafka, topic: str) -> AsyncIterator[BatchReader]:
    """Yield a reader of a topic's batches. Raises a KafkaError."""
    client = AIOKafkaClient(**client_options(kafka))
    try:
        await client.bootstrap()
        await client.set_topics([topic])
        yield BatchReader(client)
    finally:
        await client.close()


def records_in(batch: RecordBatch, partition: TopicPartition, offset: int) -> list[Any]:
    """Parse the records of a batch from an offset on, as a consumer does. Raises what its `getmany` raises."""
    kept = KeptRecords(batch.data)
    return list(LenientPartitionRecords(partition, kept, (), offset, None, None, not _CHECKED, READ_COMMITTED))


def raw_records(batch: RecordBatch) -> list[bytes]:
    """Return each record's bytes from its key on; their offsets follow each other. Raises `Unlike`."""
    data, found = batch.data, list[bytes]()
    *_, attributes, _, _, _, _, _, _, count = _HEADER.unpack_from(data)
    end = _HEADER.size
    if attributes & _CODEC:
        raise Unlike
    for number in range(count):
        head = _RECORD.match(data, end)
        if head is None or head[2] != _LENGTHS[number]:
            raise Unlike
        begin, end = head.end(), head.end(1) + _number(head[1])
        found.append(data[begin:end])
    if end != len(data):
        raise Unlike
    return found


def position_in(record: bytes) -> int:
    """Return the position that the bytes of a record seem to name. Raises `Unlike`."""
    try:
        at = record.rindex(_POSITION) + len(_POSITION)
        return int(record[at + 1 : at + 1 + (record[at] >> 1)])
    except (ValueError, IndexError):
        raise Unlike from None


def record_bytes(key: bytes, value: bytes, headers: Headers) -> bytes:
    """Return the bytes of a record from its key on, as every producer writes them."""
    names, lengths = _NAMES, _LENGTHS
    parts = [lengths[len(key)], key, lengths[len(value)], value, lengths[len(headers)]]
    for name, content in headers:
        parts += (names[name], lengths[len(content)], content)
    return b"".join(parts)


class _Lengths(dict[int, bytes]):
    """Lengths as zigzag varints, each encoded once."""

    def __missing__(self, number: int) -> bytes:
        encoded = _length(number)
        if number < _REMEMBERED:
            self[number] = encoded
        return encoded


class _Names(dict[str, bytes]):
    """Names of headers after their lengths, each encoded once; the relay has a dozen."""

    def __missing__(self, name: str) -> bytes:
        encoded = name.encode()
        found = self[name] = _length(len(encoded)) + encoded
        return found


_REMEMBERED: Final = 16_384
_LENGTHS: Final = _Lengths()
_NAMES: Final = _Names()


def _length(number: int) -> bytes:
    """Encode a number that is not negative as a zigzag varint."""
    rest, found = number << 1, bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*found, rest])


@lru_cache(maxsize=16_384)
def _number(varint: bytes) -> int:
    """Decode a zigzag varint. Raises `Unlike` where it is negative, as no length is."""
    number = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(varint))
    if number & 1:
        raise Unlike
    return number >> 1
