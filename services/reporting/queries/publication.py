"""What is published of measures of a protected characteristic: each quarter or year once, for everybody (ADR 59).

An answer that moved with each event, or with a parameter, would differ from the one before by one child.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import rfc8785

from services.reporting.measures import Measure
from services.reporting.measures.disclosure import Published
from services.reporting.measures.period import BadQuestion, Period, quarter_of, year_of
from services.reporting.measures.policy import POLICY
from services.reporting.projection.snapshot import Pool
from shared.domain.dates import end_of_day
from shared.domain.policy import PolicyBook
from shared.event_store import EventStoreUnavailable


@dataclass(frozen=True, slots=True)
class Publication:
    """A published table, with the positions that were counted."""

    table: Published
    positions: Mapping[str, int]


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


async def require_whole(pool: Pool, measure: Measure[Any], period: Period) -> None:
    """Raise `EventStoreUnavailable` unless the projection has held all that was published since the period settled.

    What is counted while a projection is behind, or restored from a backup, would stand for ever.
    """
    settled = period.last + timedelta(POLICY.on(period.last).number("settled_after"))
    behind = await pool.fetchval(
        "select string_agg(s.service, ', ' order by s.service) from unnest($1::text[]) as s (service)"
        " left join freshness as f using (service) where coalesce(f.caught_up_at <= $2, true)",
        *(sorted(measure.reads), end_of_day(settled)),
    )
    if behind:
        raise EventStoreUnavailable(f"reporting has not caught up with {behind} since the period settled")


async def published_in(pool: Pool, measure: str, year: Period, secret: bytes) -> list[Publication]:
    """List what is published of a measure in a year, in the order of publication.

    Raises `EventStoreUnavailable` for a row that no process with the secret has published.
    """
    rows = await pool.fetch(
        "select number, first_day, last_day, total, shown, positions, proof from published_table"
        " where measure = $1 and year = $2 order by number",
        *(measure, year.first),
    )
    listed = []
    for row in rows:
        table = Published(Period(row["first_day"], row["last_day"]), row["total"], json.loads(row["shown"]))
        publication = Publication(table, json.loads(row["positions"]))
        proof = _prove(secret, measure, year, row["number"], publication)
        if row["proof"] is not None and not hmac.compare_digest(row["proof"], proof):
            raise EventStoreUnavailable(f"published_table holds a row that reporting's API did not write: {table}")
        listed.append(publication)
    return listed


def _prove(secret: bytes, measure: str, year: Period, number: int, publication: Publication) -> bytes:
    table = publication.table
    days = [str(day) for day in (year.first, table.period.first, table.period.last)]
    content: list[Any] = [measure, number, *days, table.total, dict(table.shown), dict(publication.positions)]
    return hmac.digest(secret, rfc8785.dumps(content), "sha256")


async def publish(pool: Pool, measure: str, year: Period, number: int, publication: Publication, secret: bytes) -> None:
    """Publish as the n-th of the year, unless another was published first."""
    table = publication.table
    await pool.execute(
        "insert into published_table (measure, year, number, first_day, last_day, total, shown, positions, proof)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing",
        *(measure, year.first, number, table.period.first, table.period.last, table.total),
        *(json.dumps(dict(table.shown)), json.dumps(dict(publication.positions))),
        _prove(secret, measure, year, number, publication),
    )
