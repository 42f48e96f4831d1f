"""What is published of measures of a protected characteristic: each quarter or year once, for everybody (ADR 59).

An answer that moved with each event, or with a parameter, would differ from the one before by one child.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from services.reporting.measures import Measure
from services.reporting.measures.disclosure import Published
from services.reporting.measures.period import BadQuestion, Period, quarter_of, year_of
from services.reporting.measures.policy import POLICY
from services.reporting.projection.snapshot import Pool
from shared.domain.policy import PolicyBook


@dataclass(frozen=True, slots=True)
class Publication:
    """A published answer, with the number of all that counted in it."""

    period: Period
    total: int
    answer: dict[str, Any]

    def table(self, measure: Measure[Any]) -> Published:
        """Return what it shows."""
        assert measure.shown is not None
        return Published(self.period, self.total, measure.shown(self.answer))


def require_publishable(
    measure: Measure[Any], period: Period, cuts: Mapping[str, object], on: date, policy: PolicyBook = POLICY
) -> None:
    """Raise `BadQuestion` for another period than a settled quarter or year, and for each parameter that would cut it."""
    for name, value in cuts.items():
        if value is not None:
            raise BadQuestion(f"leave it out: {measure.name} is published once for each period", name)
    days = policy.on(period.last).number("settled_after")
    if on - timedelta(days) <= period.last:
        raise BadQuestion(f"{measure.name} is published {days} days after the end of the period: ask later", "to")
    year = year_of(period.last)
    if period not in {quarter_of(period.last), year}:
        raise BadQuestion(
            f"{measure.name} is published for quarters and years, such as {year.first} to {year.last}", "from"
        )


async def published_in(pool: Pool, measure: str, year: Period) -> list[Publication]:
    """List what is published of a measure in a year, in the order of publication."""
    rows = await pool.fetch(
        "select first_day, last_day, total, answer from published_table where measure = $1 and year = $2 order by number",
        measure,
        year.first,
    )
    return [
        Publication(Period(row["first_day"], row["last_day"]), row["total"], json.loads(row["answer"])) for row in rows
    ]


async def publish(pool: Pool, measure: str, year: Period, number: int, publication: Publication) -> bool:
    """Publish as the n-th of the year; False if another was published meanwhile."""
    kept = await pool.fetchval(
        "insert into published_table (measure, year, number, first_day, last_day, total, answer)"
        " values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning number",
        *(measure, year.first, number, publication.period.first, publication.period.last),
        *(publication.total, json.dumps(publication.answer)),
    )
    return kept is not None
