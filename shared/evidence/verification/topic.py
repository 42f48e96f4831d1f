"""Compare the topic with the event store: its end, and each record byte for byte.

A record is the store's own if the store holds an event at the position that it names, and the relay would write that
event so: same bytes, key, partition and headers, once, in order. Every other record is named with its offset.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

import asyncpg
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from shared.domain.service import Service
from shared.evidence.home_evidence import verifier_keys
from shared.evidence.verification.log import PAGE, READABLE_TIME
from shared.evidence.verification.problems import Passed, Problems, ignore_passed
from shared.messaging import relay
from shared.messaging.consumer.position_record import HighWaterMark, reader
from shared.messaging.consumer.position_signature import PositionKeys
from shared.servers.database import Connection, Pool
from shared.servers.kafka import PARTITIONS, Kafka

PATIENCE_SECONDS: Final = 60.0
"""How long the topic may take to reach the position that is verified, if a relay can still bring it there."""

STALL_SECONDS: Final = 10.0
"""How long a broker may give no record of a partition that has not come to its end."""

_GREATEST_POSITION: Final = 2**63 - 1
_AT: Final = """
    select head.position as head, event.hash, event.log_hash
    from head left join event on event.position = $1
"""
_MARK: Final = "select position, hash from relayed"
_EVENTS: Final = f"""
    select position, {READABLE_TIME}, stream, version, event_id, type, home, hash, body
    from event where position = any($1)
"""  # noqa: S608 - the expression there
_POSITIONS: Final = "select position from event where position > $1 and position <= $2 order by position limit $3"
_WIDTH: Final = 8_192
_STOPPED: Final = "select exists (select 1 from alarm where consumer = $1 and name = any($2))"


async def read_position_record(
    service: Service[Any], database: Pool | Connection, bootstrap: Kafka, problems: Problems
) -> HighWaterMark:
    """Read the last position record that can be believed; note each ignored, and why if none can be read."""
    try:
        keys = PositionKeys.listed(service.name, await verifier_keys(database))
        record, ignored = await relay.last_position(bootstrap, service.position_topic, keys)
    except Exception as error:  # noqa: BLE001 - whatever stands there, the other checks go on without it
        problems.note(f"{service.position_topic}: its last record cannot be read: {type(error).__name__}: {error}")
        return HighWaterMark()
    for alarm in ignored:
        problems.note(f"{alarm.topic} {alarm.detail}")
    return record or HighWaterMark()


async def check_reached(database: Pool, reached: HighWaterMark, problems: Problems) -> None:
    """Whether the store holds what its topic, and its own high-water mark, have come to."""
    mark = await database.fetchrow(_MARK)
    places = [("its topic", reached.position, reached.hash, reached.anchors.log_hash)]
    if mark is not None:
        places.append(("its high-water mark", mark["position"], mark["hash"], b""))
    for what, position, hash_, log_hash in places:
        if not 0 < position <= _GREATEST_POSITION:
            if position:
                problems.note(f"{what} says that it has come to position {position}")
            continue
        at = await database.fetchrow(_AT, position)
        head = 0 if at is None else at["head"]
        if at is None or position > head or at["hash"] is None:
            problems.note(
                f"{what} has come to position {position}, the event store to {head}: events were cut, or it was restored from"
                " an older backup (docs/how-to/runbook/topic_ahead_of_event_store.md)"
            )
        elif hash_ and at["hash"] != hash_:
            problems.note(f"{what} holds another event at position {position}")
        elif log_hash and at["log_hash"] != log_hash:
            problems.note(f"{what} holds another log hash at position {position}: a time or an answer was changed")


async def check_topic(
    service: Service[Any],
    database: Pool,
    bootstrap: Kafka,
    head: int,
    problems: Problems,
    passed: Passed = ignore_passed,
) -> None:
    """Compare each record with the event store, and see that each event up to the head has one. Raises a KafkaError.

    It begins once the topic has come to the head, or will not come there.
    """
    reached = await _wait_until_reached(service, database, bootstrap, head, problems)
    comparison = _TopicComparison(service, database, head, problems)
    async for messages in committed_records(service, bootstrap, reached, problems):
        await comparison.take(messages)
        passed(len(messages))
    await comparison.end()


async def _wait_until_reached(
    service: Service[Any], database: Pool, bootstrap: Kafka, head: int, problems: Problems
) -> HighWaterMark:
    """Return the position record, once it has come to the head or will not come there."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        reached = await read_position_record(service, database, bootstrap, Problems())
        if reached.position >= head:
            return reached
        stopped = await database.fetchval(_STOPPED, relay.ALARMIST, list(relay.STOPPING))
        if stopped or time.monotonic() >= until:
            why = "its alarm stands" if stopped else f"{PATIENCE_SECONDS:g} seconds have passed"
            problems.note(f"the relay is at position {reached.position}, not at {head}: {why}")
            return reached
        await asyncio.sleep(0.2)


async def committed_records(
    service: Service[Any], bootstrap: Kafka, reached: HighWaterMark, problems: Problems
) -> AsyncIterator[Sequence[Any]]:
    """Every committed record of the topic, some of a partition at a time; notes if they end too early."""
    async with reader(bootstrap, "read_committed") as consumer:
        for partition, end in (await _ends_of(consumer, service, reached)).items():
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            async for messages in _records_up_to(consumer, partition, end, problems):
                yield messages


async def _ends_of(consumer: Any, service: Service[Any], reached: HighWaterMark) -> dict[TopicPartition, int]:
    """Return where each partition of the topic ends: the offset after its last committed record."""
    ends = await consumer.end_offsets([TopicPartition(service.topic, n) for n in range(PARTITIONS)])
    # A broker marks the end of a transaction in one partition after the other; the position record knows better.
    return {place: max(end, reached.offsets.get(place.partition, 0)) for place, end in ends.items()}


async def _records_up_to(
    consumer: Any, partition: TopicPartition, end: int, problems: Problems
) -> AsyncIterator[Sequence[Any]]:
    """Yield the records of one partition, up to its end; notes if the client cannot decode one, or no more come."""
    limit, passed, until = PAGE, -1, time.monotonic() + STALL_SECONDS
    while (offset := await consumer.position(partition)) < end and time.monotonic() < until:
        try:
            batches = await consumer.getmany(partition, timeout_ms=500, max_records=limit)
        except (ValueError, TypeError, CorruptRecordException) as error:
            if limit > 1:  # read the page again record by record, up to the bad one
                limit = 1
                consumer.seek(partition, offset)
                continue
            if offset != passed:  # the end of a transaction has an offset too: the bad record may come right after it
                problems.note(
                    f"{_place_in(partition, offset)} or after: cannot be decoded: {type(error).__name__}: {error}"
                )
            passed, until = offset + 1, time.monotonic() + STALL_SECONDS
            consumer.seek(partition, passed)
            continue
        for messages in batches.values():
            limit = PAGE
            yield messages
            until = time.monotonic() + STALL_SECONDS
    if offset < end:
        problems.note(f"{_place_in(partition, offset)}: its records end here, before offset {end}")


def _place_in(partition: TopicPartition, offset: int) -> str:
    """Return in words where a record stands."""
    return f"{partition.topic} partition {partition.partition} offset {offset}"


class _TopicComparison:
    """The comparison's progress in the topic."""

    def __init__(self, service: Service[Any], database: Pool, head: int, problems: Problems) -> None:
        self._head = head
        self._problems = problems
        self._source = f"/ooc/{service.name}".encode()
        self._database = database
        self._last: dict[int, int] = {}
        """The last position that is the store's own, of each partition: the relay writes in order of position."""
        self._seen: defaultdict[int, int] = defaultdict(int)
        """A bit for each position up to the head, in numbers of `_WIDTH` bits."""

    async def take(self, messages: Sequence[Any]) -> None:
        """Compare the next records of one partition."""
        named = [_position_of(message) for message in messages]
        events = await self._database.fetch(_EVENTS, [position for position in named if position is not None])
        rows = {row["position"]: row for row in events}
        for message, position in zip(messages, named, strict=True):
            try:
                wrong = self._compare(message, position, rows.get(position))
            except Exception as error:  # noqa: BLE001 - one record must not hide the others
                wrong = f"cannot be compared: {type(error).__name__}: {error}"
            if wrong:
                here = _place_in(TopicPartition(message.topic, message.partition), message.offset)
                self._problems.note(f"{here}: {wrong}")

    def _compare(self, message: Any, position: int | None, row: asyncpg.Record | None) -> str:
        """Return what is wrong with a record; nothing if it is the event store's own."""
        if position is None:
            return "not the event store's own: it names no position"
        if row is None:
            return f"not the event store's own: the store holds nothing at position {position}"
        differing = list(_differences(message, row, self._source))
        if position <= self._head:
            self._seen[position // _WIDTH] |= 1 << position % _WIDTH
        if differing:
            return f"not what the event store holds at position {position}: {', '.join(differing)}"
        last = self._last.get(message.partition, 0)
        if position <= last:
            return f"position {position} comes after position {last}"
        self._last[message.partition] = position
        return ""

    async def end(self) -> None:
        """Note the events of the store, up to the head, that no record names."""
        missing, first, after = 0, None, 0
        while rows := await self._database.fetch(_POSITIONS, after, self._head, PAGE):
            for row in rows:
                after = row["position"]
                if not self._seen[after // _WIDTH] >> after % _WIDTH & 1:
                    missing, first = missing + 1, first or after
        if missing:
            self._problems.note(f"{missing} events are missing in the topic, the first at position {first}")


def _position_of(message: Any) -> int | None:
    try:
        position = int(dict(message.headers or ())["ooc_position"])
    except (KeyError, ValueError, TypeError):
        return None
    return position if 0 < position <= _GREATEST_POSITION else None


def _differences(message: Any, row: asyncpg.Record, source: bytes) -> Iterator[str]:
    key, partition = relay.key_and_partition(row["home"])
    expected = dict(relay.headers_of(row, source))
    if message.value != row["body"]:
        yield "its bytes"
    if message.key != key:
        yield "its key"
    if message.partition != partition:
        yield f"its partition, which is {partition} by its key"
    headers: Mapping[str, bytes | None] = dict(message.headers)
    if len(headers) != len(message.headers):
        yield "a header that stands twice"
    for name in sorted(headers.keys() | relay.REQUIRED_HEADERS):
        # A header may hold nothing, which is not the same as no header.
        if name not in headers or name not in expected or headers[name] != expected[name]:
            yield f"header {name}"
