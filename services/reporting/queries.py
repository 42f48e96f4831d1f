"""The queries of the API: plain functions of a pool and parameters, which answer in JSON's own types.

A measure by `as_of` or `known_at` folds anew only the streams that a cut touches: all others stand as they stand now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.as_of import refolded
from services.reporting.ethnicity import Grant
from services.reporting.measures import (
    Dataset,
    Measure,
    WorkItem,
    answer,
    measure_named,
)
from services.reporting.measures.disproportionality import DISPROPORTIONALITY, given
from services.reporting.period import Period
from services.reporting.projection import duty_of
from services.reporting.snapshot import Connection, Pool, positions, snapshot
from services.reporting.summaries import SUMMARIES, Summary
from services.reporting.summaries.disposal import SealedTexts
from shared.domain.duties import Duty
from shared.domain.duties_by_day import end_of_day

_UNTOUCHED: Final = """
    select service, stream, state, open, record from stream
    where service = any($1::text[])
      and ($2::timestamptz is null or updated_at <= $2) and ($3::timestamptz is null or recorded_at <= $3)
"""
_OVERDUE: Final = """
    select service, stream, duty, item, opened_on, due, met_on, closed_on, lapsed_on from duty
    where service = any($1::text[]) and due < $2 and opened_on <= $2
      and (met_on is null or met_on > $2) and (closed_on is null or closed_on > $2)
      and (lapsed_on is null or lapsed_on > $2)
"""


async def measure(
    pool: Pool,
    name: str,
    from_: date,
    to: date,
    group_by: str | None = None,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    ethnicity: Grant | None = None,
) -> dict[str, Any]:
    """A measure of a period of Europe/London days, both included; raises `BadQuestion`.

    `as_of` counts what had occurred by then, `known_at` what had been recorded by then. `ethnicity` is a grant of keys
    for this question; only disproportionality uses it.
    """
    asked, period = measure_named(name), Period(from_, to)
    async with snapshot(pool) as connection:
        book = await _book(connection, asked, period, as_of, known_at)
        reached = await positions(connection, asked.reads, known_at)
    if asked is DISPROPORTIONALITY and ethnicity is not None:
        book = await _with_ethnicities(book, period, ethnicity)
    return answer(asked, book, period, reached, group_by)


async def _book(
    connection: Connection, asked: Measure[Any], period: Period, as_of: datetime | None, known_at: datetime | None
) -> Dataset:
    if asked.standings:
        as_of = min(as_of or end_of_day(period.last), end_of_day(period.last))
    services = sorted(asked.reads)
    rows = await connection.fetch(_UNTOUCHED, services, as_of, known_at)
    touched = await refolded(connection, services, as_of, known_at)
    records = [_record(row) for row in rows] + [item.record for item in touched]
    if not asked.standings:
        return Dataset(records)
    overdue = await _overdue(connection, services, period.last)
    standings = [
        WorkItem(row["service"], record, row["state"], row["open"], tuple(overdue[row["service"], row["stream"]]))
        for row, record in zip(rows, records, strict=False)
    ]
    return Dataset(records, standings + [item.standing for item in touched])


def _record(row: asyncpg.Record) -> Summary:
    return SUMMARIES[row["service"]].model_validate_json(row["record"])


async def _overdue(connection: Connection, services: list[str], day: date) -> Mapping[tuple[str, UUID], list[Duty]]:
    found: dict[tuple[str, UUID], list[Duty]] = defaultdict(list)
    for row in await connection.fetch(_OVERDUE, services, day):
        found[row["service"], row["stream"]].append(duty_of(row))
    return found


async def _with_ethnicities(book: Dataset, period: Period, grant: Grant) -> Dataset:
    sealed: list[SealedTexts] = [row.ethnicity for row in given(book, period) if row.ethnicity is not None]
    return Dataset(book.records, ethnicities=await grant(sealed))
