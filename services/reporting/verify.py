"""Verification of the projection: its tables must equal a fresh fold of its facts, and the facts must be complete."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.as_of import histories_of
from services.reporting.fold import Stream, fold
from services.reporting.projection import COLUMNS, DUTY_COLUMNS, duty_rows, stream_row
from services.reporting.snapshot import Connection, Pool, snapshot
from shared.domain.data_rights import is_data_right
from shared.domain.decider import BrokenHistory, check_gapless
from shared.domain.envelope import GENESIS, Fact, next_hash
from shared.domain.waiting import DECIDER, Waiting, is_wait
from shared.messaging.waiting import KnownWait

STREAMS: Final = 200
"""How many streams are folded at a time."""

MOST_DIFFERENCES: Final = 10_000
"""How many differences of a service are listed before its check ends."""

_SERVICES: Final = "select service from fact union select service from stream order by service"
# A cursor: neither the server's answer nor the streams that have been seen stay in memory.
_KNOWN: Final = """
    select stream from (select stream from fact where service = $1 union select stream from stream where service = $1) as known
    order by stream
"""
_JSON: Final = frozenset({"view", "record"})


async def refold_differences(pool: Pool) -> list[str]:
    """List the differences between the projection and a fresh fold of its facts, in words; empty where there are none."""
    return [line async for line in projection_differences(pool, {})]


async def projection_differences(pool: Pool, refolded: Mapping[str, Sequence[str]]) -> AsyncIterator[str]:
    """Yield the same as they are found; `refolded` are those of the services whose streams were folded elsewhere."""
    for line in await _missing_positions(pool):
        yield line
    for row in await pool.fetch(_SERVICES):
        service = row["service"]
        for line in refolded[service] if service in refolded else await stream_differences(pool, service):
            yield line


async def stream_differences(pool: Pool, service: str) -> list[str]:
    """List the differences between the streams of a service and a fresh fold of their facts, in order of stream."""
    found: list[str] = []
    async with snapshot(pool) as connection:
        known = await connection.cursor(_KNOWN, service)
        while rows := await known.fetch(STREAMS):
            found += await _differences(connection, [(service, row["stream"]) for row in rows])
            if len(found) > MOST_DIFFERENCES:
                return [*found[:MOST_DIFFERENCES], f"there are more: the check ended at {rows[-1]['stream']}"]
    return found


# Positions are dense, so all is there where there are as many facts as the last position says; else up to the first gap.
_COUNTED: Final = """
    select t.service, t.last, h.position as kept, case when t.held = t.last then t.last else (
        select min(g.n) - 1 from generate_series(1, t.last) as g (n)
        where not exists (select 1 from fact as f where f.service = t.service and f.position = g.n)
    ) end as reached
    from (select service, count(*) as held, max(position) as last from fact group by service) as t
    left join high_water_mark as h using (service)
"""


async def _missing_positions(pool: Pool) -> list[str]:
    """List the first missing position of each service, and each high-water mark that is not what the facts make."""
    found: list[str] = []
    for row in await pool.fetch(_COUNTED):
        service, reached = row["service"], row["reached"]
        if reached != row["last"]:
            found.append(f"{service}: position {reached + 1} is missing")
        if row["kept"] != reached:
            found.append(f"{service}: the high-water mark is {row['kept']}, its facts make {reached}")
    return found


async def _differences(connection: Connection, streams: list[Stream]) -> list[str]:
    try:
        return await _compared(connection, streams)
    except Exception as error:  # noqa: BLE001 - one that cannot be read must not hide the others
        if len(streams) == 1:
            return [f"{streams[0][0]}/{streams[0][1]}: cannot be checked: {type(error).__name__}: {error}"]
        return [line for stream in streams for line in await _differences(connection, [stream])]


async def _compared(connection: Connection, streams: list[Stream]) -> list[str]:
    histories = await histories_of(connection, streams)
    wanted = ([service for service, _ in streams], [stream for _, stream in streams])
    rows = {
        (row["service"], row["stream"]): row
        for row in await connection.fetch(
            "select s.* from stream as s join unnest($1::text[], $2::uuid[]) as w (service, stream) using (service, stream)",
            *wanted,
        )
    }
    waits = await _known_waits(connection, wanted[1])
    duties: dict[Stream, Counter[tuple[Any, ...]]] = {stream: Counter() for stream in streams}
    for row in await connection.fetch(
        "select d.* from duty as d join unnest($1::text[], $2::uuid[]) as w (service, stream) using (service, stream)",
        *wanted,
    ):
        duties[row["service"], row["stream"]][tuple(row[column] for column in DUTY_COLUMNS)] += 1
    return [
        f"{stream[0]}/{stream[1]}: {line}"
        for stream in streams
        for line in _of_stream(histories.get(stream, ()), rows.get(stream), duties[stream], waits.get(stream[1]))
    ]


async def _known_waits(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Waiting]:
    rows = await connection.fetch("select * from waiting where id = any($1::uuid[])", ids)
    return {
        row["id"]: Waiting(KnownWait.of_row(row).wait, open=row["ended_at"] is None, closed=row["closed"])
        for row in rows
    }


def _of_stream(
    history: Sequence[Fact],
    row: asyncpg.Record | None,
    duties: Counter[tuple[Any, ...]],
    waiting: Waiting | None,
) -> Iterator[str]:
    """Yield the differences between one stream's rows and its facts; a wait has a row of its own."""
    if not history:
        yield "a row stands without any fact"
    elif (broken := _broken_link(history)) is not None:
        yield f"version {broken.version}: the hash does not follow from the bytes and the hash before"
    elif is_wait(history[0].envelope.type):
        if waiting != DECIDER.state_at(history):
            yield "what waits is not what its facts make"
    elif is_data_right(history[0].envelope.type):
        if row is not None:
            yield "a row stands for a person's data rights"
    elif row is None:
        yield "its facts have no row"
    else:
        yield from _of_rows(history, row, duties)


def _broken_link(history: Sequence[Fact]) -> Fact | None:
    """Return the first fact whose hash does not follow from the one before."""
    stream_hash = GENESIS
    for fact in history:
        stream_hash = next_hash(stream_hash, fact.body or b"")
        if stream_hash != fact.hash:
            return fact
    return None


def _of_rows(history: Sequence[Fact], row: asyncpg.Record, duties: Counter[tuple[Any, ...]]) -> Iterator[str]:
    try:
        check_gapless(history)
        folded = fold(history)
    except BrokenHistory as error:
        yield str(error)
        return
    if folded is None:
        yield "nothing opens it"
        return
    for column, expected in zip(COLUMNS, stream_row(folded), strict=True):
        if column in _JSON:
            if json.loads(row[column]) != json.loads(expected):
                yield f"{column} is not what its facts make"
        elif row[column] != expected:
            yield f"{column} is {row[column]!r}, its facts make {expected!r}"
    if duties != Counter(duty_rows(folded)):
        yield "its duties are not what its facts make"
