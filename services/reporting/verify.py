"""Verification of the projection: its tables must equal a fresh fold of its facts, and the facts must be complete."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic_core import from_json

from services.reporting.fold import Folded, Stream, fold, folded_from
from services.reporting.projection import COLUMNS, DUTY_COLUMNS, duty_rows, read_row, stream_of, stream_row
from services.reporting.snapshot import Connection, Pool, snapshot
from shared.domain.data_rights import is_data_right
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import GENESIS, Fact, next_hash, type_in
from shared.domain.waiting import DECIDER, Waiting, is_wait
from shared.messaging.waiting import KnownWait
from shared.runtime.verification.streams import History

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
_FACTS: Final = """
    select service, stream, position, recorded_at, hash, body from fact
    where service = $1 and stream = any($2::uuid[]) order by stream, version
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
    async with comparing(pool, service) as comparison:
        return await comparison.finish()


@asynccontextmanager
async def comparing(pool: Pool, service: str) -> AsyncIterator[StreamComparison]:
    """Open a comparison of the streams of a service, all of one snapshot."""
    async with snapshot(pool) as connection:
        yield StreamComparison(connection, service, await connection.cursor(_KNOWN, service))


class StreamComparison:
    """A walk through the streams of a service in order of id, which compares each with a fresh fold of its facts.

    It may follow a walk through the event store in the same order (`follow`). Where a stream has the same facts, byte for
    byte, as a stream that is whole there, they are neither parsed nor folded again.
    """

    def __init__(self, connection: Connection, service: str, known: Any) -> None:
        self._connection = connection
        self._service = service
        self._known = known
        self._ahead: list[UUID] = []
        self._found: list[str] = []

    async def follow(self, histories: Sequence[History]) -> None:
        """Compare the streams up to the last of these, which the event store holds."""
        whole = {history[0][0].stream_id: history for history in histories}
        if whole:
            await self._compare_up_to(max(whole), whole)

    async def finish(self) -> list[str]:
        """Compare what is left; return every difference, in order of stream."""
        await self._compare_up_to(None, {})
        return self._found

    async def _compare_up_to(self, last: UUID | None, whole: Mapping[UUID, History]) -> None:
        while len(self._found) <= MOST_DIFFERENCES and (
            streams := self._ahead or [row["stream"] for row in await self._known.fetch(STREAMS)]
        ):
            end = len(streams) if last is None else bisect_right(streams, last)
            self._ahead, due = streams[end:], streams[:end]
            if due:
                self._found += await _differences(self._connection, self._service, due, whole)
                if len(self._found) > MOST_DIFFERENCES:
                    self._found[MOST_DIFFERENCES:] = [f"there are more: the check ended at {due[-1]}"]
            if self._ahead:
                return


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


async def _differences(
    connection: Connection, service: str, streams: Sequence[UUID], whole: Mapping[UUID, History]
) -> list[str]:
    try:
        return await _compared(connection, service, streams, whole)
    except Exception as error:  # noqa: BLE001 - one that cannot be read must not hide the others
        if len(streams) == 1:
            return [f"{service}/{streams[0]}: cannot be checked: {type(error).__name__}: {error}"]
        return [line for stream in streams for line in await _differences(connection, service, [stream], whole)]


async def _compared(
    connection: Connection, service: str, streams: Sequence[UUID], whole: Mapping[UUID, History]
) -> list[str]:
    facts = defaultdict[UUID, list[asyncpg.Record]](list)
    for row in await connection.fetch(_FACTS, service, streams):
        facts[row["stream"]].append(row)
    same = {
        stream: whole[stream] for stream in streams if stream in whole and _is_same(whole[stream][0], facts[stream])
    }
    histories = {
        stream: same[stream][0] if stream in same else [read_row(row) for row in facts[stream]] for stream in streams
    }
    rows = {
        row["stream"]: row
        for row in await connection.fetch(
            "select * from stream where service = $1 and stream = any($2::uuid[])", service, streams
        )
    }
    waits = await _known_waits(connection, streams)
    duties = defaultdict[UUID, Counter[tuple[Any, ...]]](Counter)
    for row in await connection.fetch(
        "select * from duty where service = $1 and stream = any($2::uuid[])", service, streams
    ):
        duties[row["stream"]][tuple(row[column] for column in DUTY_COLUMNS)] += 1
    return [
        f"{service}/{stream}: {line}"
        for stream in streams
        for line in _of_stream(
            (service, stream), histories[stream], rows.get(stream), duties[stream], waits.get(stream), same.get(stream)
        )
    ]


def _is_same(history: Sequence[Fact], rows: Sequence[asyncpg.Record]) -> bool:
    """Tell whether rows are the facts of a history that is whole, so that they make what it makes.

    The type in each one's bytes is that of the fact, so that both have been read by the same registry.
    """
    return len(history) == len(rows) and all(
        (fact.body, fact.hash, fact.position, fact.recorded_at)
        == (row["body"], row["hash"], row["position"], row["recorded_at"])
        and type_in(row["body"]) == fact.envelope.type
        for fact, row in zip(history, rows, strict=True)
    )


async def _known_waits(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Waiting]:
    rows = await connection.fetch("select * from waiting where id = any($1::uuid[])", ids)
    return {
        row["id"]: Waiting(KnownWait.of_row(row).wait, open=row["ended_at"] is None, closed=row["closed"])
        for row in rows
    }


def _of_stream(
    stream: Stream,
    history: Sequence[Fact],
    row: asyncpg.Record | None,
    duties: Counter[tuple[Any, ...]],
    waiting: Waiting | None,
    whole: History | None,
) -> Iterator[str]:
    """Yield the differences between one stream's rows and its facts; a wait has a row of its own.

    `whole` is the history with its state where the event store holds the same and nothing in it is broken.
    """
    fault = _fault(stream, history) if whole is None else None
    if fault is not None:
        yield fault
    elif is_wait(history[0].envelope.type):
        if waiting != DECIDER.state_at(history):
            yield "what waits is not what its facts make"
    elif is_data_right(history[0].envelope.type):
        if row is not None:
            yield "a row stands for a person's data rights"
    elif row is None:
        yield "its facts have no row"
    else:
        try:
            folded = fold(history) if whole is None else folded_from(*whole)
        except BrokenHistory as error:
            yield str(error)
        else:
            yield from ["nothing opens it"] if folded is None else _of_rows(folded, row, duties)


def _fault(stream: Stream, history: Sequence[Fact]) -> str | None:
    """Say what is wrong with the facts themselves: none, one of another stream, or a hash that does not follow."""
    if not history:
        return "a row stands without any fact"
    stream_hash = GENESIS
    for fact in history:
        if stream_of(fact) != stream:
            return f"version {fact.version}: the event is one of {fact.envelope.stream}"
        stream_hash = next_hash(stream_hash, fact.body or b"")
        if stream_hash != fact.hash:
            return f"version {fact.version}: the hash does not follow from the bytes and the hash before"
    return None


def _of_rows(folded: Folded, row: asyncpg.Record, duties: Counter[tuple[Any, ...]]) -> Iterator[str]:
    for column, expected in zip(COLUMNS, stream_row(folded), strict=True):
        if column in _JSON:
            if from_json(row[column]) != from_json(expected):
                yield f"{column} is not what its facts make"
        elif row[column] != expected:
            yield f"{column} is {row[column]!r}, its facts make {expected!r}"
    if duties != Counter(duty_rows(folded)):
        yield "its duties are not what its facts make"
