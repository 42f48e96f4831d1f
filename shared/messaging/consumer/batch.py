"""`process_batches`: a batch of some partitions, in the transaction of its effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Final

import structlog

from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.effects import BEHIND, Apply, QuarantinedEvent, apply_or_quarantine
from shared.messaging.consumer.quarantine import apply_held, quarantine
from shared.servers.database import Connection

TopicPartition = tuple[str, int]

_log = structlog.get_logger("consumer")


@dataclass(frozen=True, slots=True)
class VersionGap:
    """A version of a stream is missing: an event is lost, or the topic is another one. Only this stream waits.

    `held` is the last version applied, `found` the one that came instead of the next.
    """

    topic: str
    partition: int
    offset: int
    stream: str
    held: int
    found: int

    def __str__(self) -> str:
        return f"{self.stream} was taken to version {self.held}, and at offset {self.offset} comes version {self.found}"


class OffsetGap(Exception):
    """A reader has skipped offsets. It must read again from the checkpoint."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a batch of one partition: the next offset, the counts of its events, and its problems."""

    next_offset: int
    applied: int = 0
    repeated: int = 0
    quarantined: tuple[QuarantinedEvent, ...] = ()
    gaps: tuple[VersionGap, ...] = ()
    followed: int = 0
    """The number of records that left quarantine because a missing version came."""


_TAKE: Final = """
    insert into checkpoint (consumer, topic, partition, next_offset)
    select $1, w.topic, w.partition, 0 from unnest($2::text[], $3::integer[]) as w (topic, partition) order by 2, 3
    on conflict (consumer, topic, partition) do update set next_offset = checkpoint.next_offset
    returning topic, partition, next_offset
"""
_MOVE: Final = """
    update checkpoint set next_offset = w.reached
    from unnest($2::text[], $3::integer[], $4::bigint[]) as w (topic, partition, reached)
    where checkpoint.consumer = $1 and checkpoint.topic = w.topic and checkpoint.partition = w.partition
"""
_STANDING: Final = """
    select w.stream, coalesce(s.version, 0) as seen, s.hash, greatest(s.version, q.last, 0) as last, q.first,
           q.stream is not null as quarantined, coalesce(q.untold, false) as untold
    from unnest($2::text[]) as w (stream)
    left join seen as s on s.consumer = $1 and s.stream = w.stream
    left join (
        select stream, min(version) as first, max(version) as last, bool_or(version is null) as untold
        from quarantine where consumer = $1 and stream = any ($2) group by stream
    ) as q on q.stream = w.stream
"""
# The digests of versions that have come before, taken or held: null or zeros if unknown, empty for an unreadable held record.
_BEFORE: Final = """
    select w.stream, w.version, coalesce(
        (select coalesce(substring(q.hash from 1 for 8), '') from quarantine as q
         where q.consumer = $1 and q.stream = w.stream and q.version = w.version order by q."offset" limit 1),
        (select substring(s.digests from 8 * w.version - 7 for 8) from seen as s
         where s.consumer = $1 and s.stream = w.stream and s.version >= w.version)
    ) as digest,
    exists (select 1 from quarantine as q where q.consumer = $1 and q.stream = w.stream and q.version = w.version) as held
    from unnest($2::text[], $3::integer[]) as w (stream, version)
"""


async def process_batches(
    connection: Connection, consumer: str, batch: Mapping[TopicPartition, Sequence[ConsumedEvent]], apply: Apply
) -> list[BatchResult]:
    """Process a batch of some partitions, each in order of offset, within the transaction of the caller.

    Each step is one statement for all partitions, and `apply` gets the good events of all of them. The checkpoints are locked
    in order, against deadlocks. Raises `OffsetGap`, or an error that no event caused, which rolls that transaction back.
    """
    standing: dict[str, StreamProgress] = {}
    rows = await connection.fetch(_TAKE, consumer, *map(list, zip(*batch, strict=True)))
    classified = [BatchClassifier((topic, partition), offset, standing) for topic, partition, offset in rows]
    new_records = [sorting.new_records(batch[sorting.place]) for sorting in classified]
    await _look_up(connection, consumer, standing, list(chain(*new_records)))
    for sorting, records in zip(classified, new_records, strict=True):
        sorting.sort(records)
    good = [record for sorting in classified for record in sorting.good]
    failed = await apply_or_quarantine(connection, consumer, good, apply)
    await quarantine(connection, consumer, [*chain(*(sorting.held for sorting in classified)), *failed])
    results = [await _result(connection, consumer, sorting, failed, apply) for sorting in classified]
    reached = zip(*((*sorting.place, sorting.reached) for sorting in classified), strict=True)
    await connection.execute(_MOVE, consumer, *map(list, reached))
    return results


async def _result(
    connection: Connection, consumer: str, sorting: BatchClassifier, failed: Sequence[QuarantinedEvent], apply: Apply
) -> BatchResult:
    """Apply the held records whose missing version has come, and return the result of a partition."""
    own = [event for event in failed if (event.record.topic, event.record.partition) == sorting.place]
    followed = 0
    for stream in sorting.completed - {event.record.stream for event in own}:
        followed += (await apply_held(connection, consumer, stream, apply)).released
    applied, held = len(sorting.good) - len(own), (*sorting.held, *own)
    return BatchResult(sorting.reached, applied, sorting.repeated, held, tuple(sorting.gaps), followed)


async def _look_up(
    connection: Connection, consumer: str, streams: dict[str, StreamProgress], new_records: Sequence[ConsumedEvent]
) -> None:
    """Look up the progress of the streams of some records, and the digests of versions that have come before."""
    named = [record for record in new_records if record.vouched]
    for stream, *progress in await connection.fetch(_STANDING, consumer, list({record.stream for record in named})):
        streams[stream] = StreamProgress(*progress)
    before = {(record.stream, record.version) for record in named if 0 < record.version <= streams[record.stream].last}
    if before:
        for row in await connection.fetch(_BEFORE, consumer, *map(list, zip(*before, strict=True))):
            standing = streams[row["stream"]]
            if row["version"] <= standing.version or row["held"]:
                standing.digests[row["version"]] = row["digest"]
            if row["version"] == standing.version and standing.hash is not None:
                standing.digests[row["version"]] = standing.hash[:8]


_SKIPPED: Final = bytes(8)


@dataclass(slots=True)
class StreamProgress:
    """The progress of a stream.

    `version` is the last one applied, with its hash if known; `last` the last applied or held; `first` the first held one.
    `digests` are of versions that have come before; None if unknown. `untold`: a held record has no version.
    """

    version: int
    hash: bytes | None
    last: int
    first: int | None = None
    quarantined: bool = False
    untold: bool = False
    digests: dict[int, bytes | None] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether only its next version is missing."""
        return self.quarantined and not self.untold and self.first is not None and self.first > self.version + 1


class BatchClassifier:
    """Sorter of a partition's records into good ones and those for quarantine; `standing` is of all streams of the batch."""

    def __init__(self, place: TopicPartition, next_offset: int, standing: Mapping[str, StreamProgress]) -> None:
        self.place = place
        self.reached = next_offset
        self.standing = standing
        self.good: list[ConsumedEvent] = []
        self.held: list[QuarantinedEvent] = []
        self.gaps: list[VersionGap] = []
        self.completed: set[str] = set()
        """The streams whose missing version has come."""
        self.repeated = 0

    def new_records(self, records: Sequence[ConsumedEvent]) -> list[ConsumedEvent]:
        """Return the records beyond the checkpoint, each once and in order of offset. Raises `OffsetGap`."""
        reached, new_records = self.reached, []
        for record in sorted(records, key=lambda record: record.offset):
            if record.offset < reached:
                continue
            if record.follows is not None and record.follows > reached:
                place = "/".join(map(str, self.place))
                raise OffsetGap(f"{place} was taken to offset {reached}, and the reader is past {record.follows}")
            new_records.append(record)
            reached = record.offset + 1
        return new_records

    def sort(self, new_records: Sequence[ConsumedEvent]) -> None:
        for record in new_records:
            self._sort(record)
            self.reached = record.offset + 1

    def _sort(self, record: ConsumedEvent) -> None:
        if not record.vouched:
            self.held.append(QuarantinedEvent(record, "the relay did not write it", "foreign_record"))
            return
        standing = self.standing[record.stream]
        if record.version in standing.digests:
            self._again(record, standing.digests[record.version])
        elif record.error is not None:
            self._hold(record, standing, record.error, "unreadable_record")
        elif record.version == standing.version + 1 and (not standing.quarantined or standing.waits):
            self._next(record, standing)
        elif record.version > standing.last + 1 and not standing.untold:
            gap = VersionGap(
                record.topic, record.partition, record.offset, record.stream, standing.last, record.version
            )
            self.gaps.append(gap)
            self._hold(record, standing, str(gap), "gap")
        else:
            self._hold(record, standing, BEHIND, "behind")

    def _again(self, record: ConsumedEvent, digest: bytes | None) -> None:
        """Classify a version that has come before: a repeat if its hash is the same or unknown."""
        if record.error is None and (digest in {None, _SKIPPED} or record.hash[:8] == digest):
            self.repeated += 1
        else:
            error = record.error or f"version {record.version} of {record.stream} has come before with other bytes"
            self.held.append(QuarantinedEvent(record, error, "forked"))

    def _next(self, record: ConsumedEvent, standing: StreamProgress) -> None:
        """Classify the next version of a stream: good, or held if it breaks the hash chain."""
        broken = record.breaks_chain(standing.hash)
        if broken is not None:
            self._hold(record, standing, broken, "broken_chain")
            return
        self.good.append(record)
        standing.version, standing.hash = record.version, record.hash
        standing.last = max(standing.last, record.version)
        standing.digests[record.version] = record.hash[:8]
        if standing.first == record.version + 1:
            self.completed.add(record.stream)

    def _hold(self, record: ConsumedEvent, standing: StreamProgress, error: str, cause: str) -> None:
        self.held.append(QuarantinedEvent(record, error, cause))
        standing.quarantined = True
        if record.version < 1:
            standing.untold = True
            return
        standing.first = min(standing.first or record.version, record.version)
        standing.last = max(standing.last, record.version)
        standing.digests[record.version] = record.hash[:8]


async def load_checkpoints(
    connection: Connection, consumer: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the next offset of each of these partitions; 0 if nothing was applied yet."""
    rows = await connection.fetch("select topic, partition, next_offset from checkpoint where consumer = $1", consumer)
    checkpoints = {(topic, partition): offset for topic, partition, offset in rows}
    return {(topic, partition): checkpoints.get((topic, partition), 0) for topic, partition in partitions}


def log_results(consumer: str, results: Iterable[BatchResult]) -> None:
    """Log quarantined events and gaps, after the commit."""
    for result in results:
        for event in result.quarantined:
            record = event.record
            _log.error(
                "quarantined",
                consumer=consumer,
                cause=event.cause,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                stream=record.stream,
                version=record.version,
                error=event.error,
            )
        for gap in result.gaps:
            _log.critical("gap", consumer=consumer, **asdict(gap))
