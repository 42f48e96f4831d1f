"""The daily sheet: the duties of all services as they stood at the end of a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.as_of import refolded
from services.reporting.fold import Folded
from services.reporting.projection import duty_of
from services.reporting.read_models import READ_MODELS
from services.reporting.snapshot import Pool, positions, snapshot
from services.reporting.visibility import Reader, visible
from shared.domain.dates import end_of_day
from shared.domain.duties import Duty

_STANDING: Final = f"""
    select d.*, s.cases, s.officer
    from duty as d join stream as s using (service, stream)
    where d.opened_on <= $1 and (d.met_on is null or d.met_on > $1) and (d.closed_on is null or d.closed_on > $1)
      and (d.lapsed_on is null or d.lapsed_on > $1)
      and s.updated_at <= $2 and {visible(3)}
"""  # noqa: S608 - the clause above, and no value


@dataclass(frozen=True, slots=True)
class Listed:
    """A duty with its stream, and the home, cases, officer and area of that stream."""

    duty: Duty
    service: str
    stream: UUID
    home: UUID
    cases: tuple[UUID, ...]
    officer: UUID | None
    area: str | None

    @classmethod
    def of_row(cls, row: asyncpg.Record) -> Listed:
        """Read a row of the duty's columns and its stream's cases and officer."""
        duty = duty_of(row)
        return cls(duty, row["service"], row["stream"], row["home"], tuple(row["cases"]), row["officer"], row["area"])

    @classmethod
    def of_fold(cls, folded: Folded) -> Iterable[Listed]:
        """Yield the duties of a stream that was folded anew."""
        summary = folded.summary
        for duty in folded.duties:
            yield cls(duty, folded.service, summary.stream, summary.home, summary.cases, summary.officer, summary.area)

    def as_json(self, as_of: date) -> dict[str, Any]:
        """Return the duty as it was at the end of a day."""
        return {
            **self.duty.as_json(as_of),
            "service": self.service,
            "stream": str(self.stream),
            "case_ids": [str(case) for case in self.cases],
            "officer": self.officer and str(self.officer),
            "area": self.area,
        }


async def daily_sheet(
    pool: Pool,
    reader: Reader,
    as_of: date,
    overdue: bool | None = None,
) -> dict[str, Any]:
    """List every duty that is not met at the end of a Europe/London day, soonest first, as it was then.

    `overdue` true: only those past their due date; false: only the others. The duties are those that the owning
    services would show to the reader.
    """
    until, reach = end_of_day(as_of), reader.reach("duties")
    async with snapshot(pool) as connection:
        found = [Listed.of_row(row) for row in await connection.fetch(_STANDING, as_of, until, *reach.parameters)]
        moved = await refolded(connection, READ_MODELS, until, areas=None if reach.areas is None else list(reach.areas))
        seen = await reach.select(connection, [(folded.service, folded.summary.stream) for folded in moved])
        for folded in moved:
            if (folded.service, folded.summary.stream) in seen:
                found += [one for one in Listed.of_fold(folded) if one.duty.is_open(as_of)]
        reached = await positions(connection, READ_MODELS)
    shown = [one for one in found if overdue is None or one.duty.overdue(as_of) == overdue]
    shown.sort(key=lambda one: (one.duty.due, one.service, one.stream, one.duty.duty, one.duty.item))
    return {
        "as_of": as_of.isoformat(),
        "positions": reached,
        "duties": [one.as_json(as_of) for one in shown],
    }
