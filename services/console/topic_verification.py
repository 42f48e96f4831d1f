"""The topic against the event store: each record byte for byte.

A record is the store's own if the store holds an event at the position that it names, and the relay would write that
event so: same bytes, key, partition and headers, once, in order. Every other record is named with its offset.

Batches are compared as they are (`record_batches`). Only one in which something differs is read record by record, which says
what it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import asyncpg
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from services.console.record_batches import (
    BatchReader,
    RecordBatch,
    Unlike,
    batch_reader,
    raw_records,
    record_bytes,
    records_in,
)
from shared.kafka import Kafka
from shared.messaging.consumer.position_record import reader
from shared.messaging.relay import headers_of, key_and_partition
from shared.runtime.service import Service
from shared.runtime.verification.log import READABLE_TIME
from shared.runtime.verification.problems import Passed, Pool, Problems
from shared.runtime.verification.topic import ends_of, place_in, records_up_to, wait_until_reached

REQUIRED_HEADERS: Final = frozenset(
    {"ce_id", "ce_type", "ce_subject", "ooc_version", "ooc_position", "ooc_recorded_at", "ooc_hash"}
)
"""What every event carries; the others came later, or depend on the event."""

_GREATEST_POSITION: Final = 2**63 - 1
_EVENTS: Final = f"""
    select position, {READABLE_TIME}, stream, version, event_id, type, home, hash, body
    from event where position = any($1)
"""  # noqa: S608 - the expression there
_POSITIONS: Final = "select position from event where position > $1 and position <= $2 order by position limit $3"
_WIDTH: Final = 8_192


async def check_topic(
    service: Service[Any], database: Pool, bootstrap: Kafka, head: int, problems: Problems, passed: Passed
) -> None:
    """Compare every record of the topic with the store, and see that each event up to the head is there."""
    reached = await wait_until_reached(service, database, bootstrap, head, problems)
    walk = _TopicWalk(service, database, head, problems, passed)
    async with reader(bootstrap, "read_committed") as consumer, batch_reader(bootstrap, service.topic) as batches:
        ends = await ends_of(consumer, service, reached)
        begins = await consumer.beginning_offsets(list(ends))
        for partition, end in ends.items():
            offset = await walk.take_batches(batches, partition, begins[partition], end)
            if offset < end:
                consumer.assign([partition])
                consumer.seek(partition, offset)
                async for messages in records_up_to(consumer, partition, end, problems):
                    await walk.take(messages)
    await walk.end()


class _TopicWalk:
    """What of the topic has been seen."""

    def __init__(self, service: Service[Any], database: Pool, head: int, problems: Problems, passed: Passed) -> None:
        self._source = f"/ooc/{service.name}".encode()
        self._database = database
        self._head = head
        self._problems = problems
        self._passed = passed
        self._last: dict[int, int] = {}
        """The last position that is the store's own, of each partition: the relay writes in order of position."""
        self._seen: defaultdict[int, int] = defaultdict(int)
        """A bit for each position up to the head, in numbers of `_WIDTH` bits."""

    async def take_batches(self, batches: BatchReader, partition: TopicPartition, offset: int, end: int) -> int:
        """Compare the batches of a partition from an offset on, and return the offset after them.

        It stops before the end where no more come, or where one cannot be read: its records say then what is wrong.
        """
        while offset < end:
            try:
                found, after = await batches.fetch(partition, offset)
            except (OSError, ValueError, TypeError, KafkaError):
                return offset
            stopped = await self._take_page(found, partition, offset)
            if stopped is not None or after == offset:
                return offset if stopped is None else stopped
            offset = after
        return offset

    async def _take_page(self, found: Sequence[RecordBatch], partition: TopicPartition, offset: int) -> int | None:
        """Compare some batches; return the offset of the one that cannot be parsed, if any."""
        pages = [_split(batch) if batch.base_offset >= offset else [] for batch in found]
        rows = await self._rows([position for page in pages for _, position in page])
        for batch, page in zip(found, pages, strict=True):
            if self._are_own(page, rows, partition.partition):
                self._passed(len(page))
            else:
                try:
                    records = records_in(batch, partition, offset)
                except (ValueError, TypeError, KafkaError):
                    return offset
                await self.take(records)
            offset = batch.offset + 1
        return None

    def _are_own(self, page: Sequence[tuple[bytes, int]], rows: Mapping[int, asyncpg.Record], partition: int) -> bool:
        """Tell whether all records of a batch are the event store's own, each in its place; then they count as seen."""
        last = self._last.get(partition, 0)
        for data, position in page:
            row = rows.get(position)
            if row is None or position <= last or not _is_own(data, row, partition, self._source):
                return False
            last = position
        for _, position in page:
            if position <= self._head:
                self._seen[position // _WIDTH] |= 1 << position % _WIDTH
        self._last[partition] = last
        return bool(page)

    async def _rows(self, positions: Sequence[int]) -> Mapping[int, asyncpg.Record]:
        return {row["position"]: row for row in await self._database.fetch(_EVENTS, positions)}

    async def take(self, messages: Sequence[Any]) -> None:
        """Compare some records of one partition with the store."""
        named = [_position_of(message) for message in messages]
        rows = await self._rows([position for position in named if position is not None])
        for message, position in zip(messages, named, strict=True):
            try:
                wrong = self._compare(message, position, None if position is None else rows.get(position))
            except Exception as error:  # noqa: BLE001 - one record must not hide the others
                wrong = f"cannot be compared: {type(error).__name__}: {error}"
            if wrong:
                here = place_in(TopicPartition(message.topic, message.partition), message.offset)
                self._problems.note(f"{here}: {wrong}")
        self._passed(len(messages))

    def _compare(self, message: Any, position: int | None, row: asyncpg.Record | None) -> str:
        """Return what is wrong with a record; nothing where it is the event store's own."""
        if position is None:
            return "not the event store's own: it names no position"
        if row is None:
            return f"not the event store's own: the store holds nothing at position {position}"
        differing = list(_differences(message, row, self._source))
        if differing:
            wrong = f"not what the event store holds at position {position}: {', '.join(differing)}"
        elif position <= self._last.get(message.partition, 0):
            wrong = f"position {position} comes after position {self._last[message.partition]}"
        else:
            wrong = ""
            self._last[message.partition] = position
        if position <= self._head:
            self._seen[position // _WIDTH] |= 1 << position % _WIDTH
        return wrong

    async def end(self) -> None:
        """Note the events of the store, up to the head, that no record holds."""
        missing, first, after = 0, None, 0
        while rows := await self._database.fetch(_POSITIONS, after, self._head, _WIDTH):
            for row in rows:
                after = row["position"]
                if not self._seen[after // _WIDTH] >> after % _WIDTH & 1:
                    missing, first = missing + 1, first or after
        if missing:
            self._problems.note(f"{missing} events are missing in the topic, the first at position {first}")


def _split(batch: RecordBatch) -> Sequence[tuple[bytes, int]]:
    """Return the bytes of each record, and the position that it seems to name; none where they cannot be told apart."""
    try:
        found = list(raw_records(batch))
    except Unlike:
        return ()
    return found if all(0 < position <= _GREATEST_POSITION for _, position in found) else ()


def _is_own(data: bytes, row: asyncpg.Record, partition: int, source: bytes) -> bool:
    """Tell whether the bytes of a record are what the relay writes of a row, to this partition."""
    try:
        key, due = key_and_partition(row["home"])
        return due == partition and data == record_bytes(key, row["body"], headers_of(row, source))
    except Exception:  # noqa: BLE001 - a row that cannot be written has no such record
        return False


def _position_of(message: Any) -> int | None:
    """Return the position that a record names, where it can be read."""
    try:
        position = int(dict(message.headers or ())["ooc_position"])
    except (KeyError, ValueError, TypeError):
        return None
    return position if 0 < position <= _GREATEST_POSITION else None


def _differences(message: Any, row: asyncpg.Record, source: bytes) -> Iterator[str]:
    """Yield the parts of a record that are not as the relay would write the row."""
    key, partition = key_and_partition(row["home"])
    wanted = headers_of(row, source)
    if message.value != row["body"]:
        yield "its bytes"
    if message.key != key:
        yield "its key"
    if message.partition != partition:
        yield f"its partition, which is {partition} by its key"
    headers: Mapping[str, bytes] = dict(message.headers)
    expected = dict(wanted)
    if len(headers) != len(message.headers):
        yield "a header that stands twice"
    for name in sorted(headers.keys() | REQUIRED_HEADERS):
        if name not in headers or headers[name] != expected.get(name):
            yield f"header {name}"
