"""Verification of the projection: its tables must equal a fresh fold of its facts, and the facts must be complete."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg

from services.reporting.as_of import histories_of
from services.reporting.fold import fold
from services.reporting.projection import COLUMNS, DUTY_COLUMNS, Stream, duty_rows, stream_row
from services.reporting.read_models import READ_MODELS
from services.reporting.snapshot import Connection, Pool, positions, snapshot
from shared.domain.decider import BrokenHistory, check_gapless
from shared.domain.envelope import GENESIS, Fact, next_hash

STREAMS: Final = 200
"""How many streams are folded at a time."""

_JSON: Final = frozenset({"view", "record"})


async def refold_differences(pool: Pool) -> list[str]:
    """List the differences between the projection and a fresh fold of its facts, in words; empty where there are none."""
    found: list[str] = []
    async with snapshot(pool) as connection:
        found += await _missing(connection)
        known = await connection.fetch("select service, stream from fact union select service, stream from stream")
        streams = [(row["service"], row["stream"]) for row in sorted(known, key=tuple)]
        for n in range(0, len(streams), STREAMS):
            found += await _differences(connection, streams[n : n + STREAMS])
    return found


async def _missing(connection: Connection) -> list[str]:
    last = await connection.fetch("select service, max(position) as last from fact group by service")
    reached = await positions(connection, READ_MODELS)
    return [
        f"{row['service']}: position {reached[row['service']] + 1} is missing"
        for row in last
        if reached[row["service"]] != row["last"]
    ]


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
    duties: dict[Stream, Counter[tuple[Any, ...]]] = {stream: Counter() for stream in streams}
    for row in await connection.fetch(
        "select d.* from duty as d join unnest($1::text[], $2::uuid[]) as w (service, stream) using (service, stream)",
        *wanted,
    ):
        duties[row["service"], row["stream"]][tuple(row[column] for column in DUTY_COLUMNS)] += 1
    return [
        f"{stream[0]}/{stream[1]}: {line}"
        for stream in streams
        for line in _of_stream(histories.get(stream, ()), rows.get(stream), duties[stream])
    ]


def _of_stream(history: Sequence[Fact], row: asyncpg.Record | None, duties: Counter[tuple[Any, ...]]) -> Iterator[str]:
    """Yield the differences between one stream's rows and its facts."""
    if not history:
        yield "a row stands without any fact"
    elif row is None:
        yield "its facts have no row"
    elif (broken := _broken_link(history)) is not None:
        yield f"version {broken.version}: the hash does not follow from the bytes and the hash before"
    else:
        yield from _of_rows(history, row, duties)


def _broken_link(history: Sequence[Fact]) -> Fact | None:
    """Return the first fact whose hash does not follow from the one before."""
    held = GENESIS
    for fact in history:
        held = next_hash(held, fact.body or b"")
        if held != fact.hash:
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
    for column, fresh in zip(COLUMNS, stream_row(folded), strict=True):
        if column in _JSON:
            if json.loads(row[column]) != json.loads(fresh):
                yield f"{column} is not what its facts make"
        elif row[column] != fresh:
            yield f"{column} is {row[column]!r}, its facts make {fresh!r}"
    if duties != Counter(duty_rows(folded)):
        yield "its duties are not what its facts make"
