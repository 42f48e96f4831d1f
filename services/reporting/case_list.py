"""The list of cases. A column is one field of `CaseLine`: SQL, API and the terminal's table are made from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from services.reporting.period import BadQuestion
from services.reporting.read_models import READ_MODELS
from services.reporting.snapshot import Pool, positions, snapshot
from services.reporting.visibility import Reader, visible
from shared.api.schemas import Schema
from shared.domain.dates import local_day

PAGE: Final = 50
"""Cases on one page of the list."""

PANEL_QUEUE: Final = "PANEL_QUEUE"
"""Beside the states of the services: a referral that waits with the panel until a disposal case names it."""

QUEUED: Final = """
    s.service = 'referral' and s.state = 'WITH_PANEL'
    and not exists (select 1 from stream as d where d.service = 'disposal' and d.referral_id = s.stream)
"""
"""The condition on `stream as s` that it is a referral which waits for the panel."""

BEGUN: Final = "join fact as f on f.service = s.service and f.stream = s.stream and f.version = 1"
"""The join of `stream as s` with its first event as `f`."""

# Times of occurrence are what somebody says, the order of recording is not: so no later work moves a case elsewhere.
_AREA: Final = "(array_agg(work.area order by work.begun_at, work.stream) filter (where work.area is not null))[1]"


def _json_value(value: Any) -> Any:
    """Return a value of the database as JSON has it: ids as text, times and days in ISO 8601."""
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of the list is read and shown."""

    sql: str
    """An expression over the rows `work` of one case (its streams; `shown`: those that the reader may see) and over
    `waiting`, its unmet duties."""
    heading: str = ""
    """The heading at the terminal; empty: it is not shown there."""
    to_json: Callable[[Any], Any] = _json_value
    """Turns the database's value into JSON's types."""
    to_text: Callable[[Any], Any] = lambda value: value
    """Turns JSON's value into what the terminal shows."""


class Work(Schema):
    """A piece of work of a case, in brief."""

    service: str
    id: UUID
    state: str | None = Field(description="None where the reader may not see it.")
    officer: UUID | None


def _work_lines(work: list[Mapping[str, Any]]) -> str:
    return "\n".join(f"{item['service']} {item['state']}" for item in work)


_WORK: Final = """
    jsonb_agg(
        jsonb_build_object('service', service, 'id', stream, 'state', state, 'officer', officer)
        order by opened_at, stream
    ) filter (where shown)
"""


class CaseLine(Schema):
    """A case in brief. The order of its fields is that of the terminal's columns."""

    case_id: Annotated[UUID, Column("work.home", "case")]
    area: Annotated[str | None, Column(_AREA)]
    open: Annotated[bool, Column("bool_or(open and shown)")]
    panel_queue: Annotated[bool, Column("bool_or(queued and shown)")]
    next_due: Annotated[date | None, Column("waiting.next_due", "next due")]
    overdue_duties: Annotated[
        int, Column("coalesce(waiting.overdue, 0)", "overdue", to_text=lambda count: count or None)
    ]
    work: Annotated[list[Work], Column(_WORK, "work", to_json=json.loads, to_text=_work_lines)]
    opened_at: Annotated[datetime, Column("min(opened_at) filter (where shown)")]
    updated_at: Annotated[datetime, Column("max(updated_at) filter (where shown)")]


def columns_of(model: type[Schema]) -> dict[str, Column]:
    """Return the columns of a row model, by the field's name; raises `TypeError` for a field without one."""
    columns: dict[str, Column] = {}
    for name, info in model.model_fields.items():
        column = next((item for item in info.metadata if isinstance(item, Column)), None)
        if column is None:
            raise TypeError(f"{model.__name__}.{name} has no Column: annotate the field with one")
        columns[name] = column
    return columns


COLUMNS: Final[Mapping[str, Column]] = columns_of(CaseLine)
"""The columns of the list, by name."""

_CASES: Final = f"""
    with work as (
        select s.home, s.service, s.stream, s.area, s.opened_at, s.updated_at, f.recorded_at as begun_at,
               {QUEUED} and s.service <> all($7::text[]) as queued,
               case when s.service <> all($7) then s.officer end as officer,
               case when s.service <> all($8::text[]) then s.state end as state,
               s.open and s.service <> all($7) as open,
               coalesce({visible(9)}, false) as shown
        from stream as s {BEGUN} where s.home = any(s.cases)
    ),
    waiting as (
        select d.home, min(d.due) as next_due, count(*) filter (where d.due < $4) as overdue
        from duty as d join stream as s using (service, stream)
        where d.met_on is null and d.closed_on is null and d.lapsed_on is null and {visible(14)} group by d.home
    )
    select {", ".join(f"{column.sql} as {name}" for name, column in COLUMNS.items())}, count(*) over () as total
    from work left join waiting on waiting.home = work.home
    group by work.home, waiting.next_due, waiting.overdue
    having bool_or(shown)
       and ($1::text is null or bool_or(shown and state = $1) or ($1 = '{PANEL_QUEUE}' and bool_or(shown and queued)))
       and ($2::uuid is null or bool_or(shown and officer = $2))
       and ($3::date is null or waiting.next_due < $3)
       and ($5::text[] is null or {_AREA} = any($5))
    order by waiting.next_due nulls last, work.home
    limit {PAGE} offset $6
"""  # noqa: S608 - the clauses above, and no value


async def list_cases(
    pool: Pool,
    reader: Reader,
    *,
    state: str | None = None,
    officer: UUID | None = None,
    due_before: date | None = None,
    page: int = 1,
    today: date | None = None,
) -> dict[str, Any]:
    """List one page of cases, the soonest duty first; raises `BadQuestion`.

    `state` is that of any work of the case, or PANEL_QUEUE; `officer` has any of it; `due_before` asks for an unmet duty
    that is due before a day. Only streams that the reader may see are listed, counted and searched. `today` is the
    Europe/London day for which duties are judged.
    """
    if page < 1:
        raise BadQuestion("pages are numbered from 1")
    today = today or local_day(datetime.now(UTC))
    limited = reader.limited
    stateless = [service for service, fields in limited.items() if "state" not in fields]
    reach = (list(limited), stateless, *reader.reach("state").parameters, *reader.reach("duties").parameters)
    async with snapshot(pool) as connection:
        filters = (state, officer, due_before, today, reader.areas)
        rows = await connection.fetch(_CASES, *filters, (page - 1) * PAGE, *reach)
        first = rows or (await connection.fetch(_CASES, *filters, 0, *reach) if page > 1 else [])
        reached = await positions(connection, READ_MODELS)
    return {
        "page": page,
        "page_size": PAGE,
        "total": first[0]["total"] if first else 0,
        "positions": reached,
        "cases": [{name: column.to_json(row[name]) for name, column in COLUMNS.items()} for row in rows],
    }
