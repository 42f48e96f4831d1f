"""`process_batch`: a batch of one partition, in the transaction of its effect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from shared.database import Connection
from shared.domain.messages import GENESIS, next_hash
from shared.messaging.consumer.alarms import raise_alarm
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.effects import Apply, QuarantinedEvent, apply_or_quarantine
from shared.messaging.consumer.quarantine import quarantine

TopicPartition = tuple[str, int]

_log = structlog.get_logger("consumer")


@dataclass(frozen=True, slots=True)
class VersionGap:
    """A version of a stream is missing: an event is lost, or the topic is not the one that it was."""

    topic: str
    partition: int
    offset: int
    stream: str
    held: int
    found: int

    @property
    def place(self) -> str:
        """The partition that it stops."""
        return f"{self.topic}/{self.partition}"

    def __str__(self) -> str:
        return f"{self.stream} was taken to version {self.held}, and at offset {self.offset} comes version {self.found}"


class OffsetGap(Exception):
    """A reader has passed over offsets that were not taken. It must read again from the checkpoint."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch of one partition."""

    next_offset: int
    applied: int = 0
    repeated: int = 0
    quarantined: tuple[QuarantinedEvent, ...] = ()
    gap: VersionGap | None = None


_TAKE: Final = """
    insert into checkpoint (consumer, topic, partition, next_offset) values ($1, $2, $3, 0)
    on conflict (consumer, topic, partition) do update set next_offset = checkpoint.next_offset
    returning next_offset
"""
_MOVE: Final = """
    with cleared as (delete from alarm where consumer = $1 and name = 'gap' and place = $5)
    update checkpoint set next_offset = $4 where consumer = $1 and topic = $2 and partition = $3
"""
_STANDING: Final = """
    select w.stream, coalesce(s.version, 0) as seen, q.version as held, q.stream is not null as quarantined,
           coalesce(q.untold, false) as untold
    from unnest($2::text[]) as w (stream)
    left join seen as s on s.consumer = $1 and s.stream = w.stream
    left join (
        select stream, max(version) as version, bool_or(version is null) as untold
        from quarantine where consumer = $1 group by stream
    ) as q on q.stream = w.stream
"""


async def process_batch(
    connection: Connection,
    consumer: str,
    topic: str,
    partition: int,
    records: Sequence[ConsumedEvent],
    apply: Apply,
) -> BatchResult:
    """Take a batch of one partition, in order of offset, in one transaction (a savepoint within one).

    Raises `OffsetGap`, or an error of the database or of `apply` that no event is to blame for; then nothing was taken.
    """
    async with connection.transaction():
        next_offset: int = await connection.fetchval(_TAKE, consumer, topic, partition)
        sorting = BatchClassifier(topic, partition, next_offset)
        fresh = sorting.fresh(records)
        if not fresh:
            return BatchResult(next_offset)
        streams = list({record.stream for record in fresh})
        for row in await connection.fetch(_STANDING, consumer, streams):
            sorting.standing[row["stream"]] = StreamProgress(
                max(row["seen"], row["held"] or 0), quarantined=row["quarantined"], untold=row["untold"]
            )
        sorting.sort(fresh)
        failed = await apply_or_quarantine(connection, consumer, sorting.good, apply)
        held = (*sorting.held, *failed)
        await quarantine(connection, consumer, held)
        if sorting.reached > next_offset:
            await connection.execute(_MOVE, consumer, topic, partition, sorting.reached, sorting.place)
        if sorting.gap is not None:
            await raise_alarm(connection, consumer, "gap", sorting.gap.place, str(sorting.gap))
        return BatchResult(sorting.reached, len(sorting.good) - len(failed), sorting.repeated, held, sorting.gap)


@dataclass(slots=True)
class StreamProgress:
    """How far a stream has come: the last version taken or held, and the hash after it where it is known."""

    version: int
    quarantined: bool = False
    untold: bool = False
    hash: bytes | None = None


class BatchClassifier:
    """Which records of a batch are good, which go into quarantine, and where a gap ends the batch."""

    def __init__(self, topic: str, partition: int, next_offset: int) -> None:
        self.place = f"{topic}/{partition}"
        self.reached = next_offset
        self.standing: dict[str, StreamProgress] = {}
        self.good: list[ConsumedEvent] = []
        self.held: list[QuarantinedEvent] = []
        self.repeated = 0
        self.gap: VersionGap | None = None

    def fresh(self, records: Sequence[ConsumedEvent]) -> list[ConsumedEvent]:
        """The records that were not taken yet, each once and in order; raises `OffsetGap`."""
        reached, fresh = self.reached, []
        for record in sorted(records, key=lambda one: one.offset):
            if record.offset < reached:
                continue
            if record.follows is not None and record.follows > reached:
                raise OffsetGap(f"{self.place} was taken to offset {reached}, and the reader is past {record.follows}")
            fresh.append(record)
            reached = record.offset + 1
        return fresh

    def sort(self, fresh: Sequence[ConsumedEvent]) -> None:
        """Sort fresh records, to the end or to a gap."""
        for record in fresh:
            standing = self.standing[record.stream]
            if record.version > 0 and record.version <= standing.version:
                self.repeated += 1
            elif record.version > standing.version + 1 and not standing.untold:
                self.gap = VersionGap(
                    record.topic, record.partition, record.offset, record.stream, standing.version, record.version
                )
                return
            else:
                self._next(record, standing)
            self.reached = record.offset + 1

    def _next(self, record: ConsumedEvent, standing: StreamProgress) -> None:
        """The next version of a stream: good, or to be held."""
        error = record.error
        if error is None and standing.quarantined:
            error = "an earlier event of this stream is in quarantine"
        if error is None:
            error = _broken_chain(record, standing)
        if error is None:
            self.good.append(record)
        else:
            self.held.append(QuarantinedEvent(record, error))
            standing.quarantined = True
            standing.untold = standing.untold or record.version < 1
        standing.version = max(standing.version, record.version)
        standing.hash = record.hash


def _broken_chain(record: ConsumedEvent, standing: StreamProgress) -> str | None:
    """Why a record's hash is not that of its bytes; None where it is, or where the hash before it is not known."""
    previous = GENESIS if record.version == 1 else standing.hash
    if previous is None or next_hash(previous, record.body) == record.hash:
        return None
    return "its hash does not follow from its bytes and the hash before it"


async def load_checkpoints(
    connection: Connection, consumer: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Where to read on in each of these partitions: 0 where nothing was taken yet."""
    rows = await connection.fetch("select topic, partition, next_offset from checkpoint where consumer = $1", consumer)
    kept = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {(topic, partition): kept.get((topic, partition), 0) for topic, partition in partitions}


def log_results(consumer: str, taken: Iterable[BatchResult]) -> list[VersionGap]:
    """Log what a person should hear of, once it is committed; the gaps, whose partitions the reader must leave alone."""
    gaps: list[VersionGap] = []
    for one in taken:
        for held in one.quarantined:
            record = held.record
            _log.error(
                "quarantined",
                consumer=consumer,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                stream=record.stream,
                version=record.version,
                error=held.error,
            )
        if one.gap is not None:
            gap = one.gap
            gaps.append(gap)
            _log.critical(
                "gap",
                consumer=consumer,
                topic=gap.topic,
                partition=gap.partition,
                offset=gap.offset,
                stream=gap.stream,
                held=gap.held,
                found=gap.found,
            )
    return gaps
