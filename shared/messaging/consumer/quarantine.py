"""Quarantine: events that could not be applied, each stream's whole and in order, and the way back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from shared.database import Connection
from shared.messaging.consumer.consumed_event import ConsumedEvent, Headers, decode
from shared.messaging.consumer.effects import Apply, QuarantinedEvent, apply_or_quarantine

_QUARANTINE: Final = """
    insert into quarantine (consumer, topic, partition, "offset", stream, version, headers, body, error)
    values ($1, $2, $3, $4, $5, nullif($6, 0), $7::jsonb, $8, $9)
    on conflict (consumer, topic, partition, "offset") do nothing
"""


async def quarantine(connection: Connection, consumer: str, held: Sequence[QuarantinedEvent]) -> None:
    """Put events into quarantine."""
    if held:
        await connection.executemany(_QUARANTINE, [_row(consumer, one) for one in held])


def _row(consumer: str, held: QuarantinedEvent) -> tuple[Any, ...]:
    record = held.record
    # Percent-encoded, since a header may hold any bytes and PostgreSQL's text no zero.
    headers = [
        [quote_from_bytes(name.encode(), safe=" :/"), quote_from_bytes(value, safe=" :/")]
        for name, value in record.headers
    ]
    return (
        consumer,
        record.topic,
        record.partition,
        record.offset,
        record.stream.replace("\x00", "?"),
        max(record.version, 0),
        json.dumps(headers),
        record.body,
        held.error.replace("\x00", "?"),
    )


def _headers(stored: str) -> Headers:
    return tuple((unquote_to_bytes(name).decode(), unquote_to_bytes(value)) for name, value in json.loads(stored))


@dataclass(frozen=True, slots=True)
class QuarantinedStream:
    """A stream in quarantine: how many of its events, since when, and what the first one met."""

    consumer: str
    stream: str
    events: int
    since: datetime
    error: str


async def quarantined_streams(connection: Connection) -> list[QuarantinedStream]:
    """The streams in quarantine in this database, longest held first."""
    rows = await connection.fetch(
        "select consumer, stream, count(*)::int as events, min(quarantined_at) as since,"
        ' (array_agg(error order by topic, partition, "offset"))[1] as error'
        " from quarantine group by consumer, stream order by since"
    )
    return [QuarantinedStream(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class RetryResult:
    """How many events of a stream left quarantine, how many stay, and what the first of those met."""

    released: int
    left: int
    error: str | None = None


async def retry_quarantine(connection: Connection, consumer: str, stream: str, apply: Apply) -> RetryResult:
    """Try a quarantined stream again, in order, to the first event that fails; in one transaction.

    Raises what `process_batch` raises; then nothing has changed.
    """
    async with connection.transaction():
        # The checkpoints' locks keep `process_batch` from the stream meanwhile.
        await connection.execute(
            "select 1 from checkpoint where consumer = $1 and (topic, partition) in"
            " (select topic, partition from quarantine where consumer = $1 and stream = $2)"
            " order by topic, partition for update",
            consumer,
            stream,
        )
        rows = await connection.fetch(
            'select topic, partition, "offset", headers, body from quarantine'
            ' where consumer = $1 and stream = $2 order by topic, partition, "offset"',
            consumer,
            stream,
        )
        for n, row in enumerate(rows):
            record = decode(row["topic"], row["partition"], row["offset"], None, _headers(row["headers"]), row["body"])
            error = await _again(connection, consumer, record, apply)
            if error is not None:
                await connection.execute(
                    "update quarantine set error = $5 where consumer = $1 and topic = $2 and partition = $3"
                    ' and "offset" = $4',
                    *(consumer, record.topic, record.partition, record.offset, error.replace("\x00", "?")),
                )
                return RetryResult(n, len(rows) - n, error)
            await connection.execute(
                'delete from quarantine where consumer = $1 and topic = $2 and partition = $3 and "offset" = $4',
                *(consumer, record.topic, record.partition, record.offset),
            )
        return RetryResult(len(rows), 0)


async def _again(connection: Connection, consumer: str, record: ConsumedEvent, apply: Apply) -> str | None:
    """Try one quarantined event again; why it must stay, or None."""
    if record.error is not None:
        return record.error
    seen = (
        await connection.fetchval(
            "select version from seen where consumer = $1 and stream = $2", consumer, record.stream
        )
        or 0
    )
    if record.version <= seen:
        return None
    if record.version != seen + 1:
        return f"version {seen + 1} is missing"
    failed = await apply_or_quarantine(connection, consumer, [record], apply)
    return failed[0].error if failed else None
