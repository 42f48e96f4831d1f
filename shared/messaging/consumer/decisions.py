"""Operators' decisions about held records, gaps and alarms: done and recorded in one transaction.

The consumer then applies the records that were held behind, in order, within a second. For a dry run, call a decision in a
transaction and roll it back.
"""

from datetime import datetime
from typing import Any, Final

from shared.domain.messages import ValueObject
from shared.messaging.consumer.alarms import clear_alarm
from shared.messaging.consumer.quarantine import lock_stream, settle_alarms, whole_text
from shared.servers.database import Connection


class NothingHeld(Exception):
    """There is nothing to decide: no such stream, record, gap or alarm."""


class Decision(ValueObject):
    """An operator's decision about a quarantined stream, a gap or an alarm, as it is recorded.

    `action` is `skip` (a held record is not applied), `skip_missing` (versions that never came are done without),
    `retry`, or `acknowledge` or `attend` (of an alarm; `stream` is its place then).
    """

    consumer: str
    action: str
    stream: str
    first_version: int | None
    last_version: int | None
    topic: str | None
    partition: int | None
    offset: int | None
    cause: str
    error: str
    counted: bool
    actor: str
    reason: str
    decided_at: datetime


_COLUMNS: Final = 'consumer, action, stream, first_version, last_version, topic, partition, "offset", cause, error, counted, actor, reason'
_RECORD: Final = f"""
    insert into quarantine_decision ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    returning {_COLUMNS}, decided_at
"""  # noqa: S608 - the columns above, and no value
_SKIPPED: Final = """
    delete from quarantine where consumer = $1 and stream = $2 and ($3::bigint is null or "offset" <= $3)
    and (topic, partition) = (
        select topic, partition from quarantine where consumer = $1 and stream = $2
        order by topic, partition, "offset" limit 1
    )
    returning topic, partition, "offset", version, cause, error, counted, hash
"""
_SKIP_TO: Final = """
    insert into seen (consumer, stream, version, hash, digests) values ($1, $2, $3, $4, $5)
    on conflict (consumer, stream) do update
    set version = excluded.version, hash = excluded.hash, digests = seen.digests || excluded.digests
    where seen.version < excluded.version
"""


async def release_quarantined(
    connection: Connection, consumer: str, stream: str, *, through_offset: int | None, actor: str, reason: str
) -> list[Decision]:
    """Skip the held records of a stream up to an offset (None: all of them): they will never be applied.

    The later ones stay, and the consumer tries them next. Raises `NothingHeld`; ValueError without actor or reason.
    """
    async with connection.transaction():
        await lock_stream(connection, consumer, stream)
        rows = await connection.fetch(_SKIPPED, consumer, stream, through_offset)
        if not rows:
            raise NothingHeld(f"{consumer} holds no record of {stream} up to offset {through_offset}")
        decisions = []
        for row in sorted(rows, key=lambda row: row["offset"]):
            version = row["version"]
            moved = version is not None and await _skip_to(connection, consumer, stream, version, row["hash"])
            decided = ("skip", stream, version, version, *_of(row), row["counted"] and not moved, actor, reason)
            decisions.append(await _record(connection, consumer, *decided))
        await connection.execute(_ASK_RETRY, consumer, stream)
        await settle_alarms(connection, consumer, rows[0]["topic"], rows[0]["partition"])
        return decisions


async def release_gap(connection: Connection, consumer: str, stream: str, *, actor: str, reason: str) -> Decision:
    """Skip the versions that are missing before a stream's first held record.

    Raises `NothingHeld` if nothing is missing; ValueError without actor or reason.
    """
    async with connection.transaction():
        await lock_stream(connection, consumer, stream)
        row = await connection.fetchrow(
            'select q.topic, q.partition, q."offset", q.version, q.cause, q.error, coalesce(s.version, 0) as seen'
            " from quarantine as q left join seen as s on s.consumer = q.consumer and s.stream = q.stream"
            ' where q.consumer = $1 and q.stream = $2 order by q.version nulls first, q."offset" limit 1',
            *(consumer, stream),
        )
        if row is None or row["version"] is None or row["version"] <= row["seen"] + 1:
            raise NothingHeld(f"{consumer} misses no version of {stream}")
        await _skip_to(connection, consumer, stream, row["version"] - 1, None)
        await connection.execute(_ASK_RETRY, consumer, stream)
        decided = ("skip_missing", stream, row["seen"] + 1, row["version"] - 1, *_of(row), False, actor, reason)
        return await _record(connection, consumer, *decided)


async def request_retry(connection: Connection, consumer: str, stream: str, *, actor: str, reason: str) -> Decision:
    """Ask the consumer to try a stream again, which it does within a second. Raises `NothingHeld` or ValueError."""
    async with connection.transaction():
        row = await connection.fetchrow(_ASK_RETRY, consumer, stream)
        if row is None:
            raise NothingHeld(f"{consumer} holds no record of {stream}")
        decided = ("retry", stream, None, None, *_of(row), False, actor, reason)
        return await _record(connection, consumer, *decided)


async def acknowledge_alarm(
    connection: Connection, consumer: str, name: str, place: str, *, actor: str, reason: str
) -> Decision:
    """Clear an alarm that is not cleared automatically. Raises `NothingHeld` or ValueError."""
    async with connection.transaction():
        detail = await connection.fetchval(
            "select detail from alarm where consumer = $1 and name = $2 and place = $3 for update",
            *(consumer, name, place),
        )
        await clear_alarm(connection, consumer, name, place)
        return await _record_of_alarm(connection, consumer, name, place, "acknowledge", detail, actor, reason)


async def attend_alarm(
    connection: Connection, consumer: str, name: str, place: str, *, actor: str, reason: str
) -> Decision:
    """Store who attends to an alarm, which stays open. Raises `NothingHeld` or ValueError."""
    async with connection.transaction():
        detail = await connection.fetchval(
            "update alarm set attended_by = $4, attended_at = clock_timestamp()"
            " where consumer = $1 and name = $2 and place = $3 returning detail",
            *(consumer, name, place, actor),
        )
        return await _record_of_alarm(connection, consumer, name, place, "attend", detail, actor, reason)


async def decisions(connection: Connection) -> list[Decision]:
    """Return the last thousand decisions recorded in this database, latest first."""
    rows = await connection.fetch(
        f"select {_COLUMNS}, decided_at from quarantine_decision order by id desc limit 1000"  # noqa: S608 - columns only
    )
    return [Decision(**row) for row in rows]


_ASK_RETRY: Final = """
    with first as (
        select topic, partition, "offset" from quarantine where consumer = $1 and stream = $2
        order by topic, partition, "offset" limit 1
    )
    update quarantine as q set retry = true from first
    where q.consumer = $1 and (q.topic, q.partition, q."offset") = (first.topic, first.partition, first."offset")
    returning q.topic, q.partition, q."offset", q.cause, q.error
"""


def _of(row: Any) -> tuple[Any, ...]:
    return row["topic"], row["partition"], row["offset"], row["cause"], row["error"]


async def _skip_to(connection: Connection, consumer: str, stream: str, version: int, hash_: bytes | None) -> bool:
    """Move the progress of a stream to a version that was not applied; return whether it was less before."""
    seen = "select version from seen where consumer = $1 and stream = $2"
    progress = await connection.fetchval(seen, consumer, stream) or 0
    if version <= progress:
        return False
    no_digest = bytes(8)
    digests = no_digest * (version - progress - 1) + (no_digest if hash_ is None else hash_[:8])
    await connection.execute(_SKIP_TO, consumer, stream, version, hash_, digests)
    return True


async def _record_of_alarm(
    connection: Connection, consumer: str, name: str, place: str, action: str, detail: str | None, *by: str
) -> Decision:
    if detail is None:
        raise NothingHeld(f"no alarm {name} of {consumer} stands at {place}")
    decided = (action, place, None, None, None, None, None, name, detail, False, *by)
    return await _record(connection, consumer, *decided)


async def _record(connection: Connection, *values: Any) -> Decision:
    *before, actor, reason = values
    if not actor.strip() or not reason.strip():
        raise ValueError("say who decides, and why: the decision is recorded for ever")
    row = await connection.fetchrow(_RECORD, *before, whole_text(actor, 200), whole_text(reason, 1000))
    return Decision(**row)
