"""The calendar of panel sittings: those that begin on some days, with the cases on their agendas."""

import json
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.projection.snapshot import Pool, positions, snapshot
from services.reporting.queries.freshness import Projected, projected
from services.reporting.queries.sessions import MOST, PERIOD, answer_calendar
from services.reporting.queries.visibility import Reader, visible
from shared.api.request import Caller
from shared.api.schemas import Schema

_SITTINGS: Final = f"""
    select s.stream as id, s.state, s.position, s.officer as chair, (s.record ->> 'starts_at')::timestamptz as starts_at,
        (select coalesce(jsonb_agg(item || jsonb_build_object('status', s.view -> 'agenda' -> (item ->> 'disposal_id'))), '[]')
            from jsonb_array_elements(s.record -> 'agenda') as item)::text as agenda
    from stream as s
    where s.service = 'panel'
      and ((s.record ->> 'starts_at')::timestamptz at time zone 'Europe/London')::date between $1 and $2
      and {visible(3)}
    order by starts_at, s.stream
    limit {MOST}
"""  # noqa: S608 - the clause above, and no value


class AgendaLine(Schema):
    """A case on the agenda of a sitting, and what became of it."""

    disposal_id: UUID
    case_id: UUID
    person_id: UUID
    status: str = Field(description="TO_CONSIDER, CONSIDERED or ADJOURNED.")


class SittingLine(Schema):
    """A sitting of the panel, with its agenda."""

    id: UUID
    state: str = Field(description="The stage of the sitting.")
    position: int = Field(description="The position of its last event in its event store.")
    starts_at: datetime = Field(description="When it begins, in UTC.")
    chair: UUID | None = Field(description="Who leads it.")
    agenda: list[AgendaLine]


class Sittings(Projected):
    """The sittings of some days, the earliest first."""

    sittings: list[SittingLine]


def add_sittings(app: FastAPI) -> None:
    """Add the route of the calendar of sittings (`GET /v1/sittings`)."""

    @projected(app, "/v1/sittings", Sittings, PERIOD)
    async def sittings(request: Request, actor: Caller) -> JSONResponse:
        """List the sittings of the panel that begin on some days and that the reader may see, the earliest first.

        The answer waits for `min_position`.
        """
        return await answer_calendar(request, actor, "sittings", list_sittings)


async def list_sittings(pool: Pool, reader: Reader, first: date, last: date) -> dict[str, Any]:
    """List the sittings that begin between two Europe/London days, both included."""
    async with snapshot(pool) as connection:
        rows = await connection.fetch(_SITTINGS, first, last, *reader.reach("state").parameters)
        reached = await positions(connection, ["panel"])
    lines = [
        SittingLine.model_validate(
            {name: row[name] for name in SittingLine.model_fields}
            | {"agenda": [{name: item[name] for name in AgendaLine.model_fields} for item in json.loads(row["agenda"])]}
        )
        for row in rows
    ]
    return {"positions": reached, "sittings": [line.model_dump(mode="json") for line in lines]}
