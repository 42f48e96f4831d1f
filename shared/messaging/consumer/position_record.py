"""Position records: the high-water mark of a relay's topic, and which records in it the relay wrote.

A position record is committed in the transaction of the events that it covers. It gives the position reached, for each
partition the offset after the last event, and the offsets of foreign records before it, which somebody else has written. So
the latest one covers every offset below its ends, and compaction of its topic loses nothing.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.event_store.anchors import Anchors
from shared.messaging.consumer.consumed_event import MAX_POSITION, Headers
from shared.messaging.consumer.lenient_records import install
from shared.messaging.consumer.position_signature import NotSigned, PositionKeys, signature_of
from shared.privacy.signed_note import Signer, VerifierKey
from shared.servers.kafka import LOOK_MILLISECONDS, PARTITIONS, Kafka, client_options, stop

T = TypeVar("T")

Ranges = tuple[tuple[int, int], ...]
"""Ranges of offsets in order, each from the first to one after the last."""

MAX_FOREIGN: Final = 2_500
"""The most foreign ranges of a partition in a record; the oldest beyond them are left out."""

ENDS_SECONDS: Final = 8.0
"""How long the ends of a topic are read again before a record beyond them is ignored."""

_PARTITION: Final = re.compile("0|[1-9][0-9]?", re.ASCII)
_HASH: Final = re.compile(rb"(?:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class HighWaterMark:
    """A position record: the high-water mark of a service's topic.

    `offsets` gives for each partition the offset after its last event; a partition without events is not named.
    `hash` is that of the event at the position; empty if there is none yet. `foreign` gives for each partition the offsets of
    foreign records; the markers of the relay's transactions are not named. `anchors` are for verification. `signed_by` are the
    known keys that have signed it.
    """

    position: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)
    hash: bytes = b""
    foreign: Mapping[int, Ranges] = field(default_factory=dict)
    anchors: Anchors = field(default_factory=Anchors)
    signed_by: Sequence[VerifierKey] = field(default=(), compare=False)

    def signed(self, topic: str, signers: Sequence[Signer]) -> tuple[bytes, list[tuple[str, bytes]]]:
        value = self.record(service_of(topic))
        headers = [("ooc_hash", self.hash.hex().encode()), *self.anchors.headers()]
        return value, [*headers, signature_of(signers, topic, value, headers)]

    def record(self, service: str) -> bytes:
        """Return the value of the position record: compact JSON in UTF-8. Its hashes are in headers."""
        offsets = {str(partition): offset for partition, offset in sorted(self.offsets.items())}
        value: dict[str, Any] = {"service": service, "position": self.position, "offsets": offsets}
        if self.foreign:
            value["foreign"] = {str(partition): ranges for partition, ranges in sorted(self.foreign.items())}
        return json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def read(cls, service: str, value: bytes | None, headers: Headers = ()) -> HighWaterMark:
        """Read a position record's value and headers; raises ValueError, whatever they are."""
        try:
            raw = json.loads(value or b"")
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(raw, dict) or raw.get("service") != service:
            raise ValueError(f"it is no position record of {service}")
        hash_ = dict(headers).get("ooc_hash", b"")
        if hash_ is None or _HASH.fullmatch(hash_) is None:
            raise ValueError("ooc_hash is no hash")
        offsets = {partition: _offset(end) for partition, end in _by_partition(raw.get("offsets")).items()}
        foreign = {partition: _ranges(pairs) for partition, pairs in _by_partition(raw.get("foreign", {})).items()}
        return cls(_offset(raw.get("position")), offsets, bytes.fromhex(hash_.decode()), foreign, Anchors.read(headers))

    def impossible(self, before: HighWaterMark | None, ends: Mapping[int, int]) -> str | None:
        """Explain why this cannot be true after an earlier record, in a topic with these ends; None if it can."""
        if beyond := self.beyond(ends):
            return f"it goes beyond the end of partition {beyond[0]}"
        if self.position > sum(self.offsets.values()):
            return f"position {self.position} has no room in the offsets that it names"
        if before is None:
            return None
        if self.position < before.position or any(
            self.offsets.get(partition, 0) < offset for partition, offset in before.offsets.items()
        ):
            return f"it goes back from position {before.position}"
        return None

    def beyond(self, ends: Mapping[int, int]) -> list[int]:
        """Return the partitions whose ends this goes beyond: their last records are lost, or somebody else wrote this."""
        return [partition for partition, offset in self.offsets.items() if offset > ends.get(partition, 0)]

    def vouches(self, partition: int, offset: int) -> bool | None:
        """Tell whether the relay wrote the record at an offset; None if this mark does not reach it."""
        if offset >= self.offsets.get(partition, 0):
            return None
        ranges = self.foreign.get(partition, ())
        before = bisect_right(ranges, (offset, MAX_POSITION))
        return before == 0 or offset >= ranges[before - 1][1]

    def after_transaction(
        self,
        position: int,
        hash_: bytes,
        placed: Sequence[tuple[int, int, int]],
        clean: Mapping[int, int],
        anchors: Anchors = Anchors(),  # noqa: B008 - a frozen value
    ) -> HighWaterMark:
        """Return the high-water mark after another transaction.

        `placed` gives partition, first offset and number of events of each of its batches, in order. `clean` gives the
        offset before which each partition has been searched for foreign records already. An offset between the known end
        and a batch is foreign, except the one marker that ended the partition's last transaction.
        """
        reached, begun = self, set[int]()
        for partition, first, count in placed:
            end = reached.offsets.get(partition, 0)
            marker = 1 if partition in self.offsets and partition not in begun else 0
            settled = max(end, clean.get(partition, 0))
            if first > max(end + marker, settled):
                reached = reached.with_foreign(partition, settled, first)
            reached = replace(reached, offsets={**reached.offsets, partition: first + count})
            begun.add(partition)
        return replace(reached, position=position, hash=hash_, anchors=anchors, signed_by=())

    def with_foreign(self, partition: int, first: int, end: int) -> HighWaterMark:
        """Return the mark with another foreign range of a partition, from `first` to `end` - 1; ranges that meet are joined."""
        ranges = self.foreign.get(partition, ())
        if ranges and ranges[-1][1] >= first:
            ranges, first = ranges[:-1], ranges[-1][0]
        ranges = (*ranges, (first, end))[-MAX_FOREIGN:]
        return replace(self, foreign={**self.foreign, partition: ranges})


def _by_partition(raw: Any) -> Mapping[int, Any]:
    if not isinstance(raw, dict) or len(raw) > PARTITIONS or not all(map(_PARTITION.fullmatch, raw)):
        raise ValueError("it names other partitions than a topic has")
    by_partition = {int(partition): value for partition, value in raw.items()}
    if any(partition >= PARTITIONS for partition in by_partition):
        raise ValueError(f"it names a partition beyond {PARTITIONS - 1}")
    return by_partition


def _offset(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_POSITION:
        raise ValueError("a position or offset in it is no number that can be one")
    return value


def _ranges(raw: Any) -> Ranges:
    if not isinstance(raw, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in raw):
        raise ValueError("its foreign ranges are not pairs of offsets")
    ranges = tuple((_offset(first), _offset(end)) for first, end in raw)
    flat = [offset for pair in ranges for offset in pair]
    if any(later <= earlier for earlier, later in zip(flat[::2], flat[1::2], strict=True)) or flat != sorted(flat):
        raise ValueError("its foreign ranges are not in order")
    return ranges


@dataclass(frozen=True, slots=True)
class Ignored:
    """An invalid record of a position topic: the name of its alarm, its topic, and the reason in words.

    `beyond` is its mark if that goes beyond the end of its topic: the owner of the event store can tell whether it was true.
    """

    alarm: str
    topic: str
    detail: str
    beyond: HighWaterMark | None = None


def service_of(topic: str) -> str:
    """Return the service of an events or position topic, `<namespace>.<service>.<what>`."""
    return topic.split(".")[-2]


def events_topic_of(position_topic: str) -> str:
    return f"{position_topic.removesuffix('.position')}.events"


def evaluate(
    records: Sequence[Any], before: HighWaterMark | None, ends: Mapping[int, int], keys: PositionKeys
) -> tuple[HighWaterMark | None, list[Ignored]]:
    """Return the last valid record of a position topic, and those to ignore."""
    believed, ignored = before, []
    for record in records:
        here = f"offset {record.offset}"
        try:
            reached = HighWaterMark.read(service_of(record.topic), record.value, record.headers)
            reached = replace(reached, signed_by=keys.signers_of(record.topic, record.value or b"", record.headers))
        except ValueError as error:
            if believed is None and isinstance(error, NotSigned):
                continue  # before the first signed one may stand those of an older release
            ignored.append(Ignored("malformed_position", record.topic, f"{here}: {error}"[:500]))
            continue
        impossible = reached.impossible(believed, ends)
        if impossible is None:
            believed = reached
        else:
            beyond = reached if reached.beyond(ends) else None
            ignored.append(Ignored("impossible_position", record.topic, f"{here}: {impossible}", beyond))
    return believed, ignored


async def evaluate_at_ends(
    records: Sequence[Any],
    before: HighWaterMark | None,
    read_ends: Callable[[], Awaitable[Mapping[int, int]]],
    keys: PositionKeys,
    patience: float = ENDS_SECONDS,
) -> tuple[HighWaterMark | None, list[Ignored]]:
    """As `evaluate`, with the ends read after the records; for some seconds while a record is beyond them."""

    async def look() -> tuple[HighWaterMark | None, list[Ignored]]:
        return evaluate(records, before, await read_ends(), keys)

    return await look_again(look, lambda seen: any(record.beyond is not None for record in seen[1]), patience)


async def look_again(
    look: Callable[[], Awaitable[T]], is_short: Callable[[T], bool], patience: float = ENDS_SECONDS
) -> T:
    """Look at the ends of a topic, for some seconds while they fall short; return the last result.

    A broker that was frozen answers for a moment as the leader that it was, with the ends of that time.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + patience
    while True:
        seen = await look()
        if clock() >= until or not is_short(seen):
            return seen
        await asyncio.sleep(0.5)


async def end_offsets(consumer: Any, topic: str) -> Mapping[int, int]:
    """Return the end of each partition of a topic; a consumer of uncommitted records sees the ends beyond open transactions."""
    partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
    return {tp.partition: end for tp, end in (await consumer.end_offsets(partitions)).items()}


async def find_last(
    consumer: Any,
    position_topic: str,
    read_ends: Callable[[], Awaitable[Mapping[int, int]]],
    keys: PositionKeys,
    patience: float = ENDS_SECONDS,
    beyond: int = -1,
) -> tuple[HighWaterMark | None, list[Ignored]]:
    """Find the last valid record, and the invalid ones after it, as `evaluate_at_ends` does.

    `read_ends` reads the ends of the events topic. It is called after the records have been read, since the relay goes on
    publishing. The consumer is assigned to the topic, and is at its end afterwards, which is `beyond` an offset that
    is known: until it is, the broker does not lead.
    """
    partition = TopicPartition(position_topic, 0)

    async def find_end() -> int:
        return int((await consumer.end_offsets([partition]))[partition])

    end = await look_again(find_end, lambda end: end <= beyond, math.inf)
    beginning = (await consumer.beginning_offsets([partition]))[partition]
    # The last record is usually among the last few; aborted ones and markers take offsets too.
    start, step, last = end, 100, None
    ignored: list[Ignored] = []
    while last is None and start > beginning:
        until, start, step = start, max(beginning, start - step), step * 100
        records = [record async for record in _read_between(consumer, partition, start, until)]
        last, invalid = await evaluate_at_ends(records, None, read_ends, keys, patience)
        ignored = invalid + ignored
    consumer.seek(partition, end)
    return last, ignored


async def records_after(
    consumer: Any, events_topic: str, reached: HighWaterMark, identify: Callable[[Any], T]
) -> tuple[list[tuple[int, int, T]], Mapping[int, int]]:
    """Return partition, offset and what `identify` makes of each record after those covered; and the ends of the search.

    The relay calls this before it publishes: its aborted records are not seen.
    """
    ends = await end_offsets(consumer, events_topic)
    unknown = [n for n, end in ends.items() if end > reached.offsets.get(n, 0) + (n in reached.offsets)]
    consumer.assign([TopicPartition(events_topic, n) for n in unknown])
    records = [
        (n, record.offset, identify(record))
        for n in unknown
        async for record in _read_between(consumer, TopicPartition(events_topic, n), reached.offsets.get(n, 0), ends[n])
    ]
    return records, ends


async def _read_between(consumer: Any, partition: TopicPartition, start: int, until: int) -> AsyncIterator[Any]:
    consumer.seek(partition, start)
    while await consumer.position(partition) < until:
        for record in (await consumer.getmany(partition, timeout_ms=200)).get(partition, ()):
            if record.offset < until:
                yield record


@asynccontextmanager
async def reader(bootstrap: Kafka, isolation_level: str, wait_milliseconds: int = 20) -> AsyncIterator[Any]:
    """Yield a consumer without a group; from now on all of this process read records with any header.

    At the end of a topic the broker keeps a fetch waiting for new records, and answers nothing else on its connection.
    So the wait is short by default, for a search that ends there.
    """
    install()
    consumer = AIOKafkaConsumer(
        **client_options(bootstrap),
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=wait_milliseconds,
        consumer_timeout_ms=LOOK_MILLISECONDS,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await stop(consumer, 5)
