"""The topic against the event store: each record byte for byte.

A record is the store's own if the store holds an event at the position that it names, and the relay would write that
event so: same bytes, key, partition and headers, once, in order. Every other record is named with its offset.

Batches are compared as they are (`record_batches`). Only one in which something differs is read record by record, which says
what it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from services.console.record_batches import (
    BatchReader,
    RecordBatch,
    Unlike,
    batch_reader,
    position_in,
    raw_records,
    record_bytes,
    records_in,
)
from shared.kafka import Kafka
from shared.messaging.consumer.position_record import reader
from shared.messaging.relay import headers_of, key_and_partition
from shared.runtime.service import Service
from shared.runtime.verification.log import READABLE_TIME
from shared.runtime.verification.problems import Pool, Problems
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


@asynccontextmanager
async def comparing_topic(
    service: Service[Any], database: Pool, bootstrap: Kafka, head: int, problems: Problems
) -> AsyncIterator[TopicComparison]:
    """Open a comparison of the topic, once it has come to the head or will not come there. Raises a KafkaError."""
    reached = await wait_until_reached(service, database, bootstrap, head, problems)
    async with reader(bootstrap, "read_committed") as consumer, batch_reader(bootstrap, service.topic) as batches:
        ends = await ends_of(consumer, service, reached)
        begins = await consumer.beginning_offsets(list(ends))
        cursors = [_Cursor(batches, partition, begins[partition], end) for partition, end in ends.items()]
        yield TopicComparison(_TopicWalk(service, database, head, problems), consumer, batches, cursors)


class TopicComparison:
    """Compares every record of a topic with the event store, and sees that each event up to the head is there.

    It may follow a walk through the log (`follow`): where the next record of a partition is what the relay writes of the
    next row, that is all. From the first other record of a partition on, each is looked up in the event store (`finish`).
    """

    def __init__(self, walk: _TopicWalk, consumer: Any, batches: BatchReader, cursors: Sequence[_Cursor]) -> None:
        self._walk = walk
        self._consumer = consumer
        self._batches = batches
        self._cursors = {cursor.partition.partition: cursor for cursor in cursors}

    async def follow(self, rows: Sequence[asyncpg.Record]) -> None:
        """Compare the next rows of the log, in order of position."""
        for row in rows:
            position = row["position"]
            if 0 < position <= self._walk.head:
                partition, record = self._walk.record_of(row)
                cursor = self._cursors[partition]
                ahead = cursor.ahead or await cursor.fetch()
                if ahead and ahead[-1] == record:
                    ahead.pop()
                    self._walk.see(partition, position)
                else:
                    cursor.stop()

    async def finish(self) -> None:
        """Compare what is left."""
        for cursor in self._cursors.values():
            cursor.stop()
            offset = await self._walk.take_batches(self._batches, cursor.partition, cursor.offset, cursor.end)
            if offset < cursor.end:
                self._consumer.assign([cursor.partition])
                self._consumer.seek(cursor.partition, offset)
                async for messages in records_up_to(self._consumer, cursor.partition, cursor.end, self._walk.problems):
                    await self._walk.take(messages)
        await self._walk.end()


class _Cursor:
    """The records of a partition in their order, as bytes, until one of them is not the expected one."""

    def __init__(self, batches: BatchReader, partition: TopicPartition, begin: int, end: int) -> None:
        self.partition = partition
        self.end = end
        self.offset = begin
        """Where the records begin that have not been fetched; once it has stopped, those that have not been compared."""
        self.ahead: list[bytes] = []
        """The next records that have been fetched, the first of them last."""
        self._offsets: list[int] = []
        """Their offsets, the first of them first."""
        self._batches = batches
        self._stopped = False

    async def fetch(self) -> list[bytes]:
        """Fetch further records, and return them as `ahead`; none where there are none, or they cannot be told apart."""
        while not (self.ahead or self._stopped) and self.offset < self.end:
            found, after = await self._batches.fetch(self.partition, self.offset)
            try:
                pages = [(batch.base_offset, raw_records(batch)) for batch in found]
            except Unlike:
                break
            if after == self.offset or any(base < self.offset for base, _ in pages):
                break
            self.ahead = [record for _, page in pages for record in page][::-1]
            self._offsets = [base + n for base, page in pages for n in range(len(page))]
            self.offset = after
        return self.ahead

    def stop(self) -> None:
        """Fetch no more, and forget what has been fetched and was not compared."""
        if self.ahead:
            self.offset = self._offsets[-len(self.ahead)]
        self.ahead, self._stopped = [], True


class _TopicWalk:
    """What of the topic has been seen."""

    def __init__(self, service: Service[Any], database: Pool, head: int, problems: Problems) -> None:
        self.head = head
        self.problems = problems
        self._source = f"/ooc/{service.name}".encode()
        self._database = database
        self._last: dict[int, int] = {}
        """The last position that is the store's own, of each partition: the relay writes in order of position."""
        self._seen: defaultdict[int, int] = defaultdict(int)
        """A bit for each position up to the head, in numbers of `_WIDTH` bits."""

    def record_of(self, row: asyncpg.Record) -> tuple[int, bytes | None]:
        """Return the partition and the bytes of the record that the relay writes of a row; None where it cannot."""
        key, partition = key_and_partition(row["home"])
        try:
            return partition, record_bytes(key, row["body"], headers_of(row, self._source))
        except Exception:  # noqa: BLE001 - whatever stands there
            return partition, None

    def see(self, partition: int, position: int) -> None:
        """Note that the store's own event at a position is the next one in its partition."""
        self._last[partition] = position
        self._mark(position)

    async def take_batches(self, batches: BatchReader, partition: TopicPartition, offset: int, end: int) -> int:
        """Compare the batches of a partition from an offset on, and return the offset after them.

        It stops before the end where no more come, or where one cannot be read: its records say then what is wrong.
        """
        while offset < end:
            found, after = await batches.fetch(partition, offset)
            stopped = await self._take_page(found, partition, offset)
            if stopped is not None or after == offset:
                return offset if stopped is None else stopped
            offset = after
        return offset

    async def _take_page(self, found: Sequence[RecordBatch], partition: TopicPartition, offset: int) -> int | None:
        """Compare some batches; return the offset of the one that cannot be parsed, if any."""
        pages = [_split(batch) if batch.base_offset >= offset else {} for batch in found]
        rows = await self._rows([position for page in pages for position in page])
        for batch, page in zip(found, pages, strict=True):
            if not self._are_own(page, rows, partition.partition):
                try:
                    records = records_in(batch, partition, offset)
                except (ValueError, TypeError, KafkaError):
                    return offset
                await self.take(records)
            offset = batch.offset + 1
        return None

    def _are_own(self, page: Mapping[int, bytes], rows: Mapping[int, asyncpg.Record], partition: int) -> bool:
        """Tell whether all records of a batch are the event store's own, each in its place; then they count as seen."""
        last = self._last.get(partition, 0)
        for position, record in page.items():
            row = rows.get(position)
            if position <= last or row is None or self.record_of(row) != (partition, record):
                return False
            last = position
        for position in page:
            self.see(partition, position)
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
                self.problems.note(f"{here}: {wrong}")

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
        self._mark(position)
        return wrong

    def _mark(self, position: int) -> None:
        """Note that some record names a position of the store."""
        if position <= self.head:
            self._seen[position // _WIDTH] |= 1 << position % _WIDTH

    async def end(self) -> None:
        """Note the events of the store, up to the head, that no record holds."""
        if sum(bits.bit_count() for bits in self._seen.values()) == self.head:
            return
        missing, first, after = 0, None, 0
        while rows := await self._database.fetch(_POSITIONS, after, self.head, _WIDTH):
            for row in rows:
                after = row["position"]
                if not self._seen[after // _WIDTH] >> after % _WIDTH & 1:
                    missing, first = missing + 1, first or after
        if missing:
            self.problems.note(f"{missing} events are missing in the topic, the first at position {first}")


def _split(batch: RecordBatch) -> Mapping[int, bytes]:
    """Return the bytes of each record by the position that it seems to name; none where they cannot be told apart."""
    try:
        records = raw_records(batch)
        found = {position_in(record): record for record in records}
    except Unlike:
        return {}
    return found if len(found) == len(records) and min(found) > 0 and max(found) <= _GREATEST_POSITION else {}


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
