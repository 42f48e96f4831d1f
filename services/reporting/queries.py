"""The measure queries of the API: functions of a pool and parameters, which answer in JSON's own types.

With `as_of` or `known_at` only those streams are folded anew that have changed since: all others are as they are now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
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
from services.reporting.period import Period
from services.reporting.projection import duty_of
from services.reporting.snapshot import Connection, Pool, positions, snapshot
from services.reporting.summaries import Summary, summary_type
from shared.domain.dates import end_of_day
from shared.domain.duties import Duty

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
    """Answer a measure of a period of Europe/London days, both included; raises `BadQuestion`.

    `as_of` counts what had occurred by then, `known_at` what had been recorded by then. `ethnicity` is a grant of keys
    for this question.
    """
    question, period = measure_named(name), Period(from_, to)
    async with snapshot(pool) as connection:
        dataset = await _load_dataset(connection, question, period, as_of, known_at)
        reached = await positions(connection, question.reads, known_at)
    if question.sealed_texts is not None and ethnicity is not None:
        dataset = replace(dataset, ethnicities=await ethnicity(question.sealed_texts(dataset, period)))
    return answer(question, dataset, period, reached, group_by)


async def _load_dataset(
    connection: Connection, question: Measure[Any], period: Period, as_of: datetime | None, known_at: datetime | None
) -> Dataset:
    if question.needs_work_items:
        as_of = min(as_of or end_of_day(period.last), end_of_day(period.last))
    services = sorted(question.reads)
    rows = await connection.fetch(_UNTOUCHED, services, as_of, known_at)
    touched = await refolded(connection, services, as_of, known_at)
    summaries = [_summary(row) for row in rows] + [item.summary for item in touched]
    if not question.needs_work_items:
        return Dataset(summaries)
    overdue = await _load_overdue(connection, services, period.last)
    work_items = [
        WorkItem(row["service"], summary, row["state"], row["open"], tuple(overdue[row["service"], row["stream"]]))
        for row, summary in zip(rows, summaries, strict=False)
    ]
    return Dataset(summaries, work_items + [item.work_item for item in touched])


def _summary(row: asyncpg.Record) -> Summary:
    summary: Summary = summary_type(row["service"]).model.model_validate_json(row["record"])
    return summary


async def _load_overdue(
    connection: Connection, services: list[str], day: date
) -> Mapping[tuple[str, UUID], list[Duty]]:
    found: dict[tuple[str, UUID], list[Duty]] = defaultdict(list)
    for row in await connection.fetch(_OVERDUE, services, day):
        found[row["service"], row["stream"]].append(duty_of(row))
    return found
