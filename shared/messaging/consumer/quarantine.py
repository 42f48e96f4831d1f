"""Quarantine, the dead letters: records that could not be applied, each stream's whole and in order, and their retry.

A record that names no valid stream, or must not count as its stream's (see `ALONE`), gets a stream of its own,
`?/<topic>/<partition>/<offset>`, so that it holds back nothing.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes
from uuid import UUID

from pydantic import Field

from shared.domain.ids import derived_uuid
from shared.domain.messages import ValueObject
from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.consumed_event import ConsumedEvent, Headers, decode, lone_stream
from shared.messaging.consumer.effects import ALONE, Apply, QuarantinedEvent, apply_or_quarantine
from shared.servers.database import Connection

CAUSES: Final = ("gap", "poison", "unreadable_record", "foreign_record", "forked", "broken_chain")
"""The causes of quarantine that are names of alarms."""

_QUARANTINE: Final = """
    insert into quarantine
        (consumer, topic, partition, "offset", stream, version, headers, body, error, cause, key, hash, counted)
    values ($1, $2, $3, $4, $5, nullif($6, 0), $7::jsonb, $8, $9, $10, $11, $12, $13)
    on conflict (consumer, topic, partition, "offset") do nothing
"""
_IN_ORDER: Final = 'order by version nulls first, topic, partition, "offset"'
_AT: Final = 'where consumer = $1 and topic = $2 and partition = $3 and "offset" = $4'
_OF_STREAM: Final = f"""
    select topic, partition, "offset", version, headers, body, key, cause, error, counted, quarantined_at
    from quarantine where consumer = $1 and stream = $2 {_IN_ORDER} limit $3
"""  # noqa: S608 - a constant
_FIRST_OF_EACH_CAUSE: Final = """
    select c.cause, q."offset", q.error from unnest($4::text[]) as c (cause) left join lateral (
        select "offset", error from quarantine
        where consumer = $1 and topic = $2 and partition = $3 and cause = c.cause order by "offset" limit 1
    ) as q on true
"""


def whole_text(text: str, limit: int = 2000) -> str:
    """Return a text that PostgreSQL accepts: without zero and lone surrogates, and no longer than the limit."""
    return text[:limit].encode("utf-8", "backslashreplace").decode().replace("\x00", "?")[:limit]


async def quarantine(connection: Connection, consumer: str, events: Sequence[QuarantinedEvent]) -> None:
    """Put records into quarantine, and raise the alarms of their causes."""
    if not events:
        return
    await connection.executemany(_QUARANTINE, [_row(consumer, event) for event in events])
    for topic, partition in {(event.record.topic, event.record.partition) for event in events}:
        await settle_alarms(connection, consumer, topic, partition)


async def settle_alarms(connection: Connection, consumer: str, topic: str, partition: int) -> None:
    """Raise the alarm of each cause for which a record of a partition is held, and clear the others."""
    place = f"{topic}/{partition}"
    for row in await connection.fetch(_FIRST_OF_EACH_CAUSE, consumer, topic, partition, list(CAUSES)):
        if row["offset"] is None:
            await clear_alarm(connection, consumer, row["cause"], place)
        else:
            await raise_alarm(connection, consumer, row["cause"], place, f"offset {row['offset']}: {row['error']}")


def _row(consumer: str, event: QuarantinedEvent) -> tuple[Any, ...]:
    record = event.record
    alone = event.cause in ALONE
    stream = lone_stream(record.topic, record.partition, record.offset) if alone else record.stream
    headers = [[_quoted(name.encode("utf-8", "surrogatepass")), _quoted(value)] for name, value in record.headers]
    return (
        *(consumer, record.topic, record.partition, record.offset, stream, 0 if alone else record.version),
        *(json.dumps(headers), record.body, whole_text(event.error), event.cause, record.key, record.hash or None),
        not alone,
    )


def _quoted(value: bytes | None) -> str | None:
    """Percent-encode a value, since a header may hold any bytes and PostgreSQL's text no zero."""
    return None if value is None else quote_from_bytes(value, safe=" :/")


def _headers(stored: str) -> Headers:
    return tuple(
        (unquote_to_bytes(name).decode("utf-8", "surrogatepass"), None if value is None else unquote_to_bytes(value))
        for name, value in json.loads(stored)
    )


def held_stream_id(consumer: str, stream: str) -> UUID:
    """Return the id of a stream in quarantine, whose name may be any text."""
    return derived_uuid("quarantine", consumer, stream)


class QuarantinedStream(ValueObject):
    """A stream whose records wait, in order, behind one that could not be applied."""

    id: UUID
    consumer: str
    stream: str
    records: int
    since: datetime
    cause: str = Field(description="The name of the alarm that the first record raised.")
    error: str = Field(description="What the first record met.")


async def quarantined_streams(connection: Connection) -> list[QuarantinedStream]:
    """Return the streams in quarantine in this database, longest held first."""
    rows = await connection.fetch(
        "select consumer, stream, count(*)::int as records, min(quarantined_at) as since,"
        ' (array_agg(error order by version nulls first, "offset"))[1] as error,'
        ' (array_agg(cause order by version nulls first, "offset"))[1] as cause'
        " from quarantine group by consumer, stream order by since"
    )
    return [QuarantinedStream(id=held_stream_id(row["consumer"], row["stream"]), **row) for row in rows]


class RecordHeader(ValueObject):
    """A header of a held record, without its content; `bytes` is null for one without a value."""

    name: str
    bytes: int | None


class QuarantinedRecord(ValueObject):
    """A held record: what places it, and of its content only names, sizes and digests."""

    topic: str
    partition: int
    offset: int
    version: int | None
    type: str
    event_id: str
    position: int
    recorded_at: datetime | None
    hash: str
    cause: str
    error: str
    counted: bool = Field(description="Whether the relay wrote it.")
    quarantined_at: datetime
    headers: tuple[RecordHeader, ...]
    body_bytes: int
    body_sha256: str


async def quarantined_records(
    connection: Connection, consumer: str, stream: str, *, limit: int = 100
) -> list[QuarantinedRecord]:
    """Return the held records of a stream, in the order in which they will be tried."""
    return [_redacted(row) for row in await connection.fetch(_OF_STREAM, consumer, stream, limit)]


def _redacted(row: Any) -> QuarantinedRecord:
    record = _decoded(row)
    readable = record.error is None
    return QuarantinedRecord(
        **{name: value for name, value in row.items() if name not in {"headers", "body", "key"}},
        type=record.type,
        event_id=str(record.event_id) if readable else "",
        position=record.position,
        recorded_at=record.recorded_at if readable else None,
        hash=record.hash.hex(),
        headers=tuple(
            RecordHeader(name=ascii(name)[1:-1][:80], bytes=None if value is None else len(value))
            for name, value in record.headers[:50]
        ),
        body_bytes=len(row["body"]),
        body_sha256=hashlib.sha256(row["body"]).hexdigest(),
    )


class HeldGap(ValueObject):
    """A stream without its next version: `held` is the last applied one, `found` the first later one, at `offset`."""

    id: UUID
    consumer: str
    topic: str
    partition: int
    offset: int
    stream: str
    held: int
    found: int
    waiting: int = Field(description="How many records are held.")
    since: datetime


async def gaps(connection: Connection) -> list[HeldGap]:
    """Return the streams in this database that wait for a missing version, longest first."""
    rows = await connection.fetch(
        'select q.consumer, q.topic, q.partition, q."offset", q.stream, coalesce(s.version, 0) as held, q.version as found,'
        " q.waiting, q.since from ("
        ' select distinct on (consumer, stream) consumer, topic, partition, "offset", stream, version,'
        "  count(*) over w as waiting, min(quarantined_at) over w as since"
        ' from quarantine window w as (partition by consumer, stream) order by consumer, stream, version nulls first, "offset"'
        ") as q left join seen as s using (consumer, stream)"
        " where q.version > coalesce(s.version, 0) + 1 order by q.since"
    )
    return [HeldGap(id=held_stream_id(row["consumer"], row["stream"]), **row) for row in rows]


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The numbers of a stream's events that left quarantine and that stay, and the error of the first of those."""

    released: int
    left: int
    error: str | None = None


async def lock_stream(connection: Connection, consumer: str, stream: str) -> None:
    """Lock the checkpoints of a held stream's partitions, so that `process_batches` waits until the transaction ends."""
    await connection.execute(
        "select 1 from checkpoint where consumer = $1 and (topic, partition) in"
        " (select topic, partition from quarantine where consumer = $1 and stream = $2)"
        " order by topic, partition for update",
        *(consumer, stream),
    )


async def retry_quarantine(connection: Connection, consumer: str, stream: str, apply: Apply) -> RetryResult:
    """Try a quarantined stream again in one transaction, in order, to the first event that fails. Raises as `process_batches`."""
    async with connection.transaction():
        await lock_stream(connection, consumer, stream)
        return await apply_held(connection, consumer, stream, apply)


async def retry_requested(connection: Connection, consumer: str, apply: Apply) -> list[tuple[str, RetryResult]]:
    """Try the streams again that operators have asked for; return the result of each."""
    rows = await connection.fetch("select distinct stream from quarantine where consumer = $1 and retry", consumer)
    return [(row["stream"], await retry_quarantine(connection, consumer, row["stream"], apply)) for row in rows]


async def apply_held(connection: Connection, consumer: str, stream: str, apply: Apply) -> RetryResult:
    """Apply the held events of a stream in order of version, to the first that fails. The caller holds the locks."""
    released, places, error = 0, set(), None
    while error is None:
        row = await connection.fetchrow(_OF_STREAM, consumer, stream, 1)
        if row is None:
            break
        place = (consumer, row["topic"], row["partition"], row["offset"])
        places.add((row["topic"], row["partition"]))
        failed = await _again(connection, consumer, row, apply)
        if failed is None:
            await connection.execute(f"delete from quarantine {_AT}", *place)  # noqa: S608 - a constant
            released += 1
        else:
            cause, error = failed
            await connection.execute(
                f"update quarantine set error = $5, cause = $6, retry = false {_AT}",  # noqa: S608 - a constant
                *(*place, whole_text(error), cause),
            )
    for topic, partition in places:
        await settle_alarms(connection, consumer, topic, partition)
    left = await connection.fetchval(
        "select count(*)::int from quarantine where consumer = $1 and stream = $2", consumer, stream
    )
    return RetryResult(released, left, error)


def _decoded(row: Any) -> ConsumedEvent:
    return decode(row["topic"], row["partition"], row["offset"], row["key"], _headers(row["headers"]), row["body"])


async def _again(connection: Connection, consumer: str, row: Any, apply: Apply) -> tuple[str, str] | None:
    """Try a quarantined event again. Return the cause and the reason if it must stay, or None."""
    if row["cause"] in ALONE:
        return row["cause"], row["error"]
    record = _decoded(row)
    if record.error is not None:
        return "unreadable_record", record.error
    progress = await connection.fetchrow(
        "select version, hash from seen where consumer = $1 and stream = $2", consumer, record.stream
    )
    version = 0 if progress is None else progress["version"]
    if record.version <= version:
        return None
    if record.version != version + 1:
        return "gap", f"version {version + 1} is missing"
    broken = record.breaks_chain(None if progress is None else progress["hash"])
    if broken is not None:
        return "broken_chain", broken
    failed = await apply_or_quarantine(connection, consumer, [record], apply)
    return (failed[0].cause, failed[0].error) if failed else None
