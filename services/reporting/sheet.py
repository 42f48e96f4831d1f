"""The daily sheet: the duties of all services as they stand on a day, one query."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.snapshot import Pool, positions, snapshot
from shared.duties import Duty

_SHEET: Final = """
    select d.service, d.stream, d.home, d.duty, d.item, d.opened_on, d.due, d.met_on, d.closed_on, d.area, s.cases, s.officer
    from duty as d join stream as s using (service, stream)
    where d.opened_on <= $1 and (d.met_on is null or d.met_on > $1) and (d.closed_on is null or d.closed_on > $1)
      and ($2::boolean is null or (d.due < $1) = $2)
      and ($3::text[] is null or d.area = any($3))
      and not s.cases && $4::uuid[] and d.home <> all($4::uuid[])
    order by d.due, d.service, d.stream, d.duty, d.item
"""


async def daily_sheet(
    pool: Pool,
    as_of: date,
    overdue: bool | None = None,
    areas: Sequence[str] | None = None,
    barred: Collection[UUID] = (),
) -> dict[str, Any]:
    """Every duty that is not met at the end of a Europe/London day, soonest first.

    `overdue` true: only those past their due date; false: only the others. `areas` limits it to what a reader may see; `barred` are cases in which the
    reader has declared a conflict of interest.
    """
    async with snapshot(pool) as connection:
        rows = await connection.fetch(_SHEET, as_of, overdue, None if areas is None else list(areas), list(barred))
        reached = await positions(connection, ("disposal", "education", "referral", "rj_conference"))
    return {
        "as_of": as_of.isoformat(),
        "positions": reached,
        "duties": [
            {**duty_shown(row, as_of), "officer": row["officer"] and str(row["officer"]), "area": row["area"]}
            for row in rows
        ],
    }


def duty_shown(row: asyncpg.Record, as_of: date) -> dict[str, Any]:
    """A duty as JSON, as it stands at the end of a day. The row has the duty's columns and its stream's cases."""
    duty = Duty(row["duty"], row["opened_on"], row["due"], row["met_on"], row["item"], row["closed_on"])
    return {
        **duty.as_json(as_of),
        "service": row["service"],
        "stream": str(row["stream"]),
        "case_ids": [str(case) for case in row["cases"]],
    }
