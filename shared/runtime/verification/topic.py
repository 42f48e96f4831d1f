"""The topic against the event store: how far it has come, and each record byte for byte.

A record is the store's own if the store holds an event at the position that it names, and the relay would write that
event so: same bytes, key, partition and headers, once, in order. Every other record is named with its offset.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from shared.kafka import PARTITIONS, Kafka
from shared.messaging.consumer.position_record import HighWaterMark, reader
from shared.messaging.relay import (
    ALARMIST,
    STOPPING,
    last_position,
)
from shared.runtime.service import Service
from shared.runtime.verification.log import PAGE
from shared.runtime.verification.problems import Pool, Problems

PATIENCE_SECONDS: Final = 60.0
"""How long the topic may take to reach the position that is verified, where a relay can still bring it there."""

STALL_SECONDS: Final = 10.0
"""How long a broker may give no record of a partition that has not come to its end."""

_GREATEST_POSITION: Final = 2**63 - 1
_AT: Final = """
    select head.position as head, event.hash, event.log_hash
    from head left join event on event.position = $1
"""
_MARK: Final = "select position, hash from relayed"
_STOPPED: Final = "select exists (select 1 from alarm where consumer = $1 and name = any($2))"


async def read_position_record(service: Service[Any], bootstrap: Kafka, problems: Problems) -> HighWaterMark:
    """Read the last position record that can be believed; note each ignored, and why where none can be read."""
    try:
        found, ignored = await last_position(bootstrap, service.position_topic)
    except Exception as error:  # noqa: BLE001 - whatever stands there, the other checks go on without it
        problems.note(f"{service.position_topic}: its last record cannot be read: {type(error).__name__}: {error}")
        return HighWaterMark()
    for one in ignored:
        problems.note(f"{one.topic} {one.detail}")
    return found or HighWaterMark()


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


async def wait_until_reached(
    service: Service[Any], database: Pool, bootstrap: Kafka, head: int, problems: Problems
) -> HighWaterMark:
    """Return the position record, once it has come to the head or will not come there."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        reached = await read_position_record(service, bootstrap, Problems())
        if reached.position >= head:
            return reached
        stopped = await database.fetchval(_STOPPED, ALARMIST, list(STOPPING))
        if stopped or time.monotonic() >= until:
            why = "its alarm stands" if stopped else f"{PATIENCE_SECONDS:g} seconds have passed"
            problems.note(f"the relay is at position {reached.position}, not at {head}: {why}")
            return reached
        await asyncio.sleep(0.2)


async def committed_records(
    service: Service[Any], bootstrap: Kafka, reached: HighWaterMark, problems: Problems
) -> AsyncIterator[Sequence[Any]]:
    """Every committed record of the topic, some of a partition at a time; notes where they end too early."""
    async with reader(bootstrap, "read_committed") as consumer:
        for partition, end in (await ends_of(consumer, service, reached)).items():
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            async for messages in records_up_to(consumer, partition, end, problems):
                yield messages


async def ends_of(consumer: Any, service: Service[Any], reached: HighWaterMark) -> dict[TopicPartition, int]:
    """Return where each partition of the topic ends: the offset after its last committed record."""
    ends = await consumer.end_offsets([TopicPartition(service.topic, n) for n in range(PARTITIONS)])
    # A broker marks the end of a transaction in one partition after the other; the position record knows better.
    return {place: max(end, reached.offsets.get(place.partition, 0)) for place, end in ends.items()}


async def records_up_to(
    consumer: Any, partition: TopicPartition, end: int, problems: Problems
) -> AsyncIterator[Sequence[Any]]:
    """Yield the records of one partition, up to its end; notes where the client cannot decode one, or no more come."""
    limit, passed, until = PAGE, -1, time.monotonic() + STALL_SECONDS
    while (offset := await consumer.position(partition)) < end and time.monotonic() < until:
        try:
            found = await consumer.getmany(partition, timeout_ms=500, max_records=limit)
        except (ValueError, TypeError, CorruptRecordException) as error:
            if limit > 1:  # read the page again record by record, up to the bad one
                limit = 1
                consumer.seek(partition, offset)
                continue
            if offset != passed:  # the end of a transaction has an offset too: the bad record may come right after it
                problems.note(
                    f"{place_in(partition, offset)} or after: cannot be decoded: {type(error).__name__}: {error}"
                )
            passed, until = offset + 1, time.monotonic() + STALL_SECONDS
            consumer.seek(partition, passed)
            continue
        for messages in found.values():
            limit = PAGE
            yield messages
            until = time.monotonic() + STALL_SECONDS
    if offset < end:
        problems.note(f"{place_in(partition, offset)}: its records end here, before offset {end}")


def place_in(partition: TopicPartition, offset: int) -> str:
    """Return in words where a record stands."""
    return f"{partition.topic} partition {partition.partition} offset {offset}"
