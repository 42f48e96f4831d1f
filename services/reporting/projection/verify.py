"""Verification of the projection: its tables must equal a fresh fold of its facts, and the facts must be complete."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic_core import from_json

from services.reporting.projection.fold import Folded, Stream, fold
from services.reporting.projection.knowledge import known_of
from services.reporting.projection.projector import COLUMNS, DUTY_COLUMNS, duty_rows, read_row, stream_of, stream_row
from services.reporting.projection.snapshot import Connection, Pool, snapshot
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import GENESIS, Fact, next_hash
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.waiting import is_of_kernel
from shared.evidence.verification.problems import Passed, Problems, ignore_passed, to_the_end

STREAMS: Final = 200
"""How many streams are folded at a time."""

_SERVICES: Final = "select service from fact union select service from stream order by service"
# Read by a cursor, so that memory does not grow with the number of streams.
_KNOWN: Final = """
    select stream from (select stream from fact where service = $1 union select stream from stream where service = $1) as known
    order by stream
"""
_FACTS: Final = """
    select service, stream, position, recorded_at, hash, body from fact
    where service = $1 and stream = any($2::uuid[]) order by stream, version
"""
_STREAM_ROWS: Final = "select * from stream where service = $1 and stream = any($2::uuid[])"
_DUTY_ROWS: Final = "select * from duty where service = $1 and stream = any($2::uuid[])"
_JSON: Final = frozenset({"view", "record"})


async def check_projection(pool: Pool, problems: Problems, passed: Passed = ignore_passed) -> None:
    """Compare the tables of each service with a fresh fold of its facts; `passed` hears of the facts."""
    for line in await _missing_positions(pool):
        problems.note(line)
    for row in await pool.fetch(_SERVICES):
        await to_the_end(_check_streams(pool, row["service"], problems, passed), problems)


async def _check_streams(pool: Pool, service: str, problems: Problems, passed: Passed) -> None:
    async with snapshot(pool) as connection:
        known = await connection.cursor(_KNOWN, service)
        while rows := await known.fetch(STREAMS):
            for line in await _differences(connection, service, [row["stream"] for row in rows], passed):
                problems.note(line)


# Positions are dense: as many facts as the last position means that none is missing.
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
    lines: list[str] = []
    for row in await pool.fetch(_COUNTED):
        service, reached = row["service"], row["reached"]
        if reached != row["last"]:
            lines.append(f"{service}: position {reached + 1} is missing")
        if row["kept"] != reached:
            lines.append(f"{service}: the high-water mark is {row['kept']}, its facts make {reached}")
    return lines


async def _differences(connection: Connection, service: str, streams: Sequence[UUID], passed: Passed) -> list[str]:
    try:
        return await _compared(connection, service, streams, passed)
    except Exception as error:  # noqa: BLE001 - one that cannot be read must not hide the others
        if len(streams) == 1:
            return [f"{service}/{streams[0]}: cannot be checked: {type(error).__name__}: {error}"]
        return [line for stream in streams for line in await _differences(connection, service, [stream], passed)]


async def _compared(connection: Connection, service: str, streams: Sequence[UUID], passed: Passed) -> list[str]:
    histories = defaultdict[UUID, list[Fact]](list)
    facts = await connection.fetch(_FACTS, service, streams)
    for row in facts:
        histories[row["stream"]].append(read_row(row))
    rows = {row["stream"]: row for row in await connection.fetch(_STREAM_ROWS, service, streams)}
    duties = defaultdict[UUID, Counter[tuple[Any, ...]]](Counter)
    for row in await connection.fetch(_DUTY_ROWS, service, streams):
        duties[row["stream"]][tuple(row[column] for column in DUTY_COLUMNS)] += 1
    known = await known_of(connection, {(service, stream): history for stream, history in histories.items()})
    lines = [
        f"{service}/{stream}: {line}"
        for stream in streams
        for line in _of_stream(
            (service, stream),
            histories[stream],
            rows.get(stream),
            duties[stream],
            known.get((service, stream), NOTHING_KNOWN),
        )
    ]
    passed(len(facts))
    return lines


def _of_stream(
    stream: Stream, history: Sequence[Fact], row: asyncpg.Record | None, duties: Counter[tuple[Any, ...]], known: Known
) -> Iterator[str]:
    """Yield the differences between one stream's rows and its facts; events of the kernel have no row."""
    fault = _fault(stream, history)
    if fault is not None:
        yield fault
    elif is_of_kernel(history[0].envelope.type):
        if row is not None:
            yield "a row stands for a wait or a person's data rights"
    elif row is None:
        yield "its facts have no row"
    else:
        try:
            folded = fold(history, known=known)
        except BrokenHistory as error:
            yield str(error)
        else:
            yield from ["nothing opens it"] if folded is None else _of_rows(folded, row, duties)


def _fault(stream: Stream, history: Sequence[Fact]) -> str | None:
    """Return the fault of the facts themselves: there is none, one is of another stream, or a hash does not follow."""
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
